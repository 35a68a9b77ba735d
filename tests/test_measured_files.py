"""Measured points from files, arrays and data frames; wrong files, one clear line each."""

import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from pinn.base.paths import MissingFileError
from pinn.geometry import Interval, Rectangle

GOOD = "x,y,u\n0.1,0.2,1\n0.3,0.4,2\n0.5,0.6,3\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def points(text, geometry=None, file="s.csv", **how):
    """The points in a file with this text, or these bytes."""
    Path(file).write_bytes(text if isinstance(text, bytes) else text.encode())
    return (geometry or Rectangle()).with_points("sensors", file, **how).sample("sensors", 1)


WRITTEN = {
    "commas": GOOD,
    "semicolons": GOOD.replace(",", ";"),
    "tabs": GOOD.replace(",", "\t"),
    "spaces": GOOD.replace(",", "   ").replace("\n", "  \n"),
    "comma and space": GOOD.replace(",", ", "),
    "mark and CRLF": "\ufeff" + GOOD.replace("\n", "\r\n"),
    "CR": GOOD.replace("\n", "\r"),
    "comments and empty lines": "# made by hand\n\n"
    + GOOD.replace("\n0.3", "\n\n# half\n0.3")
    + "\n\n",
    "quoted": GOOD.replace("x", '"x"').replace("u", '"u"').replace("0.1", '"0.1"'),
    "no last newline": GOOD.rstrip(),
    "header as a comment": "# " + GOOD.replace(",", " "),
    "trailing separators": GOOD.replace("\n", ",\n"),
    "trailing separators below the header": GOOD.replace("1\n", "1,\n").replace("3\n", "3,\n"),
    "an index without a name": ",x,y,u\n0,0.1,0.2,1\n1,0.3,0.4,2\n2,0.5,0.6,3\n",
    "exponents": GOOD.replace("0.1", "1e-1").replace("0.2", "+2.0E-01").replace("0.5", ".5"),
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_a_file_is_read_as_programs_write_it(text):
    found = points(text)
    assert found.at.tolist() == [[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]
    assert found.columns["u"].tolist() == [1.0, 2.0, 3.0]
    assert list(found.columns) == ["u"]
    assert found.at.dtype == found.columns["u"].dtype == torch.float64
    assert found.importance is None


def test_columns_are_renamed_and_others_are_not_read():
    text = 'station,"X [m]",Y [m],"u, mean",T\nA1,0.1,0.2,1,n/a\nB7,0.3,0.4,2,\n'
    names = {"u": "u, mean", "x": "X [m]", "y": "Y [m]"}
    found = points(text, columns=names)
    assert found.at.tolist() == [[0.1, 0.2], [0.3, 0.4]]
    assert {name: column.tolist() for name, column in found.columns.items()} == {"u": [1.0, 2.0]}
    assert points(
        GOOD.replace("u", "u,v")
        .replace("1\n", "1,5\n")
        .replace("2\n", "2,6\n")
        .replace("3\n", "3,7\n"),
        columns=["v"],
    ).columns["v"].tolist() == [5.0, 6.0, 7.0]


def test_columns_without_a_header_are_named_by_number():
    text = GOOD.partition("\n")[2]
    found = points(text, columns={"x": 1, "y": 0, "u": 2})
    assert found.at.tolist() == [[0.2, 0.1], [0.4, 0.3], [0.6, 0.5]]
    with pytest.raises(ValueError, match=r"s.csv has no names for its columns: give a header, or"):
        points(text)
    with pytest.raises(ValueError, match=r"s.csv has no column 3: it has 3, numbered from 0"):
        points(text, columns={"x": 0, "y": 1, "u": 3})


def frame(columns):
    """What a data frame is to us: names, and arrays by name."""
    made = type("Frame", (), {"__getitem__": lambda self, name: columns[name]})()
    made.columns = list(columns)
    return made


def test_tables_of_every_kind_hold_the_same():
    columns = {"x": np.array([0.1, 0.3]), "y": np.array([0.2, 0.4]), "u": np.array([1, 2])}
    stacked = np.stack(list(columns.values()), -1)
    named = np.rec.fromarrays(list(columns.values()), names="x,y,u")
    np.savez("s.npz", **columns, reynolds=100.0)
    np.save("s.npy", named)
    np.save("plain.npy", stacked)
    numbered = {"x": 0, "y": 1, "u": 2}
    for data, how in [
        ("s.npz", {}),
        (Path("s.npy"), {}),
        ("plain.npy", {"columns": numbered}),
        (columns, {}),
        (frame(columns), {}),
        (named, {}),
        (stacked, {"columns": numbered}),
        (torch.from_numpy(stacked), {"columns": numbered}),
    ]:
        found = Rectangle().with_points("sensors", data, **how).sample("sensors", 1)
        assert found.at.tolist() == [[0.1, 0.2], [0.3, 0.4]]
        assert found.columns["u"].tolist() == [1.0, 2.0]


def test_values_on_a_grid_are_those_of_its_points():
    x, y = np.array([0.0, 0.5, 1.0]), np.array([0.0, 1.0])
    u = 10 * x[:, None] + y[None, :]
    np.savez("grid.npz", x=x, y=y, u=u)
    found = Rectangle().with_points("sensors", "grid.npz").sample("sensors", 1)
    torch.testing.assert_close(found.columns["u"], 10 * found.at[:, 0] + found.at[:, 1])
    assert len(found) == 6
    mesh = dict(zip("xy", np.meshgrid(x, y), strict=True))
    both = Rectangle().with_points("sensors", mesh | {"u": u.T}).sample("sensors", 1)
    torch.testing.assert_close(both.columns["u"], 10 * both.at[:, 0] + both.at[:, 1])
    np.savez("grid.npz", x=x, y=y, u=u.T)
    with pytest.raises(ValueError, match=r"'u' has the shape \(2, 3\), .* \(3, 2\): transpose it"):
        Rectangle().with_points("sensors", "grid.npz").sample("sensors", 1)


def test_rows_without_a_value_are_dropped_on_request(capsys):
    text = "x,y,u,v\n0.1,0.2,1,\n0.3,0.4,2,5\n0.5,0.6,nan,7\n0.7,0.8,4,9\n"
    found = points(text, missing="drop")
    assert found.columns["u"].tolist() == [2.0, 4.0]
    assert "s.csv: 2 of 4 rows are dropped, which have no value of u, v" in capsys.readouterr().out
    assert points(text, columns=["u"], missing="drop").columns["u"].tolist() == [1.0, 2.0, 4.0]
    with pytest.raises(ValueError, match="line 2, column 'v' is empty or nan: fill it in, or drop"):
        points(text)
    with pytest.raises(ValueError, match="every row lacks a value"):
        points("x,y,u\n0.1,,3\n0.2,0.3,\n", missing="drop")
    with pytest.raises(ValueError, match="line 5, column 'u': 'n/a' is not a number"):
        points(text.replace("9\n", "9\n").replace("0.8,4", "0.8,n/a"), missing="drop")


def test_deviations_weigh_by_their_squares_and_weights_as_they_are():
    text = "x,y,u,s\n0.1,0.2,1,0.1\n0.3,0.4,2,0.2\n0.5,0.6,3,0.1\n"
    found = points(text, deviations="s").importance
    torch.testing.assert_close(found, torch.tensor([4.0, 1.0, 4.0]).double() / 3)
    found = points(text, columns={"u": "u", "sigma": "s"}, deviations="sigma").importance
    torch.testing.assert_close(found, torch.tensor([4.0, 1.0, 4.0]).double() / 3)
    found = points(text, weights="s").importance
    torch.testing.assert_close(found, torch.tensor([0.75, 1.5, 0.75]).double())
    assert points(text, deviations=0.3).importance is None
    assert points(text, columns=["u"], weights="s").columns.keys() == {"u", "s"}
    tiny = points(
        text.replace(",0.1\n", ",1e-200\n").replace(",0.2\n", ",2e-200\n"), deviations="s"
    )
    torch.testing.assert_close(tiny.importance, torch.tensor([4.0, 1.0, 4.0]).double() / 3)


def test_a_file_is_read_when_its_points_are_needed():
    geometry = Interval().with_points("sensors", "later.csv")
    assert geometry.regions[-1] == "sensors"
    assert geometry.is_measured("sensors")
    with pytest.raises(
        MissingFileError, match=r"points 'sensors': later.csv does not exist: looked"
    ):
        geometry.sample("sensors", 1)
    Path("later.csv").write_text("x,u\n0.5,1\n")
    assert geometry.measure("sensors") == 1.0
    read = geometry.read()
    Path("later.csv").write_text("x,u\n0.5,1\n0.6,1\n")
    assert len(read.sample("sensors", 1)) == 1
    assert len(geometry.sample("sensors", 1)) == 2
    assert read.read() is read


def test_a_file_lies_in_the_working_folder_or_beside_the_python_that_names_it(folder, monkeypatch):
    source = "from pinn.geometry import Interval\nline = Interval().with_points('s', 'near.csv')\n"
    (folder / "code").mkdir()
    (folder / "code" / "near.csv").write_text("x,u\n0.5,1\n")
    script = folder / "code" / "mine.py"
    script.write_text(source)
    names = {}
    exec(compile(source, str(script), "exec"), names)
    assert names["line"].sample("s", 1).columns["u"].tolist() == [1.0]
    Path("near.csv").write_text("x,u\n0.5,1\n")
    assert names["line"].sample("s", 1).columns["u"].tolist() == [1.0]
    Path("near.csv").write_text("x,u\n0.5,2\n")
    with pytest.raises(ValueError, match=r"near.csv is in .* and in .*code, with other contents"):
        names["line"].sample("s", 1)


WRONG = {
    "no number": (GOOD.replace("0.4", "n/a"), "s.csv, line 3, column 'y': 'n/a' is not a number"),
    "no number, lines counted": (
        "# a\n\n" + GOOD.replace(",3", ",three"),
        "s.csv, line 6, column 'u': 'three' is not a number",
    ),
    "behind a cell of two lines": (
        '"x","y","u\n[m/s]"\n0.1,0.2,1\n0.3,0.4,?\n',
        "line 4, column 'u\\n[m/s]': '?' is not a number",
    ),
    "underscore": (GOOD.replace(",2\n", ",2_0\n"), "line 3, column 'u': '2_0' is not a number"),
    "unit in the cell": (GOOD.replace(",2\n", ",2 m/s\n"), "'2 m/s' is not a number: write the"),
    "decimal comma": (
        "x;y;u\n0,1;0,2;1\n",
        "line 2, column 'x': '0,1' is not a number: write 0.1, with a decimal point",
    ),
    "decimal commas between commas": (
        "x,y,u\n0,1,0,2,1,0\n",
        "line 2: 6 cells, where the first line has 3: with decimal commas, separate",
    ),
    "Fortran": (GOOD.replace("0.4", "4.0D-1"), "'4.0D-1' is not a number: write 4.0e-1"),
    "empty cell": (GOOD.replace("0.4", ""), "line 3, column 'y' is empty or nan: fill it in, or"),
    "infinite": (GOOD.replace(",2\n", ",inf\n"), "line 3, column 'u' holds inf, remove that row"),
    "too few cells": (GOOD.replace(",0.4", ""), "line 3: 2 cells, where the first line has 3"),
    "too many cells": (GOOD.replace("0.4", "0.4,7"), "line 3: 4 cells, where the first line has 3"),
    "units": ("x,y,u\nm,m,m/s\n0.1,0.2,1\n", "line 2: 'm', 'm', 'm/s' are no numbers: begin a"),
    "a name twice": (
        "x,y,u,u\n0.1,0.2,1,2\n",
        "line 1: the columns 3 and 4 are both called 'u': rename one",
    ),
    "no coordinate": (
        GOOD.replace("y", "Y"),
        "no column for coordinate 'y', known: x, Y, u; rename one with columns={'y': 'Y'}",
    ),
    "no rows": ("x,y,u\n", "s.csv has a header and no rows"),
    "nothing": ("\n# only this\n", "s.csv has no rows: expected a header, and a row for each"),
    "no header": (GOOD.partition("\n")[2], r"s.csv has no names for its columns: give a header"),
    "open quote": ('x,y,u\n0.1,"0.2,1\n0.3,0.4,2\n', "line 2: a quotation mark is not closed"),
    "latin-1": ("x,y,Größe\n".encode("latin-1"), "line 1: the byte 0xf6 is no UTF-8: save the"),
    "UTF-16": (GOOD.encode("utf-16"), "s.csv is text in UTF-16: save it as CSV in UTF-8"),
    "binary": (b"\x89HDF\0\0\0", "s.csv is no text: save the table as CSV, or as npz"),
    "outside": (
        "x,y,u\n0.1,0.2,1\n100,200,2\n",
        "points 'sensors': 1 of 2 lie outside Rectangle(x=(0, 1), y=(0, 1)), the first "
        "one in line 3 at (100, 200): check their units",
    ),
}


@pytest.mark.parametrize(("text", "line"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_one_clear_line(text, line):
    with pytest.raises(ValueError, match=re.escape(line)) as caught:
        points(text)
    assert "\n" not in str(caught.value)


ASKED = {
    "unknown column": (
        {"columns": {"u": "U2"}},
        "s.csv has a column 'u' and none 'U2': in columns",
    ),
    "not there": ({"columns": {"s": "speed"}}, "s.csv has no column 'speed': known: x, y, u"),
    "unknown deviations": ({"deviations": "sigma"}, "s.csv has no column 'sigma': known: x, y, u"),
    "text": ({"columns": "u"}, "columns is the text 'u': give a list of names"),
    "float": ({"columns": {"u": 2.0}}, "columns has 'u': 2.0: give our name, and the name or the"),
    "missing": ({"missing": "skip"}, "unknown missing 'skip': known: refuse, drop"),
    "both": ({"weights": "u", "deviations": "u"}, "have weights and deviations: give one of them"),
    "negative": ({"deviations": "y"}, "line 3, column 'y' is -0.4: deviations must be positive"),
    "zero": ({"weights": 0.0}, "weights is 0.0: it must be positive"),
}


@pytest.mark.parametrize(("how", "line"), ASKED.values(), ids=ASKED)
def test_a_wrong_request_is_one_clear_line(how, line):
    with pytest.raises(ValueError, match=re.escape(line)) as caught:
        points(GOOD.replace("0.4", "-0.4"), Rectangle(y=(-1.0, 1.0)), **how)
    assert "\n" not in str(caught.value)


def test_other_files_and_objects_are_refused():
    np.save("objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    Path("broken.npz").write_bytes(b"PK\x03\x04 nothing")
    Path("book.xlsx").write_bytes(b"PK\x03\x04")
    np.savez("complex.npz", x=np.array([0.5]), u=np.array([1j]))
    columns = {"x": np.array([0.5]), "u": np.array(["2026-11-29"], dtype="datetime64[D]")}
    for data, line in {
        "objects.npy": "objects.npy cannot be read: it holds Python objects: save",
        "broken.npz": "broken.npz cannot be read: it is damaged, or of another format",
        "book.xlsx": "book.xlsx is no text: save the table as CSV, or as npz",
        "complex.npz": "complex.npz: column 'u' is not numeric: it holds complex numbers",
        ".": "points 's': . is a folder",
    }.items():
        with pytest.raises(ValueError, match=line.replace(".", r"\.")):
            Interval().with_points("s", data).sample("s", 1)
    for given, line in [
        (columns, "points 's': column 'u' is not numeric: it holds dates"),
        (3.0, "points 's': float is no table: give the path of a file, a mapping"),
        (np.zeros(3), r"points 's': ndarray of shape \(3,\) is no table"),
        ({}, "points 's' has no columns"),
        ({"x": [0.5, math.nan]}, "points 's': column 'x' holds nan in row 1: fill it in"),
    ]:
        with pytest.raises(ValueError, match=line):
            Interval().with_points("s", given)
