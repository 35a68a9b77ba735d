"""What several test files need: a trainer that is quick and says nothing."""

import lightning as L
import pytest

from pinn.callbacks import Keeper
from pinn.checkpoint import AtomicCheckpointIO
from pinn.data import Collocation
from pinn.quiet import quiet

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


@pytest.fixture
def make_trainer(tmp_path):
    """A function that makes a trainer without callbacks, files or output."""

    def make(**settings):
        quiet()
        own = {
            "default_root_dir": tmp_path,
            "plugins": [AtomicCheckpointIO()],
            "enable_checkpointing": any(
                isinstance(c, Keeper) for c in settings.get("callbacks", ())
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
