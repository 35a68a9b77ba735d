"""Reference fields of the cavity for ``pinn/problems/cavity_data``.

    python benchmarks/cavity_reference.py

solves, compares with published data and writes the files (five minutes of one core). A spectral
method gives Re = 100, 400 and 1000, splines give Re = 3200 and 5000 and the lid that moves at
4x(1 − x); each method judges the other where both reach. ``--check`` solves at lower resolutions
and compares with the stored files (half a minute), exit status 1 where they differ. ``--only``
takes one of the parts spectral, splines, parabolic.
"""

from __future__ import annotations

import argparse

import numpy as np
from cavity_flow import CavityFlow
from cavity_tables import (
    REFERENCE,
    Flow,
    extrema,
    print_botella_peyret,
    print_extrema,
    print_lines,
    print_vortices,
)
from corner_flow import Array
from smooth_flow import SmoothCavity
from spline_cavity import SplineCavity, parabolic_corner

REYNOLDS = (100, 400, 1000)
MODES = (32, 64, 80)  # the last two give the own error
CHECK_MODES = (32, 48)
CHECK_TOLERANCE = 1e-4
LARGE = (3200, 5000)
WAY = (100, 400, 1000, 2000, 2500, *LARGE)  # Newton's method starts from the one before
ELEMENTS = (72, 96)  # the difference is the own error
CHECK_ELEMENTS = {1000: 1e-4, 3200: 6e-4, 5000: 1e-3}  # tolerances at 48 elements
PARABOLIC_ELEMENTS = (48, 72)
PARABOLIC_MODES = 48
GRID = np.linspace(0.0, 1.0, 101)
CORNER_BOX = 0.05


def outside_corners() -> np.ndarray:
    """Grid points outside the four closed corner boxes, bool (101, 101)."""
    near = np.minimum(GRID, 1 - GRID) < CORNER_BOX + 1e-9
    return ~(near[:, None] & near)


def inside() -> Array:
    """Grid points of 0.05 ≤ x, y ≤ 0.95, bool (101, 101)."""
    away = np.minimum(GRID, 1 - GRID) > CORNER_BOX - 1e-9
    return away[:, None] & away


def sampled(flow: Flow) -> dict[str, Array]:
    """u, v, psi on the grid, and p if there is one, with zero mean outside the corner boxes."""
    fields = flow.fields(GRID, GRID)
    if "p" in fields:
        fields["p"] -= fields["p"][outside_corners()].mean()
    return fields


def relative_difference(a: Array, b: Array, keep: Array | None = None) -> float:
    """‖a − b‖₂ / ‖b‖₂ over the points to keep: those outside the corner boxes by default."""
    keep = outside_corners() if keep is None else keep
    return float(np.linalg.norm((a - b)[keep]) / np.linalg.norm(b[keep]))


def solutions(modes: tuple[int, ...], start: CavityFlow | None, reynolds: int) -> list[CavityFlow]:
    """The flow at each number of modes, each started from the one before."""
    flows: list[CavityFlow] = []
    for count in modes:
        start = CavityFlow(reynolds, count, start)
        flows.append(start)
    return flows


def write(name: str, reynolds: int, fields: dict[str, Array], error: dict[str, float]) -> None:
    """Store the fields in single precision, the own errors and the grid."""
    path = REFERENCE / f"{name}.npz"
    single = {key: field.astype(np.float32) for key, field in fields.items()}
    scalars = {"reynolds": float(reynolds), "error_u": error["u"], "error_v": error["v"]}
    np.savez_compressed(path, x=GRID, y=GRID, **single, **scalars)  # type: ignore[arg-type]
    print(f"  wrote {path.name}, {path.stat().st_size / 1024:.0f} KiB", flush=True)


def line_of(values: dict[str, float]) -> str:
    """Names and values for people."""
    return "  ".join(f"{name} {value:.1e}" for name, value in values.items())


def spectral() -> None:
    """Re = 100, 400 and 1000: solve, print the comparisons and write the files."""
    start: CavityFlow | None = None
    for reynolds in REYNOLDS:
        flows = solutions(MODES, start, reynolds)
        start, flow = flows[0], flows[-1]
        coarse, fields = sampled(flows[-2]), sampled(flow)
        error = {name: relative_difference(coarse[name], fields[name]) for name in fields}
        print(f"Re = {reynolds}: own error (relative L2, {MODES[-2]} against {MODES[-1]} modes)")
        print(f"  {line_of(error)}")
        print_extrema(flow)
        if reynolds == 1000:
            print_botella_peyret(flow)
        print_lines(flow, "ghia1982")
        write(f"cavity_re{reynolds}", reynolds, fields, error)


def against_stored(fields: dict[str, Array], name: str, keep: Array | None) -> dict[str, float]:
    """The relative differences of u and v from those of a stored file."""
    with np.load(REFERENCE / f"{name}.npz") as stored:
        return {key: relative_difference(fields[key], stored[key], keep) for key in ("u", "v")}


