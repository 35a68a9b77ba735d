"""A run that is stopped and continued ends with the same bits as one that is not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from reliability_contents import PHASES, trained
from reliability_table import Row

from pinn.checkpoints.names import newest_first

LAST = sum(phase.steps or 0 for phase in PHASES)


def resume(short: bool, folder: Path) -> Iterator[Row]:
    """Stopped after each step, by Adam, L-BFGS and Levenberg–Marquardt."""
    whole = trained(folder / "whole").state_dict()
    steps = range(1, LAST, 5 if short else 1)
    equal = 0
    for step in steps:
        place = folder / "stopped"
        trained(place, max_steps=step)
        (run,) = place.glob("*/*")
        end = trained(place, resume=newest_first(run / "checkpoints")[0]).state_dict()
        equal += all(torch.equal(weight, end[name]) for name, weight in whole.items())
        shutil.rmtree(place)
    yield Row("stopped and continued", len(steps), equal, "the same bits as without a stop")
