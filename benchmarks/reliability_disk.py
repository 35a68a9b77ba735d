"""A disk that fills up in the middle of a run, and one that is freed again."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reliability_commands import done, kept, told
from reliability_table import Row

from pinn.checkpoints.names import name_of

SIZE = "2m"
STEPS = 20
CONFIG = f"""\
model:
  problem: {{class_path: Poisson}}
  network: {{class_path: MLP, init_args: {{width: 64, depth: 2}}}}
  phases: [{{optimizer: Adam, steps: {STEPS}}}]
  derivatives: taylor
  compile: false
data: {{points: {{interior: 16, boundary: 8}}, held_out: 16}}
trainer: {{accelerator: cpu, enable_progress_bar: false, log_every_n_steps: 1}}
checkpoints: {{every: 4}}
pictures: {{every: 100}}
"""
# Fills the disk after step 5, and frees it after the step that is given.
FILLING = """\
from pathlib import Path

import lightning as L


class Fill(L.Callback):
    def __init__(self, freed: int) -> None:
        self.freed = freed

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 5:
            with Path("filler").open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass
        if trainer.global_step == self.freed:
            Path("filler").unlink()
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


def run_on(disk: Path, freed: int, anew: bool = True) -> tuple[int, str]:
    """How a run ends that finds its disk full at step 8, and what it says."""
    (disk / "filling.py").write_text(FILLING)
    (disk / "small.yaml").write_text(CONFIG)
    callback = f"{{class_path: filling.Fill, init_args: {{freed: {freed}}}}}"
    flags = ["--allow_import", "filling", f"--trainer.callbacks=[{callback}]"]
    with tempfile.TemporaryDirectory() as folder:  # what it says finds a disk with space
        log = Path(folder) / "log"
        code = done(["--config", "small", *flags], log, anew, disk)
        return code, told(log)


def complaints(code: int, said: str, freed: bool, disk: Path) -> list[str]:
    """What a run did not do that is promised."""
    last = {name_of(step) for step in ((STEPS - 4, STEPS) if freed else (4,))}
    lost = f"the last step, {STEPS}, is in no checkpoint: the newest is "
    unwritten = "step-0000008.ckpt is not written: no space is left on its disk"
    promises = {
        f"it ended with {code}": code == (0 if freed else 1),
        "a traceback": "Traceback" not in said,
        "torch's own words": "unexpected pos" not in said,
        "no line about the checkpoint": unwritten in said,
        # Where the disk is freed, nothing may have been written in between.
        "no line about the curves": freed or "end here: no space is left on its disk" in said,
        "other checkpoints": {path.name for path in kept(disk)} == last,
        "the lost steps": (lost in said) != freed,
    }
    return [words for words, is_kept in promises.items() if not is_kept]


def disk_full(short: bool, folder: Path) -> Iterator[Row]:
    """A disk that stays full, and one that is freed before the end."""
    promised = "said; training goes on, and saves when it can"
    for what, freed in (("disk full to the end", STEPS + 1), ("disk full for a while", 13)):
        with small_disk(folder / "disk") as mounted:
            if not mounted:
                yield Row(what, 0, 0, promised, "no small file system could be mounted")
                continue
            end = run_on(folder / "disk", freed, anew=not short)
            wrong = complaints(*end, freed <= STEPS, folder / "disk")
        yield Row(what, 1, int(not wrong), promised, ", ".join(wrong), int(not short))