def splines() -> None:
    """Re = 3200 and 5000: solve, print the comparisons and write the files."""
    coarse, fine = (SplineCavity(elements) for elements in ELEMENTS)
    for reynolds in WAY:
        coarse.solve(reynolds)
        fine.solve(reynolds)
        fields, rough = sampled(fine), sampled(coarse)
        error = {name: relative_difference(rough[name], fields[name]) for name in fields}
        print(f"Re = {reynolds}: own error (relative L2, {ELEMENTS[0]} against {ELEMENTS[1]})")
        print(f"  {line_of(error)}", flush=True)
        if reynolds in REYNOLDS:
            gaps = against_stored(fields, f"cavity_re{reynolds}", None)
            print(f"  against the spectral solution: {line_of(gaps)}")
        print_extrema(fine)
        if reynolds in LARGE:
            print_lines(fine, "erturk2005")
            print_lines(fine, "ghia1982")
            print_vortices(fine)
            write(f"cavity_re{reynolds}", reynolds, fields, error)


class ParabolicCavity(SmoothCavity):
    """The spectral method below a lid that moves at 4x(1 − x); its pressure is not meant."""

    def corner_jets(self, x: Array, y: Array) -> Array:
        """[[ψ, ψ_x, ψ_y], [ζ, ζ_x, ζ_y], zeros] of both corners:  ζ = 2π − 8θ."""
        X, Y = np.meshgrid(x, 1 - y, indexing="ij")
        jets = np.zeros((3, 3, *X.shape))
        for along, side in ((X, 1), (1 - X, -1)):
            psi, psi_x, psi_y = parabolic_corner(along, Y)[:3]
            squared = along**2 + Y**2
            jets[0] += np.array([psi, side * psi_x, -psi_y])
            turn = 2 * np.pi - 8 * np.arctan2(Y, along)
            jets[1] += np.array([turn, side * 8 * Y / squared, 8 * along / squared])
        return jets

    def wall_jets(self, x: Array, y: Array) -> Array:
        """[ψ, ψ_x, ψ_y] of the polynomial part on the walls."""
        jets = -self.corner_jets(x, y)[0]
        jets[2] += 4 * (x * (1 - x))[:, None] * (y == 1)
        return jets


def parabolic() -> None:
    """The lid that moves at 4x(1 − x), Re = 100: solve, print the comparisons, write the file."""
    flows = [SplineCavity(elements, "parabolic") for elements in PARABOLIC_ELEMENTS]
    for flow in flows:
        flow.solve(100)
    coarse, fields = (sampled(flow) for flow in flows)
    error = {name: relative_difference(coarse[name], fields[name], inside()) for name in fields}
    first, last = PARABOLIC_ELEMENTS
    print(f"lid 4x(1 − x), Re = 100: own error inside 0.05–0.95, {first} against {last} elements")
    print(f"  {line_of(error)}")
    second = sampled(ParabolicCavity(100, PARABOLIC_MODES))
    gaps = {name: relative_difference(second[name], fields[name], inside()) for name in fields}
    print(f"  against the spectral method, {PARABOLIC_MODES} modes: {line_of(gaps)}")
    for name, value in extrema(flows[-1]).items():
        print(f"  {name:15s} {value:+.8f}")
    write("cavity_parabolic_re100", 100, fields, error)


def check() -> bool:
    """Compare flows of lower resolutions with the stored files; True where they agree."""
    spectral_flow = sampled(solutions(CHECK_MODES, None, 100)[-1])
    good = agrees(spectral_flow, "cavity_re100", CHECK_TOLERANCE)
    smooth = SplineCavity(32, "parabolic")
    smooth.solve(100)
    good &= agrees(sampled(smooth), "cavity_parabolic_re100", 1e-5, inside())
    flow = SplineCavity(48)
    for reynolds in WAY:
        flow.solve(reynolds)
        if reynolds in CHECK_ELEMENTS:
            tolerance = CHECK_ELEMENTS[reynolds]
            good &= agrees(sampled(flow), f"cavity_re{reynolds}", tolerance)
    return good


def agrees(
    fields: dict[str, Array], name: str, tolerance: float, keep: Array | None = None
) -> bool:
    """Whether u and v are those of a stored file; says so."""
    gaps = against_stored(fields, name, keep)
    good = max(gaps.values()) < tolerance
    verdict = "agrees" if good else "DIFFERS"
    print(f"{name}.npz {verdict} (relative L2 {line_of(gaps)}, tolerance {tolerance:.0e})")
    return good


PARTS = {"spectral": spectral, "splines": splines, "parabolic": parabolic}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="compare with the stored files")
    parser.add_argument("--only", choices=PARTS, help="one part")
    options = parser.parse_args()
    if options.check:
        return 0 if check() else 1
    for name, part in PARTS.items():
        if options.only in (None, name):
            part()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
