"""The temperature of the plate with holes, by harmonic functions that are fitted to its boundary.

    python benchmarks/plate_reference.py --write

    T = Re( Σ aₙ zⁿ + Σⱼ [ bⱼ log(z − cⱼ) + Σₖ dⱼₖ (z − cⱼ)⁻ᵏ ] )

solves ∇²T = 0 whatever the coefficients are; least squares on the boundary makes it meet the
conditions. What is left there bounds the error inside, by the maximum principle up to a factor of
order one, so it is printed, at points between those that were fitted. The number of terms is
doubled to see the digits that stay. A. Gopal, L. N. Trefethen (2019), doi:10.1137/19M125947X.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from contestants import ROOT

sys.path.insert(0, str(ROOT))
from pinn.problems.plate import BIOT, COOLED, FLUX, HEATED, LENGTH

GRID = (101, 51)
FILE = ROOT / "pinn" / "problems" / "plate_data" / "plate.npz"
HOLES = (COOLED, HEATED)


def basis(z: np.ndarray, terms: int) -> tuple[np.ndarray, np.ndarray]:
    """Complex functions f (N, K) whose real and imaginary parts are fitted, and f'."""
    middle = 0.5 * LENGTH + 0.5j
    scale = abs(middle)
    w = (z - middle) / scale
    n = np.arange(terms + 1)
    columns = [w[:, None] ** n]
    slopes = [n * w[:, None] ** np.maximum(n - 1, 0) / scale]
    for (x, y), radius in HOLES:
        v = radius / (z - (x + 1j * y))
        k = np.arange(1, terms // 2 + 1)
        columns += [np.log(1 / v)[:, None], v[:, None] ** k]
        slopes += [(v / radius)[:, None], -k * v[:, None] ** (k + 1) / radius]
    return np.hstack(columns), np.hstack(slopes)


def rows(z: np.ndarray, normal: np.ndarray, biot: float, slope: float, terms: int) -> np.ndarray:
    """slope ∂T/∂n + biot T of all real coefficients; a log only with a real one."""
    f, df = basis(z, terms)
    dn = df * normal[:, None]  # ∂/∂n Re f = Re(f' n) with n as a complex number
    g = slope * dn + biot * f
    logs = [terms + 1, terms + 2 + terms // 2]
    imaginary = np.delete(-g.imag, logs, axis=1)
    return np.hstack([g.real, imaginary])


def boundary(count: int, shift: float) -> list[tuple]:
    """Points, normals, Biot number, factor of the slope, and value of each condition."""
    s = (1 - np.cos(np.pi * (np.arange(count) + shift) / count)) / 2
    parts = [
        (1j * s, -np.ones(count), 1.0, 0.0, 1.0),
        (LENGTH + 1j * s, np.ones(count), BIOT, 1.0, 0.0),
        (LENGTH * s, np.full(count, -1j), 0.0, 1.0, 0.0),
        (LENGTH * s + 1j, np.full(count, 1j), 0.0, 1.0, 0.0),
    ]
    turn = np.exp(2j * np.pi * (np.arange(count) + shift) / count)
    for ((x, y), radius), biot, value in zip(HOLES, (BIOT, 0.0), (0.0, FLUX), strict=True):
        parts.append((x + 1j * y + radius * turn, -turn, biot, 1.0, value))
    return parts


def solve(terms: int) -> tuple[np.ndarray, float]:
    """The coefficients, and the largest error of a condition between the fitted points."""
    count = 6 * terms
    system = [(rows(*part[:4], terms), np.full(count, part[4])) for part in boundary(count, 0.5)]
    matrix, right = np.vstack([m for m, _ in system]), np.concatenate([r for _, r in system])
    size = np.linalg.norm(matrix, axis=0)
    size[size == 0] = 1.0  # the imaginary part of a constant
    found = np.linalg.lstsq(matrix / size, right, rcond=1e-15)[0] / size
    left = [
        np.abs(rows(*part[:4], terms) @ found - part[4]).max() for part in boundary(count, 0.25)
    ]
    return found, float(max(left))


def temperature(z: np.ndarray, found: np.ndarray, terms: int) -> np.ndarray:
    """T (N,) at points as complex numbers."""
    zero = np.zeros(len(z))
    return rows(z, zero, 1.0, 0.0, terms) @ found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--terms", type=int, default=80)
    parser.add_argument("--write", action="store_true", help="store the temperature on a grid")
    options = parser.parse_args()
    x, y = np.linspace(0, LENGTH, GRID[0]), np.linspace(0, 1, GRID[1])
    z = (x[:, None] + 1j * y).ravel()
    inside = np.all([np.abs(z - complex(*c)) >= r - 1e-12 for c, r in HOLES], axis=0)
    values = {}
    for terms in (options.terms // 2, options.terms):
        found, left = solve(terms)
        values[terms] = temperature(z[inside], found, terms)
        print(f"{terms} terms: the conditions are met to {left:.1e}")
    first, last = values.values()
    print(f"T is from {last.min():.6f} to {last.max():.6f}")
    print(f"the two differ by at most {np.abs(first - last).max():.1e}")
    if options.write:
        T = np.full(len(z), np.nan)
        T[inside] = last
        FILE.parent.mkdir(exist_ok=True)
        np.savez_compressed(FILE, x=x, y=y, T=T.reshape(GRID))
        print(f"written: {Path(FILE).relative_to(ROOT)}")


if __name__ == "__main__":
    main()
