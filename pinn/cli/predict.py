"""`train.py predict`: the solution in a checkpoint, at points or on a grid, as a file."""

import argparse
import csv
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pinn.base.messages import LINE, cut, echo
from pinn.base.paths import unreadable
from pinn.cli.annotations import is_number
from pinn.cli.arguments import joined, values
from pinn.cli.configuration import closest
from pinn.cli.yaml_nodes import UsageError

if TYPE_CHECKING:
    from pinn.solution.evaluation import Evaluation
    from pinn.solution.representation import Representation

FAR = 1e3  # times the values of all other points: a singularity
ENDINGS = (".csv", ".npz", ".nc", ".vti", ".vtr", ".vtu", ".pvd")
OPTIONS = (
    "ckpt_path",
    "points",
    "grid",
    "at",
    "output",
    "derivatives",
    "allow_import",
    "trust_old",
)
EXAMPLE = (
    "python train.py predict --ckpt_path FILE --grid 200 --output field.vtu, or --points file.csv "
    "in place of --grid"
)


def predict(argv: Sequence[str]) -> int:
    """Evaluate the solution in a checkpoint, write a file, and print the problem's quantities.

    Returns:
        0.

    Raises:
        UsageError: something is missing, unknown or does not fit.
    """
    asked = parse(argv)
    if asked.output.suffix.lower() not in ENDINGS:
        raise UsageError(f"--output {asked.output} ends in none of {', '.join(ENDINGS)}")
    if unreadable(asked.output.parent) != "is a folder":
        raise UsageError(f"--output {asked.output}: the folder {asked.output.parent} is not there")
    for name in ("ckpt_path", "points"):
        path = getattr(asked, name)
        if path and (why := unreadable(path)):
            raise UsageError(f"--{name}: {cut(path, LINE // 2)} {why}")
    axes = grid(asked.grid) if asked.grid else None
    table = columns(asked.points) if asked.points else {}
    print(f"loading {asked.ckpt_path} …", flush=True)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", UserWarning)
        try:
            found = evaluated(asked, axes, table)
            found.save(asked.output)
        except (ValueError, TypeError, OSError, ImportError, RuntimeError) as error:
            raise UsageError(str(error)) from error
        except KeyError as error:
            raise UsageError(f"there is no {error}") from error
    for line in dict.fromkeys(str(each.message) for each in said):
        print(f"warning   {line}")
    print(f"wrote     {asked.output}: {', '.join(found)} at {len(found.asked.at)} points")
    for line in quantity_lines(found.solution, asked.at):
        print(line)
    if asked.output.suffix.lower().startswith((".v", ".pvd")):
        for line in far_values(found.columns()):
            print(f"note      {line}")
    return 0


def quantity_lines(solution: "Representation", at: Mapping[str, float]) -> Iterator[str]:
    """The quantities of the problem, a line each."""
    from pinn.solution.quantities import quantity_values

    for name, value in quantity_values(solution, at).items():
        yield f"quantity  {name} {value}"


