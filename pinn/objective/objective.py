"""The weighted loss of a solution and its gradient, chunk by chunk.

    L = Σ_k λ_k L_k,   L_k = (1/N_k) Σ_points w |r_k|²,   ∂L/∂θ = Σ_chunks ∂L_chunk/∂θ

How a chunk is evaluated changes the time and not the number: `eager` runs the Python of problem
and network, `recorded` a graph of the operations that this Python dispatched once, `compiled` that
graph after the compiler.
"""

import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from pinn.base.processes import processes
from pinn.base.torch_adapter import add
from pinn.base.transfers import sent_once
from pinn.cache.states import Watch
from pinn.choosing.memo import settled
from pinn.fields.integrals import spread
from pinn.geometry import Points
from pinn.objective.chunks import CACHE, Chunk, InsufficientMemoryError, chunk_size, cut
from pinn.objective.graphs import Recorder
from pinn.objective.known_gradient import Gradient
from pinn.objective.losses import (
    RegionResiduals,
    counts,
    residual_losses,
    scales_of,
    side_by_side,
    squares,
)
from pinn.objective.stateless import call_with
from pinn.solution.plans import RegionPlan, plans_together
from pinn.solution.solution import Solution

Residuals = Callable[[Mapping[str, Tensor], Points], list[Tensor]]  # of (θ by name, points)
Formula = Callable[[Residuals, dict[str, Tensor], Points, Tensor], list[Tensor]]
TOGETHER = 4096  # points evaluated at a time where no gradient is taken


