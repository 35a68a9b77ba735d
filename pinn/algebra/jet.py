"""The jet: f at points with its derivatives, flowing through ordinary torch code.

    f(x + δ) = f + Σᵢ fᵢ δᵢ + ½ Σᵢⱼ fᵢⱼ δᵢ δⱼ + o(|δ|²)

A jet is a plain object with `__torch_function__`: `nn.Linear` calls `F.linear(jet, W, b)`, and the
table below maps each torch function to its Taylor rule. A function without a rule raises
`NoRuleError`, which names it; whoever evaluates then falls back to a slower exact strategy.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from pinn.algebra.channels import Channel, symbol
from pinn.algebra.indexing import keeps_points
from pinn.algebra.series import (
    Derivatives,
    Series,
    Streams,
    carries,
    composition,
    derivative,
    product,
    shared,
    total,
)
from pinn.algebra.smooth import SMOOTH, gelu, power, silu, softplus


class NoRuleError(TypeError):
    """A torch function or attribute that Taylor arithmetic has no rule for."""


class MissingDerivativeError(LookupError):
    """A derivative was read that the evaluation did not produce."""


class Jet:
    """f and its derivatives at points.

    Args:
        value: f, of shape (*points, *shape).
        streams: per channel the derivative, shaped like `value`; None where identically zero.
        lead: how many leading axes of `value` count points. No rule mixes along them.
    """

    __slots__ = ("lead", "streams", "value")

    def __init__(self, value: Tensor, streams: Streams, lead: int = 1) -> None:
        self.value = value
        self.streams = dict(streams)
        self.lead = lead

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        rule = RULES.get(func)
        if rule is None:
            name = torch.overrides.resolve_name(func) or getattr(func, "__name__", str(func))
            raise NoRuleError(f"{name} has no Taylor rule")
        return rule(*args, **(kwargs or {}))

    def like(self, value: Tensor, streams: Streams) -> Self:
        """A jet over the same points with other contents."""
        return type(self)(value, streams, self.lead)

    def map(self, linear: Callable[[Tensor], Tensor]) -> Self:
        """Apply a linear function that acts on each point alone."""
        streams = {c: None if s is None else linear(s) for c, s in self.streams.items()}
        return self.like(linear(self.value), streams)

    def stream(self, channel: Channel) -> Tensor:
        """The derivative of one channel, zeros where it vanishes identically.

        Raises:
            MissingDerivativeError: the channel was not part of the evaluation.
        """
        if not carries(self.streams, channel):
            raise MissingDerivativeError(f"{self.describe(channel)} is not in the derivative plan")
        found = derivative(self.streams, channel)
        return torch.zeros_like(self.value) if found is None else found

    def describe(self, channel: Channel) -> str:
        """A derivative of this jet, written for people."""
        axes = 1 + max(i for indices in channel for i in indices)
        return f"{symbol(channel, tuple(str(i) for i in range(axes)))} of f"

    # A field overrides these two: it aligns its point axis and refuses raw per-point tensors.
    def operand(self, other: Any) -> "Jet":
        """The other operand of a binary operation as a jet; a constant has zero derivatives."""
        if isinstance(other, Jet):
            return other
        if not isinstance(other, Tensor):
            other = torch.as_tensor(other, dtype=self.dtype, device=self.device)
        return Jet(other, dict.fromkeys(self.streams), self.lead)

    def align(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Two tensors ready to broadcast; for networks, torch's own rule."""
        return a, b

    def __getitem__(self, index: Any) -> Self:
        if not keeps_points(index, self.ndim, self.lead):
            raise NoRuleError(f"indexing the points with {index!r} has no Taylor rule")
        return self.map(lambda s: s[index])

    def __neg__(self) -> Self:
        return self.map(torch.neg)

    def __getattr__(self, name: str) -> Any:
        """What modules look at before they compute, and methods: `x.sin()` is `torch.sin(x)`."""
        if name in ("shape", "ndim", "dtype", "device", "dim", "size"):
            return getattr(self.value, name)
        function = getattr(torch, name, None)
        if not callable(function) or function not in RULES:
            raise AttributeError(f"Tensor.{name} has no Taylor rule")
        return lambda *args, **kwargs: function(self, *args, **kwargs)

    def __add__(self, other: Any) -> Self:
        return add(self, other)

    def __sub__(self, other: Any) -> Self:
        return subtract(self, other)

    def __rsub__(self, other: Any) -> Self:
        return subtract(other, self)

    def __mul__(self, other: Any) -> Self:
        return multiply(self, other)

    def __truediv__(self, other: Any) -> Self:
        return divide(self, other)

    def __rtruediv__(self, other: Any) -> Self:
        return divide(other, self)

    def __pow__(self, exponent: Any) -> Self:
        return raise_to(self, exponent)

    def __rpow__(self, base: Any) -> Self:
        return raise_to(base, self)

    def _refuse(self, *_: Any) -> Any:
        raise NoRuleError("comparison, truth and in-place arithmetic have no Taylor rule")

    __radd__, __rmul__ = __add__, __mul__
    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ipow__ = _refuse
    # Python's own answers would be wrong numbers: False for `x == 0`, True for `bool(x)`.
    __eq__ = __ne__ = __bool__ = _refuse
    __hash__ = object.__hash__
    __array_ufunc__ = None  # `array * jet` is left to the jet


