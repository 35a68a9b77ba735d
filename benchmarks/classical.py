"""What a classical solver takes: smooth flow at Re = 100 and below by a Galerkin method.

    python benchmarks/classical.py

Relative L2 error of the velocity and seconds of the solution against the number of modes per
direction: cavity with a smooth lid, u = 16 x² (1 − x)², against its own solution with 48 modes;
cavity with the unit lid, by the same method with corner series, against its own with 48; Kovasznay
flow on the unit square at Re = 40 against the exact solution. The error is over 101 × 101 points
outside the corner boxes. Newton's method starts from rest.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np
from cavity_flow import CavityFlow
from cavity_reference import GRID, outside_corners
from corner_flow import Array
from smooth_flow import KovasznaySquare, SmoothCavity
from stored import machine

MODES = (8, 12, 16, 20, 24, 28)
FINER = 48
Flow = Callable[[int], CavityFlow]


def velocity(flow: CavityFlow) -> Array:
    """u and v on the grid outside the corner boxes (2, N)."""
    fields = flow.fields(GRID, GRID)
    return np.array([fields[name][outside_corners()] for name in "uv"])


def convergence(
    solve: Flow, truth: Array, modes: Sequence[int] = MODES
) -> list[tuple[float, float]]:
    """For each number of modes the relative L2 error of the velocity, and the seconds to solve."""
    found = []
    for count in modes:
        begun = time.perf_counter()
        flow = solve(count)
        seconds = time.perf_counter() - begun
        error = np.linalg.norm(velocity(flow) - truth) / np.linalg.norm(truth)
        found.append((float(error), seconds))
    return found


def row(title: str, found: list[tuple[float, float]]) -> str:
    """A row of the table."""
    cells = [f"{error:.1e} in {seconds:.2f} s" for error, seconds in found]
    return f"| {title} | {' | '.join(cells)} |"


def exact(reynolds: float) -> Array:
    """The velocity of Kovasznay flow as `velocity` gives it."""
    flow = KovasznaySquare.exact(reynolds, GRID).reshape(len(GRID), len(GRID), 3)
    return np.array([flow[outside_corners(), i] for i in (0, 1)])


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    print(", ".join(f"{key} {value}" for key, value in machine().items() if value), "\n")
    print(f"| modes per direction | {' | '.join(map(str, MODES))} |")
    print("|---" * (len(MODES) + 1) + "|")
    smooth = velocity(SmoothCavity(100, FINER))
    print(row("cavity, smooth lid", convergence(lambda n: SmoothCavity(100, n), smooth)))
    sharp = velocity(CavityFlow(100, FINER))
    print(row("cavity, unit lid", convergence(lambda n: CavityFlow(100, n), sharp)))
    print(row("Kovasznay", convergence(lambda n: KovasznaySquare(40, n), exact(40))))


if __name__ == "__main__":
    main()
