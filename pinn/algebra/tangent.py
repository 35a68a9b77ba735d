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
        rule = RULES.get(func)
        return (
            linear(func, *args, **(kwargs or {})) if rule is None else rule(*args, **kwargs or {})
        )

    def __getattr__(self, name: str) -> Any:
        """A method of tensors, which is linear or refused."""
        method = getattr(torch.Tensor, name, None)
        if not callable(method):
            raise NoRuleError(f"Tensor.{name} of a derivative is not known")
        return lambda *args, **kwargs: self.__torch_function__(method, (), (self, *args), kwargs)

    def __getitem__(self, index: Any) -> "Tangent":
        parts = index if isinstance(index, tuple) else (index,)
        return linear(lambda rows: rows[(slice(None), *parts)], self)

    def __neg__(self) -> "Tangent":
        return linear(torch.neg, self)

    def __add__(self, other: Any) -> "Tangent":
        return plus(self, other)

    def __sub__(self, other: Any) -> "Tangent":
        return plus(self, -other)

    def __mul__(self, other: Any) -> "Tangent":
        return times(self, other)

    def __truediv__(self, other: Any) -> "Tangent":
        return times(self, 1 / other)

    __radd__, __rmul__ = __add__, __mul__

    def reshape(self, *shape: int) -> "Tangent":
        """The features in another shape."""
        if torch.Size(shape[: len(self.lead)]) != self.lead:
            raise NoRuleError(f"the points reshaped to {shape} are not known")
        features = shape[len(self.lead) :]
        rows = {core: self.matrix(core) for core in self.terms}
        return self.made({c: m.reshape(len(m), *features) for c, m in rows.items()}, features)

    def expand(self, *shape: int) -> "Tangent":
        """The features repeated along axes of length one, or along new ones."""
        return self.widened(shape)

    def matrix(self, core: Core) -> Tensor:
        """Aᵀ of a term, with the identity written out."""
        known = self.terms[core]
        if known is not None:
            return known
        count = self.features.numel()
        unit = torch.eye(count, dtype=self.dtype, device=self.device)
        return unit.reshape(count, *self.features)

    def count(self, core: Core) -> int:
        """The width of a core."""
        known = self.terms[core]
        return self.features.numel() if known is None else len(known)

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


def linear(function: Callable, *args: Any, **kwargs: Any) -> Any:
    """A linear function of the features of one tangent, applied to its matrices.

    The rows of a matrix stand where several derivatives would, in front of the points, whose axes
    have length one. So an operand with a value per point is seen in the shape of the result.

    Raises:
        NoRuleError: the function mixes the points, or does something else at each point.
    """
    places = [k for k, a in enumerate(args) if isinstance(a, Tangent)]
    if len(places) != 1 or any(isinstance(a, Tangent) for a in kwargs.values()):
        raise NoRuleError(f"{name(function)} of several derivatives is not known")
    place, tangent = places[0], args[places[0]]
    ones = (1,) * len(tangent.lead)

    def called(rows: Tensor) -> Any:
        stood = rows.reshape(len(rows), *ones, *tangent.features)
        return function(*args[:place], stood, *args[place + 1 :], **kwargs)

    results = {core: called(tangent.matrix(core)) for core in tangent.terms}
    one = next(iter(results.values()), None)
    if one is None:
        one = called(tangent.like.new_zeros(1, *tangent.features))
    if not isinstance(one, Tensor):  # several parts, as of `chunk`
        return [linear(part(function, k), *args, **kwargs) for k in range(len(one))]
    for core, result in results.items():
        if result.shape[: 1 + len(ones)] != (tangent.count(core), *ones):
            raise NoRuleError(f"{name(function)} with another matrix at each point is not known")
    features = one.shape[1 + len(ones) :]
    terms: Terms = {core: m.reshape(len(m), *features) for core, m in results.items()}
    return tangent.made(terms, features)


def part(function: Callable, k: int) -> Callable:
    """The k-th result of a function."""
    return lambda *args, **kwargs: function(*args, **kwargs)[k]


def name(function: Any) -> str:
    """A function, for messages."""
    return torch.overrides.resolve_name(function) or getattr(function, "__name__", str(function))


def dense(x: Tangent, weight: Tensor, bias: None = None) -> Tangent:
    """x Wᵀ: the matrix of the identity becomes the weight itself."""
    single = len(x.features) == 1
    terms: Terms = {
        core: weight.mT if known is None and single else F.linear(x.matrix(core), weight)
        for core, known in x.terms.items()
    }
    return x.made(terms, (*x.features[:-1], len(weight)))


def times(a: Any, b: Any) -> Tangent:
    """The features times a number, a constant, or slopes."""
    x, other = (a, b) if isinstance(a, Tangent) else (b, a)
    if not isinstance(other, Tensor):
        return linear(torch.mul, x, other)
    x = x.widened(torch.broadcast_shapes(x.shape, other.shape))
    if other.ndim <= len(x.features):
        return linear(torch.mul, x, other)
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


RULES: dict[Any, Callable] = {
    F.linear: dense,
    torch.mul: times,
    torch.Tensor.mul: times,
    torch.Tensor.__mul__: times,
    torch.Tensor.__rmul__: times,
    torch.add: plus,
    torch.Tensor.add: plus,
    torch.Tensor.__add__: plus,
    torch.Tensor.__radd__: plus,
    torch.cat: cat,
    torch.stack: stack,
}
