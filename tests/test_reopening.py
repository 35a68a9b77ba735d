"""Opening checkpoints whose classes cannot be imported by name: scripts, notebooks, functions."""

import sys
import types

import pytest
import torch

import pinn
from pinn.checkpoints.file import CheckpointError, read
from pinn.checkpoints.writing import write
from pinn.cli.main import main
from pinn.optim import Phase

SCRIPT = """\
import torch
from torch import nn

import pinn
from pinn import Interval, Problem, laplacian, on
from pinn.networks import MLP


class Bar(Problem):
    coordinates = ("x",)
    unknowns = {"T": 1}
    geometry = Interval()

    def __init__(self, source=1.0):
        super().__init__()
        self.source = source

    @on("interior")
    def balance(self, T):
        return laplacian(T) + self.source

    @on("boundary")
    def ends(self, T):
        return T


class Wide(MLP):
    pass


class Siren(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner, self.outer = nn.Linear(1, width), nn.Linear(width, 1)

    def forward(self, x):
        return self.outer(torch.sin(self.inner(x)))


def local(base):
    class Inner(base):
        pass

    return Inner
"""
AT = torch.tensor([[0.3], [0.7]], dtype=torch.float64)


@pytest.fixture
def session(monkeypatch):
    """A function that begins a new session: a script or notebook that defines the classes."""

    def begin(file="bar.py", text=SCRIPT):
        module = types.ModuleType("__main__")
        if file:
            module.__file__ = f"/somewhere/{file}"
        monkeypatch.setitem(sys.modules, "__main__", module)
        exec(text, vars(module))
        return module

    return begin


def solved(problem, network, folder):
    """A solution, and the file of its last checkpoint."""
    solution = pinn.fit(
        problem,
        network,
        [Phase(2, lr=1e-2, dtype="float64")],
        points={"interior": 8, "boundary": 2},
        folder=folder,
        compile=False,
        derivatives="loop",
        enable_progress_bar=False,
    )
    return solution, str(next(folder.rglob("step-0000002.ckpt")))


def equal(a, b):
    return torch.equal(a(AT)["T"], b(AT)["T"])


def test_the_session_that_defines_the_classes_opens_a_checkpoint(session, tmp_path, capsys):
    main_ = session()
    found, path = solved(main_.Bar(source=2.0), main_.Wide(6, 1), tmp_path)
    out = capsys.readouterr().out
    assert "Bar is defined in __main__ (bar.py): another session opens its checkpoints" in out
    assert "pinn.load(FILE, problem=Bar)" in out
    assert "pinn.load(FILE, network=Wide)" in out
    again = pinn.load(path)
    assert equal(again, found)
    assert again.problem.source == 2.0
    assert equal(pinn.load(path), session() and found)  # a new one, from the same script


@pytest.mark.parametrize("file", ["bar.py", ""])
def test_another_session_is_told_what_to_call(session, tmp_path, file):
    main_ = session(file)
    found, path = solved(main_.Bar(source=2.0), main_.Wide(6, 1), tmp_path)
    session(text="")
    with pytest.raises(CheckpointError) as caught:
        pinn.load(path)
    line = str(caught.value)
    assert "\n" not in line
    assert "(bar.py)" in line if file else "notebook" in line
    call, _, more = line.split("as in ")[1].partition("; or ")
    assert ("--allow_import bar" in more) == bool(file)
    assert call == f"pinn.load({path!r}, problem=Bar, network=Wide)"
    # What the line says works, with the classes and with objects of them.
    again = eval(call, {"pinn": pinn, "Bar": main_.Bar, "Wide": main_.Wide})
    assert equal(again, found)
    assert again.problem.source == 2.0
    assert equal(pinn.load(path, problem=main_.Bar(source=2.0), network=main_.Wide(6, 1)), found)
    with pytest.raises(CheckpointError, match=r"pass network=Wide, as in .*problem=Bar, net"):
        pinn.load(path, problem=main_.Bar)


def test_a_script_that_may_be_imported_is_enough(session, tmp_path, monkeypatch):
    main_ = session("reopened_script.py")
    found, path = solved(main_.Bar(source=2.0), main_.Wide(6, 1), tmp_path)
    session(text="")
    (tmp_path / "reopened_script.py").write_text(SCRIPT)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "reopened_script", raising=False)
    again = pinn.load(path, allow_import="reopened_script")
    assert equal(again, found)
    assert type(again.problem).__module__ == "reopened_script"
    monkeypatch.delitem(sys.modules, "reopened_script")


