"""Memory and files of a long run stay level, as they are seen from outside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from reliability_commands import begun, ended, prepared, reached, told
from reliability_runs import is_at
from reliability_table import Row

MOST = 4.0  # MB that a run may grow by, once it has warmed up
CONFIG = """\
model:
  problem: {{class_path: Poisson, init_args: {{wavenumber: 1}}}}
  network: {{class_path: MLP, init_args: {{width: 16, depth: 2}}}}
  phases: [{{optimizer: Adam, steps: {steps}}}]
  derivatives: taylor
  compile: false
data: {{points: {{interior: 64, boundary: 32}}, held_out: 64}}
trainer: {{accelerator: cpu, enable_progress_bar: false, log_every_n_steps: 10,
          val_check_interval: {twentieth}}}
checkpoints: {{every: 10}}
pictures: {{every: {tenth}}}
"""


def resident(number: int) -> float:
    """MB of a process in memory."""
    pages = int(Path(f"/proc/{number}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def files(folder: Path) -> set[str]:
    """The files of a run, without those that are being written."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if ".part" not in name and "step-" not in name}


def memory(short: bool, folder: Path) -> Iterator[Row]:
    """A run with curves, validations, pictures, and a checkpoint every ten steps."""
    steps = 400 if short else 5000
    text = CONFIG.format(steps=steps, twentieth=steps // 20, tenth=steps // 10)
    log = prepared(folder / "run", text) / "log"
    child = begun(["--config", "small"], log, anew=not short)
    seen = []
    for step in (3 * steps // 10 + 20, steps - 20):  # some steps after a picture, and before one
        if not reached(child, partial(is_at, log.parent, step), patience=1800.0):
            raise RuntimeError(told(log)[-500:])
        seen.append((resident(child), files(log.parent)))
    if code := ended(child):
        raise RuntimeError(f"{code}: {told(log)[-500:]}")
    (start, before), (end, after) = seen
    promised = f"grows by less than {MOST:g} MB"
    note = f"{end - start:+.1f} MB over {seen_steps(steps)} steps"
    anew = int(not short)
    yield Row("memory of a long run", 1, int(end - start < MOST), promised, note, anew)
    added = sorted(after - before)
    note = ", ".join(added)[:100]
    yield Row("files of a long run", 1, int(not added), "no more than at first", note, anew)


def seen_steps(steps: int) -> int:
    """Between the two looks at a run."""
    return steps - 20 - (3 * steps // 10 + 20)
