"""Whether a strategy gives the numbers of `loop`: values, derivatives and parameter gradients.

A rule can be wrong for a network in ways that no rule can see: an `autograd.Function` with its own
backward runs forward on a jet, and code that asks `isinstance(x, Tensor)` takes another branch.
So a strategy is compared with reverse mode once, before it is trusted.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pinn.algebra.channels import Plan, first, order
from pinn.algebra.jet import Jet
from pinn.cache.tracing import keeps_graph
from pinn.checking.autograd_graph import leaves, refuse_cuts
from pinn.checking.samples import buffers_kept, trial, undisturbed, within
from pinn.derivatives.evaluate import STRATEGIES, TRACES, evaluate, trace
from pinn.derivatives.formulas import named_refusals
from pinn.derivatives.outputs import Function

ORDINALS = ("first", "second", "third", "fourth")
QUANTITIES = ("values", *(f"{ordinal} derivatives" for ordinal in ORDINALS))
PERHAPS = " (a custom backward?)"


class Numbers(NamedTuple):
    """What one strategy computed.

    Args:
        streams: the value and the planned derivatives, (Q, points, C).
        slopes: ∂L/∂θ of a fixed combination L of the streams, one per parameter.
    """

    streams: Tensor
    slopes: list[Tensor]


def disagreement(
    f: Function, x: Tensor, plan: Plan, strategy: str, axes: Sequence[int] = ()
) -> str | None:
    """Why `strategy` cannot be trusted for f, in one line; None if it agrees with `loop`."""
    return disagreements(f, x, plan, (strategy,), axes)[strategy]


def disagreements(
    f: Function, x: Tensor, plan: Plan, strategies: Iterable[str], axes: Sequence[int] = ()
) -> dict[str, str | None]:
    """Why each strategy cannot be trusted for f, in one line; None if it agrees with `loop`.

    Compared at 16 points or fewer, in float64 where a copy of f in float64 works and in its own
    precision otherwise. The time is that of a few passes over these points: it grows with the
    number of components that `loop` differentiates one by one, not with the batch. The caller's
    random state, gradients, buffers and modes stay as they are.

    Args:
        f: the function to differentiate.
        x: points (…, d) it will be evaluated at.
        plan: the derivatives that are wanted.
        strategies: the names of those in question; `loop` is only checked for itself.
        axes: of the trace Σ_k ∂f_k/∂x_{axes[k]}, for a strategy that gives the trace alone.

    Raises:
        CutGraphError: even `loop` would be wrong.
        Exception: f itself, or torch's reverse mode through it, fails.
    """
    training = keeps_graph()
    if x.numel() == 0:
        x = x.new_full((*(max(n, 1) for n in x.shape[:-1]), x.shape[-1]), 0.5)
    with undisturbed(x):
        g, points = trial(f, x)
        expected = Expected(g, points, plan, training)
        return {
            name: None if name == "loop" else expected.obstacle(name, axes) for name in strategies
        }


def disagreements_of_sums(
    f: Function, x: Tensor, strategies: Iterable[str], axes: Sequence[int]
) -> dict[str, str | None]:
    """Why each strategy's trace Σ_k ∂f_k/∂x_{axes[k]} cannot be trusted, by its values alone."""
    with undisturbed(x), torch.no_grad():
        g, points = trial(f, x)

        def values(strategy: str) -> Tensor:
            with buffers_kept(g):
                return trace(g, points, axes, strategy).double()

        expected = values("loop")
        eps = max(torch.finfo(t.dtype).eps for t in (g(points.clone())[0], points))
        size = expected.abs().nan_to_num(0, 0, 0)
        tolerance = eps**0.5 * (size + size.median())
        wrong = "differ from reverse mode" + PERHAPS
        return {
            name: None
            if within(values(name), expected, tolerance).all()
            else f"no {TRACES[name].name}: its values {wrong}"
            for name in strategies
        }


