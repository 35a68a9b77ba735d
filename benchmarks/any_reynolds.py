"""Kovasznay flow at every Reynolds number at once: u(x, y, Re), Re in [20, 80], by one training.

    python benchmarks/any_reynolds.py --figure docs/any_reynolds.png

Prints the error against Re, what a query costs, and what a classical solver takes for one Re.
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any, ClassVar

import numpy as np
import torch
from contestants import ROOT
from matplotlib.figure import Figure
from smooth_flow import KovasznaySquare
from stored import machine, store

sys.path.insert(0, str(ROOT))
from pinn import (
    MLP,
    Field,
    Phase,
    Problem,
    Rectangle,
    Solution,
    advect,
    cos,
    div,
    exp,
    fit,
    grad,
    laplacian,
    on,
    sin,
    sqrt,
    vector,
)

LEAST, MOST = 20.0, 80.0
FEATURES, STEPS = 700, 10
SPREAD = [0.5, 1.0, 0.2]  # along x, y and Re: the flow is smooth
POINTS = {"interior": 2197, "boundary": 400}
MODES = 10  # of the classical solver
GRID = np.linspace(0.0, 1.0, 101)


class AnyReynolds(Problem):
    """Kovasznay flow on [0, 1]² with the Reynolds number as a coordinate:

        (u·∇)u + ∇p − ∇²u / Re = 0,   ∇·u = 0,   u = u_b on the boundary, 20 ≤ Re ≤ 80.

    The pressure is fixed up to a function of Re.
    """

    coordinates: ClassVar[tuple[str, ...]] = ("x", "y")
    unknowns: ClassVar = {"u": ("u", "v"), "p": 1}
    geometry = Rectangle(x=(0, 1), y=(0, 1))
    ranges: ClassVar = {"reynolds": (LEAST, MOST)}

    @on("interior")
    def momentum(self, u: Field, p: Field, reynolds: Field) -> Field:
        """(u·∇)u + ∇p − ∇²u / Re."""
        return advect(u, u) + grad(p) - laplacian(u) / reynolds

    @on("interior")
    def continuity(self, u: Field) -> Field:
        """∇·u."""
        return div(u)

    @on("boundary")
    def boundary(self, u: Field, at: Field) -> Field:
        """u − u_b."""
        return u - self.exact(at)["u"]

    def exact(self, at: Field) -> dict[str, Field]:
        """u, v and p, the latter up to a function of Re."""
        half, phase = at[:, 2] / 2, 2 * math.pi * at[:, 1]
        decay = -4 * math.pi**2 / (half + sqrt(half * half + 4 * math.pi**2))
        wake = exp(decay * at[:, 0])
        u = vector(1 - wake * cos(phase), decay / (2 * math.pi) * wake * sin(phase))
        return {"u": u, "p": (1 - wake * wake) / 2}


def train(seed: int, features: int = FEATURES, steps: int = STEPS) -> Solution:
    """One training; its run is not kept."""
    with tempfile.TemporaryDirectory() as folder:
        return fit(
            AnyReynolds(),
            MLP(features, 1, spread=SPREAD),
            phases=[Phase(steps, "LevenbergMarquardt", train="output")],
            points=POINTS,
            weights={"boundary": 10.0},
            method="gauss",
            seed=seed,
            folder=folder,
            accelerator="cpu",
            val_check_interval=steps,
        )


def plane() -> torch.Tensor:
    """The points of the grid (101², 2)."""
    x, y = np.meshgrid(GRID, GRID, indexing="ij")
    return torch.tensor(np.stack([x, y], axis=-1).reshape(-1, 2))


def relative(found: np.ndarray, true: np.ndarray) -> float:
    """‖found − true‖₂ / ‖true‖₂."""
    return float(np.linalg.norm(found - true) / np.linalg.norm(true))


@torch.no_grad()
def errors(solution: Solution, reynolds: float) -> tuple[float, float]:
    """Relative L2 of the velocity and of the pressure (less its mean) at one Reynolds number."""
    flow = KovasznaySquare.exact(reynolds, GRID)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is asked outside of its range on purpose
        found = solution(plane(), reynolds=reynolds)
    velocity, pressure = (found[name].cpu().numpy() for name in ("u", "p"))
    return (
        relative(velocity, flow[:, :2]),
        relative(pressure - pressure.mean(), flow[:, 2] - flow[:, 2].mean()),
    )


def classical(reynolds: float) -> tuple[float, float]:
    """Seconds of one solve by the Galerkin method and its error of the velocity."""
    begun = time.perf_counter()
    fields = KovasznaySquare(reynolds, MODES).fields(GRID, GRID)
    seconds = time.perf_counter() - begun
    found = np.stack([fields["u"].ravel(), fields["v"].ravel()], axis=-1)
    return seconds, relative(found, KovasznaySquare.exact(reynolds, GRID)[:, :2])


@torch.no_grad()
def query(solution: Solution, at: torch.Tensor) -> float:
    """Median seconds of an evaluation."""
    times = []
    for _ in range(20):
        begun = time.perf_counter()
        solution(at, reynolds=50.0)
        times.append(time.perf_counter() - begun)
    return median(times)


def draw(numbers: list[float], found: dict[str, list[float]], path: Path) -> None:
    """Error against Re, with the range that was trained on."""
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    axes.axvspan(LEAST, MOST, color="0.93", label="trained on")
    for name, values in found.items():
        axes.semilogy(numbers, values, marker=".", label=name)
    axes.set_xlabel("Reynolds number")
    axes.set_ylabel("relative L2 error")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=160)


def measure(seed: int, features: int, steps: int) -> dict[str, Any]:
    """All that is printed, as plain data."""
    begun = time.perf_counter()
    solution = train(seed, features, steps)
    seconds = time.perf_counter() - begun
    numbers = [float(number) for number in np.arange(LEAST - 4, MOST + 20, 4)]
    ours = [errors(solution, number) for number in numbers]
    theirs = [classical(number) for number in numbers]
    return {
        "seconds": seconds,
        "reynolds": numbers,
        "velocity": [error for error, _ in ours],
        "pressure": [error for _, error in ours],
        "grid query": query(solution, plane()),
        "point query": query(solution, plane()[:1]),
        "classical seconds": median(took for took, _ in theirs),
        "classical error": max(error for _, error in theirs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--features", type=int, default=FEATURES)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--figure", type=Path, help="where to draw error against Re")
    options = parser.parse_args()
    found = measure(options.seed, options.features, options.steps)
    inside = [i for i, number in enumerate(found["reynolds"]) if LEAST <= number <= MOST]
    for name in ("velocity", "pressure"):
        worst = max(found[name][i] for i in inside)
        print(f"{name}: at worst {worst:.1e} for {LEAST:.0f} <= Re <= {MOST:.0f}")
    print(f"training {found['seconds']:.0f} s, once")
    print(
        f"a query: {1e3 * found['grid query']:.1f} ms for {len(GRID) ** 2:,} points, "
        f"{1e3 * found['point query']:.2f} ms for one"
    )
    print(
        f"Legendre-Galerkin, {MODES} modes: {1e3 * found['classical seconds']:.0f} ms per Reynolds "
        f"number with the same points, error {found['classical error']:.1e}"
    )
    store("any_reynolds", {"machine": machine(), **found})
    if options.figure:
        shown = {name: found[name] for name in ("velocity", "pressure")}
        draw(found["reynolds"], shown, options.figure)


if __name__ == "__main__":
    main()
