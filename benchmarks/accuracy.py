"""Seconds to a given error: the shipped configurations and three other packages, three seeds each.

    python benchmarks/accuracy.py                  # whatever is not stored yet, then the table
    python benchmarks/accuracy.py --problems kovasznay,kovasznay-deepxde --seeds 3,4
    python benchmarks/accuracy.py --figure docs/accuracy.png
    python benchmarks/accuracy.py --again          # measure all of it anew

Every run is `train.py --config NAME` in a process of its own; seconds count from its start, imports
included. Errors are relative L2 of the first unknown, all components together, on the grid that the
run itself is judged on, for the cavity outside its corner boxes. The other packages run in
environments of their own, each in its own way (`peers/accuracy_*.py`). DeepXDE and PINA run once
for each of the times, since they divide it between Adam and L-BFGS. A run is stored when it is
finished, so that the benchmark can be interrupted and continued.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from statistics import median

from environments import EnvironmentMissingError
from matplotlib.figure import Figure
from stored import machine
from watched import Run, configuration, disturbance, kept, peer

KOVASZNAY = [(1e-4, 15), (1e-6, 40), (1e-8, 180)]

# Configuration → errors aimed at, with the seconds to reach them.
AIMS: dict[str, list[tuple[float, int]]] = {
    "kovasznay": KOVASZNAY,
    "kovasznay-deepxde": KOVASZNAY,
    "kovasznay-pina": KOVASZNAY,
    "kovasznay-fastlsq": [(1e-6, 180)],
    "kovasznay_qr-fastlsq": [(1e-9, 180)],
    "kovasznay_qr800-fastlsq": [(1e-12, 180)],
    "taylor_green": [(1e-5, 300)],
    "beltrami": [(1e-4, 900)],
    "navier_stokes": [(1e-3, 180)],
    "advection": [(1e-5, 120)],
    "poisson": [(1e-8, 30)],
    "poisson-fastlsq": [(1e-14, 30)],
}
Seeds = list[Run]


def runs(problem: str, seeds: list[int], again: bool) -> list[Seeds]:
    """For each aim of a problem its runs, one per seed; a configuration has the same for all."""
    config, _, package = problem.partition("-")
    if not package:
        name = f"{problem}-{{}}"
        one = [kept(name.format(s), lambda s=s: configuration(problem, s), again) for s in seeds]
        return [one] * len(AIMS[problem])
    return [
        [
            kept(f"{problem}-{limit}s-{s}", lambda n=limit, s=s: peer(config, package, n, s), again)
            for s in seeds
        ]
        for _, limit in AIMS[problem]
    ]


def reached(run: Run, error: float) -> float:
    """Seconds until the error is reached; infinite if it is not."""
    return next((s for s, e, _ in run["curve"] if e <= error), math.inf)


def table(found: dict[str, list[Seeds]]) -> str:
    """A row per aim: medians over the seeds, and how many of them reached it in the given time."""
    rows = ["| problem | error aimed at | in | reached in | seeds | last error | ends after |"]
    rows.append("|---|---|---|---|---|---|---|")
    for problem, aims in found.items():
        for (error, seconds), seeds in zip(AIMS[problem], aims, strict=True):
            end, last = (median(run["curve"][-1][k] for run in seeds) for k in (0, 1))
            times = [reached(run, error) for run in seeds]
            middle, there = median(times), sum(t <= seconds for t in times)
            took = f"{middle:.0f} s" if math.isfinite(middle) else "not reached"
            rows.append(
                f"| {problem} | {error:.0e} | {seconds:.0f} s | {took} | {there} of {len(times)} "
                f"| {last:.1e} | {end:.0f} s |"
            )
    return "\n".join(rows)


def draw(found: dict[str, Seeds], path: Path) -> None:
    """Error against seconds, one line per run, log-log."""
    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    axes = figure.subplots()
    for number, (problem, seeds) in enumerate(found.items()):
        for run in seeds:
            seconds, errors = zip(*((s, e) for s, e, _ in run["curve"]), strict=True)
            label = problem if run is seeds[0] else None
            axes.loglog(seconds, errors, color=f"C{number}", marker=".", lw=1.2, label=label)
    axes.set_xlabel("seconds from the start of the process")
    axes.set_ylabel("relative L2 error")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=160)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", default=",".join(AIMS), help=f"of {', '.join(AIMS)}")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--again", action="store_true", help="measure what is stored, too")
    parser.add_argument("--figure", type=Path, help="where to draw error against seconds")
    options = parser.parse_args()
    problems, seeds = options.problems.split(","), [int(s) for s in options.seeds.split(",")]
    unknown = [name for name in problems if name not in AIMS]
    if unknown:
        raise SystemExit(f"unknown problem {unknown[0]!r}: choose from {', '.join(AIMS)}")
    found: dict[str, list[Seeds]] = {}
    for problem in problems:
        try:
            found[problem] = runs(problem, seeds, options.again)
        except EnvironmentMissingError as error:
            print(f"{problem} is left out: {error}\n")
    print(", ".join(f"{key} {value}" for key, value in machine().items() if value), "\n")
    print(table(found))
    # The aims of a configuration share their runs.
    each = {id(run): run for aims in found.values() for seeds in aims for run in seeds}
    print(f"\n{disturbance(list(each.values()))}")
    if options.figure:
        draw({problem: aims[-1] for problem, aims in found.items()}, options.figure)


if __name__ == "__main__":
    main()
