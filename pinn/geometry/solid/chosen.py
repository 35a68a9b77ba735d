"""The part of a piece on which a function is true."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pinn.geometry.solid.fitting import Scaled, fitted, surface_columns
from pinn.geometry.solid.motion import Array
from pinn.geometry.solid.patches import Rule
from pinn.geometry.solid.pieces import Piece, drawn

FINE = 20_000  # points at which the function is looked at


class Chosen:
    """Where a function is true on a piece.

    Areas and moments are sums over a fine rule of the piece, right to about 1e-3; points and
    normals are exact.

    Args:
        piece: of a boundary.
        where: points (N, 3) → a mask (N,).
    """

    def __init__(self, piece: Piece, where: Callable[[Tensor], Tensor]) -> None:
        self.piece, self.where, self.drawn = piece, where, piece.drawn

    def _true(self, at: Array) -> np.ndarray:
        mask = torch.as_tensor(self.where(torch.from_numpy(at)))
        if mask.shape != (len(at),):
            raise ValueError(
                f"the function must give a mask ({len(at)},) for points ({len(at)}, 3), "
                f"got {tuple(mask.shape)}"
            )
        return mask.detach().cpu().numpy().astype(bool)

    @cached_property
    def fine(self) -> Rule:
        """Many points of the piece, those where the function is true."""
        at, normal, weight = self.piece.rule(FINE)
        true = self._true(at)
        return at[true], normal[true], weight[true]

    @cached_property
    def area(self) -> float:
        """By the fine rule."""
        return float(self.fine[2].sum())

    def place(self, unit: Array) -> tuple[Array, Array, np.ndarray]:
        """See `Piece.place`."""
        at, normal, kept = self.piece.place(unit)
        true = self._true(at)
        kept = kept.copy()
        kept[kept] = true
        return at[true], normal[true], kept

    def rule(self, n: int) -> Rule:
        """n points, with the moments of the fine rule."""
        at, normal = drawn(self, n, self.area / self.drawn)
        scaled = Scaled.about(self.fine[0].min(0), self.fine[0].max(0))
        weights = fitted(
            lambda degree: surface_columns(scaled, at, normal, degree),
            lambda degree: self.fine[2] @ surface_columns(scaled, *self.fine[:2], degree),
        )
        return at, normal, weights

    def moments(self, scaled: Scaled, degree: int) -> Array:
        """By the fine rule."""
        columns = surface_columns(scaled, *self.fine[:2], degree)
        return (self.fine[2] @ columns).reshape(-1, 4)

    @cached_property
    def _tree(self) -> Any:
        from scipy.spatial import cKDTree

        return cKDTree(self.fine[0])

    def distance(self, at: Array) -> Array:
        """From the points of the fine rule, so too large by about the distance between them."""
        return self._tree.query(at)[0]
