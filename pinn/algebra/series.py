"""Truncated Taylor series at points: their sum, product and composition.

A series is the value of f and, per channel, its derivative there (see `channels`):

    sum       (f + g)_c = f_c + g_c
    Leibniz   (fg)ᵢ = fᵢ g + f gᵢ        (fg)_c = f_c g + f g_c + Σ_(i,j)∈c (fᵢ gⱼ + fⱼ gᵢ)
    chain     σ(f)ᵢ = σ′ fᵢ              σ(f)_c = σ′ f_c + σ″ Σ_(i,j)∈c fᵢ fⱼ

and of third order the same over all splits and partitions of the indices (Faà di Bruno):

    σ(f)_c = σ′ f_c + Σ_(i,j,k)∈c [σ″ (fᵢⱼ fₖ + fᵢₖ fⱼ + fⱼₖ fᵢ) + σ‴ fᵢ fⱼ fₖ]

A channel c is a set of index tuples, so the Laplacian is one channel (a "collapsed" Taylor pass).
A channel that is absent is unknown and truncates the result; a channel that is None is identically
zero and costs nothing.

Source: A. Griewank, A. Walther, "Evaluating Derivatives", SIAM 2008, ch. 13,
doi:10.1137/1.9780898717761.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from pinn.algebra import higher
from pinn.algebra.channels import Channel, symbol
from pinn.algebra.deferred import Later
from pinn.algebra.fused import activated
from pinn.algebra.leibniz import multiplied
from pinn.algebra.partitions import partitions, splits
from pinn.algebra.rows import Rows
from pinn.algebra.smooth import Derivatives
from pinn.algebra.tangent import Tangent
from pinn.base.transfers import number_on

Streams = Mapping[Channel, Tensor | None]
Binary = Callable[[Tensor, Tensor], Tensor]


class MissingDerivativeError(LookupError):
    """A derivative was read that the evaluation did not produce."""


class Series:
    """f at points and its derivatives there.

    Args:
        value: f, of shape (*points, *shape); may be left out where `streams` holds it as a row.
        streams: per channel the derivative, shaped like `value` or with point axes of length one
            where it is the same at all points; None where identically zero.
        lead: how many leading axes of `value` count points. No rule mixes along them.
    """

    __slots__ = ("_value", "lead", "made")

    def __init__(self, value: Tensor | None, streams: Streams | Later, lead: int = 1) -> None:
        self._value = value
        self.made = streams
        self.lead = lead

    @property
    def streams(self) -> Streams:
        """Channel → derivative, computed now if nobody has read one before."""
        if isinstance(self.made, Later):
            self.made = self.made.now()
        return self.made

    @property
    def is_later(self) -> bool:
        """Whether the derivatives are still to be computed."""
        return isinstance(self.made, Later) and self.made.found is None

    @property
    def rank(self) -> int:
        """The operand with the highest rank decides what the result of a function is."""
        return -1

    @property
    def value(self) -> Tensor:
        """f at the points."""
        if self._value is None:
            assert isinstance(self.streams, Rows)
            assert self.streams.bare is not None
            value, shift = self.streams.bare[0], self.streams.shift
            self._value = value if shift is None else value + shift
        return self._value

    def like(self, value: Tensor | None, streams: Streams | Later) -> Self:
        """A series over the same points with other contents."""
        return type(self)(value, streams, self.lead)

    def map(self, linear: Callable[[Tensor], Tensor], value: Tensor | None = None) -> Self:
        """Apply a linear function that acts on each point alone.

        Args:
            linear: acts on trailing axes only, whatever the number of leading ones: several
                streams, stacked in front of the points, pass through it together.
            value: that of the result, where it is not linear in the value of this series.
        """
        if self.is_later:
            later = Later(lambda: self.map(linear, value).streams, self.made)
            return self.like(linear(self.value) if value is None else value, later)
        rows = self.streams
        if isinstance(rows, Rows) and value is None and rows.whole is not None:
            return self.like(None, Rows(rows.channels, None, rows.zeros, linear(rows.whole)))
        value = linear(self.value) if value is None else value
        if isinstance(rows, Rows):
            rest = linear(rows.rest) if rows.channels else rows.rest
            return self.like(value, Rows(rows.channels, rest, rows.zeros))
        return self.like(value, {c: None if s is None else linear(s) for c, s in rows.items()})

    def stream(self, channel: Channel) -> Tensor:
        """The derivative of one channel, zeros where it vanishes identically.

        Raises:
            MissingDerivativeError: the channel was not part of the evaluation.
        """
        if not carries(self.streams, channel):
            raise MissingDerivativeError(self.missing(channel))
        known = derivative(self.streams, channel)
        if known is None:
            return torch.zeros_like(self.value)
        shape = self.value.shape
        return known if known.shape == shape else torch.broadcast_to(known, shape)

    def describe(self, channel: Channel) -> str:
        """A derivative of this series, written for people."""
        axes = 1 + max(i for indices in channel for i in indices)
        return f"{symbol(channel, tuple(str(i) for i in range(axes)))} of f"

    def missing(self, channel: Channel) -> str:
        """Why a derivative cannot be read."""
        return f"{self.describe(channel)} was not evaluated"

    def composed(self, derivatives: Derivatives, order: int) -> Sequence[Tensor]:
        """σ, σ′, … at the value of this series."""
        return derivatives(self.value, order)

    # A field overrides these two: it aligns its point axis and knows values per point.
    def operand(self, other: Any) -> "Series":
        """The other operand of a binary operation; a constant has zero derivatives."""
        if isinstance(other, Series):
            return other
        if not isinstance(other, Tensor):
            other = number_on(other, self.value.dtype, self.value.device)
        return Series(other, dict.fromkeys(self.streams), self.lead)

    def align(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Two tensors ready to broadcast; for networks, torch's own rule."""
        return a, b


