"""Runs of a second from Python, and what they leave."""

from pathlib import Path

import pinn
from pinn.checkpoints.names import newest_first
from pinn.networks import MLP
from pinn.optim import Phase
from pinn.problems import Poisson

POINTS = {"interior": 16, "boundary": 8}


def fit(folder, *phases, problem=None, **settings):
    points = settings.pop("points", POINTS)
    settings = {"accelerator": "cpu", "compile": False, "derivatives": "taylor", **settings}
    phases = list(phases) or [Phase(4, lr=1e-3)]
    return pinn.fit(problem or Poisson(), MLP(8, 2), phases, points, folder=folder, **settings)


def only(folder):
    """The one run in a folder."""
    (run,) = Path(folder).glob("*/*")
    return run


def steps_in(run):
    """The steps of the checkpoints of a run, the newest first."""
    return [int(p.stem.removeprefix("step-")) for p in newest_first(run / "checkpoints")]
