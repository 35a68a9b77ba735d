"""EarlyStopping in a resumed run: what it ended stays ended, unless its settings change."""

from collections.abc import Mapping
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import EarlyStopping, Timer
from lightning.pytorch.callbacks.early_stopping import EarlyStoppingReason

SETTINGS = ("patience", "min_delta", "stopping_threshold", "divergence_threshold")
FREE = EarlyStoppingReason.NOT_STOPPED


class Stopping(L.Callback):
    """Keep the settings of every EarlyStopping as given; resuming would bring back the saved ones.

    Its counts and its best value go on from the checkpoint.
    """

    def __init__(self) -> None:
        self.given: dict[str, dict[str, Any]] = {}

    def setup(self, trainer: L.Trainer, solver: Any, stage: str) -> None:
        """Remember the settings."""
        self.given = {c.state_key: settings(c) for c in stoppers(trainer)}

    def on_load_checkpoint(self, trainer: Any, solver: Any, checkpoint: dict[str, Any]) -> None:
        """Let what each will find in the checkpoint be as given, and that it has ended nothing."""
        for callback in stoppers(trainer):
            state = checkpoint.get("callbacks", {}).get(callback.state_key, {})
            state |= {"stopping_reason": FREE.value, "stopping_reason_message": None}
            state["patience"] = callback.patience

    def state_dict(self) -> dict[str, Any]:
        """The settings that ended a run, or did not."""
        return {"given": self.given}


def stoppers(trainer: Any) -> list[EarlyStopping]:
    """Every EarlyStopping of a trainer."""
    return [c for c in trainer.callbacks if isinstance(c, EarlyStopping)]


def settings(callback: EarlyStopping) -> dict[str, Any]:
    """What decides when it stops a run."""
    return {name: getattr(callback, name) for name in SETTINGS}


def stopped_before(trainer: Any, saved: Mapping[str, Any]) -> str:
    """What had ended the run of a checkpoint, and would end it again; empty if nothing did."""
    states = saved.get("callbacks", {})
    then = states.get(Stopping().state_key, {}).get("given", {})
    for callback in stoppers(trainer):
        state = states.get(callback.state_key, {})
        ended = state.get("stopping_reason", FREE.value) != FREE.value
        if ended and then.get(callback.state_key) == settings(callback):
            return f"EarlyStopping of {callback.monitor} has ended it"
    for callback in trainer.callbacks:
        if isinstance(callback, Timer):
            used = states.get(callback.state_key, {}).get("time_elapsed", {}).get("train", 0.0)
            left = callback.time_remaining()
            if left is not None and used >= left:
                return "the time of Timer is over"
    return ""
