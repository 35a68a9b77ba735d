"""A solution as a program that needs torch alone, or ONNX: ansatz, gauge and derivatives included.

solution.export("flow.pt2", derivatives=("vorticity",))
program = torch.export.load("flow.pt2").module()          without this package
program(points)["vorticity"]
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from pinn.offsets import Offset
from pinn.quantities import Quantity, plan_of, quantities
from pinn.queries import evaluating

if TYPE_CHECKING:
    from pinn.solution import Solution

SAMPLE = 7  # points that a program is traced with, and judged at
NEEDED = {".pt2": (), ".onnx": ("onnx", "onnxscript")}


class ExportError(RuntimeError):
    """A solution that cannot be written as a program, or not exactly."""


class Program(nn.Module):
    """points (N, D) → the unknowns and some quantities by name, as they are now.

    Args:
        solution: what is evaluated.
        wanted: what is given besides the unknowns.
    """

    def __init__(self, solution: "Solution", wanted: Sequence[Quantity]) -> None:
        super().__init__()
        self.solution, self.wanted = solution, list(wanted)
        plan = plan_of(wanted, solution.problem)
        lean = dict.fromkeys(solution.networks, plan)
        self.plans = solution.up_to(plan.order) if solution.taken else lean
        used = [c for c in solution.constants if c.gauge != "free"]
        like = next(solution.placed(torch.zeros(0, dtype=torch.float64)))
        self.offsets = [Offset(solution, c, like, plan.order, frozen=True) for c in used]

    def forward(self, points: Tensor) -> dict[str, Tensor]:
        """The values at points (N, D) in the solution's precision."""
        fields = self.solution.fields(points, self.plans)[0]
        fields = self.solution.shifted(fields, points, self.offsets)
        found = {name: field.value for name, field in fields.items()}
        return found | {each.name: each.of(fields).value for each in self.wanted}


def export(solution: "Solution", path: str | Path, derivatives: Sequence[str]) -> None:
    """Write a solution as a program, and hold the program against it.

    Raises:
        ValueError: the ending of the file is unknown, or a derivative means nothing here.
        ModuleNotFoundError: a package that ONNX needs is not installed.
        ExportError: the solution cannot be written, or the program gives other numbers.
    """
    path, suffix = Path(path), Path(path).suffix.lower()
    if suffix not in NEEDED:
        raise ValueError(f"{path.name!r} has no ending of {', '.join(NEEDED)}")
    wanted = quantities(derivatives, solution.problem, solution.taken)
    for package in NEEDED[suffix]:
        require(package)
    geometry = solution.problem.geometry
    (points,) = solution.placed(geometry.sample("interior", SAMPLE).at)
    with evaluating(solution), torch.no_grad():
        program = Program(solution, wanted)
        expected = program(points)
        exported = traced(program, points)
        check(exported.module()(points), expected, "the program")
        if suffix == ".pt2":
            torch.export.save(exported, path)
        else:
            write_onnx(exported, points, path, expected)


def require(package: str) -> None:
    """Say what to install.

    Raises:
        ModuleNotFoundError: a package is not installed.
    """
    try:
        import_module(package)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"ONNX needs {package}, which is not installed: pip install onnx onnxscript"
        ) from error


def traced(program: Program, points: Tensor) -> torch.export.ExportedProgram:
    """The operations of a program, for any number of points.

    Raises:
        ExportError: something in it cannot be traced.
    """
    dynamic = {"points": {0: torch.export.Dim("n", min=1)}}
    try:
        with quietly():
            return torch.export.export(program, (points,), dynamic_shapes=dynamic)
    except Exception as error:  # whatever torch, the network or the problem raise
        raise ExportError(
            f"{type(program.solution.problem).__name__} cannot be exported: {first_line(error)}"
        ) from error


def write_onnx(
    exported: torch.export.ExportedProgram, points: Tensor, path: Path, expected: dict[str, Tensor]
) -> None:
    """An ONNX file with one input, `points`, and one output per name; held against the solution.

    Raises:
        ExportError: an operation has no ONNX counterpart, or the numbers are others.
    """
    try:
        with quietly():
            torch.onnx.export(
                exported,
                (points,),
                path,
                input_names=["points"],
                output_names=list(expected),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except Exception as error:  # torch.onnx has errors of its own for every stage
        raise ExportError(f"an operation has no ONNX counterpart: {first_line(error)}") from error
    with contextlib.suppress(ModuleNotFoundError):
        runtime: Any = import_module("onnxruntime")
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        found = session.run(list(expected), {"points": points.numpy(force=True)})
        values = {n: torch.from_numpy(v) for n, v in zip(expected, found, strict=True)}
        check(values, {n: v.cpu() for n, v in expected.items()}, "the ONNX file")


def check(found: dict[str, Tensor], expected: dict[str, Tensor], what: str) -> None:
    """Hold what was written against the solution.

    Raises:
        ExportError: the numbers differ.
    """
    for name, value in expected.items():
        tolerance = 1e-12 if value.dtype == torch.float64 else 1e-5
        scale = max(float(value.abs().max()), 1.0)
        error = float((found[name] - value).abs().max()) / scale
        if not error <= tolerance:
            raise ExportError(f"{what} gives {name!r} with an error of {error:.1e}: not exported")


@contextlib.contextmanager
def quietly() -> Any:
    """Without the notes that tracing prints."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def first_line(error: Exception) -> str:
    """What went wrong, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
