"""Rows: the derivatives of a series kept in one tensor, so that one launch serves them all."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.channels import Channel, order


class Rows(Mapping[Channel, Tensor | None]):
    """Channel → derivative, one row of a tensor each; reads like a dict of streams.

    Args:
        channels: what the rows hold, first order before higher ones.
        rest: (K, …) the derivatives. A point axis of length one stands for the same at all points.
        zeros: further channels, identically zero, which have no row.
        whole: (1 + K, …) with the value in row 0 and the derivatives behind it, where both share
            a buffer; `rest` is then a view of it.
        shift: what is still to be added to the value in `whole`; a layer's bias waits here for the
            activation, which adds it without another pass over the buffer.
    """

    __slots__ = ("_each", "_places", "_rest", "bare", "channels", "shift", "zeros")

    def __init__(
        self,
        channels: tuple[Channel, ...],
        rest: Tensor | None = None,
        zeros: tuple[Channel, ...] = (),
        whole: Tensor | None = None,
        shift: Tensor | None = None,
    ) -> None:
        self.channels = channels
        self.zeros = zeros
        self.bare = whole
        self.shift = shift
        self._rest = rest
        self._places: dict[Channel, int] | None = None
        self._each: tuple[Tensor, ...] | None = None

    @property
    def whole(self) -> Tensor | None:
        """(1 + K, …): the value and the derivatives in one tensor; None where they are apart."""
        if self.bare is not None and self.shift is not None:
            self.bare, self.shift = torch.cat([self.bare[:1] + self.shift, self.bare[1:]]), None
        return self.bare

    @property
    def rest(self) -> Tensor:
        """(K, …): the derivatives without the value."""
        if self._rest is None:
            assert self.bare is not None
            self._rest = self.bare[1:]
        return self._rest

    @property
    def axes(self) -> dict[int, int]:
        """Coordinate → row of `rest` that holds its first derivative."""
        return {c[0][0]: k for k, c in enumerate(self.channels) if order(c) == 1}

    @property
    def order(self) -> int:
        """The highest order among the channels, those that vanish included."""
        orders = [order(channel) for channel in self.channels + self.zeros]
        return max(orders) if orders else 0

    def __getitem__(self, channel: Channel) -> Tensor | None:
        k = self.places[channel]
        if k < 0:
            return None
        if order(self.channels[-1]) < 3:
            return self.rest[k]
        if self._each is None:  # the backward of one `unbind` writes the rows once
            self._each = self.rest.unbind(0)
        return self._each[k]

    @property
    def places(self) -> dict[Channel, int]:
        """Channel → row of `rest`, −1 for one that vanishes; in many dimensions there are many."""
        if self._places is None:
            rows = {channel: k for k, channel in enumerate(self.channels)}
            self._places = {**rows, **dict.fromkeys(self.zeros, -1)}
        return self._places

    def __iter__(self) -> Iterator[Channel]:
        return iter(self.channels + self.zeros)

    def __len__(self) -> int:
        return len(self.channels) + len(self.zeros)

    def __contains__(self, channel: object) -> bool:
        return channel in self.places


def gathered(value: Tensor, streams: Mapping[Channel, Tensor | None]) -> Rows:
    """Streams as rows behind their value: a view where they are, else one copy."""
    if isinstance(streams, Rows):
        if streams.whole is not None:
            return streams
        rows = torch.broadcast_to(streams.rest, (len(streams.channels), *value.shape))
        return Rows(streams.channels, None, streams.zeros, torch.cat([value.unsqueeze(0), rows]))
    carried = tuple(sorted((c for c, s in streams.items() if s is not None), key=order))
    zeros = tuple(c for c, s in streams.items() if s is None)
    parts = [torch.broadcast_to(s, value.shape) for c in carried if (s := streams[c]) is not None]
    return Rows(carried, None, zeros, torch.stack([value, *parts]))


def is_alike(first: Any, other: Any) -> bool:
    """Whether two sets of streams keep the same channels, each in one tensor."""
    return (
        isinstance(first, Rows)
        and isinstance(other, Rows)
        and first.whole is not None
        and other.whole is not None
        and (first.channels, first.zeros) == (other.channels, other.zeros)
    )


def seed(x: Tensor, channels: Iterable[Channel]) -> Rows:
    """The streams of the identity x ↦ x: unit vectors first, zero (None) of higher order.

    The unit vectors are the same at all points: their point axes have length one.
    """
    channels = tuple(channels)
    axes = tuple(c for c in channels if order(c) == 1)
    zeros = tuple(c for c in channels if order(c) > 1)
    unit = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    rest = torch.stack([unit[c[0][0]] for c in axes]) if axes else unit[:0]
    return Rows(axes, rest.reshape(-1, *(1 for _ in x.shape[:-1]), x.shape[-1]), zeros)