def jet_of(*operands: Any) -> Jet:
    """The jet among the operands that decides how the others are read."""
    return next(o for o in operands if isinstance(o, Jet))


def compose(f: Jet, derivatives: Derivatives) -> Jet:
    """σ(f)."""
    return f.like(*composition(Series(f.value, f.streams), derivatives))


def combine(operation: Callable, torch_function: Callable, a: Any, b: Any) -> Jet:
    """One of the binary operations of `series` on two operands, at least one of them a jet."""
    home = jet_of(a, b)
    a, b = home.operand(a), home.operand(b)

    def aligned(s: Tensor, t: Tensor) -> Tensor:
        return torch_function(*home.align(s, t))

    return home.like(*operation(Series(a.value, a.streams), Series(b.value, b.streams), aligned))


def add(a: Any, b: Any, *, alpha: float = 1) -> Any:
    """a + αb."""
    b = b if alpha == 1 else multiply(jet_of(a, b).operand(b), alpha)
    return combine(total, torch.add, a, b)


def subtract(a: Any, b: Any, *, alpha: float = 1) -> Any:
    """a − αb."""
    return add(a, -jet_of(a, b).operand(b), alpha=alpha)


def multiply(a: Any, b: Any) -> Any:
    """a b."""
    home = jet_of(a, b)
    other = b if home is a else a
    if isinstance(other, int | float):  # the common case needs no Leibniz rule
        return home.map(lambda s: s * other)
    return combine(product, torch.mul, a, b)


def divide(a: Any, b: Any) -> Any:
    """a / b."""
    if isinstance(b, int | float):
        return a.map(lambda s: s / b)
    return multiply(a, compose(jet_of(a, b).operand(b), SMOOTH[torch.reciprocal]))


def raise_to(base: Any, exponent: Any) -> Any:
    """base^exponent; a jet as exponent is read as exp(exponent · ln base)."""
    if isinstance(exponent, int | float):
        return compose(base, power(exponent))
    if not isinstance(exponent, Jet):
        n = base.operand(exponent).value
        if n.ndim > base.ndim:
            raise NoRuleError("an exponent with more axes than its base has no Taylor rule")
        return compose(base, power(n))
    log = compose(exponent.operand(base), SMOOTH[torch.log])
    return compose(multiply(exponent, log), SMOOTH[torch.exp])


