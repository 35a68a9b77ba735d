"""Reference fields of the cavity, Re = 100, 400, 1000, for ``pinn/problems/cavity_data``.

Usage: ``python benchmarks/cavity_reference.py`` solves, compares with published data and writes
the files (minutes); ``--check`` solves Re = 100 at a lower resolution and compares with the
stored file (seconds), exit status 1 where they differ.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

import numpy as np
from cavity_flow import CavityFlow
from corner_flow import Array

REFERENCE = Path(__file__).resolve().parents[1] / "pinn" / "problems" / "cavity_data"
REYNOLDS = (100, 400, 1000)
MODES = (32, 64, 80)  # the last two give the own error
CHECK_MODES = (32, 48)
CHECK_TOLERANCE = 1e-4
GRID = np.linspace(0.0, 1.0, 101)
CORNER_BOX = 0.05
MIDDLE = np.array([0.5])


def outside_corners() -> np.ndarray:
    """Grid points outside the four closed corner boxes, bool (101, 101)."""
    near = np.minimum(GRID, 1 - GRID) < CORNER_BOX + 1e-9
    return ~(near[:, None] & near)


def sampled(flow: CavityFlow) -> dict[str, Array]:
    """u, v, p, psi on the grid; p with zero mean outside the corner boxes."""
    fields = flow.fields(GRID, GRID)
    fields["p"] -= fields["p"][outside_corners()].mean()
    return fields


def relative_difference(a: Array, b: Array) -> float:
    """‖a − b‖₂ / ‖b‖₂ over the grid outside the corner boxes."""
    keep = outside_corners()
    return float(np.linalg.norm((a - b)[keep]) / np.linalg.norm(b[keep]))


def solutions(modes: tuple[int, ...], start: CavityFlow | None, reynolds: int) -> list[CavityFlow]:
    """The flow at each number of modes, each started from the one before."""
    flows: list[CavityFlow] = []
    for count in modes:
        start = CavityFlow(reynolds, count, start)
        flows.append(start)
    return flows


def table(name: str) -> list[dict[str, str]]:
    """Rows of a published table, without its source header."""
    lines = (REFERENCE / name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def column(rows: list[dict[str, str]], name: str) -> Array:
    return np.array([float(row[name]) for row in rows])


def peak(profile: Array) -> float:
    """Smallest value of a uniformly sampled profile, by the parabola through its lowest points."""
    at = int(profile.argmin())
    left, low, right = profile[at - 1 : at + 2]
    return float(low - (right - left) ** 2 / (8 * (right - 2 * low + left)))


def extrema(flow: CavityFlow) -> dict[str, float]:
    """Extrema of the centreline profiles, min ψ, and kinetic energy ∫ |u|²/2."""
    line = np.linspace(0.0, 1.0, 5001)
    u = flow.fields(MIDDLE, line)["u"].ravel()
    v = flow.fields(line, MIDDLE)["v"].ravel()
    box = np.linspace(0.4, 0.8, 1001)  # holds the primary vortex at all three Re
    inside = flow.fields(flow.points, flow.points)
    energy = flow.weights @ (inside["u"] ** 2 + inside["v"] ** 2) @ flow.weights / 2
    return {
        "u_min_x0.5": peak(u),
        "v_max_y0.5": -peak(-v),
        "v_min_y0.5": peak(v),
        "psi_min": float(flow.fields(box, box)["psi"].min()),
        "kinetic_energy": float(energy),
    }


def print_extrema(flow: CavityFlow) -> None:
    computed = extrema(flow)
    for row in table("cavity_extrema.csv"):
        if float(row["re"]) == flow.reynolds:
            ours, published = computed[row["quantity"]], float(row["value"])
            print(
                f"  {row['quantity']:15s} {ours:+.8f}  {row['reference']:18s} "
                f"{published:+.7f}  difference {ours - published:+.1e}"
            )


def print_profile(label: str, ours: Array, published: Array) -> None:
    difference = ours - published
    relative = np.linalg.norm(difference) / np.linalg.norm(published)
    print(
        f"  {label:28s} max difference {np.abs(difference).max():.1e}  relative L2 {relative:.1e}"
    )


def print_botella_peyret(flow: CavityFlow) -> None:
    """Velocity and pressure (zero at the centre) along both centrelines."""
    centre = flow.fields(MIDDLE, MIDDLE)["p"][0, 0]
    for name, axis, velocity in (("x0.5", "y", "u"), ("y0.5", "x", "v")):
        rows = table(f"botella_peyret_1998_re1000_{name}.csv")
        stations = column(rows, axis)
        grid = (MIDDLE, stations) if axis == "y" else (stations, MIDDLE)
        fields = {key: value.ravel() for key, value in flow.fields(*grid).items()}
        where = f"{name[0]} = {name[1:]}"
        print_profile(
            f"Botella-Peyret {velocity}, {where}", fields[velocity], column(rows, velocity)
        )
        print_profile(f"Botella-Peyret p, {where}", fields["p"] - centre, column(rows, "p"))


def print_ghia(flow: CavityFlow) -> None:
    """Shown, not judged: the 1982 tables hold 0.4 to 5 % error; one misprint is left out."""
    for name, axis, velocity in (("u_x0.5", "y", "u"), ("v_y0.5", "x", "v")):
        rows = table(f"ghia1982_{name}.csv")
        if (velocity, flow.reynolds) == ("v", 400):
            rows = [row for row in rows if row["x"] != "0.9063"]  # misprint, see the file's header
        stations = column(rows, axis)
        grid = (MIDDLE, stations) if axis == "y" else (stations, MIDDLE)
        published = column(rows, f"{velocity}_re{flow.reynolds:g}")
        print_profile(
            f"Ghia {velocity} (shown only)", flow.fields(*grid)[velocity].ravel(), published
        )


def write(reynolds: int, fields: dict[str, Array], error: dict[str, float]) -> Path:
    """Store the fields in single precision, the own errors and the grid."""
    path = REFERENCE / f"cavity_re{reynolds}.npz"
    single = {name: field.astype(np.float32) for name, field in fields.items()}
    scalars = {"reynolds": float(reynolds), "error_u": error["u"], "error_v": error["v"]}
    np.savez_compressed(path, x=GRID, y=GRID, **single, **scalars)  # type: ignore[arg-type]
    return path


def compute() -> None:
    """Solve at every Reynolds number, print the comparisons and write the files."""
    start: CavityFlow | None = None
    for reynolds in REYNOLDS:
        began = time.perf_counter()
        flows = solutions(MODES, start, reynolds)
        start, flow = flows[0], flows[-1]
        coarse, fields = sampled(flows[-2]), sampled(flow)
        error = {name: relative_difference(coarse[name], fields[name]) for name in fields}
        print(f"Re = {reynolds}: own error (relative L2, {MODES[-2]} against {MODES[-1]} modes)")
        print("  " + "  ".join(f"{name} {value:.1e}" for name, value in error.items()))
        print_extrema(flow)
        if reynolds == 1000:
            print_botella_peyret(flow)
        print_ghia(flow)
        path = write(reynolds, fields, error)
        size, seconds = path.stat().st_size / 1024, time.perf_counter() - began
        print(f"  wrote {path.name}, {size:.0f} KiB, {seconds:.0f} s", flush=True)


def check() -> bool:
    """Compare a lower-resolution Re = 100 flow with the stored file; True where they agree."""
    fields = sampled(solutions(CHECK_MODES, None, 100)[-1])
    with np.load(REFERENCE / "cavity_re100.npz") as stored:
        difference = {name: relative_difference(fields[name], stored[name]) for name in ("u", "v")}
    good = max(difference.values()) < CHECK_TOLERANCE
    shown = "  ".join(f"{name} {value:.1e}" for name, value in difference.items())
    print(f"Re = 100, {CHECK_MODES[-1]} modes against the stored file (relative L2): {shown}")
    print(f"{'agrees' if good else 'DIFFERS'} (tolerance {CHECK_TOLERANCE:.0e})")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the stored Re = 100")
    if parser.parse_args().check:
        return 0 if check() else 1
    compute()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
