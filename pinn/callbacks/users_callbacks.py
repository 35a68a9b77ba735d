"""Callbacks that come with Lightning or from the user, beside those of this package."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

import lightning as L
from lightning.pytorch import callbacks as theirs

from pinn.callbacks.progress import Track
from pinn.training.lightning_adapter import setting

# What waits for the end of an epoch, or changes batches or optimiser behind the phases' back.
REFUSED: dict[str, str] = {
    "BaseFinetuning": "freezes layers at the end of epochs, but a run is one epoch: call "
    "requires_grad_(False) on weights that must stay, or give a phase `train: output`",
    "BasePredictionWriter": "writes the results of trainer.predict, which no run calls: "
    "evaluate the solution at points",
    "BatchSizeFinder": "looks for a batch size, but there are no batches: set the "
    "numbers of points",
    "GradientAccumulationScheduler": "changes with the epoch, but a run is one epoch: set "
    "points to have more points in a step",
    "LearningRateFinder": "trains before the run, and does not change the rates of the phases: set "
    "lr in the phases",
    "ModelPruning": "prunes at the end of epochs, but a run is one epoch: use a narrower network",
    "StochasticWeightAveraging": "averages over epochs, but a run is one epoch: use "
    "EMAWeightAveraging",
}
# Settings that are off, and the callbacks that need them.
NEEDED: dict[str, Any] = {
    "enable_checkpointing": theirs.Checkpoint,
    "logger": theirs.LearningRateMonitor | theirs.DeviceStatsMonitor | theirs.ThroughputMonitor,
    "enable_progress_bar": theirs.ProgressBar,
}


def check_callbacks(given: Sequence[Any], off: Collection[str]) -> None:
    """Refuse callbacks that would do nothing, or twice the same.

    Args:
        given: the user's callbacks.
        off: the settings that are off, of those that callbacks need.

    Raises:
        ValueError: one of them cannot work; the line says why.
    """
    for callback in given:
        name = type(callback).__name__
        if not isinstance(callback, L.Callback):
            raise ValueError(
                f"callbacks has {callback!r}: expected objects of Lightning's Callback"
            )
        for kind, why in REFUSED.items():
            if isinstance(callback, getattr(theirs, kind)):
                raise ValueError(f"callback {name} {why}")
        for key in off:
            if isinstance(callback, NEEDED[key]):
                raise ValueError(
                    f"{key} is False, and callbacks has {name}, which needs it: remove one of them"
                )
        if line := waits_for_an_epoch(callback):
            raise ValueError(line)
    check_doubles(given)


def waits_for_an_epoch(callback: L.Callback) -> str:
    """What is wrong with a callback that acts as epochs end or begin; empty if nothing is."""
    names = {theirs.Timer: "interval", theirs.LearningRateMonitor: "logging_interval"}
    for kind, name in names.items():
        if isinstance(callback, kind) and setting(callback, name) == "epoch":
            shown = f"callback {kind.__name__} has {name} epoch"
            return f"{shown}, but a run is one epoch: set it to step"
    return ""


def check_doubles(given: Sequence[L.Callback]) -> None:
    """Refuse the same callback twice.

    Raises:
        ValueError: which one.
    """
    for callback in given:
        name = type(callback).__name__
        if sum(other is callback for other in given) > 1:
            raise ValueError(f"callbacks has the same {name} twice: remove one of them")
    stateful = [c for c in given if type(c).state_dict is not L.Callback.state_dict]
    for (kind, _), count in Counter((type(c), c.state_key) for c in stateful).items():
        if count > 1:
            raise ValueError(
                f"callbacks has {count} of {kind.__name__} that save under one name: remove all "
                "but one, or let them monitor different metrics"
            )
    bars = [c for c in given if isinstance(c, theirs.ProgressBar)]
    if len(bars) > 1:
        raise ValueError(f"callbacks has {len(bars)} progress bars: remove all but one")


def replaces(given: L.Callback, own: L.Callback) -> bool:
    """Whether a callback says how something of this package is to be done."""
    if isinstance(own, Track):
        return isinstance(given, theirs.ProgressBar | Track)
    return isinstance(given, type(own))
