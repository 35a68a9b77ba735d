"""What gauges subtract from a solution, settled for a set of points.

A constant is the mean over the domain, or the value at its lower corner; where a shape has no point
there, at one of its points nearby. One that is a function of time, of a parameter, or of several is
found for each of their values that occur, or for many values by its Chebyshev series:

    c(t) = Σ_k c_k T_k(s),   s = (2t − t₀ − t₁)/(t₁ − t₀),

whose coefficients are those of its values at up to 513 instants, where these decay to rounding.
"""

import math
from collections.abc import Callable, Sequence
from itertools import combinations_with_replacement

import torch
from torch import Tensor

from pinn.algebra.channels import HIGHEST, Channel, Plan
from pinn.dry_run.gauge import Constant
from pinn.fields.field import Field
from pinn.geometry.grids import averaging_points, averaging_rule, corner
from pinn.geometry.sampling import product
from pinn.physics.problem import Problem

DIRECT = 64  # instants whose means are taken one by one
COUNTS = (33, 65, 129, 257, 513)  # instants from which those of others are interpolated
FEW = 2  # of these, for each of two
TOGETHER = 2**14  # points evaluated at a time


class Offset:
    """c, or c(Re, t), of one gauge.

    Args:
        problem: whose domain the mean is taken over.
        constant: which gauge.
        unknown: the unknown, as it is now, at points (N, D), with some derivatives.
        at: the points (N, D) that are going to be asked for.
        order: up to which derivatives along parameters and time are going to be asked for.
        frozen: any point may be asked for, of operations that are recorded.
    """

    def __init__(
        self,
        problem: Problem,
        constant: Constant,
        unknown: Callable[[Tensor, Plan], Field],
        at: Tensor,
        order: int = 0,
        frozen: bool = False,
    ) -> None:
        self.problem, self.constant, self.unknown, self.order = problem, constant, unknown, order
        geometry, self.frozen = problem.geometry, frozen
        self.along = list(constant.along)
        self.coefficients: list[Tensor] | None = None
        self.fixed: Tensor | None = None
        if not self.along:
            self.fixed = self.constant_now(at)
            return
        # Before operations are recorded: a shape asks its points where they lie.
        self.spots = self.places(at)
        self.ends = [(geometry.lower[i], geometry.upper[i]) for i in self.along]
        self.lines = [column.unique() for column in at[:, self.along].unbind(-1)]
        self.numbers, which = self.number(at).unique(return_inverse=True)
        first_of = torch.empty_like(self.numbers).scatter_(
            0, which, torch.arange(len(at), device=at.device)
        )
        instants = at[first_of][:, self.along]
        inside = all(
            low <= line[0] <= line[-1] <= high
            for line, (low, high) in zip(self.lines, self.ends, strict=True)
            if len(line)
        )
        most = DIRECT * COUNTS[0] ** (len(self.along) - 1)
        if constant.gauge == "zero_mean" and (frozen or (len(instants) > most and inside)):
            self.coefficients = self.resolved(at)
        if self.coefficients is None and not frozen:
            self.table = self.means(instants, order)

    def number(self, at: Tensor) -> Tensor:
        """A number (N,) for each combination of parameters and time that points (N, D) have."""
        number = torch.zeros(len(at), dtype=torch.long, device=at.device)
        for line, column in zip(self.lines, at[:, self.along].unbind(-1), strict=True):
            number = number * len(line) + torch.searchsorted(line, column.contiguous())
        return number

    def constant_now(self, like: Tensor) -> Tensor:
        """The one constant: the mean over the domain, or the value at its lower corner."""
        geometry, weights = self.problem.geometry, None
        if self.constant.gauge == "pin":
            at = corner(geometry)
        elif geometry.is_box:
            at = averaging_points(geometry, range(len(geometry.coordinates)))
        else:
            at, weights = averaging_rule(geometry, range(len(geometry.coordinates)))
        parts = [self.unknown(piece.to(like), Plan()).value for piece in at.split(TOGETHER)]
        values = torch.cat(parts)
        if weights is not None:
            return self.masked(average(values[None], weights.to(like))[0])
        return self.masked(values.mean(0))

    @property
    def others(self) -> list[int]:
        """The columns that the mean is taken over."""
        return [i for i in range(len(self.problem.geometry.coordinates)) if i not in self.along]

    def places(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Where the unknown is read at each instant, and the weights of a mean."""
        if self.constant.gauge == "pin":
            spots = corner(self.problem.geometry)[:, self.others]
            return spots.to(like), torch.ones(1, dtype=like.dtype, device=like.device)
        spots, weights = averaging_rule(self.problem.geometry, self.others)
        return spots.to(like), weights.to(like)

    def means(self, instants: Tensor, order: int) -> list[Tensor]:
        """c (T, …) at each of some parameters and times (T, K), and its derivatives by them."""
        geometry = self.problem.geometry
        others = self.others
        spots, weights = (t.to(instants) for t in self.spots)
        channels = channels_along(self.along, order)
        back = [([*others, *self.along]).index(i) for i in range(len(geometry.coordinates))]
        parts = []
        pieces = [instants] if self.frozen else instants.split(max(TOGETHER // len(spots), 1))
        for few in pieces:
            count = few.shape[0]  # may be a symbol, while len(few) is a number
            columns = few.repeat_interleave(len(spots), 0)
            at = torch.cat([spots.repeat(count, 1), columns], dim=-1)[:, back]
            field = self.unknown(at, Plan(channels))
            values = (field.value, *map(field.stream, channels))
            shaped = (v.reshape(count, len(spots), *v.shape[1:]) for v in values)
            parts.append([self.masked(average(v, weights)) for v in shaped])
        return [torch.cat(column) for column in zip(*parts, strict=True)]

    def resolved(self, like: Tensor) -> list[Tensor] | None:
        """The Chebyshev coefficients of c and its derivatives; None where they do not decay."""
        deep, channels = len(self.along), channels_along(self.along, self.order)
        for count in COUNTS if deep == 1 else COUNTS[:FEW] if deep == 2 else ():
            angles = torch.pi * torch.arange(count, dtype=torch.float64) / (count - 1)
            lines = [0.5 * (a + b) + 0.5 * (b - a) * torch.cos(angles) for a, b in self.ends]
            means = self.means(product(lines).to(like), self.order)
            grids = (v.double().cpu().reshape(*[count] * deep, *v.shape[1:]) for v in means)
            each = [chebyshev(v, deep) for v in grids]
            # A derivative is as large as a function of this size that turns once in this range.
            scale = dict(zip(self.along, (2 / (b - a) for a, b in self.ends), strict=True))
            rates = [1.0, *(math.prod(scale[i] for i in channel[0]) for channel in channels)]
            usual = each[0].abs().amax(list(range(deep)))
            tolerance = 8 * torch.finfo(like.dtype).eps
            pairs = zip(each, rates, strict=True)
            if all(decays(c, usual * rate, tolerance, deep) for c, rate in pairs):
                return [c.to(like) for c in each]
        return None

    def masked(self, values: Tensor) -> Tensor:
        """Values of a scalar as they are, of a vector only for the gauged components."""
        if self.problem.is_scalar(self.constant.unknown):
            return values
        count = len(self.problem.components(self.constant.unknown))
        own = [float(k in self.constant.components) for k in range(count)]
        return values * values.new_tensor(own)

    def __call__(self, at: Tensor) -> list[Tensor]:
        """c at points (N, D) that were given, and its derivatives along parameters and time."""
        if self.fixed is not None:
            return [self.fixed]
        instants = at[:, self.along]
        if self.coefficients is not None:
            return [series(c, instants, self.ends) for c in self.coefficients]
        if self.frozen:
            return self.means(instants, self.order)
        which = torch.searchsorted(self.numbers, self.number(at))
        return [values[which] for values in self.table]


def average(values: Tensor, weights: Tensor) -> Tensor:
    """The mean (T, …) of values (T, S, …); a large constant costs no digits."""
    first = values[:, :1]
    return first[:, 0] + torch.tensordot(weights, values - first, ([0], [1])) / len(weights)


def chebyshev(values: Tensor, deep: int = 1) -> Tensor:
    """c_k (K, …) of values (K, …) at cos πj/(K − 1), along `deep` axes; a large constant costs
    no digits.
    """
    from scipy.fft import dct

    first = values[(slice(1),) * deep]
    coefficients = values - first
    for axis in range(deep):
        moved = torch.from_numpy(dct(coefficients.movedim(axis, 0).numpy(), type=1, axis=0))
        moved /= len(moved) - 1
        moved[[0, -1]] /= 2
        coefficients = moved.movedim(0, axis)
    coefficients[(slice(1),) * deep] += first
    return coefficients


def decays(coefficients: Tensor, usual: Tensor, tolerance: float, deep: int = 1) -> bool:
    """Whether the last Chebyshev coefficients (K, …) of each of `deep` axes are rounding errors.

    Args:
        coefficients: of each axis, then of components.
        usual: a usual size (…) of components.
        tolerance: in parts of the size.
        deep: how many axes have coefficients.
    """
    axes = list(range(deep))
    tiny = torch.finfo(torch.float64).tiny
    size = torch.maximum(coefficients.abs().amax(axes), usual) + tiny
    last = [coefficients.movedim(axis, 0)[-4:].abs().amax(axes) for axis in axes]
    return float((torch.stack(last) / size).max()) < tolerance


def series(coefficients: Tensor, at: Tensor, ends: Sequence[tuple[float, float]]) -> Tensor:
    """Σ_k c_k T_k(s) at parameters and times (N, K): (N, …); NaN beyond the ends."""
    sums, beyond = coefficients, torch.zeros_like(at[:, 0], dtype=torch.bool)
    for axis, (low, high) in enumerate(ends):
        s = (2 * at[:, axis] - (low + high)) / (high - low)
        k = torch.arange(coefficients.shape[axis], dtype=at.dtype, device=at.device)
        table = torch.cos(torch.acos(s.clamp(-1, 1))[:, None] * k)
        if axis == 0:
            sums = torch.tensordot(table, sums, dims=1)
        else:
            sums = (table.reshape(*table.shape, *[1] * (sums.ndim - 2)) * sums).sum(1)
        beyond = beyond | (s.abs() > 1 + 2e-6)
    return torch.where(beyond.reshape(-1, *[1] * (sums.ndim - 1)), torch.nan, sums)


def channels_along(along: Sequence[int], order: int) -> tuple[Channel, ...]:
    """Every derivative along some columns up to an order: ∂/∂t, ∂²/∂t², … of one."""
    each = (combinations_with_replacement(along, n) for n in range(1, order + 1))
    return tuple((indices,) for some in each for indices in some)


def shifted(field: Field, values: Sequence[Tensor], along: Sequence[int]) -> Field:
    """A field less a constant or a function of some columns, with derivatives up to an order.

    Args:
        field: whose streams are kept, less those of the function.
        values: of the function, then its derivatives in the order of `channels_along`.
        along: the columns.
    """
    known = dict(zip(channels_along(along, HIGHEST), values[1:], strict=False))
    streams = {channel: known.get(channel) for channel in field.streams}
    subtracted = field.like(torch.broadcast_to(values[0], field.value.shape), streams)
    return (field - subtracted).named(field.name)