def linear(x: Jet, weight: Tensor, bias: Tensor | None = None) -> Jet:
    """x Wᵀ + b: all streams in one matrix product."""
    carried = [c for c, s in x.streams.items() if s is not None]
    stacked = torch.stack([x.value, *(s for s in x.streams.values() if s is not None)])
    value, *rest = F.linear(stacked, weight).unbind(0)
    streams = dict.fromkeys(x.streams) | dict(zip(carried, rest, strict=True))
    return x.like(value if bias is None else value + bias, streams)


def joined(join: Callable, parts: Sequence[Any], dim: int, new_axes: int) -> Jet:
    """Cat or stack: the same on every stream, zeros where a part has none."""
    home = jet_of(*parts)
    jets = [home.operand(part) for part in parts]
    axes = home.ndim + new_axes
    if not home.lead <= dim % axes < axes:
        raise NoRuleError(f"joining along the point axis {dim} has no Taylor rule")
    streams: dict[Channel, Tensor | None] = {}
    for channel in shared(*(j.streams for j in jets)):
        found = [derivative(j.streams, channel) for j in jets]
        pairs = zip(found, jets, strict=True)
        filled = [torch.zeros_like(j.value) if s is None else s for s, j in pairs]
        streams[channel] = None if all(s is None for s in found) else join(filled, dim)
    return home.like(join([j.value for j in jets], dim), streams)


def cat(tensors: Sequence[Any], dim: int = 0) -> Jet:
    """Concatenation along a feature axis."""
    return joined(torch.cat, tensors, dim, new_axes=0)


def stack(tensors: Sequence[Any], dim: int = 0) -> Jet:
    """Stacking along a new feature axis."""
    return joined(torch.stack, tensors, dim, new_axes=1)


def sum_features(x: Jet, dim: int | None = None, keepdim: bool = False) -> Jet:
    """Σ over one feature axis."""
    if not isinstance(dim, int) or dim % x.ndim < x.lead:
        raise NoRuleError(f"torch.sum over dim={dim}, not one feature axis, has no Taylor rule")
    return x.map(lambda s: s.sum(dim, keepdim=keepdim))


def gelu_rule(x: Jet, *, approximate: str = "none") -> Jet:
    """GELU in its exact form."""
    if approximate != "none":
        raise NoRuleError(f"gelu(approximate={approximate!r}) has no Taylor rule")
    return compose(x, gelu)


def softplus_rule(x: Jet, beta: float = 1.0, threshold: float = 20.0) -> Jet:
    """softplus(βx)/β; torch's switch to the identity above the threshold is below 1e-8."""
    if threshold < 20:
        raise NoRuleError(f"softplus(threshold={threshold}) has no Taylor rule")
    return multiply(compose(multiply(x, beta), softplus), 1 / beta)


def silu_rule(x: Jet, inplace: bool = False) -> Jet:
    """SiLU; in place it would leave the argument behind unchanged."""
    if inplace:
        raise NoRuleError("silu(inplace=True) has no Taylor rule")
    return compose(x, silu)


BINARY = {"add": add, "sub": subtract, "mul": multiply, "div": divide, "pow": raise_to}

RULES: dict[Callable, Callable] = {
    **{function: partial(compose, derivatives=d) for function, d in SMOOTH.items()},
    F.linear: linear,
    F.gelu: gelu_rule,
    F.softplus: softplus_rule,
    F.silu: silu_rule,
    torch.cat: cat,
    torch.stack: stack,
    torch.sum: sum_features,
    torch.neg: lambda x: -x,
    **{getattr(t, name): rule for t in (torch, torch.Tensor) for name, rule in BINARY.items()},
    torch.Tensor.__pow__: raise_to,
    torch.Tensor.__rsub__: lambda a, b: subtract(b, a),
    torch.Tensor.__rtruediv__: lambda a, b: divide(b, a),
    torch.Tensor.__rpow__: lambda a, b: raise_to(b, a),
}
