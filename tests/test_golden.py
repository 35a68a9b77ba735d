"""Checkpoints written by an earlier version: they load, give the same numbers, and go on.

`golden/NAME.ckpt` was written in the middle of a run by format 1, before the modules moved into
rooms. `golden/NAME.npz` holds points, the values there, and the weights at the end of that run.
"""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import pinn
from pinn.networks import MLP, Graded
from pinn.optim import Phase
from pinn.problems import Kovasznay, LidDrivenCavity

GOLDEN = Path(__file__).parent / "golden"
NAMES = ("kovasznay", "cavity")


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


@pytest.mark.parametrize("name", NAMES)
def test_it_loads_and_evaluates_to_the_same_numbers(name):
    solution = pinn.load(GOLDEN / f"{name}.ckpt")
    with np.load(GOLDEN / f"{name}.npz") as known:
        values = solution(torch.from_numpy(known["points"]))
        for unknown, value in values.items():
            # Matrix products of other processors round in another way.
            assert np.abs(value.detach().numpy() - known[f"value.{unknown}"]).max() <= 1e-14


@pytest.mark.parametrize(("name", "make"), [("kovasznay", kovasznay), ("cavity", cavity)])
def test_its_run_goes_on_as_it_would_have_then(tmp_path, name, make):
    problem, network, phases, settings = make()
    run = tmp_path / type(problem).__name__.lower() / "2026-01-01_00-00-00" / "checkpoints"
    run.mkdir(parents=True)
    with np.load(GOLDEN / f"{name}.npz") as known:
        step = torch.load(GOLDEN / f"{name}.ckpt", weights_only=True)["global_step"]
        checkpoint = run / f"step-{step:07d}.ckpt"
        shutil.copy(GOLDEN / f"{name}.ckpt", checkpoint)
        solution = pinn.fit(
            problem,
            network,
            phases,
            derivatives="taylor",
            compile=False,
            accelerator="cpu",
            logger=False,
            folder=tmp_path,
            resume=checkpoint,
            **settings,
        )
        for key, weight in solution.state_dict().items():
            assert np.abs(weight.numpy() - known[f"end.{key}"]).max() <= 1e-9, key