def far_values(columns: Mapping[str, Any]) -> Iterator[str]:
    """A line for each column of which a few values would hide all others in a picture."""
    import numpy as np

    for name, column in columns.items():
        sizes = np.sort(np.abs(np.where(np.isfinite(column), column, 0.0)))
        few = max(4, len(sizes) // 200)
        if len(sizes) > 2 * few and sizes[-1] > FAR * sizes[-1 - few] > 0:
            far = int((sizes > FAR * sizes[-1 - few]).sum())
            yield (
                f"{name} is {sizes[-1]:.1e} in size at {far} of {len(sizes)} points, and below "
                f"{sizes[-1 - far]:.1e} at all others: give the colours a range by hand"
            )


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The options of this command.

    Raises:
        UsageError: one is missing, unknown, without a value or given twice.
    """
    given = values(joined(argv, OPTIONS, unknown), ("at", "derivatives", "allow_import"))
    for name in ("ckpt_path", "output"):
        if not any(given.get(name, ())):
            raise UsageError(f"predict needs --{name}: {EXAMPLE}")
    if ("points" in given) == ("grid" in given):
        raise UsageError(f"predict needs one of --points and --grid: {EXAMPLE}")
    names = ",".join(given.get("derivatives", ())).split(",")
    return argparse.Namespace(
        ckpt_path=Path(given["ckpt_path"][0]),
        output=Path(given["output"][0]),
        points=Path(given["points"][0]) if "points" in given else None,
        grid=given.get("grid", [""])[0],
        at=at_values(",".join(given.get("at", ()))),
        derivatives=[name.strip() for name in names if name.strip()],
        allow_import=[name.removesuffix(".py") for name in given.get("allow_import", ())],
        trust_old="trust_old" in given,
    )


def unknown(word: str) -> str:
    """A line about a word that is neither an option of this command nor the value of one."""
    near = closest(word.lstrip("-").partition("=")[0], OPTIONS)
    return f"predict takes no {echo(word)}{near}: it takes --{', --'.join(OPTIONS)}"


def evaluated(
    asked: argparse.Namespace, axes: tuple[Any, dict[str, Any]] | None, table: dict[str, Any]
) -> "Evaluation":
    """The solution where it is asked for; this loads torch."""
    from pinn.checkpoints.file import load

    if asked.allow_import and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    solution = load(asked.ckpt_path, None, None, asked.allow_import, asked.trust_old)
    parameters = solution.problem.geometry.coordinates.parameters
    for name in asked.at:
        if name not in parameters:
            known = ", ".join(parameters) or "none, since it has no ranges"
            raise UsageError(f"--at gives {echo(name)}: parameters of the problem are {known}")
        if name in table or (axes is not None and name in axes[1]):
            raise UsageError(f"--at gives {echo(name)}, and so do the points: give it once")
    if axes is not None:
        return solution.on_grid(axes[0], asked.derivatives, **axes[1] | asked.at)
    names = [name for name in solution.problem.coordinates if name not in asked.at]
    for name in names:
        if name not in table:
            how = f", or --at {name}=1.0" if name in parameters else ""
            raise UsageError(
                f"{asked.points} has no column {echo(name)}{closest(name, list(table))}: the first "
                f"line names the columns, {', '.join(names)} among them{how}; it has "
                f"{', '.join(table)}"
            )
    # Columns that are no coordinates may hold text.
    places = {name: as_numbers(asked.points, name, table[name]) for name in names}
    return solution.at(places, asked.derivatives, **asked.at)


def at_values(text: str) -> dict[str, float]:
    """`reynolds=40` or `reynolds=40,prandtl=0.7` as values by name.

    Raises:
        UsageError: an entry is none, or a name comes twice.
    """
    values: dict[str, float] = {}
    for entry in text.split(",") if text else ():
        name, equals, value = entry.partition("=")
        if not (name.strip() and equals and is_number(value.strip())) or name.strip() in values:
            raise UsageError(f"--at {echo(text)}: give each parameter one number, reynolds=40")
        values[name.strip()] = float(value)
    return values


def grid(text: str) -> tuple[Any, dict[str, Any]]:
    """`200`, `200,100`, `x=200,y=100,t=1.0` or `200,t=1.0` as the arguments of `on_grid`.

    Raises:
        UsageError: an entry is no number.
    """
    counts: list[int] = []
    axes: dict[str, Any] = {}
    for entry in text.split(","):
        name, equals, value = entry.strip().rpartition("=")
        try:
            number = int(value) if value.lstrip("-").isdecimal() else float(value)
        except ValueError:
            number = None
        if number is None or bool(name) != bool(equals) or not (name or isinstance(number, int)):
            raise UsageError(
                f"--grid {echo(text)}: expected a number of points, 200, one for each axis, "
                "200,100, or by name, x=200,y=100,t=1.0, where a decimal point makes it a position"
            )
        if name in axes:
            raise UsageError(f"--grid gives {echo(name)} twice: remove one of them")
        if name:
            axes[name] = number
        else:
            counts.append(int(number))
    whole: Any = counts[0] if len(counts) == 1 else counts
    return whole if counts else None, axes


def columns(path: Path) -> dict[str, Any]:
    """The columns of a CSV file, or the arrays of an npz file.

    Raises:
        UsageError: it cannot be read, has no header, or holds something that is no number.
    """
    if path.suffix.lower() == ".npz":
        import numpy as np

        with np.load(path) as arrays:
            return {name: arrays[name].reshape(-1) for name in arrays.files}
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        mark = next((mark for mark in ",;\t" if lines and mark in lines[0]), ",")
        reader = csv.reader(lines, delimiter=mark)
        header = [name.strip().lstrip("# ") for name in next(reader, [])]
        rows = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is no text with columns"
        raise UsageError(f"{path} cannot be read: {reason}") from error
    if not header or all(is_number(name) for name in header):
        raise UsageError(f"{path} has no header: its first line must name the columns")
    if twice := next((name for name in header if header.count(name) > 1), None):
        raise UsageError(f"{path} has two columns {echo(twice)}: remove one")
    if not rows:
        raise UsageError(f"{path} has a header and no points")
    for number, row in rows:
        if len(row) != len(header):
            raise UsageError(
                f"{path}, line {number}: {len(row)} entries, where the header has {len(header)}"
            )
    return {name: [row[k] for _, row in rows] for k, name in enumerate(header)}


def as_numbers(path: Path, name: str, column: Sequence[Any]) -> Any:
    """A column as numbers.

    Raises:
        UsageError: an entry is none.
    """
    for row, entry in enumerate(column, 1):
        if isinstance(entry, str) and not is_number(entry):
            raise UsageError(
                f"{path}, column {echo(name)}, point {row}: {echo(entry)} is no number"
            )
    return [float(entry) for entry in column]
