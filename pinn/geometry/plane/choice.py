"""Some of a boundary, picked by coordinates, by the numbers of edges, by a function."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from pinn.geometry.plane.curve import Array
from pinn.geometry.plane.pieces import Piece, bounds
from pinn.geometry.shape import Pick

_PROBES = 256  # per piece, at which a function is looked at


def chosen(pieces: Sequence[Piece], choice: Pick, slack: float) -> list[Piece]:
    """The pieces that a choice means, cut where it says.

    Args:
        pieces: what to choose from.
        choice: what is meant. A piece lies at one value of a coordinate if all of it does; a range
            cuts the pieces at its ends, a function where it changes, which is seen if it stays
            the same on 1/256 of a piece.
        slack: how far rounding may move a point.

    Raises:
        ValueError: nothing is left.
    """
    left = list(pieces)
    if choice.segments is not None:
        known = sorted({piece.edge for piece in left if piece.edge is not None})
        left = [piece for piece in left if piece.edge in choice.segments]
        if not left:
            have = f"it has the edges {known[0]} to {known[-1]}" if known else "it has none"
            raise ValueError(
                f"no edge of the boundary has a number of {choice.segments}: {have} (an edge is "
                "numbered by the point of the polygon that it starts at, from 0 on)"
            )
    for axis, (low, high) in choice.coordinates.items():
        low, high = min(low, high), max(low, high)
        before = left
        left = _between(before, axis, low, high, slack)
        if not left:
            raise ValueError(_nothing_between(before, axis, low, high))
    if choice.where is not None:
        left = [part for piece in left for part in _where(piece, choice.where)]
        if not left:
            raise ValueError("the function is true nowhere on this part of the boundary")
    return left


def _between(
    pieces: Sequence[Piece], axis: int, low: float, high: float, slack: float
) -> list[Piece]:
    if high > low:
        finite = [value for value in (low, high) if math.isfinite(value)]
        cut = [
            part
            for piece in pieces
            for part in piece.parted(
                [t for value in finite for t in piece.curve.levels(axis, value)]
            )
        ]
    else:
        cut = list(pieces)
    kept = []
    for piece in cut:
        bottom, top = piece.curve.box[:, axis]
        if bottom >= low - slack and top <= high + slack and piece.curve.length > slack:
            kept.append(piece)
    return kept


def _nothing_between(pieces: Sequence[Piece], axis: int, low: float, high: float) -> str:
    name = "xy"[axis]
    bottom, top = bounds(pieces)[:, axis]
    if low < high:
        return (
            f"no part of the boundary lies between {name} = {low:g} and {high:g}: it reaches from "
            f"{name} = {bottom:g} to {top:g}"
        )
    flat = {float(p.curve.box[0, axis]) for p in pieces if np.ptp(p.curve.box[:, axis]) == 0}
    at = ", ".join(f"{value:g}" for value in sorted(flat)) or "no value"
    return (
        f"no piece of the boundary lies on {name} = {low:g}: straight pieces lie on {name} = {at}"
    )


def _where(piece: Piece, where: Callable[[Tensor], Tensor]) -> list[Piece]:
    """The parts of a piece on which a function is true; its changes are found by halving."""

    def true(t: Array) -> Array:
        mask = torch.as_tensor(where(torch.from_numpy(piece.curve.at(t))))
        if mask.shape != t.shape:
            raise ValueError(
                f"the function must give a mask ({len(t)},) for points ({len(t)}, 2), "
                f"got {tuple(mask.shape)}"
            )
        return mask.detach().cpu().numpy().astype(bool)

    probes = piece.curve.times((np.arange(_PROBES) + 0.5) / _PROBES)
    mask = true(probes)
    (k,) = np.nonzero(mask[:-1] != mask[1:])
    low, high, first = probes[k], probes[k + 1], mask[k]
    for _ in range(60):
        middle = 0.5 * (low + high)
        same = true(middle) == first if len(k) else first
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    parts = piece.parted(high.tolist())
    # Each change begins a new part.
    return [part for i, part in enumerate(parts) if bool(mask[0]) == (i % 2 == 0)]
