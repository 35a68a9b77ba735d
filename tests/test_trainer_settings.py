"""Callbacks and settings of the trainer are added to what keeps a run safe: none replaces it."""

import os
import signal
from datetime import timedelta
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch import callbacks as theirs
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.plugins.io import TorchCheckpointIO
from short import fit, only, steps_in
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pinn import Interval, Problem, laplacian, on
from pinn.callbacks import Checkpoints, Figures, NonFiniteError
from pinn.checkpoints.file import read
from pinn.optim import Phase


class Explosive(Problem):
    """Diverges under a large step."""

    coordinates, unknowns, geometry = ("x",), {"u": 1}, Interval()

    @on("interior")
    def eq(self, u):
        return laplacian(u) + 1e6 * u**3 - 1.0

    @on("boundary")
    def b(self, u):
        return u - 1.0


class Witness(L.Callback):
    """Sees that it is called, and keeps the trainer."""

    def __init__(self):
        self.steps = 0

    def on_train_batch_end(self, trainer, *args):
        self.trainer, self.steps = trainer, self.steps + 1


@pytest.mark.parametrize(
    "callback", [theirs.LearningRateMonitor, Witness, lambda: [Witness(), theirs.LambdaCallback()]]
)
def test_callbacks_of_the_user_are_added(tmp_path, capsys, callback):
    made = callback()
    fit(tmp_path, callbacks=made if isinstance(made, list) else [made])
    run, out = only(tmp_path), capsys.readouterr().out
    assert steps_in(run) == [4]
    assert list(run.glob("events.*"))
    assert "error of u" in out
    assert "problem   Poisson" in out


def test_one_callback_needs_no_list(tmp_path):
    witness = Witness()
    fit(tmp_path, callbacks=witness)
    assert witness.steps == 4
    assert steps_in(only(tmp_path)) == [4]


@pytest.mark.parametrize(
    "settings",
    [
        {"callbacks": [theirs.LearningRateMonitor()]},
        {"logger": False},
        {"callbacks": [theirs.EarlyStopping("loss/total")], "val_check_interval": 1},
        {"enable_checkpointing": False},
    ],
    ids=["callback", "no logger", "early stopping", "no checkpoints"],
)
def test_a_diverging_run_ends_with_an_error_whatever_is_set(tmp_path, settings):
    """The right answer is no answer: NaN weights are neither returned nor kept."""
    sgd = Phase(30, "SGD", lr=10.0)
    with pytest.raises(NonFiniteError, match=r"the loss is (inf|nan)"):
        fit(tmp_path, sgd, problem=Explosive(), points={"interior": 50, "boundary": 2}, **settings)
    assert not list(tmp_path.rglob("*.ckpt"))


def test_weights_that_are_no_numbers_are_never_written(tmp_path):
    """By Lightning's own callback neither, which saves before the guard looks."""
    every = theirs.ModelCheckpoint(every_n_train_steps=1, save_top_k=-1)
    last = theirs.OnExceptionCheckpoint(tmp_path / "other")
    with pytest.raises(NonFiniteError):
        fit(
            tmp_path / "runs",
            Phase(30, "SGD", lr=10.0),
            problem=Explosive(),
            points={"interior": 50, "boundary": 2},
            callbacks=[every, last],
        )
    for path in tmp_path.rglob("*.ckpt"):
        assert all(torch.isfinite(w).all() for w in read(path)["state_dict"].values()), path


def test_another_logger_leaves_the_run_folder_where_it_is(tmp_path, capsys):
    logger = CSVLogger(tmp_path / "csv")
    fit(tmp_path / "runs", logger=logger, log_every_n_steps=2)
    run = only(tmp_path / "runs")
    assert steps_in(run) == [4]
    assert "loss/total" in (Path(logger.log_dir) / "metrics.csv").read_text().splitlines()[0]
    assert not list(Path(logger.log_dir).rglob("*.ckpt"))
    out = capsys.readouterr().out
    assert f"files: {run}" in out
    assert "tensorboard" not in out


@pytest.mark.parametrize("logger", [False, []])
def test_no_logger_at_all(tmp_path, capsys, monkeypatch, logger):
    monkeypatch.chdir(tmp_path)
    fit(None, logger=logger)
    assert steps_in(only("runs")) == [4]
    assert {p.name for p in tmp_path.iterdir()} == {"runs"}
    assert {p.name for p in only("runs").iterdir()} == {"checkpoints"}
    assert "error of u" in capsys.readouterr().out


def test_the_folder_of_lightning_is_that_of_the_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fit(None, default_root_dir=tmp_path / "here")
    assert steps_in(only("here")) == [4]
    fit("there", default_root_dir=tmp_path / "lightning")
    assert steps_in(only("there")) == [4]


def test_one_of_a_class_replaces_the_packages_own(tmp_path):
    callbacks = [Checkpoints(every=3), Figures(every=1)]
    fit(tmp_path, Phase(7), callbacks=callbacks, val_check_interval=2)
    run = only(tmp_path)
    assert steps_in(run) == [7, 6]
    events = EventAccumulator(str(run), size_guidance={"images": 0}).Reload()
    assert [e.step for e in events.Images("fields/u")] == [2, 4, 6, 7]


