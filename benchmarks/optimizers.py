"""Error against seconds of Kovasznay flow by optimiser: Adam, L-BFGS, Levenberg–Marquardt.

    python benchmarks/optimizers.py --figure docs/accuracy_optimizers.png

Runs of `train.py --config kovasznay` with other settings, watched and stored as `accuracy.py` does.
The first three train all 1,347 parameters of the same 3 × 24 tanh network at the same points; the
fourth is the configuration itself, the output layer of 500 random features.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from accuracy import draw
from watched import Run, configuration, disturbance, kept

DENSE = {"width": 24, "depth": 3, "spread": None}
POINTS = {"interior": 400, "boundary": 80}
ADAM = {"optimizer": "Adam", "lr": 5e-3, "schedule": "cosine"}

# Name → (steps between looks, phases); no phases: those of the configuration.
OPTIMIZERS: dict[str, tuple[int, list[dict[str, Any]]]] = {
    "Adam": (200, [{**ADAM, "steps": 12000}]),
    "Adam, then L-BFGS": (20, [{**ADAM, "steps": 1000}, {"optimizer": "LBFGS", "steps": 350}]),
    "Levenberg–Marquardt, all of 3 × 24": (2, [{"optimizer": "LevenbergMarquardt", "steps": 120}]),
    "Levenberg–Marquardt, output of 500": (1, []),
}


def settings(name: str) -> list[str]:
    """The arguments of `train.py` for an optimiser."""
    period, phases = OPTIMIZERS[name]
    given: dict[str, Any] = {"trainer.val_check_interval": period}
    if phases:
        given |= {f"model.network.init_args.{key}": value for key, value in DENSE.items()}
        given |= {f"data.points.{region}": count for region, count in POINTS.items()}
        given |= {"data.method": "sobol", "model.phases": phases}
    words = {key: v if isinstance(v, str) else json.dumps(v) for key, v in given.items()}
    return [part for key, word in words.items() for part in (f"--{key}", word)]


def runs(name: str, number: int, seeds: list[int], again: bool) -> list[Run]:
    """One run per seed."""
    return [
        kept(
            f"kovasznay-optimizer{number}-{seed}",
            lambda seed=seed: configuration("kovasznay", seed, settings(name)),
            again,
        )
        for seed in seeds
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--again", action="store_true", help="measure what is stored, too")
    parser.add_argument("--figure", type=Path, help="where to draw error against seconds")
    options = parser.parse_args()
    seeds = [int(seed) for seed in options.seeds.split(",")]
    found = {name: runs(name, i, seeds, options.again) for i, name in enumerate(OPTIMIZERS)}
    for name, each in found.items():
        for run in each:
            seconds, error, _ = run["curve"][-1]
            print(f"{name:36s} seed {run['seed']}: error {error:.1e} in {seconds:.0f} s")
    print(disturbance([run for each in found.values() for run in each]))
    if options.figure:
        draw(found, options.figure)


if __name__ == "__main__":
    main()
