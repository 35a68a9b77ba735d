"""The residuals of a solution as one vector, with its Jacobian:

    r = √(λ_k w / N_k) r_k(xₙ),   |r|² = Σ_k λ_k L_k,   J = ∂r/∂θ

Every point's rows come from that point alone: the Jacobian is one forward pass, and one backward
pass per residual component. A number that all points share is a parameter beside θ: see `together`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor, nn

from pinn.geometry import Points
from pinn.integrals import Shared, sharing, spread
from pinn.losses import counts, region_residuals, weigh
from pinn.memory.watch import Watch
from pinn.pieces import Piece, cut
from pinn.processes import processes
from pinn.reads import RegionPlan, plans_together
from pinn.recorder import Recorder
from pinn.solution import Solution
from pinn.stateless import call_with
from pinn.together import Together, agree, by_rows, many_rows
from pinn.trusted import settled

BLOCK = 2**26  # bytes of one block of the Jacobian
Rows = Callable[[Mapping[str, Tensor], Points], Tensor]  # of (trained parameters, points): (N, K)
FEW = 7  # points, unlike the lengths of vectors, so that a constant matrix is not taken for values
NUMBER = "shared "  # how the name of a number begins that all points share


class WeightedResiduals(nn.Module):
    """√(λ_k w / N_k) r_k of one region: rows whose squares add up to the loss."""

    def __init__(self, solution: Solution, region: str, plan: RegionPlan) -> None:
        super().__init__()
        self.solution, self.region, self.plan = solution, region, plan

    def forward(self, points: Points, scales: Tensor) -> Tensor:
        """(N, K) with the components of all residuals side by side; scales are √(λ_k / N_k)."""
        found = region_residuals(self.solution, self.region, points, self.plan)
        parts = [
            scale * weigh(self.solution, self.region, points, value).flatten(1)
            if value.ndim > 1
            else scale * weigh(self.solution, self.region, points, value).unsqueeze(1)
            for scale, value in zip(scales, found.values(), strict=True)
        ]
        return torch.cat(parts, 1)


class LeastSquares:
    """The system that a least-squares optimiser solves, at the points it was last given.

    Args:
        solution: the problem with its networks.
        plans: what each region's residuals read.
        weights: λ_k by residual name.
        share: of the whole loss that this process's points stand for.
        tell: is told, in one line, what is not done the way it should be.
        record: whether evaluations are recorded as graphs, which takes seconds and pays later.
    """

    def __init__(
        self,
        solution: Solution,
        plans: Mapping[str, RegionPlan],
        weights: Mapping[str, float],
        share: float = 1.0,
        tell: Callable[[str], None] = print,
        record: bool = True,
    ) -> None:
        self.solution, self.plans, self.weights = solution, plans, weights
        self.share, self.tell, self.record = share, tell, record
        self.modules = {r: WeightedResiduals(solution, r, p) for r, p in plans.items()}
        self.recorder, self.watch = Recorder(tell), Watch(solution)
        self.wanted = plans_together(plans)
        self.point_by_point = True
        self.together = Together(self)
        self.points: Mapping[str, Points] = {}
        self.whole: list[Piece] = []
        self.pieces: list[Piece] = []
        self.scales: dict[str, Tensor] = {}

    def place(self, points: Mapping[str, Points]) -> None:
        """Take these points from now on."""
        if all(points[region] is self.points.get(region) for region in self.plans):
            return
        self.points = dict(points)
        self.together.tried.clear()
        numbers = counts(points, self.plans)
        self.scales = {
            region: points[region].at.new_tensor(
                [(self.share * self.weights[n] / numbers[n]) ** 0.5 for n in plan.reads]
            )
            for region, plan in self.plans.items()
        }
        self.whole = cut(points, dict.fromkeys(self.plans))
        self.pieces = cut(points, {r: self.chunk(r) for r in self.plans})

    def chunk(self, region: str) -> int:
        """How many points of a region make one block of the Jacobian."""
        row = sum(p.numel() for p in self.parameters()) * self.points[region].at.element_size()
        return max(1, BLOCK // (len(self.owners(region)) * max(row, 1)))

    @torch.no_grad()
    def owners(self, region: str) -> list[str]:
        """The residual of each of the K rows of a point, by name."""
        points = self.points[region]
        few = points.select(slice(FEW))
        found = region_residuals(self.solution, region, few, self.plans[region])
        return [name for name, value in found.items() for _ in range(value[0].numel())]

    def parameters(self) -> list[nn.Parameter]:
        """θ: what is trained."""
        return [p for p in self.solution.parameters() if p.requires_grad]

    def residuals(self) -> Tensor:
        """r, (M,)."""
        parts = []
        for piece in self.whole:
            with spread():
                (rows,) = self.evaluate("residuals", piece, rows_alone, self.rows)
            parts.append(rows.reshape(-1))
        return torch.cat(parts)

    def recheck(self) -> None:
        """Hold the recorded residuals against the Python now."""
        for piece in self.whole:
            with spread():
                self.evaluate("residuals", piece, rows_alone, self.rows, check=True)

    def blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Some rows of J (m, P) and of r (m,) at a time."""
        for _, jacobian, rows in self.jacobians():
            yield jacobian, rows.reshape(-1)

    def jacobians(self) -> Iterator[tuple[Piece, Tensor, Tensor]]:
        """Pieces with their rows of J and of r; all of them in order."""
        for whole in self.whole:
            pieces = [piece for piece in self.pieces if piece.region == whole.region]
            if not self.plans[whole.region].is_whole:
                for piece in pieces:
                    jacobian, rows = self.jacobian(piece)
                    yield piece, jacobian, rows
            else:
                yield from self.together.jacobians(whole, pieces)

    def graph_of(self, piece: Piece) -> Tensor:
        """r (M,) of a piece with its graph."""
        with torch.enable_grad(), spread():
            return self.modules[piece.region](piece.points, self.scales[piece.region]).reshape(-1)

    def jacobian(self, piece: Piece, numbers: Sequence[Tensor] = ()) -> list[Tensor]:
        """The rows of J that belong to a piece, and r; with numbers, ∂r/∂m beside ∂r/∂θ."""
        if self.point_by_point:
            try:
                with many_rows():
                    return self.evaluate(
                        "jacobian", piece, rows_by_point, self.checked_by_point, numbers
                    )
            except Exception as error:  # whatever a problem's or a network's Python raises
                self.point_by_point = False
                self.tell(f"jacobian  points one after the other, which is slower: {cause(error)}")
        return self.row_by_row(piece, numbers)

    def evaluate(
        self,
        name: str,
        piece: Piece,
        formula: Callable[..., list[Tensor]],
        eager: Callable[[Piece, Sequence[Tensor]], list[Tensor]],
        numbers: Sequence[Tensor] = (),
        check: bool = False,
    ) -> list[Tensor]:
        """A formula of module, parameters, scales and points, as a graph where that can be."""
        situation = settled(self.solution, self.watch, piece.points.at, self.wanted, self.tell)
        if situation is None and self.record:
            self.recorder.set_back(self.watch.obstacle, False)
        exchanges = processes() > 1 and self.plans[piece.region].averaged and not numbers
        if not self.record or exchanges:
            return eager(piece, numbers)
        module = self.modules[piece.region]
        trained = [n for n, p in module.named_parameters() if p.requires_grad]
        constants = self.constants(piece.region)
        names, calls = list(named(numbers)), self.together.calls_of(piece.region)

        def function(varying: Sequence[Tensor], fixed: Sequence[Tensor]) -> list[Tensor]:
            scales, *values = varying
            held = dict(zip(constants, fixed[: len(constants)], strict=True))
            points = piece.points.replaced(fixed[len(constants) :])
            state = dict(zip([*trained, *names], values, strict=True))
            return formula(called(module, held, scales, calls), state, points)

        return self.recorder.evaluate(
            (name, piece.region),
            situation,
            piece,
            function,
            [self.scales[piece.region], *(p.detach() for p in self.parameters()), *numbers],
            [*constants.values(), *piece.points.tensors],
            partial(eager, piece, numbers),
            check=check,
        )

    def constants(self, region: str) -> dict[str, Tensor]:
        """Buffers and frozen parameters by name."""
        module = self.modules[region]
        frozen = {n: p for n, p in module.named_parameters() if not p.requires_grad}
        return dict(module.named_buffers()) | frozen

    def rows(self, piece: Piece, numbers: Sequence[Tensor] = ()) -> list[Tensor]:
        """The residuals of a piece by Python."""
        with torch.no_grad():
            return [self.modules[piece.region](piece.points, self.scales[piece.region])]

    def checked_by_point(self, piece: Piece, numbers: Sequence[Tensor] = ()) -> list[Tensor]:
        """J and r of a piece by Python, held against reverse mode.

        Raises:
            ValueError: vᵀJ is not the gradient of vᵀr, as where a point sees the others.
        """
        module, scales = self.modules[piece.region], self.scales[piece.region]
        trained = {n: p.detach() for n, p in module.named_parameters() if p.requires_grad}
        calls = self.together.calls_of(piece.region)
        jacobian, rows = rows_by_point(
            called(module, self.constants(piece.region), scales, calls),
            trained | named(numbers),
            piece.points,
        )
        leaves, expected = self.given_numbers(piece, numbers)
        if not agree([jacobian], expected, [*self.parameters(), *leaves]):
            raise ValueError("the residual of a point depends on the other points")
        return [jacobian, rows]

    def given_numbers(self, piece: Piece, numbers: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """The shared numbers as leaves of a graph, and r (M,) of a piece by them."""
        if not numbers:
            return [], self.graph_of(piece)
        leaves = [number.detach().requires_grad_() for number in numbers]
        with sharing(Shared(self.together.calls_of(piece.region), leaves)):
            return leaves, self.graph_of(piece)

    def row_by_row(self, piece: Piece, numbers: Sequence[Tensor] = ()) -> list[Tensor]:
        """J and r of a piece by reverse mode over the whole piece."""
        leaves, rows = self.given_numbers(piece, numbers)
        found = list(by_rows(rows, [*self.parameters(), *leaves]))
        return [torch.cat(found), rows.detach()]


def named(numbers: Sequence[Tensor]) -> dict[str, Tensor]:
    """Shared numbers under names that no parameter has."""
    return {f"{NUMBER}{k}": number for k, number in enumerate(numbers)}


def called(
    module: nn.Module,
    held: Mapping[str, Tensor],
    scales: Tensor,
    calls: frozenset[int] = frozenset(),
) -> Rows:
    """A region's residuals as a function of trained parameters, shared numbers, and points."""

    def rows(state: Mapping[str, Tensor], points: Points) -> Tensor:
        given = [t for name, t in state.items() if name.startswith(NUMBER)]
        own = {name: t for name, t in state.items() if not name.startswith(NUMBER)}
        with sharing(Shared(calls, given)) if given else nullcontext():
            return call_with(module, {**own, **held}, points, scales)

    return rows


def rows_alone(rows: Rows, state: Mapping[str, Tensor], points: Points) -> list[Tensor]:
    """[r] with r (N, K)."""
    return [rows(state, points)]


def rows_by_point(rows: Rows, state: Mapping[str, Tensor], points: Points) -> list[Tensor]:
    """[J, r] with J (N·K, P) and r (N·K,)."""

    def at_point(*tensors: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        one = points.replaced(t.unsqueeze(0) for t in tensors)
        found, pull_back, *_ = torch.func.vjp(lambda state: rows(state, one)[0], dict(state))
        basis = torch.eye(len(found), dtype=found.dtype, device=found.device)
        (slopes,) = torch.func.vmap(pull_back)(basis)
        return slopes, found

    slopes, found = torch.func.vmap(at_point)(*points.tensors)
    shape = (*found.shape, -1)
    jacobian = torch.cat([slopes[name].reshape(shape) for name in state], 2)
    return [jacobian.flatten(0, 1), found.reshape(-1)]


def cause(error: Exception) -> str:
    """Why the rows of all points cannot be taken together, in one line."""
    if isinstance(error, RuntimeError):  # torch's own text, such as of shapes inside a GRU
        return "torch has no derivative per point of a function in the network or problem"
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
