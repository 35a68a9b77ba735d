"""Fields: named jets, what residuals read and compute with.

A field is a jet over N points whose arithmetic is that of physics: scalars are (N,), vectors
(N, C), tensors (N, C, D), and a scalar times a vector lines the points up. Three rules keep
derivatives honest: coordinates are fields with unit gradient; numbers and tuples are constants;
a raw per-point tensor has no known derivative and raises.
"""

from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor

from pinn.algebra.channels import Channel, every_channel, first, integrated, order, symbol
from pinn.algebra.jet import Jet
from pinn.algebra.rows import Rows
from pinn.algebra.series import Series, Streams
from pinn.geometry.coordinates import Coordinates


class Field(Jet):
    """A named jet in a coordinate system.

    Args:
        value: (N,), (N, C) or (N, C, D).
        streams: the derivatives, shaped like `value`; None where identically zero.
        coordinates: what the axes of differentiation are called, and which of them is time.
        name: the unknown's or the coordinate's name; used in messages.
    """

    __slots__ = ("coordinates", "name")

    def __init__(
        self,
        value: Tensor | None,
        streams: Streams,
        coordinates: Coordinates,
        name: str = "expression",
    ) -> None:
        super().__init__(value, streams, lead=1)
        self.coordinates = coordinates
        self.name = name

    def like(self, value: Tensor | None, streams: Streams) -> "Field":
        """A field over the same points with other contents."""
        return Field(value, streams, self.coordinates)

    def named(self, name: str) -> "Field":
        """The same field under a name."""
        return Field(self.value, self.streams, self.coordinates, name)

    def operand(self, other: Any) -> Series:
        """The other operand; refuses a raw per-point tensor.

        Raises:
            TypeError: `other` is a tensor or array with entries per point or of unknown meaning.
        """
        if isinstance(other, Series):
            return other
        if getattr(other, "ndim", 0) > 0:
            raise TypeError(
                f"a raw {type(other).__name__} of shape {tuple(other.shape)} meets field "
                f"{self.name!r}: its derivative is unknown. Write it in terms of the coordinates "
                "(`at`, `x`, …), or use a number or a tuple for a constant"
            )
        if isinstance(other, tuple) and any(isinstance(part, Field) for part in other):
            return vector(*other)
        constant = torch.as_tensor(other, dtype=self.dtype, device=self.device)
        value = constant if constant.ndim == 0 else constant.unsqueeze(0)
        return Series(value, dict.fromkeys(self.streams))

    def __add__(self, other: Any) -> Any:
        check_sum(self, other)
        return super().__add__(other)

    def __radd__(self, other: Any) -> Any:
        check_sum(self, other)
        return super().__radd__(other)

    def __sub__(self, other: Any) -> Any:
        check_sum(self, other)
        return super().__sub__(other)

    def __rsub__(self, other: Any) -> Any:
        check_sum(self, other)
        return super().__rsub__(other)

    def align(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Point axes first: a scalar (N,) beside a vector (N, C) becomes (N, 1).

        Raises:
            ValueError: a vector meets a tensor (N, C, D), which could mean either of its axes.
        """
        low, high = sorted((a.ndim, b.ndim))
        if low < high and low > 1:
            raise ValueError(
                f"a product of shapes {tuple(a.shape)} and {tuple(b.shape)} could mean either axis "
                "of the tensor: write it by components, or advect(normal, u) for ∂u/∂n"
            )
        return widened(a, high), widened(b, high)

    def describe(self, channel: Channel) -> str:
        """A derivative of this field, written for people."""
        return f"{symbol(channel, self.coordinates.names)} of {self.name!r}"

    def __repr__(self) -> str:
        known = " ".join(symbol(c, self.coordinates.names) for c in self.streams)
        return f"Field({self.name!r}, shape={tuple(self.shape)}, derivatives=[{known}])"


def widened(values: Tensor, ndim: int) -> Tensor:
    """Values with axes of length one behind their own."""
    return values.reshape(values.shape + (1,) * (ndim - values.ndim))


def vector(*components: Any) -> Field:
    """(f₁, …, f_C) along a last axis: scalars (N,) make a vector (N, C), vectors a tensor.

    Args:
        *components: fields of one shape; numbers stand for constants.
    """
    like = next(part for part in components if isinstance(part, Field))
    parts = [part if isinstance(part, Field) else 0 * like + part for part in components]
    return cast(Field, torch.stack(parts, dim=-1))  # type: ignore[arg-type]


def check_sum(f: Field, g: Any) -> None:
    """Refuse the sum of a scalar and a vector, which would broadcast in silence.

    Raises:
        ValueError: the two differ in the shape they have at a point.
    """
    if not isinstance(g, tuple | Field):
        return
    shape = (len(g),) if isinstance(g, tuple) else tuple(g.shape[1:])
    if shape != tuple(f.shape[1:]):
        other = g.name if isinstance(g, Field) else g
        raise ValueError(
            f"the sum of {f.name!r}, shape {tuple(f.shape[1:])} per point, and {other!r}, shape "
            f"{shape}, has no meaning: multiply a scalar by a tuple such as (1.0, 0.0) to make it "
            "a vector"
        )


def coordinate_field(at: Tensor, coordinates: Coordinates, highest: int = 2) -> Field:
    """The position x as a field:  ∂xᵢ/∂xⱼ = δᵢⱼ,  ∂²x = 0.

    Args:
        at: (N, D) points.
        coordinates: their names.
        highest: the order up to which its derivatives are known, and so those of its products.

    Returns:
        A field (N, D); `field[:, i]` is one coordinate.
    """
    channels = every_channel(len(coordinates), coordinates.space, highest)
    return Field(at, seed(at, channels), coordinates, "at")


def seed(x: Tensor, channels: Iterable[Channel]) -> Streams:
    """The streams of the identity x ↦ x: unit vectors first, zero (None) of higher order.

    The unit vectors are the same at all points: their point axes have length one.
    """
    channels = tuple(channels)
    axes = tuple(c for c in channels if order(c) == 1)
    zeros = tuple(c for c in channels if order(c) > 1)
    unit = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    rest = torch.stack([unit[c[0][0]] for c in axes]) if axes else unit[:0]
    return Rows(axes, rest.reshape(-1, *(1 for _ in x.shape[:-1]), x.shape[-1]), zeros)


def data_field(values: Tensor, coordinates: Coordinates, name: str) -> Field:
    """Measured values at the points: usable in a residual, but not differentiable."""
    return Field(values, {}, coordinates, name)


def partial(f: Field, axis: int | str) -> Field:
    """∂f/∂xᵢ, one order lower.

    Args:
        f: a field of any shape.
        axis: the coordinate's name or index.

    Returns:
        A field shaped like `f`.

    Raises:
        ValueError: there is no such coordinate.
        MissingDerivativeError: the evaluation did not produce this derivative.
    """
    i = f.coordinates.index(axis) if isinstance(axis, str) else axis
    if not 0 <= i < len(f.coordinates):
        raise ValueError(f"axis {i} is not one of the {len(f.coordinates)} coordinates")
    streams = {
        lower: s
        for c, s in f.streams.items()
        if order(c) > 1 and (lower := integrated(c, i)) is not None
    }
    return f.like(f.stream(first(i)), streams)