def test_a_module_without_a_record_is_given_as_an_object(session, tmp_path, capsys):
    main_ = session()
    torch.manual_seed(0)
    found, path = solved(main_.Bar(), main_.Siren(6), tmp_path)
    assert "open them by pinn.load(FILE, network=Siren(…))" in capsys.readouterr().out
    with pytest.raises(
        CheckpointError, match=r"of its network: pass network=Siren\(…\), as in pinn\.load"
    ):
        pinn.load(path)
    with pytest.raises(CheckpointError, match=r"arguments of Siren: pass an object, .*Siren\(…\)"):
        pinn.load(path, network=main_.Siren)
    assert equal(pinn.load(path, network=main_.Siren(6)), found)
    with pytest.raises(CheckpointError, match="does not fit"):
        pinn.load(path, network=main_.Siren(7))


def test_one_network_per_unknown_is_named(session, tmp_path):
    main_ = session()
    _, path = solved(main_.Bar(), {"T": main_.Siren(6)}, tmp_path)
    with pytest.raises(CheckpointError, match=r"network=\{'T': Siren\(…\)\}"):
        pinn.load(path)
    found, path = solved(main_.Bar(), {"T": main_.Wide(6, 1)}, tmp_path / "wide")
    assert equal(pinn.load(path, network={"T": main_.Wide}), found)


def test_a_class_inside_a_function_is_given(session, tmp_path, capsys):
    main_ = session()
    inner = main_.local(main_.Bar)
    found, path = solved(inner(source=3.0), pinn.MLP(6, 1), tmp_path)
    said = "Inner is defined inside the function local (bar.py)"
    assert said in capsys.readouterr().out
    with pytest.raises(CheckpointError) as caught:
        pinn.load(path)
    assert said in str(caught.value)
    assert str(caught.value).endswith(f"pinn.load({path!r}, problem=Inner)")
    assert equal(pinn.load(path, problem=inner), found)


def test_a_module_that_moved_is_named(session, tmp_path, monkeypatch):
    main_ = session()
    main_.Bar.__module__ = "my_bar"
    _, path = solved(main_.Bar(), pinn.MLP(6, 1), tmp_path)
    with pytest.raises(ValueError, match="--allow_import my_bar"):
        pinn.load(path)
    with pytest.raises(
        CheckpointError, match=r"Bar is defined in the module my_bar.*problem=Bar\)"
    ):
        pinn.load(path, allow_import="my_bar")


def test_another_problem_than_the_saved_one_is_said(session, tmp_path, capsys):
    main_ = session()
    _, path = solved(main_.Bar(source=2.0), pinn.MLP(6, 1), tmp_path)
    for problem, words in (
        (main_.Bar(), "source is 1.0, where the checkpoint has 2.0"),
        (type("Other", (main_.Bar,), {}), "it is Other, where the checkpoint has Bar"),
        (main_.Bar, ""),
    ):
        capsys.readouterr()
        pinn.load(path, problem=problem)
        out = capsys.readouterr().out
        assert words in out
        assert out.count("\n") == bool(words)
    with pytest.raises(CheckpointError, match="expected a Problem"):
        pinn.load(path, problem=3)


def test_a_checkpoint_names_no_class_that_the_session_only_imported(session, tmp_path):
    main_ = session()
    _, path = solved(main_.Bar(), pinn.MLP(6, 1), tmp_path)
    for name in ("__main__.nn.Linear", "__main__.Interval", "__main__.local", "torch.nn.Module.x"):
        contents = read(path)
        contents["pinn"]["problem"] = {"class_path": name, "init_args": {}}
        write(contents, tmp_path / "bad.ckpt")
        with pytest.raises(ValueError, match=r"named in the checkpoint|not found"):
            pinn.load(tmp_path / "bad.ckpt")


def test_validate_says_how_such_a_checkpoint_is_opened(session, here, capsys):
    main_ = session()
    _, path = solved(main_.Bar(), pinn.MLP(6, 1), here / "runs")
    session(text="")
    capsys.readouterr()
    assert main(["validate", "--ckpt_path", path]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "Bar is defined in __main__ (bar.py)" in line
    assert f"pinn.load({path!r}, problem=Bar)" in line
    assert "--allow_import" not in line
