"""The exact likelihood of a continuous normalising flow beside that of other packages.

    python benchmarks/normalising_flow.py [--repeats 3] [--points 1024] [--batch 256]
        [--sizes 2,64] [--contestants ours,zuko]

The same weights for all: two hidden layers of 128 tanh units, d = 2 and 64. First the values in
float64 by the same fixed-step solver, which must agree to 1e-10; then the processor's seconds per
epoch, float32, one thread, in turns. An epoch is so many points in batches: their
likelihood, or a step of Adam on it for each batch. `rk4` takes 4 steps. Ours is
`examples/normalising_flow.py`; *hand* is torchdiffeq with one `autograd.grad` per component.
"""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from statistics import median
from typing import Any

from contestants import LIKELIHOOD, ContestantError, Worker, cores, likelihood_worker
from environments import EnvironmentMissingError
from stored import machine, store

CHECKED, AGREE = 64, 1e-10
CELLS = [(solver, mode) for mode in ("likelihood", "training") for solver in ("rk4", "dopri5")]


def started(names: list[str], stack: ExitStack) -> tuple[dict[str, Worker], dict[str, Any]]:
    """The contestants that can be had, and the versions of all, or why they are missing."""
    workers, versions = {}, {}
    for name in names:
        try:
            worker = stack.enter_context(likelihood_worker(name, cores()[0]))
            versions[name] = worker.receive()["versions"]
            workers[name] = worker
        except (EnvironmentMissingError, ContestantError) as error:
            versions[name] = str(error)
    return workers, versions


def differences(workers: dict[str, Worker], d: int) -> dict[str, float]:
    """The largest difference of log p to ours, of each contestant that has the solver."""
    asked = {"d": d, "points": CHECKED, "solver": "rk4", "mode": "values"}
    values = {name: worker.ask(asked).get("values") for name, worker in workers.items()}
    return {
        name: max(abs(a - b) for a, b in zip(values["ours"], theirs, strict=True))
        for name, theirs in values.items()
        if theirs is not None and name != "ours"
    }


def epochs(
    workers: dict[str, Worker], d: int, points: int, batch: int, repeats: int
) -> list[dict[str, Any]]:
    """A row per solver and mode: seconds per contestant, or why there are none."""
    rows = []
    for solver, mode in CELLS:
        about = {"d": d, "points": points, "batch": batch, "solver": solver, "mode": mode}
        seconds: dict[str, list[float]] = {}
        skipped: dict[str, str] = {}
        for _ in range(repeats):
            for name in [n for n in workers if n not in skipped]:
                answer = workers[name].ask(about)
                if "skipped" in answer:
                    skipped[name] = answer["skipped"]
                else:
                    seconds.setdefault(name, []).append(answer["seconds"])
        rows.append(about | {"seconds": seconds, "skipped": skipped})
    return rows


def table(rows: list[dict[str, Any]], names: list[str]) -> str:
    """Seconds per epoch as Markdown, medians; a dash where a package has no such likelihood."""
    lines = [
        f"| d | batch | solver | epoch | {' | '.join(names)} |",
        "|---" * (4 + len(names)) + "|",
    ]
    for row in rows:
        cells = [row["seconds"].get(name) for name in names]
        texts = ["—" if cell is None else f"{median(cell):.3g} s" for cell in cells]
        about = f"{row['d']} | {row['batch']:,} | {row['solver']} | {row['mode']}"
        lines.append(f"| {about} | {' | '.join(texts)} |")
    return "\n".join(lines)


def main() -> None:
    """Compare, time, print and store."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--points", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--sizes", default="2,64")
    parser.add_argument("--contestants", default=",".join(LIKELIHOOD))
    given = parser.parse_args()
    rows, gaps = [], {}
    with ExitStack() as stack:
        workers, versions = started(given.contestants.split(","), stack)
        for name, version in versions.items():
            print(f"{name}: {version}")
        for d in map(int, given.sizes.split(",")):
            gaps[d] = differences(workers, d)
            for name, gap in gaps[d].items():
                told = "agrees" if gap <= AGREE else f"WARNING: differs by more than {AGREE}"
                print(f"d = {d}: log p of {name} {told}, {gap:.1e} at most", flush=True)
            rows += epochs(workers, d, given.points, given.batch, given.repeats)
            print(table(rows, list(workers)), flush=True)
    store("flow", {"machine": machine(), "versions": versions, "gaps": gaps, "rows": rows})


if __name__ == "__main__":
    main()
