"""The Allen–Cahn equation by Fourier series and exponential time stepping, and what it is worth.

    python benchmarks/allen_cahn_reference.py            # two resolutions, compared
    python benchmarks/allen_cahn_reference.py --write    # the finer one is stored

    ∂u/∂t = 10⁻⁴ ∂²u/∂x² + 5u − 5u³,   u = x² cos πx at t = 0,   period 2.

The solution is even in x. The initial values have a kink at x = ±1, which diffuses: their Fourier
coefficients fall like k⁻², so that many modes are carried.

Method: S. M. Cox, P. C. Matthews, "Exponential time differencing for stiff systems", J. Comput.
Phys. 176 (2002) 430–455, doi:10.1006/jcph.2002.6995, with the coefficients of A.-K. Kassam, L. N.
Trefethen, SIAM J. Sci. Comput. 26 (2005) 1214–1233, doi:10.1137/S1064827502410633.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from etdrk4 import advanced, factors

DIFFUSION, GROWTH = 1e-4, 5.0
INSTANTS, PLACES = 101, 101  # of the stored grid: 0 ≤ t ≤ 1, 0 ≤ x ≤ 1
ROOT = Path(__file__).parents[1]
FILE = ROOT / "pinn/problems/allen_cahn_data/allen_cahn.npz"
Array = np.ndarray


def initial(count: int) -> Array:
    """The Fourier coefficients of x² cos πx, of e^{ikπx} for k = 0, 1, …

    They are exact: those of samples carry an error of the size k⁻² that stays at the kink.
    """
    k = np.arange(count)

    def moment(m: Array) -> Array:
        """∫ x² cos mπx dx over (−1, 1)."""
        m = np.abs(m)
        return np.where(m == 0, 2 / 3, 4 * (-1.0) ** m / (np.maximum(m, 1) * np.pi) ** 2)

    return (moment(k + 1) + moment(k - 1)) / 4


def solve(points: int, steps: int) -> Array:
    """u as (101, 101) at equal steps of 0 ≤ t ≤ 1 and 0 ≤ x ≤ 1.

    Args:
        points: in a period, a multiple of 400.
        steps: of time, a multiple of 100.
    """
    wave = np.pi * np.arange(points // 2 + 1)
    by = factors(GROWTH - DIFFUSION * wave**2, 1 / steps)
    every = points // 2 // (PLACES - 1)
    v = points * initial(len(wave))

    def cubic(values: Array) -> Array:
        # Without the highest half of the modes, a cube has no aliases among those kept.
        kept = np.where(np.arange(len(wave)) < points // 4, values, 0)
        return -GROWTH * np.fft.rfft(np.fft.irfft(kept, points) ** 3)

    rows = []
    for step in range(1, steps + 1):
        v = advanced(v, cubic, by)
        if step % (steps // (INSTANTS - 1)) == 0:
            rows.append(np.fft.irfft(v, points))
    x = np.linspace(0, 1, PLACES)
    later = np.stack(rows)[:, : points // 2 + 1 : every]
    return np.vstack((x**2 * np.cos(np.pi * x), later))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, default=12800, help="in a period")
    parser.add_argument("--steps", type=int, default=4000, help="of time")
    parser.add_argument("--write", action="store_true", help="store the finer solution")
    options = parser.parse_args()
    coarse, fine = (solve(options.points // k, options.steps // k) for k in (2, 1))
    print(f"the two differ by at most {np.abs(coarse - fine).max():.1e}")
    for t, name in ((25, "0.25"), (50, "0.5"), (100, "1.0")):
        rms = np.sqrt(np.trapezoid(fine[t] ** 2, dx=1 / (PLACES - 1)))
        print(f"t = {name}: u(0) = {fine[t, 0]:.9g}, u(1/4) = {fine[t, 25]:.9g}, rms = {rms:.7g}")
    if options.write:
        FILE.parent.mkdir(exist_ok=True)
        t, x = np.linspace(0, 1, INSTANTS), np.linspace(0, 1, PLACES)
        np.savez_compressed(FILE, t=t, x=x, u=fine)
        print(f"written: {FILE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
