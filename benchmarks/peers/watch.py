"""Error against seconds since the process began, by default for Kovasznay flow."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from case import REYNOLDS
from clock import since_start
from numpy.typing import NDArray

# Runs in the environments of all contestants: nothing but NumPy is imported here.
Points = NDArray[np.float64]
Corner = tuple[float, float]

LOWER, UPPER = (-0.5, -0.5), (1.0, 1.5)
PER_AXIS = 101
DECAY = REYNOLDS / 2 - math.hypot(REYNOLDS / 2, 2 * math.pi)
SHARE = 0.03  # of the seconds so far, between two looks
ADAM = 1 / 3  # of the seconds after the imports; the rest is L-BFGS's
ITERATIONS = 10  # of L-BFGS between two looks


def velocity(at: Points) -> Points:
    """(1 − e^{λx} cos 2πy, (λ/2π) e^{λx} sin 2πy) at points (N, 2), as (N, 2)."""
    wake, phase = np.exp(DECAY * at[:, :1]), 2 * math.pi * at[:, 1:]
    u = 1 - wake * np.cos(phase)
    return np.hstack((u, DECAY / (2 * math.pi) * wake * np.sin(phase)))


def grid(lower: Corner = LOWER, upper: Corner = UPPER) -> Points:
    """101 × 101 points of a box, its boundary included (N, 2)."""
    axes = [np.linspace(low, up, PER_AXIS) for low, up in zip(lower, upper, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)


class Watch:
    """Appends [seconds, error, null] to a file of lines, until the seconds are over.

    The error is relative L2 over the grid, all components together, by default the velocity's. Its
    own time does not count.

    Args:
        path: of the file.
        seconds: how long the process may take.
        box: lower and upper corner.
        truth: the exact solution (N, C) at points (N, 2).
    """

    def __init__(
        self,
        path: str | Path,
        seconds: float,
        box: tuple[Corner, Corner] = (LOWER, UPPER),
        truth: Callable[[Points], Points] = velocity,
    ) -> None:
        self.path, self.seconds = Path(path), seconds
        self.watched = self.last = 0.0
        self.begun = since_start()
        self.at = grid(*box)
        self.truth = truth(self.at)

    @property
    def now(self) -> float:
        """Seconds that count so far."""
        return since_start() - self.watched

    def look(self, predict: Callable[[Points], Points]) -> float:
        """Write a line, unless the last one is recent; nothing counts beyond the end.

        Args:
            predict: the solution (N, C) at points (N, 2).

        Returns:
            The share that is used up of the seconds since this object was made.
        """
        begun, seconds = time.perf_counter(), self.now
        if self.last + SHARE * seconds < seconds <= self.seconds:
            error = np.linalg.norm(predict(self.at) - self.truth) / np.linalg.norm(self.truth)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([seconds, float(error), None]) + "\n")
            self.last = seconds
            self.watched += time.perf_counter() - begun
        return (seconds - self.begun) / (self.seconds - self.begun)
