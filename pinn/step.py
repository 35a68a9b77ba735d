"""The loss and its gradient at one set of points, piece by piece.

    L = Σ_k λ_k L_k,   L_k = (1/N_k) Σ_points w |r_k|²,   ∂L/∂θ = Σ_pieces ∂L_piece/∂θ

How a piece is evaluated changes the time and not the number: `eager` runs the Python of problem
and network, `recorded` a graph of the operations that this Python dispatched once, `compiled` that
graph after the compiler.
"""

import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from pinn.geometry import Points
from pinn.integrals import spread
from pinn.losses import counts, region_sums, residual_losses
from pinn.memory.watch import Watch
from pinn.pieces import (
    CACHE,
    InsufficientMemoryError,
    Piece,
    chunk_for,
    cut,
)
from pinn.processes import processes
from pinn.reads import RegionPlan, plans_together
from pinn.recorder import Recorder
from pinn.solution import Solution
from pinn.stateless import call_with
from pinn.torch_adapter import add, multiply
from pinn.trusted import settled

MODES = ("eager", "recorded", "compiled")


class Gradient(torch.autograd.Function):
    """A loss whose gradient is known:  backward hands it on."""

    @staticmethod
    def forward(ctx: Any, loss: Tensor, gradients: list[Tensor], *parameters: Tensor) -> Tensor:
        """The loss, attached to the parameters."""
        ctx.gradients = gradients
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple:
        """∂L/∂θ times what arrives."""
        return None, None, *multiply(ctx.gradients, upstream[0])


class Sums(nn.Module):
    """Σ w |r_k|² over points of one region, per residual of the region in order."""

    def __init__(self, solution: Solution, region: str, plan: RegionPlan) -> None:
        super().__init__()
        self.solution, self.region, self.plan = solution, region, plan

    def forward(self, points: Points) -> Tensor:
        """(K,)."""
        sums = region_sums(self.solution, self.region, points, self.plan)
        return torch.stack(list(sums.values()))


