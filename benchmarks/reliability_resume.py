"""A run that is stopped and continued ends with the same bits as one that is not."""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from reliability_commands import done, kept, prepared, spread, told
from reliability_table import Row

import pinn
from pinn.callbacks import Checkpoints
from pinn.checkpoints.file import read
from pinn.checkpoints.names import newest_first
from pinn.optim import Phase
from pinn.problems import Kovasznay, KovasznayViscosity

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
PHASES = [Phase(6, lr=1e-2), Phase(6, "LBFGS"), Phase(6, "LevenbergMarquardt")]
POINTS = {"interior": 36, "boundary": 16}
LAST = 18  # a run is stopped after 1, 2, …, 17 steps
# How points and weights come about: by `pinn.fit`, and on the command line.
KINDS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "one set of points": ({}, []),
    "new points": ({"resample": 2}, ["--data.resample", "2"]),
    "adapted points": (
        {"resample": 2, "adapt": True},
        ["--data.resample", "2", "--data.adapt", "true"],
    ),
    "Gauss points": ({"method": "gauss"}, ["--data.method", "gauss"]),
    "balanced weights": ({"weighting": "ntk"}, ["--model.weighting", "ntk"]),
    "a learned coefficient": (
        {"points": {"interior": 36}},
        ["--model.problem", "KovasznayViscosity", "--data.points", "{interior: 36}"],
    ),
}


def weights(path: Path) -> dict[str, bytes]:
    """The bits of all weights."""
    return {n: w.numpy().tobytes() for n, w in read(path)["state_dict"].items()}


class Stop(NamedTuple):
    """One run that is stopped after a step; after the last one it is not stopped.

    Args:
        kind: of `KINDS`.
        step: after which it stops.
        how: "fit", or a command that is "forked" or started "anew".
    """

    kind: str
    step: int
    how: str


def digest(stop: Stop, folder: Path) -> str:
    """The hash of all weights at the end; where a command fails, what it has said."""
    here = folder / f"{stop.kind} {stop.step} {stop.how}"
    if stop.how == "fit":
        end = fitted(stop, here)
    elif said := commanded(stop, here):
        return said
    else:
        end = weights(kept(here)[0])
    shutil.rmtree(here)
    return hashlib.sha256(repr(sorted(end.items())).encode()).hexdigest()


def fitted(stop: Stop, here: Path) -> dict[str, bytes]:
    """The weights after `pinn.fit`, once, or stopped and continued."""
    settings = {"points": POINTS, **KINDS[stop.kind][0]}
    learns = stop.kind == "a learned coefficient"

    def fit(**more: Any) -> pinn.Solution:
        return pinn.fit(
            KovasznayViscosity() if learns else Kovasznay(),
            pinn.MLP(8, 2),
            PHASES,
            **settings,
            derivatives="taylor",
            compile=False,
            accelerator="cpu",
            logger=False,
            folder=here,
            callbacks=[Checkpoints(every=1)],
            **more,
        )

    with contextlib.redirect_stdout(io.StringIO()):
        solution = fit(max_steps=stop.step)
        if stop.step < LAST:
            (run,) = here.glob("*/*")
            solution = fit(resume=newest_first(run / "checkpoints")[0])
    return {name: w.numpy().tobytes() for name, w in solution.state_dict().items()}


def commanded(stop: Stop, here: Path) -> str:
    """Train by the command line, once, or stopped and continued; what a command says that fails."""
    log, is_anew = prepared(here, CONFIG) / "log", stop.how == "anew"
    command = ["--config", "small", *KINDS[stop.kind][1]]
    code = done([*command, "--trainer.max_steps", str(stop.step)], log, is_anew)
    if not code and stop.step < LAST:
        code = done([*command, "--resume", "auto"], log, is_anew)
    return f"step {stop.step}, {stop.how}: {told(log)[-150:]}" if code else ""


def resume(short: bool, folder: Path) -> Iterator[Row]:
    """Stopped after each step, by Adam, L-BFGS and Levenberg–Marquardt."""
    steps = [9, LAST] if short else list(range(1, LAST + 1))
    cases = [Stop(kind, step, "fit") for kind in KINDS for step in steps]
    if not short:
        cases += [Stop(kind, 8, "anew") for kind in KINDS]
        cases += [Stop(kind, LAST, "forked") for kind in KINDS]
    ends = dict(zip(cases, spread(partial(digest, folder=folder), cases, folder), strict=True))
    for kind in KINDS:
        whole = {how: ends.get(Stop(kind, LAST, how)) for how in ("fit", "forked")}
        wrong = [
            "" if end == whole["fit" if stop.how == "fit" else "forked"] else f"{stop}: {end}"
            for stop, end in ends.items()
            if stop.kind == kind and stop.step < LAST
        ]
        note = next((words for words in wrong if words), "")
        promised = "the same bits as without a stop"
        what = f"stopped, continued: {kind}"
        yield Row(what, len(wrong), wrong.count(""), promised, note, int(not short))
