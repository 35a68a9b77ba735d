"""Steps by several processes: seconds, efficiency, and the bytes that they exchange.

    python benchmarks/scaling.py
    python benchmarks/scaling.py --processes 1 2 --rounds 3

Kovasznay flow at Re = 40. Strong scaling divides the points over the processes, weak scaling gives
each as many. Every process has one thread. Processes are started by torchrun, and each start is
repeated in turns, so that all share the disturbances of the machine. Bytes are counted where they
are handed to torch.distributed: one all-reduce of V bytes counts V, whatever the algorithm sends.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

from stored import machine, store

ROOT = Path(__file__).resolve().parents[1]
STEPS = {"Adam": (60, 20), "LevenbergMarquardt": (9, 3)}  # in all, and before measuring
POINTS = {"Adam": 4096, "LevenbergMarquardt": 1024}
NETWORK = {"Adam": (64, 4), "LevenbergMarquardt": (24, 3)}  # width, depth
COLLECTIVES = ("all_reduce", "broadcast", "all_gather", "all_gather_object", "barrier")


def measure(optimizer: str, points: int, out: Path) -> None:
    """What one process does: train, and say how long the steps took and what was exchanged."""
    import lightning as L
    import torch
    import torch.distributed as dist

    from pinn import MLP, fit
    from pinn.optim import Phase
    from pinn.problems import Kovasznay

    exchanged: Counter[str] = Counter()
    calls: Counter[str] = Counter()

    originals = {name: getattr(dist, name) for name in COLLECTIVES}

    def counted(name: str) -> Any:
        function = originals[name]

        def call(*args: Any, **kwargs: Any) -> Any:
            tensors = [a for a in args if isinstance(a, torch.Tensor)]
            exchanged[name] += sum(t.nbytes for t in tensors)
            calls[name] += 1
            return function(*args, **kwargs)

        return call

    def summed(group: Any, bucket: Any) -> Any:
        exchanged["gradients"] += bucket.buffer().nbytes
        calls["gradients"] += 1
        group = group or dist.group.WORLD
        work = originals["all_reduce"](bucket.buffer().div_(group.size()), async_op=True)
        return work.get_future().then(lambda future: future.value()[0])

    steps, before = STEPS[optimizer]

    class Clock(L.Callback):
        """Seconds per step, and what was exchanged in the measured ones."""

        def on_train_start(self, trainer: L.Trainer, module: L.LightningModule) -> None:
            self.ends: list[float] = []
            if trainer.world_size > 1:
                model = (
                    trainer.strategy.model
                )  # DDP refuses a hook whose annotations it does not know
                model.register_comm_hook(None, lambda group, bucket: summed(group, bucket))
                for name in COLLECTIVES:
                    setattr(dist, name, counted(name))

        def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
            self.ends.append(time.perf_counter())
            if len(self.ends) == before:
                exchanged.clear()
                calls.clear()
            if len(self.ends) == steps:
                self.volume, self.calls = dict(exchanged), dict(calls)

    clock = Clock()
    width, depth = NETWORK[optimizer]
    fit(
        Kovasznay(),
        MLP(width, depth),
        [Phase(steps, optimizer)],
        {"interior": points, "boundary": points // 8},
        derivatives="taylor",
        compile=False,
        folder=out.parent / "runs",
        accelerator="cpu",
        devices=int(os.environ.get("LOCAL_WORLD_SIZE", 1)),
        logger=False,
        enable_progress_bar=False,
        callbacks=[clock],
        val_check_interval=10 * steps,
    )
    seconds = [b - a for a, b in zip(clock.ends[before - 1 :], clock.ends[before:], strict=False)]
    each = steps - before
    if int(os.environ.get("RANK", 0)) == 0:
        result = {
            "seconds": median(seconds),
            "bytes": {name: n / each for name, n in clock.volume.items() if n},
            "calls": {name: n / each for name, n in clock.calls.items() if n},
        }
        out.write_text(json.dumps(result))


def started(optimizer: str, points: int, processes: int) -> dict[str, Any]:
    """The figures of one start; points are those of each process."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
        launch = [*launcher, str(processes)] if processes > 1 else []
        paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            [sys.executable, *launch, __file__, "--worker", optimizer, str(points), str(out)],
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=False,
        )
        if not out.is_file():
            sys.exit(f"{optimizer} on {processes} processes failed:\n{done.stdout}{done.stderr}")
        return json.loads(out.read_text())


def line(optimizer: str, kind: str, n: int, runs: list[dict[str, Any]], one: float) -> str:
    """A row of the table."""
    seconds = median(run["seconds"] for run in runs)
    efficiency = one / seconds / (n if kind == "strong" else 1)
    volume = sum(runs[0]["bytes"].values())
    calls = sum(runs[0]["calls"].values())
    return (
        f"| {optimizer} | {kind} | {n} | {1e3 * seconds:.1f} | {efficiency:.0%} "
        f"| {volume / 1e3:,.1f} | {calls:.1f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3, help="starts of each, in turns")
    parser.add_argument("--only", choices=list(STEPS), help="one optimizer")
    parser.add_argument("--worker", nargs=3, metavar=("OPTIMIZER", "POINTS", "FILE"))
    given = parser.parse_args()
    if given.worker:
        optimizer, points, out = given.worker
        measure(optimizer, int(points), Path(out))
        return
    cases = [
        (optimizer, kind, n, POINTS[optimizer] // (n if kind == "strong" else 1))
        for optimizer in STEPS
        if given.only in (None, optimizer)
        for kind in ("strong", "weak")
        for n in given.processes
    ]
    runs: dict[Any, list[dict[str, Any]]] = {case: [] for case in cases}
    for _ in range(given.rounds):
        for case in cases:
            optimizer, _, n, points = case
            runs[case].append(started(optimizer, points, n))
    print("| optimizer | scaling | processes | ms per step | efficiency | kB exchanged per step "
          "| calls per step |\n|---|---|---|---|---|---|---|")  # fmt: skip
    for case in cases:
        optimizer, kind, n, _ = case
        first = next(c for c in cases if c[:2] == (optimizer, kind))
        one = median(run["seconds"] for run in runs[first])
        print(line(optimizer, kind, n, runs[case], one))
    store("scaling", {"machine": machine(), "runs": {str(c): r for c, r in runs.items()}})


if __name__ == "__main__":
    main()
