"""The dense network Rᵈ → Rᵈ whose divergence is computed, and where."""

from __future__ import annotations

from typing import Literal

from case import Array, dense_weights
from numpy.random import default_rng

# Runs in the environments of all contestants: nothing but NumPy is imported here.
WIDTH, DEPTH = 128, 3
LONGEST = 30.0  # seconds of one evaluation
LARGEST = 8 * 1024.0  # MB of one evaluation

Mode = Literal["value", "gradient"]


class Flow:
    """Weights and points, the same for all contestants.

    Args:
        d: dimension of points and velocity.
        batch: number of points.
        hidden: number of hidden layers.
        width: units of each.
    """

    def __init__(self, d: int, batch: int, hidden: int = DEPTH, width: int = WIDTH) -> None:
        self.d = d
        self.weights, self.biases = dense_weights([d, *[width] * hidden, d])
        self.points: Array = default_rng(1).uniform(-1, 1, (batch, d)).astype("float32")
