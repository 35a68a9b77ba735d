"""A run that is stopped and continued ends with the same bits as one that is not."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from reliability_commands import done, kept, prepared, spread, told
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


class Stop(NamedTuple):
    """One run that is stopped after a step; after the last one it is not stopped.

    Args:
        kind: of `KINDS`.
        step: after which it stops.
        anew: whether its commands start a Python of their own.
    """

    kind: str
    step: int
    anew: bool


def digest(stop: Stop, folder: Path) -> str:
    """The hash of all weights at the end; where a command fails, what it has said."""
    here = folder / f"{stop.kind} {stop.step}"
    prepared(here, CONFIG)
    command = ["--config", "small", *KINDS[stop.kind]]
    if stop.step < LAST:
        code = done([*command, "--trainer.max_steps", str(stop.step)], here / "log", stop.anew)
        command += ["--resume", "auto"]
        if code:
            return f"step {stop.step}: {told(here / 'log')[-150:]}"
    code = done(command, here / "log", stop.anew)
    if code:
        return f"step {stop.step}, continued: {told(here / 'log')[-150:]}"
    end = sorted(weights(kept(here)[0]).items())
    shutil.rmtree(here)
    return hashlib.sha256(repr(end).encode()).hexdigest()


def resume(short: bool, folder: Path) -> Iterator[Row]:
    """Stopped after each step, by Adam, L-BFGS and Levenberg–Marquardt."""
    steps = [9, LAST] if short else list(range(1, LAST + 1))
    cases = [
        Stop(kind, step, anew=not short and step in (8, LAST)) for kind in KINDS for step in steps
    ]
    answers = spread(partial(digest, folder=folder), cases, folder)
    for kind in KINDS:
        *ends, whole = (end for end, case in zip(answers, cases, strict=True) if case.kind == kind)
        note = next((end for end in ends if end != whole), "")
        promised = "the same bits as without a stop"
        anew = 0 if short else 1
        what = f"stopped, continued: {kind}"
        yield Row(what, len(ends), ends.count(whole), promised, note, anew)
