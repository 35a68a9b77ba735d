"""A disk that fills up in the middle of a run, and one that is freed again."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reliability_table import Row

ROOT = Path(__file__).parents[1]
SIZE = "2m"
STEPS = 20
# Fills the disk after step 5, and frees it after the step that is given.
PROGRAM = f"""
import sys
from pathlib import Path
import lightning as L
import pinn
from pinn.callbacks import Checkpoints
from pinn.optim import Phase
from pinn.problems import Poisson

base, freed = Path(sys.argv[1]), int(sys.argv[2])

class Fill(L.Callback):
    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 5:
            with (base / "filler").open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass
        if trainer.global_step == freed:
            (base / "filler").unlink()

pinn.fit(
    Poisson(), pinn.MLP(64, 2), [Phase({STEPS})], {{"interior": 16, "boundary": 8}}, folder=base,
    derivatives="taylor", compile=False, accelerator="cpu", log_every_n_steps=1,
    callbacks=[Checkpoints(every=4), Fill()],
)
print("ended", sorted(p.name for p in base.glob("*/*/checkpoints/*")))
"""


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A file system of 2 MB at a folder; False where this process may not mount one."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def run_on(disk: Path, freed: int) -> tuple[int, str]:
    """How a run ends that finds its disk full at step 8, and what it says."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(disk), str(freed)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return done.returncode, done.stdout


def complaints(code: int, said: str, freed: bool) -> list[str]:
    """What a run did not do that is promised."""
    last = [f"step-{step:07d}.ckpt" for step in ((STEPS - 4, STEPS) if freed else (4,))]
    lost = f"warning   the last step, {STEPS}, is in no checkpoint: the newest is "
    unwritten = "step-0000008.ckpt is not written: no space is left on its disk"
    promises = {
        f"it ended with {code}": code == 0,
        "a traceback": "Traceback" not in said,
        "torch's own words": "unexpected pos" not in said,
        "no line about the checkpoint": unwritten in said,
        "no line about the curves": "end here: no space is left on its disk" in said,
        "other checkpoints": f"ended {last}" in said,
        "the lost steps": (lost in said) != freed,
    }
    return [words for words, is_kept in promises.items() if not is_kept]


def disk_full(short: bool, folder: Path) -> Iterator[Row]:
    """A disk that stays full, and one that is freed before the end."""
    for what, freed in (("disk full to the end", STEPS + 1), ("disk full for a while", 13)):
        with small_disk(folder / "disk") as mounted:
            wrong = ["no small file system could be mounted"]
            if mounted:
                wrong = complaints(*run_on(folder / "disk", freed), freed <= STEPS)
        yield Row(what, 1, int(not wrong), "said; training goes on, and saves when it can", *wrong)
