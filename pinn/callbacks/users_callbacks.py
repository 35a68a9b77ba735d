"""Callbacks that come with Lightning or from the user, beside those of this package."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import lightning as L
from lightning.pytorch import callbacks as theirs

from pinn.callbacks.progress import Track
from pinn.training.lightning_adapter import setting

# What waits for the end of an epoch, or changes batches or optimiser behind the phases' back.
REFUSED: dict[str, str] = {
    "BackboneFinetuning": "freezes layers at the end of epochs, but a run is one epoch: call "
    "requires_grad_(False) on weights that must stay, or give a phase `train: output`",
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


WRITERS = theirs.LearningRateMonitor | theirs.DeviceStatsMonitor | theirs.ThroughputMonitor


def check_callbacks(
    given: Sequence[Any], checkpoints: bool, bar: bool | None, logs: bool = True
) -> None:
    """Refuse callbacks that would do nothing, or twice the same.

    Args:
        given: the user's callbacks.
        checkpoints: whether checkpoints are wanted.
        bar: whether a progress bar is wanted; None leaves it open.
        logs: whether there is a logger.

    Raises:
        ValueError: one of them cannot work; the line says why.
    """
    for callback in given:
        if not isinstance(callback, L.Callback):
            raise ValueError(
                f"callbacks has {callback!r}: expected objects of Lightning's Callback"
            )
        for name, why in REFUSED.items():
            if isinstance(callback, getattr(theirs, name)):
                raise ValueError(f"callback {type(callback).__name__} {why}")
        if isinstance(callback, theirs.Checkpoint) and not checkpoints:
            raise ValueError(
                f"enable_checkpointing is False, and callbacks has {type(callback).__name__}: "
                "remove one of them"
            )
        if isinstance(callback, WRITERS) and not logs:
            raise ValueError(
                f"logger is False, and callbacks has {type(callback).__name__}, which writes to "
                "one: remove one of them"
            )
        if line := waits_for_an_epoch(callback):
            raise ValueError(line)
        if isinstance(callback, theirs.ProgressBar) and bar is False:
            raise ValueError(
                f"enable_progress_bar is False, and callbacks has {type(callback).__name__}: "
                "remove one of them"
            )
    check_doubles(given)


def waits_for_an_epoch(callback: L.Callback) -> str:
    """What is wrong with a callback that acts as epochs end or begin; empty if nothing is."""
    if isinstance(callback, theirs.Timer) and setting(callback, "interval") == "epoch":
        return "callback Timer has interval epoch, but a run is one epoch: set it to step"
    if isinstance(callback, theirs.LearningRateMonitor) and callback.logging_interval == "epoch":
        return (
            "callback LearningRateMonitor has logging_interval epoch, but a run is one epoch: set "
            "it to step"
        )
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