Contents = tuple[Tensor | None, Streams]


def total(f: Series, g: Series, plus: Binary) -> Contents:
    """f + g."""
    value = plus(f.value, g.value)
    streams: dict[Channel, Tensor | None] = {}
    for channel in shared(f.streams, g.streams):
        f_c, g_c = derivative(f.streams, channel), derivative(g.streams, channel)
        if f_c is not None and g_c is not None:
            streams[channel] = plus(f_c, g_c)
        else:
            streams[channel] = widened(g_c if f_c is None else f_c, value, plus)
    return value, streams


def product(f: Series, g: Series, times: Binary) -> Contents:
    """f g by the Leibniz rule, for any bilinear `times`."""
    if (rows := multiplied(f.streams, g.streams, times)) is not None:
        return None, rows
    streams: dict[Channel, Tensor | None] = {}
    for channel in shared(f.streams, g.streams):
        f_c, g_c = derivative(f.streams, channel), derivative(g.streams, channel)
        terms = [] if f_c is None else [times(f_c, g.value)]
        if g_c is not None:
            terms.append(times(f.value, g_c))
        for (left, right), count in splits(channel):
            a, b = derivative(f.streams, left), derivative(g.streams, right)
            if a is not None and b is not None:
                terms.append(scaled(times(a, b), count))
        streams[channel] = add_up(terms)
    return times(f.value, g.value), streams


def composition(f: Series, derivatives: Derivatives) -> Contents:
    """σ(f) by the chain rule; `derivatives(f, k)` returns (σ, σ′, …) up to order k."""
    if isinstance(f.streams, Rows) and f.streams.order < 3:
        return None, activated(f, derivatives)
    if isinstance(f.streams, Rows):
        rows = higher.activated(f.streams, derivatives)
        if rows is not None:
            return None, rows
    return chained(f, derivatives)


def chained(f: Series, derivatives: Derivatives) -> Contents:
    """The chain rule stream by stream, from torch's own operations."""
    inner = {channel: factors(f.streams, channel) for channel in f.streams}
    values = f.composed(derivatives, max([0, *(max(parts) for parts in inner.values() if parts)]))
    streams: dict[Channel, Tensor | None] = {}
    for channel, parts in inner.items():
        streams[channel] = add_up([values[n] * part for n, part in parts.items()])
    return values[0], streams


def factors(streams: Streams, channel: Channel) -> dict[int, Tensor]:
    """What multiplies σ′, σ″, σ‴ in the chain rule for one channel, where it is not zero."""
    behind: dict[int, list[Tensor]] = {}
    if (stream := streams[channel]) is not None:
        behind[1] = [stream]
    for blocks, count in partitions(channel):
        parts = [derivative(streams, block) for block in blocks]
        present = [part for part in parts if part is not None]
        if len(present) == len(parts):
            term = scaled(functools.reduce(torch.mul, present), count)
            behind.setdefault(len(blocks), []).append(term)
    return {n: functools.reduce(torch.add, terms) for n, terms in sorted(behind.items())}


def scaled(term: Tensor, count: int) -> Tensor:
    """A term as often as it occurs."""
    return term if count == 1 else count * term


def widened(stream: Tensor | None, value: Tensor, plus: Binary) -> Tensor | None:
    """A stream of one summand in the shape of the sum."""
    if stream is None or stream.shape == value.shape:
        return stream
    if isinstance(stream, Tangent):
        return stream.widened(value.shape)
    return plus(stream, torch.zeros_like(value))


def carries(streams: Streams, channel: Channel) -> bool:
    """Whether the derivative is known: as its own channel, or term by term if it is a sum."""
    return channel in streams or all((pair,) in streams for pair in channel)


def derivative(streams: Streams, channel: Channel) -> Tensor | None:
    """The derivative of a channel that is carried; None where identically zero."""
    if channel in streams:
        return streams[channel]
    terms = [streams[(pair,)] for pair in channel]
    return add_up([term for term in terms if term is not None])


def shared(*series: Streams) -> list[Channel]:
    """The channels that every series knows; a sum that none asks for gives way to its terms."""
    union = dict.fromkeys(channel for streams in series for channel in streams)
    known = [c for c in union if all(carries(streams, c) for streams in series)]
    asked = {c for c in known if all(c in streams for streams in series)}
    return [c for c in known if c in asked or not all((pair,) in asked for pair in c)]


def add_up(terms: Sequence[Tensor]) -> Tensor | None:
    """Σ terms; None, identically zero, when there are none."""
    if not terms:
        return None
    result = terms[0]
    for term in terms[1:]:
        result = result + term
    return result
