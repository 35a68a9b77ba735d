"""What a step would take on 8 to 1,024 GPUs, by a model with stated assumptions; nothing is run.

    python benchmarks/scaling_model.py

    T(n) = F / (n R) + S + Σ over collectives [ L log₂ n + 2 (n − 1)/n · V / B ]

F are the operations of all points, R a GPU's rate, S what every process does for itself, L the
latency of a collective, V its bytes and B the bandwidth of a GPU's link. The bytes and the number
of collectives are those that `scaling.py` counts.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

COUNTS = (1, 8, 64, 256, 1024)
LATENCY = 15e-6  # s, a small all-reduce over NCCL, for each doubling
BANDWIDTH = 50e9  # bytes/s of a GPU's network card, 400 Gbit/s


@dataclass(frozen=True)
class Job:
    """One kind of step.

    Args:
        name: what is trained.
        flops: of one step over all points.
        rate: FLOP/s that a GPU reaches at it.
        alone: seconds that every process spends whatever their number is.
        volumes: bytes of each collective.
    """

    name: str
    flops: float
    rate: float
    alone: float
    volumes: tuple[float, ...]

    def parts(self, n: int) -> dict[str, float]:
        """Seconds of a step on n GPUs, by cause."""
        moved = 2 * (n - 1) / n / BANDWIDTH
        return {
            "points": self.flops / n / self.rate,
            "every process": self.alone,
            "latency": len(self.volumes) * LATENCY * math.log2(n),
            "bandwidth": sum(self.volumes) * moved,
        }


def weights(width: int, depth: int, inputs: int = 2, outputs: int = 3) -> int:
    """The matrix entries of a dense network."""
    return inputs * width + (depth - 1) * width**2 + width * outputs


def adam(points: float, width: int = 128, depth: int = 6) -> Job:
    """3 (d + 2) = 12 passes over the network, in float32 at half of 60 TFLOP/s."""
    count = weights(width, depth)
    flops = 12 * 2 * count * points
    return Job(
        f"Adam, {depth}×{width}, {points:,.0f} points", flops, 30e12, 4e-4, (4 * count, 4, 8)
    )


def least_squares(points: float, unknowns: int = 3000, residuals: int = 4) -> Job:
    """JᵀJ over the rows of J, in float64 at half of 60 TFLOP/s; its factor on every process."""
    flops = residuals * points * unknowns**2
    factor = unknowns**3 / 3 / 10e12
    volumes = (8 * unknowns**2, *[8 * unknowns] * 2, *[8.0] * 13)
    name = f"Levenberg–Marquardt, {unknowns:,} unknowns, {points:,.0f} points"
    return Job(name, flops, 30e12, 2e-3 + factor, volumes)


def main() -> None:
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    for job in (adam(1e6), adam(1e7), least_squares(1e5), least_squares(1e6)):
        print(f"### {job.name}\n")
        head = ("GPUs", "ms per step", "efficiency", "largest part besides the points")
        print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
        one = sum(job.parts(1).values())
        for n in COUNTS:
            parts = job.parts(n)
            total = sum(parts.values())
            rest = {name: s for name, s in parts.items() if name != "points"}
            worst = max(rest, key=rest.__getitem__)
            print(
                f"| {n:,} | {1e3 * total:.3g} | {one / n / total:.0%} "
                f"| {worst}, {rest[worst] / total:.0%} |"
            )
        print()


if __name__ == "__main__":
    main()
