"""Fields: named jets, what residuals read and compute with.

A field is a jet over N points whose arithmetic is that of physics: scalars are (N,), vectors
(N, C), tensors (N, C, D), and a scalar times a vector lines the points up. Three rules keep
derivatives honest: coordinates are fields with unit gradient; numbers and tuples are constants;
plain tensors with values per point are data,
whose derivative is unknown: reading it raises.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.channels import Channel, every_channel, first, integrated, order, symbol
from pinn.algebra.deferred import Later
from pinn.algebra.rows import seed
from pinn.algebra.rules.piecewise import both, either, exclusive, negated
from pinn.algebra.series import Series, Streams
from pinn.fields.constants import constant, flattened, holds_series, is_nested, role
from pinn.fields.notation import UNKNOWN, Notation, reason
from pinn.geometry.coordinates import Coordinates


class Field(Notation):
    """A named jet in a coordinate system.

    Args:
        value: (N,), (N, C) or (N, C, D).
        streams: the derivatives, shaped like `value`; None where identically zero.
        coordinates: what the axes of differentiation are called, and which of them is time.
        name: the unknown's or the coordinate's name; used in messages.
        taken: how many orders of differentiation led here, `UNKNOWN` where they are not known.
    """

    __slots__ = ("coordinates", "name", "taken")

    def __init__(
        self,
        value: Tensor | None,
        streams: Streams | Later,
        coordinates: Coordinates,
        name: str = "expression",
        taken: int = 0,
    ) -> None:
        super().__init__(value, streams, lead=1)
        self.coordinates = coordinates
        self.name = name
        self.taken = taken

    @property
    def rank(self) -> int:
        """The operand with the highest rank decides what the result of a function is."""
        return self.taken

    def like(self, value: Tensor | None, streams: Streams | Later) -> "Field":
        """A field over the same points with other contents."""
        return Field(value, streams, self.coordinates, taken=self.taken)

    def named(self, name: str) -> "Field":
        """The same field under a name."""
        return Field(self.value, self.made, self.coordinates, name, self.taken)

    def mask(self, holds: Tensor, streams: Streams) -> "Mask":
        """A condition at the points of this field, from boolean values."""
        value = holds.to(self.dtype)
        return Mask(value, dict.fromkeys(streams), self.coordinates, "condition", self.taken)

    def operand(self, other: Any) -> Series:
        """The other operand: a field, a constant, or values per point of unknown derivative.

        Raises:
            TypeError: `other` is none of these, or could be two of them.
        """
        if isinstance(other, Series):
            return other
        if is_nested(other):
            return vector(*other) if holds_series(other) else self.still(other, True)
        if getattr(other, "ndim", 0) == 0:
            return self.still(other, False)
        given = torch.as_tensor(other, device=self.device)
        meaning = role(given, len(self.value), tuple(self.shape[1:]), len(self.coordinates.space))
        if meaning == "number":
            return self.still(given.reshape(()), False)
        if meaning == "constant":
            return self.still(given.squeeze(0) if given.shape[0] == 1 else given, True)
        return self.at_points(given)

    def still(self, given: Any, has_components: bool) -> Series:
        """A constant, with zero derivatives; its gradient is kept."""
        value = constant(given, self.dtype, self.device)
        later = Later(lambda: dict.fromkeys(self.streams), self.made) if self.is_later else None
        streams = later or dict.fromkeys(self.streams)
        return Series(value.unsqueeze(0) if has_components else value, streams)

    def at_points(self, given: Tensor) -> "Field":
        """Values per point: boolean ones are a condition, the derivatives of others unknown."""
        if given.dtype == torch.bool:
            return self.mask(given, self.streams)
        values = constant(given, self.dtype, self.device)
        return Field(values, {}, self.coordinates, "values", UNKNOWN)

    def align(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Point axes first: a scalar (N,) beside a vector (N, C) becomes (N, 1).

        Raises:
            ValueError: a vector meets a tensor (N, C, D), which could mean either of its axes.
        """
        low, high = sorted((a.ndim, b.ndim))
        if low < high and low > 1:
            raise ValueError(
                f"a product of shapes {tuple(a.shape)} and {tuple(b.shape)} could mean either axis "
                "of the tensor: write it by components, or A @ v, or advect(normal, u) for ∂u/∂n"
            )
        a, b = widened(a, high), widened(b, high)
        if any(m != n and 1 not in (m, n) for m, n in zip(a.shape[1:], b.shape[1:], strict=False)):
            raise ValueError(
                f"vectors of shapes {tuple(a.shape[1:])} and {tuple(b.shape[1:])} per point meet: "
                "give them the same number of components"
            )
        return a, b

    def describe(self, channel: Channel) -> str:
        """A derivative of this field, written for people."""
        return f"{symbol(channel, self.coordinates.names)} of {self.name!r}"

    def missing(self, channel: Channel) -> str:
        """Why a derivative of this field is not known, and what to do."""
        return reason(self.describe(channel), self.taken, order(channel), len(self.coordinates))

    def __repr__(self) -> str:
        known = " ".join(symbol(c, self.coordinates.names) for c in self.streams)
        return f"Field({self.name!r}, shape={tuple(self.shape)}, derivatives=[{known}])"


