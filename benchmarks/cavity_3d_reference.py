"""Centre-line velocities of the lid-driven cube, Re = 100 and 400, for `cavity_data`.

Usage: ``python benchmarks/cavity_3d_reference.py`` solves at three resolutions, prints their
differences, extrapolates and writes ``cube_re100.csv`` and ``cube_re400.csv`` (minutes on one
core); ``--check`` solves Re = 100 on a coarse grid and compares with the stored file (seconds),
exit status 1 where they differ; ``--published`` solves Re = 1000 and prints beside it the extrema
of S. Albensoeder, H. C. Kuhlmann, J. Comput. Phys. 206 (2005) 536–558,
doi:10.1016/j.jcp.2004.12.024.
"""

from __future__ import annotations

import argparse
import csv
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from cube_flow import Array, Cube
from scipy.interpolate import CubicSpline

REFERENCE = Path(__file__).resolve().parents[1] / "pinn" / "problems" / "cavity_data"
REYNOLDS = (100.0, 400.0)
CELLS = (32, 48, 72)  # the last two, and the first two, are extrapolated
CHECK_CELLS = 24
CHECK_TOLERANCE = 0.02
POINTS, FINE = np.linspace(0, 1, 101), np.linspace(0, 1, 5001)
PUBLISHED = {"u_min": -0.2803833, "v_min": -0.4350186, "v_max": 0.2466511}


def extrapolated(coarse: dict[str, Array], fine: dict[str, Array]) -> dict[str, Array]:
    """Profiles of second order at 3/2 times the resolution, without their leading error."""
    return {k: fine[k] + (fine[k] - coarse[k]) / (1.5**2 - 1) for k in fine}


def difference(a: dict[str, Array], b: dict[str, Array]) -> float:
    """The largest difference of two sets of profiles."""
    return max(float(np.abs(a[k] - b[k]).max()) for k in a)


def path_of(reynolds: float) -> Path:
    return REFERENCE / f"cube_re{int(reynolds)}.csv"


def stored(reynolds: float) -> dict[str, Array]:
    """The profiles of the stored file."""
    lines = path_of(reynolds).read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    return {
        f"{line}_{name}": np.array([float(r[name]) for r in rows if r["line"] == line])
        for line in ("vertical", "horizontal")
        for name in ("u", "v")
    }


def write(reynolds: float, profiles: dict[str, Array], error: float) -> None:
    """The file of the profiles, which says how accurate they are."""
    rows = [
        f"{line},{x:.2f},{y:.2f},0.50,{profiles[line + '_u'][i]:.6f},{profiles[line + '_v'][i]:.6f}"
        for line in ("vertical", "horizontal")
        for i, s in enumerate(POINTS)
        for x, y in [(0.5, s) if line == "vertical" else (s, 0.5)]
    ]
    head = [
        f"# Lid-driven cube, Re = {int(reynolds)}, u = 1 on the lid y = 1: two centre lines.",
        "# benchmarks/cavity_3d_reference.py: finite volumes with "
        f"{', '.join(map(str, CELLS))} cells along x and y, extrapolated.",
        f"# Own error, the largest difference between two extrapolations: {error:.1e}.",
        "line,x,y,z,u,v",
    ]
    path_of(reynolds).write_text("\n".join([*head, *rows]) + "\n", encoding="utf-8")


def describe(profiles: dict[str, Array]) -> str:
    """The extrema of the centre-line profiles, between the points by splines."""
    u, v = (CubicSpline(POINTS, profiles[k])(FINE) for k in ("vertical_u", "horizontal_v"))
    return f"u_min {u.min():.5f}, v_min {v.min():.5f}, v_max {v.max():.5f}"


def check() -> int:
    """Whether a coarse grid gives the stored profiles of Re = 100."""
    gap = difference(Cube(100.0, CHECK_CELLS).lines(POINTS), stored(100.0))
    print(f"{CHECK_CELLS} cells differ from the stored profiles by {gap:.1e}")
    return int(gap > CHECK_TOLERANCE)


def solve(reynolds: float, keep: bool) -> None:
    """Solve at each resolution, print the extrema and differences, and write the file."""
    begun, found = time.process_time(), []
    for n in CELLS:
        flow = None
        for each in (100.0, 200.0, 400.0, 650.0, 1000.0):
            flow = Cube(each, n, flow) if each <= reynolds else flow
        found.append(flow.lines(POINTS))
        spent = time.process_time() - begun
        print(f"Re = {reynolds:g}, {n} cells: {describe(found[-1])}; {spent:.0f} s", flush=True)
    before, after = (extrapolated(a, b) for a, b in pairwise(found))
    error = difference(before, after)
    print(
        f"Re = {reynolds:g}, extrapolated: {describe(after)}; the last two resolutions differ by "
        f"{difference(*found[1:]):.1e}, the two extrapolations by {error:.1e}",
        flush=True,
    )
    if keep:
        write(reynolds, after, error)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare a coarse grid, seconds")
    parser.add_argument("--published", action="store_true", help="Re = 1000 beside a published one")
    options = parser.parse_args()
    if options.check:
        return check()
    if options.published:
        solve(1000.0, keep=False)
        print(
            "Albensoeder and Kuhlmann (2005): "
            + ", ".join(f"{k} {v}" for k, v in PUBLISHED.items())
        )
        return 0
    for reynolds in REYNOLDS:
        solve(reynolds, keep=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
