"""Truncated Taylor series at points: their sum, product and composition.

A series is the value of f and, per channel, its derivative there (see `channels`):

    sum       (f + g)_c = f_c + g_c
    Leibniz   (fg)ᵢ = fᵢ g + f gᵢ        (fg)_c = f_c g + f g_c + Σ_(i,j)∈c (fᵢ gⱼ + fⱼ gᵢ)
    chain     σ(f)ᵢ = σ′ fᵢ              σ(f)_c = σ′ f_c + σ″ Σ_(i,j)∈c fᵢ fⱼ

A second-order channel c is a set of index pairs, so the Laplacian is one channel (a "collapsed"
Taylor pass). A channel that is absent is unknown and truncates the result; a channel that is None
is identically zero and costs nothing.

Source: A. Griewank, A. Walther, "Evaluating Derivatives", SIAM 2008, ch. 13,
doi:10.1137/1.9780898717761.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pinn.algebra.channels import Channel, first, order

Streams = Mapping[Channel, Tensor | None]
Binary = Callable[[Tensor, Tensor], Tensor]
Derivatives = Callable[[Tensor, int], Sequence[Tensor]]


class Series(NamedTuple):
    """f at points and its derivatives there, every stream shaped like the value."""

    value: Tensor
    streams: Streams


def total(f: Series, g: Series, plus: Binary) -> Series:
    """f + g."""
    value = plus(f.value, g.value)
    streams: dict[Channel, Tensor | None] = {}
    for channel in shared(f.streams, g.streams):
        f_c, g_c = derivative(f.streams, channel), derivative(g.streams, channel)
        if f_c is not None and g_c is not None:
            streams[channel] = plus(f_c, g_c)
        else:
            streams[channel] = widened(g_c if f_c is None else f_c, value, plus)
    return Series(value, streams)


def product(f: Series, g: Series, times: Binary) -> Series:
    """f g by the Leibniz rule."""
    streams: dict[Channel, Tensor | None] = {}
    for channel in shared(f.streams, g.streams):
        f_c, g_c = derivative(f.streams, channel), derivative(g.streams, channel)
        terms = [] if f_c is None else [times(f_c, g.value)]
        if g_c is not None:
            terms.append(times(f.value, g_c))
        if order(channel) == 2:
            swapped = tuple((j, i) for i, j in channel)
            terms += crossed(f, g, channel, times) + crossed(f, g, swapped, times)
        streams[channel] = add_up(terms)
    return Series(times(f.value, g.value), streams)


def composition(f: Series, derivatives: Derivatives) -> Series:
    """σ(f) by the chain rule; `derivatives(f, k)` returns (σ, σ′, …) up to order k."""
    squares = {c: add_up(crossed(f, f, c, torch.mul)) for c in f.streams}
    present = [c for c, s in f.streams.items() if s is not None or squares[c] is not None]
    values = derivatives(f.value, max(map(order, present), default=0))
    streams: dict[Channel, Tensor | None] = {}
    for channel, stream in f.streams.items():
        terms = [] if stream is None else [values[1] * stream]
        if (square := squares[channel]) is not None:
            terms.append(values[2] * square)
        streams[channel] = add_up(terms)
    return Series(values[0], streams)


def crossed(f: Series, g: Series, channel: Channel, times: Binary) -> list[Tensor]:
    """The terms fᵢ gⱼ over the pairs (i, j) of a second-order channel; none for a first order."""
    if order(channel) == 1:
        return []
    pairs = [(f.streams[first(i)], g.streams[first(j)]) for i, j in channel]
    return [times(a, b) for a, b in pairs if a is not None and b is not None]


def widened(stream: Tensor | None, value: Tensor, plus: Binary) -> Tensor | None:
    """A stream of one summand in the shape of the sum."""
    if stream is None or stream.shape == value.shape:
        return stream
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
