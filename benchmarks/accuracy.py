"""Seconds to a given error: the shipped configurations, three seeds each.

    python benchmarks/accuracy.py                  # whatever is not stored yet, then the table
    python benchmarks/accuracy.py --problems kovasznay --seeds 3,4
    python benchmarks/accuracy.py --figure docs/accuracy.png

Every run is `train.py --config NAME` in a process of its own; seconds count from its start, imports
and validations included. Errors are relative L2 of the first unknown, all components together, on
the grid that the run itself is judged on, for the cavity outside its corner boxes. A run is stored
when it is finished, so that the benchmark can be interrupted and continued.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.figure import Figure
from stored import RESULTS, machine

ROOT = Path(__file__).parents[1]
Run = dict[str, Any]

# Configuration → errors aimed at, with the seconds to reach them.
AIMS: dict[str, list[tuple[float, float]]] = {
    "kovasznay": [(1e-4, 15), (1e-6, 40), (1e-8, 180)],
    "taylor_green": [(1e-5, 300)],
    "beltrami": [(1e-4, 900)],
    "navier_stokes": [(1e-3, 180)],
    "advection": [(1e-5, 120)],
    "poisson": [(1e-8, 30)],
}


def stored(problem: str, seed: int) -> Path:
    """Where a run is kept."""
    return RESULTS / "accuracy" / f"{problem}-{seed}.json"


def run(problem: str, seed: int) -> Run:
    """One training, watched.

    Raises:
        SystemExit: it failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        curve = Path(folder) / "curve.jsonl"
        watch = f"[{{class_path: curve.Curve, init_args: {{path: {curve}}}}}]"
        command = [sys.executable, str(ROOT / "train.py"), "--config", problem]
        command += ["--seed_everything", str(seed), "--allow_import", "curve"]
        command += ["--trainer.callbacks", watch]
        here = os.pathsep.join([str(Path(__file__).parent), str(ROOT)])
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": here},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{problem}, seed {seed}: {done.stderr.strip() or done.stdout[-500:]}")
        lines = [json.loads(line) for line in curve.read_text().splitlines()]
    return {"problem": problem, "seed": seed, "machine": machine(), "curve": lines}


def reached(run: Run, error: float) -> float:
    """Seconds until the error is reached; infinite if it is not."""
    return next((s for s, e, _ in run["curve"] if e <= error), math.inf)


def table(runs: dict[str, list[Run]]) -> str:
    """A row per aim: the median over the seeds, and how many of them reached it."""
    rows = ["| problem | error aimed at | in | reached in, median | seeds | last error |"]
    rows.append("|---|---|---|---|---|---|")
    for problem, found in runs.items():
        last = median(run["curve"][-1][1] for run in found)
        for error, seconds in AIMS[problem]:
            times = [reached(run, error) for run in found]
            middle, there = median(times), sum(t <= seconds for t in times)
            took = f"{middle:.0f} s" if math.isfinite(middle) else "not reached"
            rows.append(
                f"| {problem} | {error:.0e} | {seconds:.0f} s | {took} | {there} of {len(times)} "
                f"| {last:.1e} |"
            )
    return "\n".join(rows)


def draw(runs: dict[str, list[Run]], path: Path) -> None:
    """Error against seconds, one line per run, log-log."""
    figure = Figure(figsize=(7.5, 4.6), layout="constrained")
    axes = figure.subplots()
    for number, (problem, found) in enumerate(runs.items()):
        for run in found:
            seconds, errors = zip(*((s, e) for s, e, _ in run["curve"]), strict=True)
            label = problem if run is found[0] else None
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
    parser.add_argument("--figure", type=Path, help="where to draw error against seconds")
    options = parser.parse_args()
    problems = options.problems.split(",")
    unknown = [name for name in problems if name not in AIMS]
    if unknown:
        raise SystemExit(f"unknown problem {unknown[0]!r}: choose from {', '.join(AIMS)}")
    runs: dict[str, list[Run]] = {}
    for problem in problems:
        for seed in map(int, options.seeds.split(",")):
            path = stored(problem, seed)
            if not path.exists():
                found = run(problem, seed)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(found), encoding="utf-8")
            runs.setdefault(problem, []).append(json.loads(path.read_text(encoding="utf-8")))
    print(", ".join(f"{key} {value}" for key, value in machine().items() if value), "\n")
    print(table(runs))
    if options.figure:
        draw(runs, options.figure)


if __name__ == "__main__":
    main()
