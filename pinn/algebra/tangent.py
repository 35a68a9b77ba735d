"""A tangent: what a network does to a small step dx, written down and not carried out.

    dy = Σⱼ Aⱼ cⱼ,    c = dx   or   c = D dz,   D = diag(d) at every point

The matrices A are the same at all points, the slopes d are not. A jet may have a tangent in the
place of a derivative: the rules are linear in it. So a linear function of the features changes the
matrices, and a factor with a value per point starts a new core c.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from pinn.algebra.no_rule import NoRuleError


@dataclass(eq=False)
class Scaled:
    """The core D dz.

    Args:
        slopes: d, which broadcasts to (…, *features of dz).
        inner: dz.
    """

    slopes: Tensor
    inner: "Tangent"

    def __post_init__(self) -> None:
        self.depth = 1 + self.inner.depth  # how many factors D stand one behind the other


Core = Scaled | None  # None is dx itself
Terms = dict[Core, Tensor | None]


class Tangent:
    """dy at points.

    Args:
        terms: core ↦ Aᵀ of shape (width of the core, *features); None is the identity.
        lead: the sizes of the point axes.
        features: the sizes of the other axes.
        like: a tensor with the dtype and the device.
    """

    __slots__ = ("features", "lead", "like", "terms")

    def __init__(
        self, terms: Terms, lead: Sequence[int], features: Sequence[int], like: Tensor
    ) -> None:
        self.terms = terms
        self.lead, self.features, self.like = torch.Size(lead), torch.Size(features), like

    @property
    def shape(self) -> torch.Size:
        """That of y."""
        return self.lead + self.features

    @property
    def ndim(self) -> int:
        """The number of axes of y."""
        return len(self.lead) + len(self.features)

    @property
    def dtype(self) -> torch.dtype:
        """That of the slopes."""
        return self.like.dtype

    @property
    def device(self) -> torch.device:
        """That of the slopes."""
        return self.like.device

    @property
    def depth(self) -> int:
        """How many factors D stand one behind the other, at most."""
        return max((core.depth for core in self.terms if core is not None), default=0)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if (rule := RULES.get(func)) is None:
            name = torch.overrides.resolve_name(func) or getattr(func, "__name__", str(func))
            raise NoRuleError(f"{name} with another matrix at each point is not known")
        return rule(*args, **(kwargs or {}))

    def __neg__(self) -> "Tangent":
        return times(self, -1)

    def __add__(self, other: Any) -> "Tangent":
        return plus(self, other)

    def __sub__(self, other: Any) -> "Tangent":
        return plus(self, -other)

    def __mul__(self, other: Any) -> "Tangent":
        return times(self, other)

    def __truediv__(self, other: Any) -> "Tangent":
        return times(self, 1 / other)

    __radd__, __rmul__ = __add__, __mul__

    def matrix(self, core: Core) -> Tensor:
        """Aᵀ of a term, with the identity written out."""
        known = self.terms[core]
        if known is not None:
            return known
        count = self.features.numel()
        unit = torch.eye(count, dtype=self.dtype, device=self.device)
        return unit.reshape(count, *self.features)

    def made(self, terms: Terms, features: Sequence[int]) -> "Tangent":
        """A tangent at the same points."""
        return Tangent(terms, self.lead, features, self.like)

    def widened(self, shape: Sequence[int]) -> "Tangent":
        """The same, broadcast to a shape of y."""
        features = torch.Size(shape)[len(self.lead) :]
        if torch.Size(shape)[: len(self.lead)] != self.lead:
            raise NoRuleError("a derivative at more points than x has is not known")
        if features == self.features:
            return self
        ones = (1,) * (len(features) - len(self.features))
        rows = {core: self.matrix(core) for core in self.terms}
        terms: Terms = {
            core: m.reshape(len(m), *ones, *self.features).expand(len(m), *features)
            for core, m in rows.items()
        }
        return self.made(terms, features)


def mapped(x: Tangent, linear: Callable[[Any], Any]) -> Tangent:
    """A linear function of the features, applied to the matrices.

    Their rows stand where several derivatives would, in front of the points, whose axes have length
    one. A function that does something else at each point shows in the shape of the result: it is
    called with the tangent itself, which knows factors.

    Raises:
        NoRuleError: it does more at each point than to multiply.
    """
    ones = (1,) * len(x.lead)
    terms: Terms = {}
    features = x.features
    for core in x.terms or [None]:
        rows = x.matrix(core) if x.terms else x.like.new_zeros(1, *x.features)
        result = linear(rows.reshape(len(rows), *ones, *x.features))
        if result.shape[: 1 + len(ones)] != (len(rows), *ones):
            return linear(x)
        features = result.shape[1 + len(ones) :]
        terms[core] = result.reshape(len(rows), *features)
    return x.made(terms if x.terms else {}, features)


def weighted(x: Tangent, weight: Tensor) -> Tangent:
    """x Wᵀ: the matrix of the identity becomes the weight itself."""
    if len(x.features) != 1:
        return mapped(x, lambda rows: F.linear(rows, weight))
    terms: Terms = {
        core: weight.mT if known is None else F.linear(known, weight)
        for core, known in x.terms.items()
    }
    return x.made(terms, (len(weight),))


def times(a: Any, b: Any) -> Tangent:
    """The features times a number, a constant, or slopes."""
    x, other = (a, b) if isinstance(a, Tangent) else (b, a)
    if not isinstance(other, Tensor):
        return mapped(x, lambda rows: rows * other)
    x = x.widened(torch.broadcast_shapes(x.shape, other.shape))
    if other.ndim <= len(x.features):
        return mapped(x, lambda rows: rows * other)
    return x.made({Scaled(other, x): None}, x.features) if x.terms else x


def plus(a: Any, b: Any) -> Tangent:
    """The sum of two tangents."""
    if not (isinstance(a, Tangent) and isinstance(b, Tangent)):
        raise NoRuleError("the sum of a derivative and something else is not known")
    shape = torch.broadcast_shapes(a.shape, b.shape)
    a, b = a.widened(shape), b.widened(shape)
    terms: Terms = dict(a.terms)
    for core in b.terms:
        terms[core] = a.matrix(core) + b.matrix(core) if core in terms else b.terms[core]
    return a.made(terms, a.features)


def joined(join: Callable, parts: Sequence[Any], dim: int = 0) -> Tangent:
    """`cat` or `stack` of tangents along an axis of features."""
    if not all(isinstance(p, Tangent) for p in parts):
        raise NoRuleError("a derivative joined with something else is not known")
    home = parts[0]
    axis = dim % (home.ndim + (join is torch.stack)) - len(home.lead)
    if axis < 0:
        raise NoRuleError("joining the points is not known")

    def on(core: Core) -> Tensor:
        width = next(len(p.matrix(core)) for p in parts if core in p.terms)
        zeros = [home.like.new_zeros(width, *p.features) for p in parts]
        pieces = zip(parts, zeros, strict=True)
        return join([p.matrix(core) if core in p.terms else z for p, z in pieces], axis + 1)

    terms: Terms = {core: on(core) for core in dict.fromkeys(c for p in parts for c in p.terms)}
    nothing = join([home.like.new_zeros(1, *p.features) for p in parts], axis + 1)
    return home.made(terms, nothing.shape[1:])


def cat(parts: Sequence[Any], dim: int = 0) -> Tangent:
    """Concatenation."""
    return joined(torch.cat, parts, dim)


def stack(parts: Sequence[Any], dim: int = 0) -> Tangent:
    """Stacking along a new axis."""
    return joined(torch.stack, parts, dim)


def added(a: Any, b: Any, *, alpha: float = 1) -> Tangent:
    """a + αb."""
    return plus(a, b if alpha == 1 else times(b, alpha))


RULES: dict[Any, Callable] = {
    **dict.fromkeys((torch.mul, torch.Tensor.mul, torch.Tensor.__mul__), times),
    **dict.fromkeys((torch.add, torch.Tensor.add, torch.Tensor.__add__), added),
    torch.Tensor.__rmul__: times,
    torch.Tensor.__radd__: added,
    torch.neg: lambda x: times(x, -1),
    torch.sub: lambda a, b: plus(a, times(b, -1)),
    torch.cat: cat,
    torch.stack: stack,
}