class Step:
    """The weighted loss of a solution and its gradient to the parameters.

    Args:
        solution: the problem with its networks.
        plans: what each region's residuals read.
        weights: λ_k by residual name.
        mode: `eager`, `recorded` or `compiled`.
        memory: GiB that an evaluation may take; see `pieces.chunk_for`.
        tell: is told, in one line, why a step is not run the way it was asked for.
    """

    def __init__(
        self,
        solution: Solution,
        plans: Mapping[str, RegionPlan],
        weights: Mapping[str, float],
        mode: str = "eager",
        memory: float | None = None,
        tell: Callable[[str], None] = print,
    ) -> None:
        self.solution, self.weights = solution, weights
        self.mode, self.memory = mode, memory
        self.plans, self.tell, self.wanted = plans, tell, plans_together(plans)
        self.watch = Watch(solution)
        self.sums = {region: Sums(solution, region, plan) for region, plan in plans.items()}
        self.order = [residual.name for residual in solution.problem.residuals]
        self.recorder = Recorder(tell)
        self.chunks: dict[Hashable, dict[str, int | None]] = {}
        self.points: dict[str, Points] = {}
        self.placed: tuple[Any, ...] = ()
        self.numbers = torch.empty(0)
        self.rows: dict[str, Tensor] = {}
        self.scales: dict[str, Tensor] = {}
        self.pieces: list[Piece] = []

    def __call__(
        self, points: Mapping[str, Points], differentiated: bool = True
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """L, with its gradient attached to the parameters, and every L_k.

        Args:
            points: where.
            differentiated: without, the gradient is zero, for an optimiser that does not read it.
        """
        parameters = self.parameters()
        if differentiated:
            losses, gradients = self.gradient(points)
        else:
            with torch.no_grad(), spread():
                found = residual_losses(self.solution, points, self.plans)
            losses = torch.stack([found[name] for name in self.order])
            gradients = [torch.zeros_like(p) for p in parameters]
        terms = dict(zip(self.order, losses.unbind(), strict=True))
        weights = losses.new_tensor([self.weights[name] for name in self.order])
        return Gradient.apply(losses @ weights, gradients, *parameters), terms

    def gradient(self, points: Mapping[str, Points]) -> tuple[Tensor, list[Tensor]]:
        """Every L_k, as one tensor, and ∂L/∂θ."""
        like = self.parameters()[0]
        if self.is_new(points, like):
            self.place(points, like)
        losses = like.new_zeros(len(self.order))
        gradients: list[Tensor] = []
        situation = self.circumstances()
        for piece in self.pieces:
            sums, *slopes = self.evaluate(piece, situation)
            losses.index_add_(0, self.rows[piece.region], sums)
            if gradients:
                add(gradients, slopes)
            else:  # reverse mode may return one tensor as the gradient of two parameters
                gradients = [t.clone() for t in slopes] if len(self.pieces) > 1 else slopes
        return losses / self.numbers, gradients

    def is_new(self, points: Mapping[str, Points], like: Tensor) -> bool:
        """Whether points, precision, mode or λ are others than those laid out."""
        return self.layout(like) != self.placed or any(
            points[r] is not self.points.get(r) for r in self.plans
        )

    def layout(self, like: Tensor) -> tuple[Any, ...]:
        """What the pieces and their numbers depend on, besides the points."""
        return like.dtype, like.device, self.mode, *self.weights.values()

    def place(self, points: Mapping[str, Points], like: Tensor) -> None:
        """Cut new points into pieces, and lay out what belongs to their number."""
        numbers = counts(points, self.plans)
        self.numbers = like.new_tensor([numbers[name] for name in self.order])
        self.rows, self.scales = {}, {}
        for region, plan in self.plans.items():
            names = tuple(plan.reads)
            rows = [self.order.index(name) for name in names]
            self.rows[region] = torch.tensor(rows, device=like.device)
            self.scales[region] = like.new_tensor([self.weights[n] / numbers[n] for n in names])
        self.points = dict(points)
        self.placed = self.layout(like)
        shape = (*self.placed[:3], *(len(points[region]) for region in self.plans))
        if shape not in self.chunks:
            self.chunks[shape] = {
                region: self.chunk(region, points[region]) for region in self.plans
            }
        self.pieces = cut(points, self.chunks[shape])

    def recheck(self) -> None:
        """Hold the recorded graphs against the Python now, each at one of its pieces."""
        laid_out = self.pieces and self.placed == self.layout(self.parameters()[0])
        if laid_out and self.mode != "eager":
            situation = self.circumstances()
            for piece in {piece.region: piece for piece in self.pieces}.values():
                self.evaluate(piece, situation, check=True)

    def chunk(self, region: str, points: Points) -> int | None:
        """How many points of a region make a piece; None for all of them."""
        run, plan = partial(self.eager, region), self.plans[region]
        if not plan.is_whole:
            return chunk_for(run, points, self.memory, CACHE[self.mode])
        if self.memory is not None and chunk_for(run, points, self.memory, sys.maxsize):
            raise InsufficientMemoryError(
                f"memory is {self.memory} GiB, which {len(points)} points of {region!r} do not "
                f"fit into, and {(*plan.averaged, *plan.coupled)[0]!r} reads all of them at once: "
                "raise it, or give fewer points"
            )
        return None

    def evaluate(self, piece: Piece, situation: int | None, check: bool = False) -> list[Tensor]:
        """The sums of a piece, and the gradient of its part of the loss."""
        exchanges = self.plans[piece.region].averaged and processes() > 1
        if self.mode == "eager" or exchanges:
            return self.eager(piece.region, piece.points)
        return self.recorder.evaluate(
            piece.region,
            situation,
            piece,
            self.function(piece),
            [self.scales[piece.region], *(p.detach() for p in self.parameters())],
            [*self.constants(piece.region).values(), *piece.points.tensors],
            partial(self.eager, piece.region, piece.points),
            self.mode == "compiled",
            check,
        )

    def constants(self, region: str) -> dict[str, Tensor]:
        """Buffers and frozen parameters by name: fixed, as the points are."""
        sums = self.sums[region]
        frozen = {n: p for n, p in sums.named_parameters() if not p.requires_grad}
        return dict(sums.named_buffers()) | frozen

    def eager(self, region: str, points: Points) -> list[Tensor]:
        """The same by running the Python of problem and network."""
        with torch.enable_grad(), spread():
            return evaluated(self.sums[region](points), self.scales[region], self.parameters())

    def function(self, piece: Piece) -> Callable[[list[Tensor], list[Tensor]], Any]:
        """A piece's sums and gradient as a function of (scales, parameters), (buffers, points)."""
        sums = self.sums[piece.region]
        names = [n for n, p in sums.named_parameters() if p.requires_grad]
        buffers = list(self.constants(piece.region))

        def function(varying: list[Tensor], fixed: list[Tensor]) -> list[Tensor]:
            leaves = [t.detach().requires_grad_() for t in varying[1:]]
            state = dict(zip(names, leaves, strict=True))
            state |= dict(zip(buffers, fixed[: len(buffers)], strict=True))
            points = piece.points.replaced(fixed[len(buffers) :])
            with torch.enable_grad():
                found = call_with(sums, state, points)
                return evaluated(found, varying[0], leaves)

        return function

    def circumstances(self) -> int | None:
        """The state of all that Python may read, once the strategies are right in it."""
        region = next(iter(self.plans))
        at = self.points[region].at
        state = settled(self.solution, self.watch, at, self.wanted, self.tell)
        if state is None and self.mode != "eager":
            self.recorder.set_back(self.watch.obstacle, self.mode == "compiled")
        return state

    def parameters(self) -> list[nn.Parameter]:
        """θ: what is trained."""
        return [p for p in self.solution.parameters() if p.requires_grad]


def evaluated(sums: Tensor, scales: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """The sums, and the gradient of their weighted sum."""
    gradient = torch.autograd.grad(sums @ scales, parameters, materialize_grads=True)
    return [sums.detach(), *gradient]
