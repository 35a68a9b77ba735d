"""The trace of a Jacobian that is a product of constant matrices and slopes.

    tr(W₂ D₁ W₁) = diag(W₁W₂)·d₁,        tr(W₃ D₂ W₂ D₁ W₁) = d₂ᵀ (W₂ ∘ (W₁W₃)ᵀ) d₁

with Dᵢ = diag(dᵢ), dᵢ = σ′ at the point. With two hidden layers this costs one constant matrix for
all points and one matrix product: a forward pass of the network, whatever the dimension d is. With
L > 2 layers of width h either d directions pass through L − 1 of them, or, since the first and the
last matrix are joined, h directions through L − 2 of them.

The factors are found by calling the network with a jet whose derivative is a `Tangent`, so that the
structure is read off what the network computes, not off its class.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pinn.algebra.channels import first
from pinn.algebra.jet import Jet
from pinn.algebra.series import Series
from pinn.algebra.smooth import Derivatives
from pinn.algebra.tangent import Core, Scaled, Tangent, mapped, weighted
from pinn.derivatives.outputs import Function, is_matrix, joined
from pinn.derivatives.strategy import Axes, Strategy

STEP = first(0)  # the channel that holds the tangent


class Activation(torch.autograd.Function):
    """z ↦ σ(z), σ′(z), σ″(z):  z̄ = σ′ ȳ + σ″ s̄."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, derivatives: Derivatives) -> tuple[Tensor, Tensor, Tensor]:
        """The value, the slope, and for the backward pass the curvature."""
        y, slope, curvature = derivatives(z, 2)
        slope = slope.clone() if slope is y else slope
        return y, slope, curvature.clone() if curvature is y or curvature is slope else curvature

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        """Keep z, and what the backward pass multiplies with."""
        (z, ctx.derivatives), (_, slope, curvature) = inputs, output
        ctx.mark_non_differentiable(curvature)
        ctx.save_for_backward(z, slope, curvature)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Where it will be differentiated itself, σ′ and σ″ are made anew from z."""
        z, slope, curvature = ctx.saved_tensors
        if torch.is_grad_enabled():
            _, slope, curvature = ctx.derivatives(z, 2)
        return torch.addcmul(slope * gradients[0], curvature, gradients[1]), None


class Linearised(Jet):
    """A jet whose only derivative is a tangent; the value of a dense layer waits until it is read.

    The value of the output layer is never read.
    """

    __slots__ = ("waiting",)
    waiting: Callable[[], Tensor]

    @property
    def value(self) -> Tensor:
        """f at the points."""
        if self._value is None:
            self._value = self.waiting()
        return self._value

    @property
    def tangent(self) -> Tangent | None:
        """The derivative; None where it is identically zero."""
        return self.streams[STEP]  # type: ignore[return-value]

    @staticmethod
    def rule_of(function: Any) -> Callable | None:
        """A dense layer has a rule of its own."""
        return dense if function is F.linear else Jet.rule_of(function)

    def map(self, linear: Callable[[Any], Any], value: Tensor | None = None) -> "Linearised":
        """Apply a linear function that acts on each point alone."""
        tangent = self.tangent
        streams: Any = {STEP: None if tangent is None else mapped(tangent, linear)}
        result = self.like(value, streams)
        result.waiting = lambda: linear(self.value)
        return result

    def __getattr__(self, name: str) -> Any:
        if name in ("shape", "ndim", "dtype", "device") and isinstance(self.tangent, Tangent):
            return getattr(self.tangent, name)
        return super().__getattr__(name)

    def operand(self, other: Any) -> Series:
        """A constant has no derivative."""
        if isinstance(other, Linearised):
            return other
        plain = super().operand(other)
        return self.like(plain.value, plain.streams)

    def composed(self, derivatives: Derivatives, order: int) -> Sequence[Tensor]:
        """σ and σ′ with one backward."""
        value = self.value
        if order == 1 and torch.is_grad_enabled():
            return Activation.apply(value, derivatives)[:2]
        return derivatives(value, order)

    def stream(self, channel: Any) -> Any:
        """The tangent, without terms where it is zero."""
        if self.tangent is not None:
            return self.tangent
        shape, value = self.value.shape, self.value
        return Tangent({}, shape[: self.lead], shape[self.lead :], value)


def dense(x: Linearised, weight: Tensor, bias: Tensor | None = None) -> Linearised:
    """x Wᵀ + b."""
    tangent = x.tangent
    streams: Any = {STEP: None if tangent is None else weighted(tangent, weight)}
    result = x.like(None, streams)
    result.waiting = lambda: F.linear(x.value, weight, bias)
    return result


def trace(f: Function, x: Tensor, axes: Axes, chunk: int | None = None) -> Tensor:
    """Σ_k ∂f_k/∂x_{axes[k]} as (…), of a matrix for each row.

    Raises:
        NoRuleError: f calls a function without a rule, or one that mixes features by a matrix
            that differs from point to point.
    """
    step: Any = Tangent({None: None}, x.shape[:-1], x.shape[-1:], x)
    shape = x.shape[:-1]
    y = f(Linearised(x, {STEP: step}, lead=x.ndim - 1))
    y = y if is_matrix(y, shape) else joined(y, shape)
    if isinstance(y, Tensor) or y.tangent is None or not y.tangent.terms:
        return x.new_zeros(y.shape[:-1])
    tangent, order = y.tangent, list(axes)
    if is_matrix(y, shape):
        totals = [traced(row(tangent, i), order) for i in range(y.shape[-2])]
        return torch.stack([t.expand(shape.numel()) for t in totals], -1).reshape(y.shape[:-1])
    return traced(tangent, order).expand(shape.numel()).reshape(shape)


def row(tangent: Tangent, i: int) -> Tangent:
    """One row of a matrix."""
    return mapped(tangent, lambda rows: rows[..., i, :])


def traced(tangent: Tangent, axes: list[int]) -> Tensor:
    """Σ_k of the derivative of feature k along axes[k], at all points in one axis, or at any."""
    parts: list[Tensor] = []
    deep: list[tuple[Tensor, Scaled, Tangent]] = []
    for core in tangent.terms:
        last = tangent.matrix(core)
        if core is None:
            parts.append(picked(last, axes).diagonal().sum())
            continue
        inner = core.inner
        parts += [closed(last, core, below, axes) for below in inner.terms if is_shallow(below)]
        rest = {below: m for below, m in inner.terms.items() if not is_shallow(below)}
        if rest:
            deep.append((last, core, inner.made(rest, inner.features)))
    return reduce(torch.add, parts + (swept(deep, axes) if deep else []))


def is_shallow(core: Core) -> bool:
    """Whether a core has at most one factor D."""
    return core is None or core.depth == 1


def closed(last: Tensor, core: Scaled, below: Core, axes: list[int]) -> Tensor:
    """tr(A D B c) for c = dx, and for c = D′ C dx."""
    slopes, between = points(core), rows(core.inner, below)
    if below is None:
        return slopes @ (last * picked(between, axes).mT).sum(1)
    start = picked(rows(below.inner, None), axes)
    kernel = between * (last @ start).mT
    return (points(below) @ kernel * slopes).sum(-1)


def swept(deep: Sequence[tuple[Tensor, Scaled, Tangent]], axes: list[int]) -> list[Tensor]:
    """tr(A D B) of longer chains, by whichever takes fewer directions through fewer layers.

    The d directions of the axes pass through all layers of B. The h columns of A pass through all
    but the last one, of which only the diagonal is needed.
    """
    forward = len(axes) * sum(products(*(inner for *_, inner in deep)).values())
    joined = sum(
        last.shape[0] * sum(products(*(c.inner for c in inner.terms if c is not None)).values())
        for last, _, inner in deep
    )
    if forward > joined:
        return [diagonal(last, core, inner, axes) for last, core, inner in deep]
    known: dict[Core, Tensor] = {}

    def start(matrix: Tensor) -> Tensor:
        return picked(matrix, axes)

    return [
        ((along(inner, start, known) * last.mT.unsqueeze(1)).sum(0) * points(core)).sum(-1)
        for last, core, inner in deep
    ]


def diagonal(last: Tensor, core: Scaled, inner: Tangent, axes: list[int]) -> Tensor:
    """Σ_a d_a (B c)_a, where c belongs to the a-th column of A as a step."""
    known: dict[Core, Tensor] = {}

    def start(matrix: Tensor) -> Tensor:
        return last @ picked(matrix, axes)

    parts = []
    for below in inner.terms:
        columns = along(inner.made({below: None}, inner.features), start, known)
        parts.append(torch.einsum("anj,ja->na", columns, rows(inner, below)))
    return (reduce(torch.add, parts) * points(core)).sum(-1)


def products(*tangents: Tangent) -> dict[tuple[int, Core], int]:
    """The sizes of the matrices that a direction passes through at every point, each once."""
    sizes: dict[tuple[int, Core], int] = {}
    for tangent in tangents:
        for core, matrix in tangent.terms.items():
            if core is not None and (id(tangent), core) not in sizes:
                sizes[id(tangent), core] = 0 if matrix is None else matrix.numel()
                sizes |= products(core.inner)
    return sizes


def along(tangent: Tangent, start: Callable[[Tensor], Tensor], known: dict[Core, Tensor]) -> Tensor:
    """The tangent in several directions, (directions, points, features).

    Args:
        tangent: dy.
        start: Aᵀ of a term A dx ↦ its rows for the directions.
        known: the cores that have been computed.
    """
    parts = []
    for core, matrix in tangent.terms.items():
        if core is None:
            parts.append(start(rows(tangent, core)).unsqueeze(1))
            continue
        if core not in known:
            known[core] = along(core.inner, start, known) * points(core)
        columns = known[core]
        parts.append(columns if matrix is None else columns @ rows(tangent, core))
    return reduce(torch.add, parts)


def points(core: Scaled) -> Tensor:
    """The slopes as (points, width)."""
    inner = core.inner
    wide = torch.broadcast_to(core.slopes, inner.shape)
    return wide.reshape(inner.lead.numel(), inner.features.numel())


def rows(tangent: Tangent, core: Core) -> Tensor:
    """A matrix as (width of the core, width)."""
    return tangent.matrix(core).reshape(-1, tangent.features.numel())


def picked(rows: Tensor, axes: list[int]) -> Tensor:
    """The rows of the axes, as a view where they follow each other."""
    if axes == list(range(axes[0], axes[0] + len(axes))):
        return rows[axes[0] : axes[0] + len(axes)]
    return rows[axes]


CHAIN = Strategy(None, trace, "chain of matrices", is_reverse=False)
