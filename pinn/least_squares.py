"""The residuals of a solution as one vector, with its Jacobian:

    r = √(λ_k w / N_k) r_k(xₙ),   |r|² = Σ_k λ_k L_k,   J = ∂r/∂θ

Every point's rows come from the same evaluation of that point alone, so the Jacobian is one
forward pass and one backward pass per residual component, vectorised over the points.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from pinn.geometry import Points
from pinn.losses import counts, region_residuals, weigh
from pinn.memory.watch import Watch
from pinn.pieces import Piece, cut, tensors_of, with_tensors
from pinn.reads import RegionPlan, plans_together
from pinn.recorder import Recorder
from pinn.solution import Solution
from pinn.stateless import call_with
from pinn.trusted import settled

BLOCK = 2**26  # bytes of one block of the Jacobian
Rows = Callable[[Mapping[str, Tensor], Points], Tensor]  # of (trained parameters, points): (N, K)
BATCH = 32  # rows differentiated together where points cannot be taken one by one
FEW = 7  # points, unlike the lengths of vectors, so that a constant matrix is not taken for values


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
        self.points: Mapping[str, Points] = {}
        self.whole: list[Piece] = []
        self.pieces: list[Piece] = []
        self.scales: dict[str, Tensor] = {}

    def place(self, points: Mapping[str, Points]) -> None:
        """Take these points from now on."""
        if all(points[region] is self.points.get(region) for region in self.plans):
            return
        self.points = dict(points)
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
        few = with_tensors(points, [t[:FEW] for t in tensors_of(points)])
        found = region_residuals(self.solution, region, few, self.plans[region])
        return [name for name, value in found.items() for _ in range(value[0].numel())]

    def parameters(self) -> list[nn.Parameter]:
        """θ: what is trained."""
        return [p for p in self.solution.parameters() if p.requires_grad]

    def residuals(self) -> Tensor:
        """r, (M,)."""
        parts = []
        for piece in self.whole:
            (rows,) = self.evaluate("residuals", piece, rows_alone, self.rows)
            parts.append(rows.reshape(-1))
        return torch.cat(parts)

    def recheck(self) -> None:
        """Hold the recorded residuals against the Python now."""
        for piece in self.whole:
            self.evaluate("residuals", piece, rows_alone, self.rows, check=True)

    def blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Some rows of J (m, P) and of r (m,) at a time."""
        for piece in self.pieces:
            jacobian, rows = self.jacobian(piece)
            yield jacobian, rows.reshape(-1)

    def jacobian(self, piece: Piece) -> list[Tensor]:
        """The rows of J that belong to a piece, and r."""
        if self.point_by_point:
            try:
                return self.evaluate("jacobian", piece, rows_by_point, self.checked_by_point)
            except Exception as error:  # whatever a problem's or a network's Python raises
                self.point_by_point = False
                said = (str(error).strip().splitlines() or [type(error).__name__])[0]
                self.tell(f"jacobian  row by row, which is slower: {said}")
        return self.row_by_row(piece)

    def evaluate(
        self,
        name: str,
        piece: Piece,
        formula: Callable[..., list[Tensor]],
        eager: Callable[[Piece], list[Tensor]],
        check: bool = False,
    ) -> list[Tensor]:
        """A formula of module, parameters, scales and points, as a graph where that can be."""
        state = settled(self.solution, self.watch, piece.points.at, self.wanted, self.tell)
        if state is None and self.record:
            self.recorder.set_back(self.watch.obstacle, False)
        if not self.record:
            return eager(piece)
        module = self.modules[piece.region]
        trained = [n for n, p in module.named_parameters() if p.requires_grad]
        constants = self.constants(piece.region)

        def function(varying: Sequence[Tensor], fixed: Sequence[Tensor]) -> list[Tensor]:
            scales, *values = varying
            held = dict(zip(constants, fixed[: len(constants)], strict=True))
            points = with_tensors(piece.points, fixed[len(constants) :])
            state = dict(zip(trained, values, strict=True))
            return formula(called(module, held, scales), state, points)

        return self.recorder.evaluate(
            (name, piece.region),
            state,
            piece,
            function,
            [self.scales[piece.region], *(p.detach() for p in self.parameters())],
            [*constants.values(), *tensors_of(piece.points)],
            partial(eager, piece),
            check=check,
        )

    def constants(self, region: str) -> dict[str, Tensor]:
        """Buffers and frozen parameters by name."""
        module = self.modules[region]
        frozen = {n: p for n, p in module.named_parameters() if not p.requires_grad}
        return dict(module.named_buffers()) | frozen

    def rows(self, piece: Piece) -> list[Tensor]:
        """The residuals of a piece by Python."""
        with torch.no_grad():
            return [self.modules[piece.region](piece.points, self.scales[piece.region])]

    def checked_by_point(self, piece: Piece) -> list[Tensor]:
        """J and r of a piece by Python, held against reverse mode.

        Raises:
            ValueError: Jᵀr is not the gradient of ½|r|², as where a point sees the others.
        """
        module, scales = self.modules[piece.region], self.scales[piece.region]
        named = {n: p for n, p in module.named_parameters() if p.requires_grad}
        jacobian, rows = rows_by_point(
            called(module, self.constants(piece.region), scales),
            {n: p.detach() for n, p in named.items()},
            piece.points,
        )
        with torch.enable_grad():
            half = 0.5 * module(piece.points, scales).square().sum()
            slopes = torch.autograd.grad(half, list(named.values()), materialize_grads=True)
        gradient = torch.cat([s.reshape(-1) for s in slopes])
        found = jacobian.T @ rows
        size = float(gradient.norm() + found.norm())
        near = (1e-6 if found.dtype == torch.float64 else 1e-3) * size
        if not float((found - gradient).norm()) <= near:
            raise ValueError("the residual of a point depends on the other points")
        return [jacobian, rows]

    def row_by_row(self, piece: Piece) -> list[Tensor]:
        """J and r of a piece by reverse mode over the whole piece."""
        parameters, scales = self.parameters(), self.scales[piece.region]
        with torch.enable_grad():
            rows = self.modules[piece.region](piece.points, scales).reshape(-1)
        found = []
        for picked in torch.eye(len(rows), dtype=rows.dtype, device=rows.device).split(BATCH):
            slopes = torch.autograd.grad(
                rows,
                parameters,
                picked,
                retain_graph=True,
                is_grads_batched=True,
                allow_unused=True,
            )
            parts = [
                rows.new_zeros(len(picked), p.numel()) if s is None else s.reshape(len(picked), -1)
                for p, s in zip(parameters, slopes, strict=True)
            ]
            found.append(torch.cat(parts, 1))
        return [torch.cat(found), rows.detach()]


def called(module: nn.Module, held: Mapping[str, Tensor], scales: Tensor) -> Rows:
    """A region's residuals as a function of its trained parameters and points."""
    return lambda state, points: call_with(module, {**state, **held}, points, scales)


def rows_alone(rows: Rows, state: Mapping[str, Tensor], points: Points) -> list[Tensor]:
    """[r] with r (N, K)."""
    return [rows(state, points)]


def rows_by_point(rows: Rows, state: Mapping[str, Tensor], points: Points) -> list[Tensor]:
    """[J, r] with J (N·K, P) and r (N·K,)."""

    def at_point(*tensors: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        one = with_tensors(points, [t.unsqueeze(0) for t in tensors])
        found, pull_back, *_ = torch.func.vjp(lambda state: rows(state, one)[0], dict(state))
        basis = torch.eye(len(found), dtype=found.dtype, device=found.device)
        (slopes,) = torch.func.vmap(pull_back)(basis)
        return slopes, found

    slopes, found = torch.func.vmap(at_point)(*tensors_of(points))
    shape = (*found.shape, -1)
    jacobian = torch.cat([slopes[name].reshape(shape) for name in state], 2)
    return [jacobian.flatten(0, 1), found.reshape(-1)]
