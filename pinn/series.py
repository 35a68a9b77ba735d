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

from pinn.channels import Channel, first, order

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
    for channel in shared(f, g):
        f_c, g_c = f.streams[channel], g.streams[channel]
        if f_c is not None and g_c is not None:
            streams[channel] = plus(f_c, g_c)
        else:
            streams[channel] = widened(g_c if f_c is None else f_c, value, plus)
    return Series(value, streams)


def product(f: Series, g: Series, times: Binary) -> Series:
    """f g by the Leibniz rule."""
    streams: dict[Channel, Tensor | None] = {}
    for channel in shared(f, g):
        f_c, g_c = f.streams[channel], g.streams[channel]
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
    highest = 0
    for channel, stream in f.streams.items():
        if stream is not None or crossed(f, f, channel, torch.mul):
            highest = max(highest, order(channel))
    values = derivatives(f.value, highest)
    streams: dict[Channel, Tensor | None] = {}
    for channel, stream in f.streams.items():
        terms = [] if stream is None else [values[1] * stream]
        squares = add_up(crossed(f, f, channel, torch.mul))
        if squares is not None:
            terms.append(values[2] * squares)
        streams[channel] = add_up(terms)
    return Series(values[0], streams)


def crossed(f: Series, g: Series, channel: Channel, times: Binary) -> list[Tensor]:
    """The terms fᵢ gⱼ for the pairs (i, j) of a second-order channel; none for a first-order one."""
    if order(channel) == 1:
        return []
    pairs = [(f.streams[first(i)], g.streams[first(j)]) for i, j in channel]
    return [times(a, b) for a, b in pairs if a is not None and b is not None]


def widened(stream: Tensor | None, value: Tensor, plus: Binary) -> Tensor | None:
    """A stream of one summand in the shape of the sum."""
    if stream is None or stream.shape == value.shape:
        return stream
    return plus(stream, torch.zeros_like(value))


def shared(f: Series, g: Series) -> list[Channel]:
    """The channels that both series know, in the order of the first."""
    return [channel for channel in f.streams if channel in g.streams]


def add_up(terms: Sequence[Tensor]) -> Tensor | None:
    """Σ terms; None, identically zero, when there are none."""
    if not terms:
        return None
    result = terms[0]
    for term in terms[1:]:
        result = result + term
    return result