class Objective:
    """The residuals of a solution, and what optimisers ask of them.

    The weights λ_k are a value that comes with every question.

    Args:
        solution: the problem with its networks.
        plans: what each region's residuals read.
        mode: how the gradient is evaluated: `eager`, `recorded` or `compiled`.
        memory: GiB that an evaluation may take; see `chunks.chunk_size`.
        tell: is told, in one line, what is not done the way it was asked for.
    """

    def __init__(
        self,
        solution: Solution,
        plans: Mapping[str, RegionPlan],
        mode: str = "eager",
        memory: float | None = None,
        tell: Callable[[str], None] = print,
    ) -> None:
        self.solution, self.plans = solution, plans
        self.mode, self.memory = mode, memory
        self.watch = Watch(solution)
        self.recorder = Recorder(tell, self.watch.state)
        self.derivatives = plans_together(plans)
        self.modules = {r: RegionResiduals(solution, r, plan) for r, plan in plans.items()}
        self.order = [residual.name for residual in solution.problem.residuals]
        self.sizes: dict[Hashable, dict[str, int | None]] = {}
        self.placed_in = ""
        self.points: dict[str, Points] = {}
        self.weights: dict[str, float] = {}
        self.chunks: list[Chunk] = []
        self.scales: dict[str, Tensor] = {}

    def parameters(self) -> list[nn.Parameter]:
        """θ: what is trained."""
        return [p for p in self.solution.parameters() if p.requires_grad]

    def constants(self, region: str) -> dict[str, Tensor]:
        """Buffers and frozen parameters by name: fixed, as the points are."""
        module = self.modules[region].in_place(next(self.solution.parameters()))
        frozen = {n: p for n, p in module.named_parameters() if not p.requires_grad}
        return dict(module.named_buffers()) | frozen

    def trained(self, region: str) -> dict[str, Tensor]:
        """θ by the names that the residuals of a region know."""
        return {
            n: p.detach() for n, p in self.modules[region].named_parameters() if p.requires_grad
        }

    def loss(
        self,
        points: Mapping[str, Points],
        weights: Mapping[str, float],
        differentiated: bool = True,
        known: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """L, with its gradient attached to the parameters, and every L_k.

        Args:
            points: where.
            weights: λ_k by residual name.
            differentiated: without, the gradient is zero, for an optimiser that does not read it.
            known: every L_k, where they are known already.
        """
        parameters = self.parameters()
        gradients = [torch.zeros_like(p) for p in parameters]
        if differentiated:
            losses, gradients = self.gradient(points, weights)
        elif known is not None:
            losses = known
        else:
            with torch.no_grad(), spread():
                losses = torch.stack([*residual_losses(self.solution, points, self.plans).values()])
        factors = sent_once(tuple(weights[n] for n in self.order), losses.dtype, losses.device)
        terms = dict(zip(self.order, losses.unbind(), strict=True))
        return Gradient.apply(losses @ factors, gradients, *parameters), terms

    def gradient(
        self, points: Mapping[str, Points], weights: Mapping[str, float]
    ) -> tuple[Tensor, list[Tensor]]:
        """Every L_k, as one tensor, and ∂L/∂θ."""
        self.place(points, weights)
        state = self.state(self.mode != "eager")
        losses, gradients = torch.zeros_like(self.numbers), list[Tensor]()
        for chunk in self.chunks:
            sums, *slopes = self.chunk_gradient(chunk, state)
            losses.index_add_(0, self.rows[chunk.region], sums)
            if gradients:
                add(gradients, slopes)
            else:  # reverse mode may return one tensor as the gradient of two parameters
                gradients = [t.clone() for t in slopes] if len(self.chunks) > 1 else slopes
        return losses / self.numbers, gradients

    def place(self, points: Mapping[str, Points], weights: Mapping[str, float]) -> None:
        """Lay out points and weights, where these are others than those laid out."""
        moved = any(points[region] is not self.points.get(region) for region in self.plans)
        moved |= self.placed_in != self.mode
        if moved or weights != self.weights:
            self.weights = dict(weights)
            self.scales = scales_of(self.plans, points, weights)
        if moved:
            like, numbers = next(iter(points.values())).at, counts(points, self.plans)
            many = tuple(numbers[name] for name in self.order)
            self.numbers = sent_once(many, like.dtype, like.device)
            places = {r: tuple(map(self.order.index, plan.reads)) for r, plan in self.plans.items()}
            self.rows = {r: sent_once(k, torch.long, like.device) for r, k in places.items()}
            key = like.dtype, like.device, self.mode, *(len(points[r]) for r in self.plans)
            if key not in self.sizes:
                self.sizes[key] = {r: self.chunk_size(r, points[r]) for r in self.plans}
            self.chunks = cut(points, self.sizes[key])
            self.points, self.placed_in = dict(points), self.mode

    def chunk_size(self, region: str, points: Points) -> int | None:
        """How many points of a region make a chunk; None for all of them."""
        run, plan = partial(self.python_gradient, region), self.plans[region]
        if not plan.is_whole:
            return chunk_size(run, points, self.memory, CACHE[self.mode])
        if self.memory is not None and chunk_size(run, points, self.memory, sys.maxsize):
            raise InsufficientMemoryError(
                f"memory is {self.memory} GiB, which {len(points)} points of {region!r} do not "
                f"fit into, and {(*plan.averaged, *plan.coupled)[0]!r} reads all of them at once: "
                "raise it, or give fewer points"
            )
        return None

    def recheck(self) -> None:
        """Hold the recorded gradients against the Python now."""
        if self.chunks and self.placed_in == self.mode != "eager":
            state = self.state(True)
            for chunk in self.chunks:
                self.chunk_gradient(chunk, state, check=True)

    def chunk_gradient(self, chunk: Chunk, state: int | None, check: bool = False) -> list[Tensor]:
        """The sums of a chunk, and the gradient of its part of the loss."""
        return self.evaluate(
            "gradient",
            state,
            chunk,
            sums_and_gradient,
            self.scales[chunk.region],
            partial(self.python_gradient, chunk.region, chunk.points),
            compiled=self.mode == "compiled",
            check=check,
        )

    def python_gradient(self, region: str, points: Points) -> list[Tensor]:
        """The same by running the Python of problem and network."""
        with torch.enable_grad(), spread():
            sums = squares(self.modules[region].in_place(points.at)(points))
            return with_gradient(sums, self.scales[region], self.parameters())

    def state(self, recorded: bool, at: Tensor | None = None) -> int | None:
        """The state of all that Python may read, once the strategies are right in it.

        Args:
            recorded: whether graphs are wanted.
            at: some of the points; by default those laid out.

        Returns:
            Its number; None where no graph is to be used.
        """
        at = self.points[next(iter(self.plans))].at if at is None else at
        state = settled(self.solution, self.watch, at, self.derivatives, self.recorder.tell)
        if state is None and recorded:
            self.recorder.set_back(self.watch.obstacle, self.mode == "compiled")
        return state if recorded else None

    def evaluate(
        self,
        name: str,
        state: int | None,
        chunk: Chunk,
        formula: Formula,
        scales: Tensor,
        python: Callable[[], list[Tensor]],
        numbers: Mapping[str, Tensor] | None = None,
        compiled: bool = False,
        check: bool = False,
    ) -> list[Tensor]:
        """A formula of residuals, θ, points and scales, as a graph where that can be.

        Args:
            name: of the formula.
            state: of all that Python may read; None for no graph.
            chunk: the points.
            formula: sees only its arguments.
            scales: of the residuals of the region.
            python: the same from the live parameters.
            numbers: further arguments of the formula, beside θ.
            compiled: hand the graph to the compiler.
            check: hold the graph against the Python now.
        """
        numbers = numbers or {}
        exchanges = self.plans[chunk.region].averaged and processes() > 1 and not numbers
        if state is None or exchanges:
            return python()
        constants, trained = self.constants(chunk.region), self.trained(chunk.region)
        names, size = [*trained, *numbers], len(constants)

        def function(varying: Sequence[Tensor], fixed: Sequence[Tensor]) -> list[Tensor]:
            held = dict(zip(constants, fixed[:size], strict=True))
            values = dict(zip(names, varying[1:], strict=True))
            points = chunk.points.replaced(fixed[size:])
            return formula(self.residuals(chunk.region, held), values, points, varying[0])

        return self.recorder.evaluate(
            (name, chunk.region),
            state,
            chunk,
            function,
            [scales, *trained.values(), *numbers.values()],
            [*constants.values(), *chunk.points.tensors],
            python,
            compiled,
            check,
        )

    def residuals(self, region: str, held: Mapping[str, Tensor]) -> Residuals:
        """√w r_k of a region as a function of θ by name, and points; `held` are its constants."""
        module = self.modules[region]
        return lambda values, points: call_with(module, {**values, **held}, points)

    @torch.no_grad()
    def error(self, region: str, points: Points, weights: Mapping[str, float]) -> Tensor:
        """ε (N,),   ε² = Σ_k λ_k w |r_k|²   at points of a region."""
        scales = points.at.new_tensor([weights[n] ** 0.5 for n in self.plans[region].reads])
        module = self.modules[region]
        rows = [side_by_side(module(part), scales) for part in points.split(TOGETHER)]
        return torch.cat(rows).norm(dim=1)


def with_gradient(sums: Tensor, scales: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """The sums, and the gradient of their weighted sum."""
    gradient = torch.autograd.grad(sums @ scales, parameters, materialize_grads=True)
    return [sums.detach(), *gradient]


def sums_and_gradient(
    residuals: Residuals, state: dict[str, Tensor], points: Points, scales: Tensor
) -> list[Tensor]:
    """[Σ w |r_k|², ∂L_chunk/∂θ …] of a chunk."""
    leaves = {name: t.detach().requires_grad_() for name, t in state.items()}
    with torch.enable_grad():
        return with_gradient(squares(residuals(leaves, points)), scales, list(leaves.values()))