def test_guard_before_checkpoints(tmp_path):
    witness = Witness()
    best = theirs.ModelCheckpoint(monitor="loss/total")
    fit(tmp_path, callbacks=[best, Checkpoints(), witness])
    order = [type(c).__name__ for c in witness.trainer.callbacks]
    assert order.index("FiniteLoss") < order.index("Witness") < order.index("Checkpoints")
    assert order.count("Checkpoints") == 1
    assert order.index("FiniteLoss") < order.index("ModelCheckpoint")


def test_checkpoints_may_be_left_out_where_that_is_said(tmp_path, capsys):
    fit(tmp_path, enable_checkpointing=False)
    assert not list(tmp_path.rglob("*.ckpt"))
    assert "error of u" in capsys.readouterr().out


def test_a_trial_run_leaves_nothing(tmp_path, capsys):
    fit(tmp_path, fast_dev_run=True)
    assert not list(tmp_path.rglob("*"))
    out = capsys.readouterr().out
    assert "1 step" in out
    assert "files" not in out


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_step_and_ends_a_script(tmp_path, signum):
    class Stop(L.Callback):
        def on_train_batch_end(self, trainer, *args):
            if trainer.global_step == 3:
                os.kill(os.getpid(), signum)

    before = signal.getsignal(signum)
    ends = KeyboardInterrupt if signum == signal.SIGINT else SystemExit
    with pytest.raises(ends) as raised:
        fit(tmp_path, Phase(9), callbacks=[Stop()])
    assert steps_in(only(tmp_path)) == [3]
    assert signal.getsignal(signum) == before
    if ends is SystemExit:
        assert raised.value.code == 143


# --- what is refused, in one line and with nothing left behind


REFUSALS = {
    "max_step": (5, "did you mean 'max_steps'"),
    "max_epochs": (3, "max_steps"),
    "min_epochs": (1, "min_steps"),
    "check_val_every_n_epoch": (1, "val_check_interval"),
    "reload_dataloaders_every_n_epochs": (1, "resample"),
    "limit_train_batches": (1, "max_steps"),
    "limit_test_batches": (1, "remove it"),
    "limit_predict_batches": (1, "remove it"),
    "overfit_batches": (1, "resample"),
    "barebones": (True, "NaN"),
    "precision": ("64-true", "dtype in the phases"),
    "sync_batchnorm": (True, "remove it"),
    "model_registry": ("mine", "remove it"),
    "max_steps": (0, "at least 1"),
    "min_steps": (0, "≥ 1"),
    "val_check_interval": (0.5, "≥ 1"),
    "log_every_n_steps": (0, "≥ 1"),
    "accumulate_grad_batches": (0, "≥ 1"),
    "gradient_clip_val": (-1.0, "positive"),
    "gradient_clip_algorithm": ("norm", "gradient_clip_val"),
    "limit_val_batches": (0.5, "one evaluation"),
    "num_nodes": (2, "use 1"),
    "strategy": ("taylor", "is set by derivatives"),
    "accelerator": ("gpuu", "did you mean 'gpu'"),
    "devices": (999, "CPU cores"),
    "plugins": ([TorchCheckpointIO()], "remove it"),
    "max_time": ("an hour", "00:01:30:00"),
}


@pytest.mark.parametrize("key", REFUSALS)
def test_refusals(tmp_path, key):
    value, words = REFUSALS[key]
    with pytest.raises((ValueError, TypeError)) as raised:
        fit(tmp_path, **{key: value})
    line = str(raised.value)
    assert key in line
    assert words in line
    assert "\n" not in line
    assert len(line) < 300 or key == "max_step"
    assert not list(tmp_path.iterdir())


def test_a_time_based_validation_is_refused_too(tmp_path):
    for value in ("00:00:01:00", timedelta(minutes=1), {"minutes": 1}):
        with pytest.raises(ValueError, match=r"val_check_interval is .* number of steps"):
            fit(tmp_path, val_check_interval=value)


CONTRADICTIONS = {
    "no checkpoints and a checkpoint": (
        {"enable_checkpointing": False, "callbacks": [theirs.ModelCheckpoint()]},
        "enable_checkpointing is False.*ModelCheckpoint",
    ),
    "no bar and a bar": (
        {"enable_progress_bar": False, "callbacks": [theirs.TQDMProgressBar()]},
        "enable_progress_bar is False.*TQDMProgressBar",
    ),
    "two clocks": (
        {"max_time": "00:00:01:00", "callbacks": [theirs.Timer("00:00:02:00")]},
        "max_time is set.*Timer",
    ),
    "two bars": (
        {"callbacks": [theirs.TQDMProgressBar(), theirs.RichProgressBar()]},
        "2 progress bars",
    ),
    "two that save alike": (
        {"callbacks": [theirs.EarlyStopping("loss/b"), theirs.EarlyStopping("loss/b")]},
        "2 of EarlyStopping",
    ),
    "no callback": ({"callbacks": [3]}, "callbacks has 3"),
    "fewest above most": ({"min_steps": 9, "max_steps": 3}, "above max_steps"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_contradictions(tmp_path, case):
    settings, words = CONTRADICTIONS[case]
    with pytest.raises(ValueError, match=words):
        fit(tmp_path, **settings)
    assert not list(tmp_path.iterdir())


def test_the_same_callback_twice(tmp_path):
    witness = Witness()
    with pytest.raises(ValueError, match="the same Witness twice"):
        fit(tmp_path, callbacks=[witness, witness])
