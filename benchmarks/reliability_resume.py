"""A run that is stopped and continued ends with the same bits as one that is not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from reliability_commands import done, kept, prepared, told
from reliability_table import Row

from pinn.checkpoints.file import read

CONFIG = """\
model:
  problem: {class_path: Kovasznay}
  network: {class_path: MLP, init_args: {width: 8, depth: 2}}
  phases:
  - {optimizer: Adam, steps: 6, lr: 1.0e-2}
  - {optimizer: LBFGS, steps: 6}
  - {optimizer: LevenbergMarquardt, steps: 6}
  derivatives: taylor
  compile: false
data: {points: {interior: 36, boundary: 16}, held_out: 64}
trainer: {accelerator: cpu, enable_progress_bar: false, logger: false}
checkpoints: {every: 1}
"""
LAST = 18  # one step of a run after each of the others: stopped after 1, 2, …, 17
KINDS = {
    "one set of points": [],
    "new points": ["--data.resample", "2"],
    "adapted points": ["--data.resample", "2", "--data.adapt", "true"],
    "Gauss points": ["--data.method", "gauss"],
    "balanced weights": ["--model.weighting", "ntk"],
    "a learned coefficient": [
        "--model.problem",
        "KovasznayViscosity",
        "--data.points",
        "{interior: 36}",
    ],
}


def weights(path: Path) -> dict[str, bytes]:
    """The bits of all weights."""
    return {n: w.numpy().tobytes() for n, w in read(path)["state_dict"].items()}


def stopped(folder: Path, flags: list[str], step: int, anew: bool) -> dict[str, bytes]:
    """The weights of a run that stops after a step and is continued; none where it fails."""
    prepared(folder, CONFIG)
    command = ["--config", "small", *flags]
    first = [*command, "--trainer.max_steps", str(step)] if step < LAST else command
    codes = [done(first, folder / "log", anew)]
    if step < LAST:
        codes.append(done([*command, "--resume", "auto"], folder / "log", anew))
    if any(codes):
        return {}
    return weights(kept(folder)[0])


def resume(short: bool, folder: Path) -> Iterator[Row]:
    """Stopped after each step, by Adam, L-BFGS and Levenberg–Marquardt."""
    for kind, flags in KINDS.items():
        whole = stopped(folder / "whole", flags, LAST, False)
        if not whole:
            raise RuntimeError(told(folder / "whole" / "log")[-500:])
        steps = [9] if short else list(range(1, LAST))
        anew = [] if short else [8]
        equal, note = 0, ""
        for step in steps:
            here = folder / "stopped"
            is_equal = stopped(here, flags, step, step in anew) == whole
            equal += is_equal
            note = note or ("" if is_equal else f"step {step}: {told(here / 'log')[-150:]}")
            shutil.rmtree(here)
        shutil.rmtree(folder / "whole")
        promised = "the same bits as without a stop"
        yield Row(f"stopped, continued: {kind}", len(steps), equal, promised, note, len(anew))
