"""Flows without corner singularities by the same Galerkin method as the unit-lid cavity's."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from cavity_flow import CavityFlow
from corner_flow import Array


class SmoothCavity(CavityFlow):
    """Cavity flow [0, 1]² whose lid y = 1 moves at  u = 16 x² (1 − x)²:  at rest in its corners.

    Args:
        reynolds: Re = U L / ν, with U the lid's speed in its middle.
        modes: clamped modes per direction.
        start: flow to start Newton's method from; rest otherwise.
    """

    at_corners: ClassVar[dict[str, float]] = {}

    def corner_jets(self, x: Array, y: Array) -> Array:
        """No corner series: zeros."""
        return np.zeros((3, 3, len(x), len(y)))

    def wall_jets(self, x: Array, y: Array) -> Array:
        """[ψ, ψ_x, ψ_y] on the walls: those of the lid."""
        jets = np.zeros((3, len(x), len(y)))
        jets[2] = 16 * (x * (1 - x))[:, None] ** 2 * (y == 1)
        return jets


class KovasznaySquare(SmoothCavity):
    """Kovasznay flow on [0, 1]²:  ψ = y − e^{λx} sin(2πy) / 2π,  λ = Re/2 − √(Re²/4 + 4π²).

    Only the velocity on the boundary is used, and ψ there, which is its integral.

    Args:
        reynolds: Re = U L / ν, with L the spacing of the grid.
        modes: clamped modes per direction.
        start: flow to start Newton's method from.
    """

    def wall_jets(self, x: Array, y: Array) -> Array:
        """[ψ, ψ_x, ψ_y] of the exact flow."""
        decay = decay_rate(self.reynolds)
        wake, turn = np.exp(decay * x)[:, None], 2 * math.pi * y
        swing = wake * np.sin(turn) / (2 * math.pi)
        return np.array([y - swing, -decay * swing, 1 - wake * np.cos(turn)])

    @staticmethod
    def exact(reynolds: float, axis: Array) -> Array:
        """u, v, p at the points of axis ⊗ axis, as (n², 3)."""
        decay = decay_rate(reynolds)
        x, y = np.meshgrid(axis, axis, indexing="ij")
        wake, turn = np.exp(decay * x), 2 * math.pi * y
        u, v = 1 - wake * np.cos(turn), decay / (2 * math.pi) * wake * np.sin(turn)
        return np.stack([u, v, (1 - wake**2) / 2], axis=-1).reshape(-1, 3)


def decay_rate(reynolds: float) -> float:
    """λ = Re/2 − √(Re²/4 + 4π²) of Kovasznay flow."""
    return reynolds / 2 - math.hypot(reynolds / 2, 2 * math.pi)
