"""Checkpoints of every format that was ever written: they load, give the same numbers, and go on.

`golden/NAME_FORMAT.ckpt` was written in the middle of a run, see `golden_runs`; format 1 before the
modules moved into rooms. `golden/NAME_FORMAT.npz` holds points, the values there, and the weights
at the end of that run.
"""

import shutil

import numpy as np
import pytest
import torch
from golden_runs import GOLDEN, RUNS, go

import pinn
from pinn.checkpoints.migrations import FORMAT, SEALED

FORMATS = range(1, FORMAT + 1)


def test_every_format_has_its_files():
    assert {path.name for path in GOLDEN.iterdir()} == {
        f"{name}_{number}.{kind}" for name in RUNS for number in FORMATS for kind in ("ckpt", "npz")
    }


@pytest.mark.parametrize("number", FORMATS)
@pytest.mark.parametrize("name", RUNS)
def test_it_loads_and_evaluates_to_the_same_numbers(name, number):
    file = GOLDEN / f"{name}_{number}.ckpt"
    assert torch.load(file, weights_only=True)["pinn"]["format"] == number
    solution = pinn.load(file, trust_old=number < SEALED)
    with np.load(file.with_suffix(".npz")) as known:
        values = solution(torch.from_numpy(known["points"]))
        for unknown, value in values.items():
            # Matrix products of other processors round in another way.
            assert np.abs(value.detach().numpy() - known[f"value.{unknown}"]).max() <= 1e-14


@pytest.mark.parametrize("number", FORMATS)
@pytest.mark.parametrize("name", RUNS)
def test_its_run_goes_on_as_it_would_have_then(tmp_path, name, number):
    make, step = RUNS[name]
    problem = type(make()[0]).__name__.lower()
    checkpoint = tmp_path / problem / "2026-01-01_00-00-00" / "checkpoints" / f"step-{step}.ckpt"
    checkpoint.parent.mkdir(parents=True)
    shutil.copy(GOLDEN / f"{name}_{number}.ckpt", checkpoint)
    with np.load(GOLDEN / f"{name}_{number}.npz") as known:
        end = go(make, tmp_path, resume=checkpoint, trust_old=number < SEALED)
        for key, weight in end.state_dict().items():
            assert np.abs(weight.numpy() - known[f"end.{key}"]).max() <= 1e-9, key
