"""How often steady steps wait for a GPU, by torch's own count, where there is one.

    python benchmarks/gpu_waits.py --device cuda

Each run is one of `pinn.fit`, with the callbacks that every run has. `tests/test_waits.py` counts
the same on a machine without a GPU.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import lightning as L
import torch

sys.path[:0] = [str(Path(__file__).parents[1])]

from devices import add_device, require  # noqa: E402

import pinn  # noqa: E402
from pinn.base.console import quiet  # noqa: E402
from pinn.networks import MLP  # noqa: E402
from pinn.optim import Phase  # noqa: E402
from pinn.problems import Kovasznay  # noqa: E402

FIRST, LAST = 17, 25  # no recorded step is held against the Python between them
RUNS: dict[str, tuple[str, Any, int]] = {
    "Adam eager": ("Adam", False, 0),
    "Adam recorded or compiled": ("Adam", "auto", 0),
    "Adam compiled": ("Adam", True, 0),
    "Adam, new points each step": ("Adam", False, 1),
    "LBFGS": ("LBFGS", False, 0),
    "LevenbergMarquardt": ("LevenbergMarquardt", "auto", 0),
}


class Counted(L.Callback):
    """Counts torch's warnings in the steady steps."""

    def __init__(self) -> None:
        self.places: Counter[str] = Counter()
        self.caught: Any = None

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Begin, or end."""
        if trainer.global_step == FIRST:
            self.caught = warnings.catch_warnings(record=True)
            self.lines = self.caught.__enter__()
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
        if trainer.global_step == LAST:
            torch.cuda.set_sync_debug_mode("default")
            self.caught.__exit__(None, None, None)
            for line in self.lines:
                if "synchron" in str(line.message):
                    place = line.filename.rpartition("site-packages/")[2]
                    self.places[f"{Path(place).name}:{line.lineno}"] += 1


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_device(parser)
    options = parser.parse_args(given)
    if options.device != "cuda":
        parser.error("only a GPU is waited for: give --device cuda, or run tests/test_waits.py")
    require(options.device)
    quiet()
    print("| run | waits per step | where |\n|---|---|---|", flush=True)
    for name, (optimizer, compiled, resample) in RUNS.items():
        counted = Counted()
        with tempfile.TemporaryDirectory() as folder:
            pinn.fit(
                Kovasznay(),
                MLP(32, 3),
                [Phase(LAST + 2, optimizer)],
                {"interior": 2000, "boundary": 400},
                folder=folder,
                compile=compiled,
                resample=resample,
                derivatives="rule",
                accelerator="gpu",
                devices=1,
                callbacks=[counted],
                val_check_interval=10**6,
                enable_progress_bar=False,
            )
        places = ", ".join(f"{n} in {place}" for place, n in counted.places.most_common(5))
        each = counted.places.total() / (LAST - FIRST)
        print(f"| {name} | {each:.2f} | {places} |", flush=True)


if __name__ == "__main__":
    main()