class Expected:
    """What `loop` finds at a few points, for another strategy to be held against.

    Args:
        f: the function, or its copy in float64.
        points: where; they require grad.
        plan: the derivatives.
        training: whether parameter gradients are needed; if not, they may be impossible.
    """

    def __init__(self, f: Function, points: Tensor, plan: Plan, training: bool) -> None:
        self.f, self.plan = f, plan
        with buffers_kept(f):
            refuse_cuts(f, points, training or len(plan.channels) > len(plan.axes))
        with buffers_kept(f):
            jet = evaluate(f, points, plan, "loop")
        self.points = without_singular(points, jet)
        with buffers_kept(f):
            if self.points is not points:
                jet = evaluate(f, self.points, plan, "loop")
            self.parameters = [leaf for leaf in leaves(jet.value) if leaf is not self.points]
            self.graph = streams = self.streams(jet)
            self.size = streams.detach().abs().nan_to_num(0, 0, 0)
            self.typical = self.size.median(dim=1, keepdim=True).values
            self.weights = random_over(self.size + self.typical)
            try:
                with named_refusals():
                    self.numbers = self.measured(streams)
            except RuntimeError:  # torch lacks a second derivative
                if training:
                    raise
                self.parameters = []
                self.numbers = self.measured(streams)

    def obstacle(self, strategy: str, axes: Sequence[int]) -> str | None:
        """Why a strategy cannot be trusted, in one line."""
        says = f"no {TRACES[strategy].name}: "
        try:
            if strategy in STRATEGIES:
                what = self.difference(self.evaluated(strategy))
            else:
                what = self.difference_of_trace(strategy, axes)
        except Exception as error:
            return says + words(error)
        return None if what is None else f"{says}its {what} differ from reverse mode{PERHAPS}"

    def evaluated(self, strategy: str) -> Numbers:
        """The same by another strategy."""
        with buffers_kept(self.f):
            jet = evaluate(self.f, self.points, self.plan, strategy)
            return self.measured(self.streams(jet))

    def streams(self, jet: Jet) -> Tensor:
        """The value and the planned derivatives (Q, points, C), in float64."""
        parts = [jet.value, *(jet.stream(c) for c in self.plan.channels)]
        self.eps = max(torch.finfo(t.dtype).eps for t in (jet.value, self.points))
        return torch.stack([p.double().reshape(-1, p.shape[-1]) for p in parts])

    def measured(self, streams: Tensor) -> Numbers:
        """The streams, and the parameter gradient of their sum with weights of equal size."""
        return Numbers(streams.detach(), self.slopes(self.weights * streams))

    def slopes(self, terms: Tensor) -> list[Tensor]:
        """The parameter gradient of the sum of terms."""
        if not self.parameters or not terms.requires_grad:
            return [torch.zeros_like(p) for p in self.parameters]
        slopes = torch.autograd.grad(
            terms.sum(),
            self.parameters,
            allow_unused=True,
            materialize_grads=True,
            retain_graph=True,  # the graph behind a weight that f was given is the caller's
        )
        return list(slopes)

    def difference(self, numbers: Numbers) -> str | None:
        """Which quantities differ by more than rounding; None if none do."""
        orders = torch.tensor([0, *map(order, self.plan.channels)], device=self.size.device)
        for k in range(int(orders.max()) + 1):
            # Rounding at a point follows the component's lower orders, and the terms that cancel.
            own = self.size[orders <= k].amax(0)
            terms = self.size[orders <= k + 1].amax((0, 2)).unsqueeze(-1)
            terms = terms * self.points.detach().abs().amax().clamp(min=1.0)
            near = (self.size + self.typical)[orders == k]
            tolerance = self.eps**0.5 * near + self.eps**0.75 * own + 64 * self.eps * terms
            pair = numbers.streams[orders == k], self.numbers.streams[orders == k]
            if not within(*pair, tolerance).all():
                noise = 256 * self.eps * self.rounding()[orders == k]
                if not within(*pair, tolerance + noise).all():
                    return QUANTITIES[k]
        return self.difference_of_slopes(numbers.slopes, self.numbers.slopes)

    def difference_of_slopes(self, ours: list[Tensor], expected: list[Tensor]) -> str | None:
        """The parameter gradients, if they differ by more than rounding."""
        for a, b in zip(ours, expected, strict=True):
            size = b.abs().nan_to_num(0, 0, 0)
            row = size.amax(-1, keepdim=True) if b.ndim > 1 else size
            tolerance = 10 * self.eps**0.5 * row + 1e3 * self.eps * size.amax()
            if not within(a, b, tolerance).all():
                return "parameter gradients"
        return None

    def difference_of_trace(self, strategy: str, axes: Sequence[int]) -> str | None:
        """What differs between a strategy's trace and the sum of the entries found here.

        The rows of a matrix are one behind the other in f, and are added up.
        """
        axes = [*axes] * (self.graph.shape[-1] // len(axes))
        with buffers_kept(self.f):
            ours = trace(self.f, self.points, axes, strategy).double().flatten()
        rows = [1 + self.plan.channels.index(first(i)) for i in axes]
        entries = torch.stack([self.graph[row, :, k] for k, row in enumerate(rows)])
        size = entries.detach().abs().sum(0).nan_to_num(0, 0, 0)
        near = size + size.median()
        expected, tolerance = entries.sum(0), self.eps**0.5 * near
        if not within(ours, expected, tolerance).all():
            noise = 256 * self.eps * self.rounding()[rows].sum()
            if not within(ours, expected, tolerance + noise).all():
                return "values"
        weights = random_over(near)
        slopes = self.slopes(weights * ours), self.slopes(weights * expected)
        return self.difference_of_slopes(*slopes)

    def rounding(self) -> Tensor:
        """(Q, 1, C): how far the streams move where each parameter moves by its own size.

        Large weights whose products cancel, as least squares leaves them, raise the rounding of
        every strategy by this. It is Σ ± θ ∂s/∂θ with random signs, by two backward passes.
        """
        moved = torch.zeros_like(self.size[:, :1])
        theirs = [p for p in self.parameters if p.requires_grad]
        if not theirs or not self.graph.requires_grad:
            return moved
        v = torch.zeros_like(self.graph, requires_grad=True)
        generator = torch.Generator().manual_seed(1)
        try:
            slopes = torch.autograd.grad(
                self.graph, theirs, v, create_graph=True, retain_graph=True, materialize_grads=True
            )
            signs = [torch.randn(p.shape, generator=generator).sign().to(p) for p in theirs]
            moves = zip(slopes, theirs, signs, strict=True)
            total = torch.stack([(s * p.detach() * e).sum() for s, p, e in moves]).sum()
            (slope,) = torch.autograd.grad(total, v, allow_unused=True, materialize_grads=True)
        except RuntimeError:  # torch lacks a derivative
            return moved
        return slope.abs().amax(1, keepdim=True)


def random_over(scale: Tensor) -> Tensor:
    """Random numbers divided by a scale, where there is one; the same ones at each call."""
    generator = torch.Generator().manual_seed(0)
    random = torch.randn(scale.shape, generator=generator, dtype=scale.dtype)
    return random.to(scale.device) / torch.where(scale > 0, scale, 1.0)


def without_singular(points: Tensor, jet: Jet) -> Tensor:
    """The points, with a regular one in the place of each where a derivative is not finite.

    There is nothing to compare there, and the parameter gradient of a sum would be NaN.
    """
    streams = [jet.value, *(jet.stream(c) for c in jet.streams)]
    regular = torch.stack([s.detach().isfinite().all(-1) for s in streams]).all(0)
    if regular.all() or not regular.any():
        return points
    kept = points.detach().clone()
    kept[~regular] = kept[regular][0]
    return kept.requires_grad_()


def words(error: Exception) -> str:
    """The first sentence of an error, where it is about f; else what f does that is in the way."""
    lines = str(error).strip().splitlines()
    if re.search(r"requires_grad_|autograd\.functional|algebra\.jet", str(error)):
        return "f takes derivatives or maps over its points by itself (torch.autograd, torch.func)"
    if "complex" in str(error):
        return "complex numbers have no derivative rule"
    return lines[0].split(". ")[0] if lines else type(error).__name__
