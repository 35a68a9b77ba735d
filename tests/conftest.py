"""What several test files need: a quick and silent trainer, and a folder to run commands in."""

import gc
import os
import sys
from pathlib import Path

# Several processes of tests share the cores, and threads that wait for each other spin.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import lightning as L
import pytest
import torch
from matplotlib.figure import Figure
from small import FLOW, SMALL

from pinn.base.console import quiet
from pinn.callbacks import Checkpoints
from pinn.callbacks import pictures as figures
from pinn.checkpoints.writing import AtomicCheckpointIO
from pinn.cli import signatures
from pinn.cli.main import main
from pinn.optim.gram import scale
from pinn.training.collocation import Collocation

QUIET = {
    "accelerator": "cpu",
    "devices": 1,
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
    "check_val_every_n_epoch": None,
    "val_check_interval": 1000,
}


def pytest_collection_finish():
    """What the imports have left lives as long as the process: no collection walks over it."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Runs show an empty picture, since drawing takes a second; tests of pictures are marked."""
    figures.draw = drawn if item.get_closest_marker("pictures") else sketched


drawn = figures.draw


def sketched(*_):
    return {"u": Figure(figsize=(1, 1), dpi=20)}


@pytest.fixture
def make_trainer(tmp_path):
    """A function that makes a trainer without callbacks, files or output."""

    def make(**settings):
        quiet()
        own = {
            "default_root_dir": tmp_path,
            "plugins": [AtomicCheckpointIO()],
            "enable_checkpointing": any(
                isinstance(c, Checkpoints) for c in settings.get("callbacks", ())
            ),
        }
        return L.Trainer(**{**QUIET, **own, **settings})

    return make


@pytest.fixture
def train(make_trainer):
    """A function that trains a solver on a few points and returns the trainer."""

    def run(solver, points=None, resample=0, method="sobol", ckpt_path=None, **settings):
        regions = solver.problem.regions()
        data = Collocation(points or dict.fromkeys(regions, 16), method, resample, held_out=32)
        trainer = make_trainer(**settings)
        trainer.fit(solver, datamodule=data, ckpt_path=ckpt_path)
        return trainer

    return run


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder as the current one, in which command lines may run in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", [str(Path(__file__).parents[1] / "train.py")])
    monkeypatch.delenv("PINN_RUN_FOLDER", raising=False)
    yield tmp_path
    os.environ.pop("PINN_RUN_FOLDER", None)
    for remembered in (signatures.source, signatures.names):  # sources by module's name
        remembered.cache_clear()
    for name in ("my_problem", "measurements"):
        sys.modules.pop(name, None)


@pytest.fixture
def folder(here):
    """That folder with two small configurations."""
    (here / "small.yaml").write_text(SMALL)
    (here / "flow.yaml").write_text(FLOW)
    return here


@pytest.fixture
def checkpoint(folder):
    """A checkpoint of two steps of the small configuration, in its run."""
    assert main(["--config", "small", "--trainer.max_steps", "2"]) == 0
    (run,) = Path("runs/small").iterdir()
    return run / "checkpoints" / "step-0000002.ckpt"


@pytest.fixture
def double_precision():
    """Networks are made in float64 here."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture
def same_scale(monkeypatch):
    """Columns of blocks are scaled as in the dense problem."""
    for name in ("block_gram", "block_factor"):
        monkeypatch.setattr(f"pinn.optim.{name}.local_scale", lambda squares, _: scale(squares))
