"""The points of the aerofoil that comes with the package: a Joukowski profile.

python benchmarks/aerofoil_points.py --write
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from contestants import ROOT

sys.path.insert(0, str(ROOT))
from pinn.problems.aerofoil import CENTRE, profile

FILE = ROOT / "pinn" / "problems" / "aerofoil_data" / "joukowski.csv"
COUNT = 160


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    points = profile(np.arange(COUNT) / COUNT)
    print(f"{len(points)} points, x from {points[:, 0].min():.6f} to {points[:, 0].max():.6f}")
    if options.write:
        FILE.parent.mkdir(exist_ok=True)
        lines = [f"{x!r},{y!r}" for x, y in points.tolist()]
        head = f"# Joukowski profile z = s + 1/s of a circle about {CENTRE}, from the trailing edge"
        FILE.write_text("\n".join([head, "x,y", *lines]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
