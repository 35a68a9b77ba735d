"""Memory and files of a long run stay level."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L
from reliability_table import Row

import pinn
from pinn.callbacks import Checkpoints
from pinn.optim import Phase
from pinn.problems import Poisson

MOST = 4.0  # MB that a run may grow by, once it has warmed up


def resident() -> float:
    """MB of this process in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


class Watch(L.Callback):
    """Notes the memory and the number of files from time to time."""

    def __init__(self, every: int, folder: Path) -> None:
        self.every, self.folder = every, folder
        self.seen: list[tuple[float, int]] = []

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Look."""
        if trainer.global_step % self.every == 0:
            files = sum(path.is_file() for path in self.folder.rglob("*"))
            self.seen.append((resident(), files))


def memory(short: bool, folder: Path) -> Iterator[Row]:
    """A run with curves, validations, and a checkpoint every ten steps."""
    steps = 1000 if short else 5000
    watch = Watch(steps // 10, folder)
    with contextlib.redirect_stdout(io.StringIO()):
        pinn.fit(
            Poisson(),
            pinn.MLP(16, 2),
            [Phase(steps)],
            {"interior": 64, "boundary": 32},
            derivatives="taylor",
            compile=False,
            accelerator="cpu",
            log_every_n_steps=10,
            val_check_interval=steps // 20,
            folder=folder,
            callbacks=[Checkpoints(every=10), watch],
        )
    (start, before), (end, after) = watch.seen[1], watch.seen[-1]
    promised = f"grows by less than {MOST:g} MB"
    note = f"{end - start:+.1f} MB over {steps * 8 // 10} steps"
    yield Row("memory of a long run", 1, int(end - start < MOST), promised, note)
    yield Row("files of a long run", 1, int(before == after), "as many as at its beginning")
