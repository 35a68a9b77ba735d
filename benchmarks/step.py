"""One training step of steady 2-D Navier–Stokes: this package and its peers, on one core.

    python benchmarks/step.py
    python benchmarks/step.py --sizes 4x64 --only ours,nested,deepxde --rounds 5

Kovasznay flow at Re = 40, fixed points, float32, Adam. A step is residuals, backward and Adam with
the package's own loop around it. All contestants are alive at once and take turns; their first
losses, from the same weights and points, have to agree. `share of peak` counts 3 (d + 2) = 12
forward passes per interior point and 3 per boundary point, against matrix products of the same
width measured in between. `memory` is the growth of the peak resident memory while stepping,
`set-up` that from the imports to the end of the warm-up.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import torch
from contestants import (
    ON_A_GPU,
    PEERS,
    ROOT,
    STEP,
    Contestant,
    ContestantError,
    Worker,
    cores,
    step_worker,
)
from devices import add_device, require
from environments import OWN, EnvironmentMissingError
from stored import machine, store
from table import overhead_line, step_table

sys.path[:0] = [str(PEERS), str(ROOT)]
from case import REYNOLDS, Case, dense_weights  # noqa: E402

from pinn.fields.field import coordinate_field  # noqa: E402
from pinn.problems import Kovasznay  # noqa: E402
from pinn.training.collocation import Collocation  # noqa: E402

ROUND = 1.0  # seconds that a contestant steps in one round
PARTS = 10  # of a round of ours, to see what the trainer adds
Results = dict[str, Any]


class Size(NamedTuple):
    """A network and its numbers of points."""

    depth: int
    width: int
    interior: int
    boundary: int = 400

    @property
    def title(self) -> str:
        """In words."""
        return f"{self.depth} × {self.width}, {self.interior} + {self.boundary} points"


SIZES = {
    "4x64": Size(4, 64, 2048),
    "6x128": Size(6, 128, 2048),
    "6x128-10k": Size(6, 128, 10000),
}
LARGE = {"6x128-100k": Size(6, 128, 100_000), "6x128-1M": Size(6, 128, 1_000_000)}  # for a GPU

TINY = Size(2, 16, 64, 32)  # where what the trainer adds is not lost in the step's own spread


def make_case(size: Size) -> Case:
    """Points as the package draws them, and weights."""
    problem = Kovasznay(reynolds=REYNOLDS)
    data = Collocation({"interior": size.interior, "boundary": size.boundary})
    data.check(problem)
    points = data.draw(problem, 0, 0, torch.zeros(()))
    boundary = points["boundary"].at
    exact = problem.velocity(coordinate_field(boundary.double(), problem.geometry.coordinates))
    weights, biases = dense_weights([2, *[size.width] * size.depth, 3])
    interior, velocity = points["interior"].at, exact.value.float()
    return Case(interior.numpy(), boundary.numpy(), velocity.numpy(), weights, biases)


class Race:
    """The contestants of one size, alive together.

    Args:
        names: rows of the table, in order.
        case: file of the case.
        device: `cpu` or `cuda`.
    """

    def __init__(self, names: list[str], case: Path, device: str) -> None:
        self.case, self.device = case, device
        self.rows: dict[str, Results] = {name: {} for name in names}
        self.workers: dict[str, Worker] = {}
        self.gflops: list[float] = []
        self.stack = ExitStack()

    def __enter__(self) -> Race:
        """Start all at once, each with its first step, on whatever cores there are."""
        everywhere = cores()
        for i, name in enumerate(self.rows):
            core = everywhere[i % len(everywhere)]
            try:
                worker = step_worker(name, self.case, self.device, core)
                self.workers[name] = self.stack.enter_context(worker)
                worker.send({"steps": 1})
            except (EnvironmentMissingError, ContestantError) as error:
                self.drop(name, error)
        matmul = Contestant(OWN, "matmul.py")
        arguments = (str(self.case), self.device)
        self.matmul = self.stack.enter_context(Worker(matmul, arguments, everywhere[-1]))
        return self

    def __exit__(self, *_: object) -> None:
        """End all processes."""
        self.stack.close()

    def drop(self, name: str, error: Exception) -> None:
        """A contestant that cannot go on."""
        self.workers.pop(name, None)
        self.rows[name] = {"missing": str(error)}

    def each(self) -> list[tuple[str, Worker, Results]]:
        """Who is still there."""
        return [(name, worker, self.rows[name]) for name, worker in self.workers.items()]

    def warm_up(self) -> None:
        """Wait for the first steps, gather on one core, and find how many steps fill a round."""
        for name, worker, row in self.each():
            try:
                row["versions"] = worker.receive()["versions"]
                row["loss"] = worker.receive()["loss"]
            except ContestantError as error:
                self.drop(name, error)
        self.matmul.receive()
        self.matmul.pin(cores()[-1])
        for name, worker, row in self.each():
            worker.pin(cores()[-1])
            try:
                seconds = worker.ask({"steps": 2})["seconds"]
                row["steps"] = max(1, min(1000, round(ROUND / seconds)))
                if row["steps"] > 2:
                    seconds = worker.ask({"steps": max(2, row["steps"] // 4)})["seconds"]
                    row["steps"] = max(1, min(1000, round(ROUND / seconds)))
                row["setup_mb"] = worker.ask({"mark": True})["peak_mb"]
                row["seconds"], row["overhead"] = [], []
            except ContestantError as error:
                self.drop(name, error)

    def round(self, number: int) -> None:
        """Everybody once; another one begins each time."""
        everybody = self.each()
        first = number % max(1, len(everybody))
        for name, worker, row in everybody[first:] + everybody[:first]:
            try:
                if STEP[name].script == "step_ours.py":
                    self.pairs(worker, row)
                else:
                    row["seconds"].append(worker.ask({"steps": row["steps"]})["seconds"])
            except ContestantError as error:
                self.drop(name, error)
        self.gflops.append(self.matmul.ask({"gflops": True})["gflops"])

    @staticmethod
    def pairs(worker: Worker, row: Results) -> None:
        """A round in small parts, each followed by the same steps without the trainer.

        What the trainer adds is small: the two have to be measured close together.
        """
        steps, seconds = max(1, row["steps"] // PARTS), []
        for _ in range(min(PARTS, row["steps"])):
            seconds.append(worker.ask({"steps": steps})["seconds"])
            bare = worker.ask({"bare": steps})["seconds"]
            row["overhead"].append(seconds[-1] - bare)
        row["seconds"].append(mean(seconds))

    def finish(self) -> None:
        """Ask for the memory."""
        for name, worker, row in self.each():
            try:
                row["peak_mb"] = worker.ask({"exit": True})["peak_mb"]
            except ContestantError as error:
                self.drop(name, error)


def measure(size: Size, names: list[str], rounds: int, device: str) -> Results:
    """All contestants at one size."""
    case = make_case(size)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.npz"
        case.save(path)
        with Race(names, path, device) as race:
            race.warm_up()
            for number in range(rounds):
                race.round(number)
            race.finish()
    return {
        "title": size.title,
        "flops": case.step_flops,
        "gflops": race.gflops,
        "rows": race.rows,
    }


def chosen(only: str, device: str) -> list[str]:
    """The rows asked for; `ours` means all of ours that the device is for.

    Raises:
        SystemExit: a name is unknown, or nothing can run on the device.
    """
    require(device)
    asked = [name.strip() for name in only.split(",") if name.strip()]
    known = {*STEP, "ours"}
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise SystemExit(f"unknown contestant {unknown[0]!r}: choose from {', '.join(STEP)}")
    return [
        name
        for name, contestant in STEP.items()
        if (not asked or name in asked or (name.startswith("ours") and "ours" in asked))
        and (contestant.cuda if device == "cuda" else name in asked or name not in ON_A_GPU)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sizes = SIZES | LARGE
    parser.add_argument("--sizes", default="", help=f"of {', '.join(sizes)}")
    parser.add_argument("--only", default="", help=f"of {', '.join(STEP)}; ours means all of ours")
    parser.add_argument("--rounds", type=int, default=5)
    add_device(parser)
    options = parser.parse_args()
    names = chosen(options.only, options.device)
    usual = ",".join(sizes if options.device == "cuda" else SIZES)
    asked = (options.sizes or usual).split(",")
    unknown = [name for name in asked if name not in sizes]
    if unknown:
        raise SystemExit(f"unknown size {unknown[0]!r}: choose from {', '.join(sizes)}")
    results: Results = {"device": options.device, "machine": machine(), "sizes": {}}
    print(", ".join(f"{key} {value}" for key, value in results["machine"].items() if value), "\n")
    for key in asked:
        results["sizes"][key] = measure(sizes[key], names, options.rounds, options.device)
        print(step_table(results["sizes"][key]), flush=True)
    for name in [name for name in names if name == "ours eager"]:
        results["tiny"] = measure(TINY, [name], options.rounds, options.device)
        print(overhead_line(name, results["tiny"]["rows"][name]), f"({TINY.title})\n")
    store("step", results)


if __name__ == "__main__":
    main()
