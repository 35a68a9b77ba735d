"""What gauges subtract from a solution, settled for a set of points.

A constant is the mean over the domain, or the value at its lower corner; where a shape has no point
there, at one of its points nearby. One that is chosen at
every instant is found for each time that occurs, or for many times by its Chebyshev series:

    c(t) = Σ_k c_k T_k(s),   s = (2t − t₀ − t₁)/(t₁ − t₀),

whose coefficients are those of its values at up to 513 instants, where these decay to rounding.
"""

from collections.abc import Callable, Sequence

import torch
from scipy.fft import dct
from torch import Tensor

from pinn.algebra.channels import Channel, Plan, first, second, third
from pinn.dry_run.gauge import Constant
from pinn.fields.field import Field
from pinn.geometry.grids import averaging_points, averaging_rule, corner
from pinn.physics.problem import Problem

DIRECT = 64  # instants whose means are taken one by one
COUNTS = (33, 65, 129, 257, 513)  # instants from which those of others are interpolated
TOGETHER = 2**14  # points evaluated at a time


class Offset:
    """c, or c(t), of one gauge.

    Args:
        problem: whose domain the mean is taken over.
        constant: which gauge.
        unknown: the unknown, as it is now, at points (N, D), with some derivatives.
        times: the instants (T,) that are going to be asked for.
        order: up to which derivatives in time are going to be asked for.
        frozen: any instant may be asked for, of operations that are recorded.
    """

    def __init__(
        self,
        problem: Problem,
        constant: Constant,
        unknown: Callable[[Tensor, Plan], Field],
        times: Tensor,
        order: int = 0,
        frozen: bool = False,
    ) -> None:
        self.problem, self.constant, self.unknown, self.order = problem, constant, unknown, order
        geometry = problem.geometry
        self.time, self.frozen = geometry.coordinates.time, frozen
        self.coefficients: list[Tensor] | None = None
        self.fixed: Tensor | None = None
        if not constant.at_instants:
            self.fixed = self.constant_now(times)
            return
        assert self.time is not None
        start, end = self.ends = geometry.lower[self.time], geometry.upper[self.time]
        self.times = times.unique()
        many = len(self.times) > DIRECT and start <= self.times[0] <= self.times[-1] <= end
        if constant.gauge == "zero_mean" and (frozen or many):
            self.coefficients = self.resolved(times)
        if self.coefficients is None and not frozen:
            self.table = self.means(self.times, order)

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

    def means(self, times: Tensor, order: int) -> list[Tensor]:
        """c (T, …) at each of some times, and its derivatives in time up to an order."""
        geometry, space = self.problem.geometry, self.problem.geometry.coordinates.space
        if self.constant.gauge == "pin":
            spots = geometry.in_space(corner(geometry))
            weights = torch.ones(1, dtype=torch.float64)
        else:
            spots, weights = averaging_rule(geometry, space)
        spots, weights = spots.to(times), weights.to(times)
        channels = () if self.time is None else time_channels(self.time, order)
        parts = []
        pieces = [times] if self.frozen else times.split(max(TOGETHER // len(spots), 1))
        for few in pieces:
            count = few.shape[0]  # may be a symbol, while len(few) is a number
            column = few.repeat_interleave(len(spots))[:, None]
            at = torch.cat([spots.repeat(count, 1), column], dim=-1)
            field = self.unknown(at, Plan(channels))
            values = (field.value, *map(field.stream, channels))
            shaped = (v.reshape(count, len(spots), *v.shape[1:]) for v in values)
            parts.append([self.masked(average(v, weights)) for v in shaped])
        return [torch.cat(column) for column in zip(*parts, strict=True)]

    def resolved(self, like: Tensor) -> list[Tensor] | None:
        """The Chebyshev coefficients of c and its derivatives; None where they do not decay."""
        start, end = self.ends
        for count in COUNTS:
            angles = torch.pi * torch.arange(count, dtype=torch.float64) / (count - 1)
            times = 0.5 * (start + end) + 0.5 * (end - start) * torch.cos(angles)
            each = [chebyshev(v.double().cpu()) for v in self.means(times.to(like), self.order)]
            # A derivative is as large as a function of this size that turns once in this time.
            sizes = [each[0].abs().amax(0) * (2 / (end - start)) ** m for m in range(len(each))]
            tolerance = 8 * torch.finfo(like.dtype).eps
            if all(decays(c, s, tolerance) for c, s in zip(each, sizes, strict=True)):
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
        """c at points (N, D) of which the instants were given, and its derivatives in time."""
        if self.fixed is not None:
            return [self.fixed]
        times = at[:, self.time]
        if self.coefficients is not None:
            return [series(c, times, self.ends) for c in self.coefficients]
        if self.frozen:
            return self.means(times, self.order)
        which = torch.searchsorted(self.times, times.contiguous())
        return [values[which] for values in self.table]


def average(values: Tensor, weights: Tensor) -> Tensor:
    """The mean (T, …) of values (T, S, …); a large constant costs no digits."""
    first = values[:, :1]
    return first[:, 0] + torch.tensordot(weights, values - first, ([0], [1])) / len(weights)


def chebyshev(values: Tensor) -> Tensor:
    """c_k (K, …) of values (K, …) at cos πj/(K − 1); a large constant costs no digits."""
    first = values[:1]
    coefficients = torch.from_numpy(dct((values - first).numpy(), type=1, axis=0))
    coefficients /= len(values) - 1
    coefficients[[0, -1]] /= 2
    coefficients[:1] += first
    return coefficients


def decays(coefficients: Tensor, usual: Tensor, tolerance: float) -> bool:
    """Whether the last Chebyshev coefficients (K, …) are rounding errors, for a usual size (…)."""
    tiny = torch.finfo(torch.float64).tiny
    size = torch.maximum(coefficients.abs().amax(0), usual) + tiny
    return float((coefficients[-4:].abs().amax(0) / size).max()) < tolerance


def series(coefficients: Tensor, times: Tensor, ends: tuple[float, float]) -> Tensor:
    """Σ_k c_k T_k(s) at times (N,): (N, …); NaN beyond the ends, where it means nothing."""
    s = (2 * times - (ends[0] + ends[1])) / (ends[1] - ends[0])
    k = torch.arange(len(coefficients), dtype=times.dtype, device=times.device)
    table = torch.cos(torch.acos(s.clamp(-1, 1))[:, None] * k)
    sums = torch.tensordot(table, coefficients, dims=1)
    outside = s.abs() > 1 + 2e-6
    return torch.where(outside.reshape(-1, *[1] * (sums.ndim - 1)), torch.nan, sums)


def time_channels(time: int, order: int) -> tuple[Channel, ...]:
    """∂/∂t, ∂²/∂t², ∂³/∂t³ up to an order."""
    return (first(time), second(time, time), third(time, time, time))[:order]


def shifted(field: Field, values: Sequence[Tensor], time: int | None) -> Field:
    """A field less a constant or a function of time, of which some derivatives are known."""
    channels = () if time is None else time_channels(time, len(values) - 1)
    known = dict(zip(channels, values[1:], strict=True))
    streams = {channel: known.get(channel) for channel in field.streams}
    subtracted = field.like(torch.broadcast_to(values[0], field.value.shape), streams)
    return (field - subtracted).named(field.name)
