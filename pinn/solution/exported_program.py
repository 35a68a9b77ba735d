"""A solution as a program that needs torch alone, or ONNX: ansatz, gauge and derivatives included.

solution.export("flow.pt2", derivatives=("vorticity",))
program = torch.export.load("flow.pt2").module()          without this package
program(points)["vorticity"]
"""

import re
import warnings
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import torch
from torch import Tensor, nn

from pinn.base.torch_adapter import record
from pinn.export import onnx
from pinn.export.program_checks import Expected, ExportError, first_line, quietly
from pinn.solution.evaluation import evaluate, sizes
from pinn.solution.named_derivatives import NamedDerivative, named_derivatives, plan_of
from pinn.solution.queries import evaluating, solved_until
from pinn.solution.representation import Representation

SAMPLE = 7  # points that a program is traced with
JUDGED = (1, 61)  # numbers of points that it is held against the solution at
ENDINGS = (".pt2", ".onnx")
# What torch says of a network that cannot be traced → what its author can do.
CAUSES = {
    "Constraints violated|specialized": "it takes only as many points as it was first "
    "given; len(x) does that: write x.shape[0]",
    "data-dependent|data dependent": "it decides in Python by the values of its points, as `if "
    "x.max() > 1` does: write torch.where",
    "numpy|FakeTensor|fake tensor": "it leaves torch, for NumPy or another library",
}


class Program(nn.Module):
    """points (N, D) → the unknowns and some derivatives by name, as they are now.

    Args:
        solution: what is evaluated.
        wanted: what is given besides the unknowns.
    """

    def __init__(self, solution: Representation, wanted: Sequence[NamedDerivative]) -> None:
        super().__init__()
        self.solution, self.wanted = solution, list(wanted)
        plan = plan_of(wanted)
        self.plans = solution.plans(plan)
        none = torch.zeros(0, len(solution.problem.coordinates), dtype=torch.float64)
        used = [c for c in solution.constants if c.gauge != "free"]
        self.offsets = [solution.offset(c, none, plan.order, frozen=True) for c in used]

    def forward(self, points: Tensor) -> dict[str, Tensor]:
        """The values at points (N, D) in the solution's precision."""
        fields = self.solution.fields(points, self.plans)[0]
        fields = self.solution.shifted(fields, points, self.offsets)
        values = {name: field.value for name, field in fields.items()}
        return values | {each.name: each.of(fields).value for each in self.wanted}


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

        # The name `graph` would hide that of the module which torch makes of this one.
        self.steps = record(values, points, tracing_mode="symbolic", _allow_non_fake_inputs=True)

    def forward(self, points: Tensor) -> dict[str, Tensor]:
        """The values at points (N, D)."""
        return dict(zip(self.names, self.steps(points), strict=True))


def export(solution: Representation, path: str | Path, derivatives: Sequence[str]) -> None:
    """Write a solution as a program, and hold the program against it.

    Raises:
        ValueError: the ending of the file is unknown, or a derivative means nothing here.
        FileNotFoundError: the folder does not exist.
        ModuleNotFoundError: a package that ONNX needs is not installed.
        ExportError: the solution cannot be written, or the program gives other numbers.
    """
    path, suffix = Path(path), Path(path).suffix.lower()
    if suffix not in ENDINGS:
        raise ValueError(
            f"{path.name!r} ends in none of {', '.join(ENDINGS)}: .pt2 is a program for torch, "
            ".onnx one for ONNX"
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} does not exist")
    wanted = named_derivatives(derivatives, solution)
    if (end := solved_until(solution.networks.values())) is not None:
        warnings.warn(
            f"{path.name} is right up to t = {end:.4g}, where the run has ended, and does not warn "
            "at later times: continue the run before you export it",
            stacklevel=3,
        )
    if suffix == ".onnx":
        onnx.require()
    with torch.inference_mode(False), torch.no_grad(), evaluating(solution):
        expected = judged(solution, wanted)
        exported = traced(solution, wanted, expected)
        if suffix == ".pt2":
            torch.export.save(exported, path)
        else:
            onnx.write(exported, path, expected)


def judged(solution: Representation, wanted: Sequence[NamedDerivative]) -> Expected:
    """What the solution gives at some points."""
    cases = []
    for count in JUDGED:
        at = next(solution.placed(solution.problem.geometry.sample("interior", count).at))
        values, extra = evaluate(solution, at, wanted)
        cases.append((at, values | extra))
    return Expected(cases, sizes(solution, at))


def traced(
    solution: Representation, wanted: Sequence[NamedDerivative], expected: Expected
) -> torch.export.ExportedProgram:
    """The operations of a solution, for any number of points.

    The fused pass makes the shortest program; reverse mode serves a network that has none.

    Raises:
        ExportError: something in it cannot be traced, or the program gives other numbers.
    """
    program, before = Program(solution, wanted), solution.strategy
    points = next(solution.placed(solution.problem.geometry.sample("interior", SAMPLE).at))
    try:
        for strategy, is_recorded in product(("taylor", "loop"), (False, True)):
            solution.strategy = dict.fromkeys(before, strategy)
            try:
                traceable = Recorded(program, points) if is_recorded else program
                return held(traceable, points, expected)
            except Exception as error:  # whatever torch, the network or the problem raise
                failed = error
    finally:
        solution.strategy = before
    name = type(solution.problem).__name__
    raise ExportError(f"the solution of {name} cannot be exported: {cause(failed)}") from failed


def held(program: nn.Module, points: Tensor, expected: Expected) -> torch.export.ExportedProgram:
    """A program as torch exports it, held against the solution."""
    shapes = {"points": {0: torch.export.Dim("n", min=1)}}
    with quietly():
        exported = torch.export.export(program, (points,), dynamic_shapes=shapes)
        module = exported.module()
    expected.hold(module, "the program")
    return exported


def cause(error: Exception) -> str:
    """Why something cannot be traced, in one line."""
    text = f"{type(error).__name__} {error}"
    known = next((line for pattern, line in CAUSES.items() if re.search(pattern, text)), None)
    return known or first_line(error)
