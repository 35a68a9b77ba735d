"""The two short runs whose checkpoints `golden/` keeps, one of each for every format.

    python tests/golden_runs.py     writes golden/NAME_FORMAT.ckpt and .npz with today's format

A format that was once written is not written again: its files stay as they are.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

import pinn
from pinn.checkpoints.migrations import FORMAT
from pinn.checkpoints.names import newest_first
from pinn.networks import MLP, Graded
from pinn.optim import Phase
from pinn.problems import Kovasznay, LidDrivenCavity

GOLDEN = Path(__file__).parent / "golden"
POINTS = 7


def kovasznay():
    phases = [Phase(4, lr=1e-2, schedule="cosine"), Phase(4, "LevenbergMarquardt")]
    settings = {
        "points": {"interior": 36, "boundary": 16},
        "weights": {"boundary": 10.0},
        "resample": 3,
        "adapt": True,
        "weighting": "gradient_norm",
    }
    return Kovasznay(40.0, gauge="zero_mean"), MLP(8, 2), phases, settings


def cavity():
    network = MLP(24, 1, spread=5.0, embedding=Graded(0.97))
    settings = {
        "points": {"interior": 64, "lid": 12, "walls": 24},
        "weights": {"lid": 100.0, "walls": 100.0},
        "method": "gauss",
    }
    problem = LidDrivenCavity([100.0, 200.0], walls="soft", gauge="zero_mean")
    return problem, network, [Phase(3, "LevenbergMarquardt", train="output")], settings


# The step at which each was written: in the second phase, and in the second stage.
RUNS = {"kovasznay": (kovasznay, 6), "cavity": (cavity, 4)}


def go(make, folder, **more):
    """Run one of them, with further settings of `pinn.fit`."""
    problem, network, phases, settings = make()
    quiet = {"derivatives": "taylor", "compile": False, "accelerator": "cpu", "logger": False}
    return pinn.fit(problem, network, phases, folder=folder, **quiet, **settings, **more)


def write(name):
    """Stop a run in its middle, keep its checkpoint, go on to its end, and keep the numbers."""
    make, step = RUNS[name]
    target = GOLDEN / f"{name}_{FORMAT}.ckpt"
    if target.exists():
        sys.exit(f"{target} is there: a format that was once written stays as it is")
    with tempfile.TemporaryDirectory() as folder:
        solution = go(make, folder, max_steps=step)
        (run,) = Path(folder).glob("*/*")
        (checkpoint, *_) = newest_first(run / "checkpoints")
        shutil.copy(checkpoint, target)
        points = torch.rand(POINTS, 2, dtype=torch.float64, generator=torch.Generator())
        values = {f"value.{n}": v.detach().numpy() for n, v in solution(points).items()}
        end = go(make, folder, resume=checkpoint).state_dict()
    weights = {f"end.{key}": weight.numpy() for key, weight in end.items()}
    np.savez(target.with_suffix(".npz"), points=points.numpy(), **values, **weights)


if __name__ == "__main__":
    for each in RUNS:
        write(each)
