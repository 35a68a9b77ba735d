"""The problem every contestant is given: the same points, the same first weights."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

# Runs in the environments of all contestants: nothing but NumPy is imported here.
REYNOLDS = 40.0
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Case:
    """Kovasznay flow at Re = 40 with a dense tanh network (x, y) → (u, v, p), in float32.

        L = mean |(u·∇)u + ∇p − ∇²u/Re|² + mean (∇·u)² + mean |u − u_b|²

    The first two means are over `interior`, the last one over `boundary`.

    Args:
        interior: points (N, 2).
        boundary: points (M, 2).
        velocity: u_b at `boundary` (M, 2).
        weights: per layer (out, in).
        biases: per layer (out,).
    """

    interior: Array
    boundary: Array
    velocity: Array
    weights: tuple[Array, ...]
    biases: tuple[Array, ...]

    @property
    def width(self) -> int:
        """Units of a hidden layer."""
        return len(self.biases[0])

    @property
    def depth(self) -> int:
        """Hidden layers."""
        return len(self.biases) - 1

    @property
    def forward_flops(self) -> int:
        """Operations of a plain forward pass per point:  2 Σ in·out."""
        return 2 * sum(weight.size for weight in self.weights)

    @property
    def step_flops(self) -> int:
        """3 (d + 2) = 12 forward passes per interior point, 3 per boundary point.

        Value, d slopes and one Laplacian go through the network together, and the gradient to the
        parameters costs twice as much again.
        """
        return (12 * len(self.interior) + 3 * len(self.boundary)) * self.forward_flops

    def save(self, path: Path) -> None:
        """Write all arrays to one file."""
        layers = {f"weight{i}": w for i, w in enumerate(self.weights)}
        layers |= {f"bias{i}": b for i, b in enumerate(self.biases)}
        points = {n: getattr(self, n) for n in ("interior", "boundary", "velocity")}
        np.savez(path, **points, **layers)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: str | Path) -> Case:
        """Read what `save` wrote."""
        with np.load(path) as arrays:
            layers = sum(name.startswith("weight") for name in arrays)
            return cls(
                arrays["interior"],
                arrays["boundary"],
                arrays["velocity"],
                weights=tuple(arrays[f"weight{i}"] for i in range(layers)),
                biases=tuple(arrays[f"bias{i}"] for i in range(layers)),
            )


def dense_weights(sizes: list[int], seed: int = 0) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Xavier-normal weights and small random biases of a dense network.

    The biases are not zero, so that a contestant which loses one is found out.
    """
    generator = np.random.default_rng(seed)
    pairs = list(itertools.pairwise(sizes))
    weights = [generator.normal(0, np.sqrt(2 / (i + o)), (o, i)) for i, o in pairs]
    biases = [generator.normal(0, 0.1, o) for _, o in pairs]
    return (
        tuple(w.astype(np.float32) for w in weights),
        tuple(b.astype(np.float32) for b in biases),
    )
