"""Reference of the flow over a step without an inlet channel, for ``pinn/problems/step_data``.

    python benchmarks/step_reference.py

solves Gartling's benchmark, Re = 800, by splines at three resolutions and writes the finest flow
(two minutes of one core). ``--check`` solves at the lowest and compares with the stored file,
exit status 1 where they differ.

The channel is (0, 60) × (0, 2) in units of the step's height, with ν = 2/Re. At x = 0 the flow is
u = 6 (y − 1)(2 − y) above the step, y > 1, and 0 below; at x = 60 it is −p n + ν ∂u/∂n = 0. The
first derivative of u in y jumps at the edge (0, 1): elements are small there, and the splines have
a kink along y = 1. Source: D. K. Gartling, Int. J. Numer. Methods Fluids 11 (1990) 953–967,
doi:10.1002/fld.1650110704.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from spline_flow import Array, SplineFlow, Splines

FILE = Path(__file__).resolve().parents[1] / "pinn" / "problems" / "step_data" / "step_re800.npz"
LENGTH, CREEPING = 60.0, 1e3  # and a viscosity at which Newton's method needs no start
WAY = (100, 200, 400, 600, 800)
X, Y = np.linspace(0, LENGTH, 241), np.linspace(0, 2, 41)
PUBLISHED = {"reattachment": 12.20, "upper separation": 9.70, "upper reattachment": 20.96}
CHECK_TOLERANCE = 2e-3


class Mesh(NamedTuple):
    """Elements: the first one's size along x, their ratio, the largest; those of half a height."""

    first: float
    ratio: float
    largest: float
    half_height: int


MESHES = (Mesh(0.05, 1.15, 0.6, 8), Mesh(0.025, 1.1, 0.4, 12), Mesh(0.0125, 1.08, 0.3, 16))


def splines(mesh: Mesh, length: float) -> tuple[Splines, Splines]:
    """Those along x, growing from the step on, and those along y, small at walls and edge."""
    sizes = [mesh.first]
    while sum(sizes) < length:
        sizes.append(min(sizes[-1] * mesh.ratio, mesh.largest))
    along = np.concatenate([[0.0], np.cumsum(sizes)]) * (length / sum(sizes))
    half = (1 - np.cos(np.pi * np.linspace(0, 1, mesh.half_height + 1))) / 2
    return Splines(along), Splines(np.concatenate([half, 1 + half[1:]]), kinks=(1.0,))


def solution(mesh: Mesh, length: float = LENGTH) -> SplineFlow:
    """The flow at Re = 800."""
    along, up = splines(mesh, length)
    above = np.clip(up.points.ravel() - 1, 0, None)
    values = np.tile(up.fitted(3 * above**2 - 2 * above**3), (along.count, 1))
    values[:, :2], values[:, -2:] = 0.0, 1.0
    free = np.zeros(values.shape, dtype=bool)
    free[2:, 2:-2] = True  # at the outlet all are
    given = np.zeros((5, along.points.size, up.points.size))
    flow = SplineFlow(along, up, values, free, given)
    for viscosity in (CREEPING, *(2 / reynolds for reynolds in WAY)):
        flow.solve(viscosity)
    return flow


def velocity(flow: SplineFlow) -> dict[str, Array]:
    """u and v on the grid."""
    return {"u": flow.derivative(X, Y, (0, 1)), "v": -flow.derivative(X, Y, (1, 0))}


def turns(flow: SplineFlow, y: float) -> list[float]:
    """Where ∂u/∂y changes its sign on a wall, behind the small eddies in the step's corner."""

    def shear(x: Array) -> Array:
        return flow.derivative(x, np.array([y]), (0, 2))[:, 0]

    x = np.linspace(0.5, LENGTH, 2001)
    at = np.flatnonzero(np.diff(np.sign(shear(x))))
    return [brentq(lambda s: shear(np.array([s]))[0], x[i], x[i + 1], xtol=1e-9) for i in at]


def eddies(flow: SplineFlow) -> dict[str, float]:
    """Where the eddies on the floor and on the ceiling end and begin, in heights of the step."""
    (floor,), (first, last) = turns(flow, 0.0), turns(flow, 2.0)
    return {"reattachment": floor, "upper separation": first, "upper reattachment": last}


def difference(a: dict[str, Array], b: dict[str, Array]) -> dict[str, float]:
    """Relative L2 differences of u and v, and of the velocity as one."""
    gaps = {name: float(np.linalg.norm(a[name] - b[name])) for name in "uv"}
    sizes = {name: float(np.linalg.norm(b[name])) for name in "uv"}
    relative = {name: gaps[name] / sizes[name] for name in "uv"}
    return relative | {"velocity": float(np.hypot(*gaps.values()) / np.hypot(*sizes.values()))}


def line_of(values: dict[str, float]) -> str:
    """Names and values for people."""
    return "  ".join(f"{name} {value:.1e}" for name, value in values.items())


def compute() -> None:
    """Solve on all meshes, print the comparisons and write the file."""
    begun, last = time.perf_counter(), None
    error: dict[str, float] = {}
    for mesh in MESHES:
        flow = solution(mesh)
        fields, found = velocity(flow), eddies(flow)
        print(f"{flow.free.sum()} unknowns, {time.perf_counter() - begun:.0f} s")
        for name, published in PUBLISHED.items():
            print(f"  {name:18s} {found[name]:.4f}  Gartling {published:.2f}")
        if last is not None:
            error = difference(last, fields)
            print(f"  difference from the mesh before: {line_of(error)}", flush=True)
        last = fields
    longer = difference(velocity(solution(MESHES[0], 80.0)), velocity(solution(MESHES[0])))
    print(f"an outlet at 80 in place of 60, on the first mesh: {line_of(longer)}")
    single = {name: field.astype(np.float32) for name, field in fields.items()}
    scalars = {name.replace(" ", "_"): value for name, value in found.items()}
    scalars |= {"reynolds": float(WAY[-1]), "error_u": error["u"], "error_v": error["v"]}
    np.savez_compressed(FILE, x=X, y=Y, **single, **scalars)  # type: ignore[arg-type]


def check() -> bool:
    """Compare the flow on the first mesh with the stored file; True where they agree."""
    with np.load(FILE) as stored:
        gaps = difference(velocity(solution(MESHES[0])), dict(stored))
    good = max(gaps.values()) < CHECK_TOLERANCE
    print(f"step_re800.npz {'agrees' if good else 'DIFFERS'} (relative L2 {line_of(gaps)})")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="compare with the stored file")
    if parser.parse_args().check:
        return 0 if check() else 1
    compute()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