class Mask(Field):
    """A condition such as `x < 0.5`: 1 where it holds, else 0; its derivative is zero.

    That is right away from the jump. At the jump itself the derivative does not exist, so a
    coefficient that jumps belongs in front of what is differentiated, or into two regions.
    """

    __slots__ = ()
    is_condition = True

    __and__ = __rand__ = both
    __or__ = __ror__ = either
    __xor__ = __rxor__ = exclusive
    __invert__ = negated

    def __getitem__(self, index: Any) -> "Mask":
        part = super().__getitem__(index)
        return self.mask(part.value != 0, part.streams)


def widened(values: Tensor, ndim: int) -> Tensor:
    """Values with axes of length one behind their own."""
    return values.reshape(values.shape + (1,) * (ndim - values.ndim))


def vector(*components: Any) -> Any:
    """(f₁, …, f_C): scalars (N,) make a vector (N, C), vectors the rows of a matrix (N, C, D).

    So `vector((a, b), (c, d))` and `vector(vector(a, b), vector(c, d))` are the same matrix, and
    `div` of it is (∂a/∂x + ∂b/∂y, ∂c/∂x + ∂d/∂y).

    Args:
        *components: fields of one shape, or tuples of them; numbers and parameters stand for
            constants. One tuple or list alone holds the components.

    Returns:
        A field; of constants alone a tensor (C,) or (C, D), which a field takes as a constant.

    Raises:
        ValueError: the components differ in shape.
    """
    if len(components) == 1 and is_nested(components[0]):
        components = tuple(components[0])
    like = next((part for part in flattened(components) if isinstance(part, Field)), None)
    if like is None:
        return constant(components, torch.float64)
    parts = [like.operand(part) for part in components]
    shaped = [part for part in parts if isinstance(part, Field) or part.value.ndim > 1]
    shapes = {tuple(part.value.shape[1:]) for part in shaped}
    if len(shapes) > 1:
        raise ValueError(
            f"the components of a vector have shapes {sorted(shapes)} per point: give all of them "
            "as scalars, or all as rows of one length"
        )
    shape = (like.shape[0], *next(iter(shapes)))
    filled = [
        part if isinstance(part, Field) else like.like(part.value.expand(shape), part.made)
        for part in parts
    ]
    return torch.stack(filled, dim=1)  # type: ignore[arg-type]


def coordinate_field(
    at: Tensor,
    coordinates: Coordinates,
    highest: int = 2,
    channels: Iterable[Channel] | None = None,
) -> Field:
    """The position x as a field:  ∂xᵢ/∂xⱼ = δᵢⱼ,  ∂²x = 0.

    Args:
        at: (N, D) points.
        coordinates: their names.
        highest: the order up to which its derivatives are known, and so those of its products.
        channels: what is known in place of all derivatives up to that order.

    Returns:
        A field (N, D); `field[:, i]` is one coordinate.
    """
    if channels is None:
        channels = every_channel(len(coordinates), coordinates.space, highest)
    wanted = tuple(channels)
    return Field(at, Later(lambda: seed(at, wanted)), coordinates, "at")


def data_field(values: Tensor, coordinates: Coordinates, name: str) -> Field:
    """Measured values at the points: usable in a residual, but not differentiable."""
    return Field(values, {}, coordinates, name, UNKNOWN)


def as_field(f: Any, operator: str) -> Field:
    """What an operator is given, as a field; fields in a tuple are the components of a vector.

    Raises:
        TypeError: it is something without derivatives.
    """
    if isinstance(f, Field):
        return f
    if is_nested(f) and holds_series(f):
        return vector(*f)
    given = "a tensor without derivatives" if isinstance(f, Tensor) else f"a {type(f).__name__}"
    raise TypeError(
        f"{operator} of {given}: give an unknown or an expression of them, such as u, not u.value"
    )


def partial(f: Any, axis: "int | str | Field") -> Field:
    """∂f/∂xᵢ, one order lower.

    Args:
        f: a field of any shape, or a tuple of fields.
        axis: the coordinate, its name or its index.

    Returns:
        A field shaped like `f`.

    Raises:
        TypeError: f is no field.
        ValueError: there is no such coordinate.
        MissingDerivativeError: the evaluation did not produce this derivative.
    """
    f = as_field(f, "partial")
    i = f.coordinates.column(axis.name if isinstance(axis, Field) else axis)
    streams = {
        lower: s
        for c, s in f.streams.items()
        if order(c) > 1 and (lower := integrated(c, i)) is not None
    }
    return derived(f, f.stream(first(i)), streams, 1)


def derived(f: Field, value: Tensor, streams: Streams, orders: int) -> Field:
    """A derivative of f; the orders that were taken are no longer available."""
    return Field(value, streams, f.coordinates, taken=f.taken + orders)
