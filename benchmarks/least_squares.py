"""A step of Levenberg–Marquardt: seconds and memory, for networks and numbers of points.

    python benchmarks/least_squares.py
    python benchmarks/least_squares.py --device cuda --points 1000 10000 100000 1000000

Kovasznay flow, float64, all weights of an MLP trained, fixed points, residuals and Jacobian from
recorded graphs. A row is the median of some steps after a first one, which records. `trials` are
those of the steps that were timed: each costs the residuals twice and a solution.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

import torch

sys.path[:0] = [str(Path(__file__).parents[1])]

from devices import add_device, now, require  # noqa: E402
from stored import machine, store  # noqa: E402

from pinn.base.console import quiet  # noqa: E402
from pinn.networks import MLP  # noqa: E402
from pinn.optim import Phase  # noqa: E402
from pinn.problems import Kovasznay  # noqa: E402
from pinn.training.collocation import Collocation  # noqa: E402
from pinn.training.solver import Solver  # noqa: E402

BOUNDARY = 400
STEPS = 5
HEAD = (
    "| network | parameters | points | residuals | ms per step (min–max) | trials | first step s "
    "| peak MB |\n|---|---|---|---|---|---|---|---|"
)


def measured(width: int, points: int, device: str, steps: int, limit: float) -> dict[str, Any]:
    """One network and number of points; stops early once `limit` seconds are over."""
    torch.manual_seed(0)
    begun = now(device)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    solver = Solver(Kovasznay(), MLP(width, 2), [Phase(steps, "LevenbergMarquardt")], None, "rule")
    data = Collocation({"interior": points, "boundary": BOUNDARY})
    solver.attach(data)
    solver.to(device, torch.float64)
    solver.settle()
    optimizer: Any = solver.configure_optimizers()
    drawn = data.draw(solver.problem, 0, 0, next(solver.parameters()))
    optimizer.system.place(drawn, solver.balance.weights)
    optimizer.step()
    first, seconds = now(device) - begun, list[float]()
    before = optimizer.past["trials"]
    while len(seconds) < steps and (not seconds or now(device) - begun < limit):
        start = now(device)
        optimizer.step()
        seconds.append(now(device) - start)
    return {
        "parameters": sum(p.numel() for p in solver.objective.parameters()),
        "residuals": optimizer.room.residuals,
        "first": first,
        "seconds": seconds,
        "trials": optimizer.past["trials"] - before,
        "peak_mb": torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else None,
        "loss": optimizer.loss,
    }


def line(width: int, points: int, row: dict[str, Any]) -> str:
    """A row of the table."""
    name = f"| 2 × {width} | "
    if "missing" in row:
        return f"{name}| {points:,} | | missing: {row['missing']} | | | |"
    times = [1e3 * s for s in row["seconds"]]
    spread = f"{statistics.median(times):.1f} ({min(times):.1f}–{max(times):.1f})"
    peak = "—" if row["peak_mb"] is None else f"{row['peak_mb']:.0f}"
    return (
        f"{name}{row['parameters']:,} | {points:,} | {row['residuals']:,} | {spread} | "
        f"{row['trials']} in {len(times)} | {row['first']:.1f} | {peak} |"
    )


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--widths", type=int, nargs="+", default=(16, 32, 64))
    parser.add_argument("--points", type=int, nargs="+", default=(1000, 4000))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--limit", type=float, default=20.0, help="seconds of a row")
    add_device(parser)
    options = parser.parse_args(given)
    require(options.device)
    quiet()
    rows = []
    print(HEAD, flush=True)
    for width in options.widths:
        for points in options.points:
            try:
                row = measured(width, points, options.device, options.steps, options.limit)
            except (MemoryError, RuntimeError, ValueError) as error:
                row = {"missing": str(error).splitlines()[0]}
            print(line(width, points, row), flush=True)
            rows.append({"width": width, "points": points, **row})
    store("least_squares", {"device": options.device, "machine": machine(), "rows": rows})


if __name__ == "__main__":
    main()
