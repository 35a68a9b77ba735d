"""A solution as a program that needs torch alone, or ONNX: ansatz, gauge and derivatives included.

solution.export("flow.pt2", derivatives=("vorticity",))
program = torch.export.load("flow.pt2").module()          without this package
program(points)["vorticity"]
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx

from pinn.algebra.norule import NoRuleError
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

    def itself(self, points: Tensor) -> "Program":
        """As it is."""
        return self

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
        with in_one_pass(program, points, expected):
            exported = traced(program, points)
        check(exported.module()(points), expected, "the program")
        if suffix == ".pt2":
            torch.export.save(exported, path)
        else:
            write_onnx(exported, points, path, expected)


@contextlib.contextmanager
def in_one_pass(program: Program, points: Tensor, expected: dict[str, Tensor]) -> Iterator[None]:
    """Derivatives by the fused pass where it gives the same: it makes the shortest program."""
    solution = program.solution
    before = dict(solution.strategy)
    try:
        solution.strategy = dict.fromkeys(before, "taylor")
        try:
            check(program(points), expected, "the fused pass")
        except (NoRuleError, ExportError):
            solution.strategy = before
        yield
    finally:
        solution.strategy = before


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
    name = type(program.solution.problem).__name__
    with quietly():
        for make in (Program.itself, Recorded):
            try:
                return torch.export.export(
                    make(program, points),
                    (points,),
                    dynamic_shapes={"points": {0: torch.export.Dim("n", min=1)}},
                )
            except Exception as error:  # whatever torch, the network or the problem raise
                failed = error
    raise ExportError(f"{name} cannot be exported: {first_line(failed)}") from failed


class Recorded(nn.Module):
    """A program whose operations were recorded below reverse mode, which tracing cannot see into.

    Args:
        program: what to record.
        points: an example.
    """

    def __init__(self, program: Program, points: Tensor) -> None:
        super().__init__()
        self.names = list(program(points))

        def values(points: Tensor) -> list[Tensor]:
            return list(program(points).values())

        self.graph = make_fx(values, tracing_mode="symbolic", _allow_non_fake_inputs=True)(points)

    def forward(self, points: Tensor) -> dict[str, Tensor]:
        """The values at points (N, D)."""
        return dict(zip(self.names, self.graph(points), strict=True))


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
    try:
        check_onnx(points, path, expected)
    except ExportError:
        path.unlink()
        raise


def check_onnx(points: Tensor, path: Path, expected: dict[str, Tensor]) -> None:
    """Hold an ONNX file against the solution, where onnxruntime is installed.

    Raises:
        ExportError: it has no kernel for an operation, or gives other numbers.
    """
    try:
        runtime: Any = import_module("onnxruntime")
    except ModuleNotFoundError:
        return
    try:
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # its own errors, without a common base
        precision = str(points.dtype).removeprefix("torch.")
        raise ExportError(
            f"onnxruntime cannot run it in {precision}: {first_line(error)}; use .pt2, or export "
            "solution.float()"
        ) from error
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
