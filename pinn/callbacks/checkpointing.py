"""Checkpoints: every so many steps, at the end, and when something stops the run."""

from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Checkpoint

from pinn.callbacks.interrupt import InterruptedRunError
from pinn.checkpoints.names import name_of, newest_first
from pinn.objective.nonfinite import NonFiniteError
from pinn.training.lightning_adapter import is_between_steps

KEPT = 2  # the newest, and one before it in case the newest is lost


class Checkpoints(Checkpoint):
    """Keep the newest checkpoints of a run in `<run>/checkpoints`.

    Args:
        every: steps between checkpoints.

    Attributes:
        lost: what of the run is in no checkpoint at its end, where a disk was full; else empty.
    """

    lost = ""

    def __init__(self, every: int = 100) -> None:
        if every < 1:
            raise ValueError(f"checkpoints every {every} steps: expected at least 1")
        self.every = every
        self.saved_step = -1
        self.is_missing = False  # the file of that step, where a disk was full

    def on_train_start(self, trainer: L.Trainer, solver: Any) -> None:
        """There is nothing to save yet."""
        self.saved_step = trainer.global_step

    def on_train_batch_end(self, trainer: L.Trainer, solver: Any, *_: Any) -> None:
        """Save when it is time."""
        if trainer.global_step % self.every == 0:
            self.save(trainer, solver)

    def on_train_end(self, trainer: L.Trainer, solver: Any) -> None:
        """Save the last step; note where it is missing."""
        self.save(trainer, solver)
        folder = self.folder(trainer)
        if trainer.is_global_zero and self.is_missing:
            newest = next(iter(newest_first(folder)), None)
            there = f"the newest is {newest}" if newest else f"there is none in {folder}"
            self.lost = f"the last step, {trainer.global_step}, is in no checkpoint: {there}"

    def on_exception(self, trainer: L.Trainer, solver: Any, exception: BaseException) -> None:
        """Save what an interruption would lose, unless the weights are no numbers."""
        if self.saved_step < 0 or isinstance(exception, NonFiniteError):
            return
        # A step broken off in the middle, in a line search say, leaves weights of no step at all.
        complete = is_between_steps(trainer)
        # Saving waits for all processes, which an error in one of them does not reach.
        together = trainer.world_size == 1 or isinstance(exception, InterruptedRunError)
        if complete and together:
            self.save(trainer, solver)

    def save(self, trainer: L.Trainer, solver: Any) -> None:
        """Write `step-<n>.ckpt` and drop the oldest ones."""
        if getattr(trainer, "fast_dev_run", False) or trainer.global_step == self.saved_step:
            return
        if not all(bool(torch.isfinite(p).all()) for p in solver.parameters()):
            return
        folder = self.folder(trainer)
        target = folder / name_of(trainer.global_step)
        trainer.save_checkpoint(target)
        self.saved_step, self.is_missing = trainer.global_step, not target.is_file()
        if trainer.is_global_zero:
            # Besides the oldest ones, what processes that were killed had begun to write.
            for old in [*newest_first(folder)[KEPT:], *folder.glob(".step-*.ckpt.part*")]:
                old.unlink(missing_ok=True)

    @staticmethod
    def folder(trainer: L.Trainer) -> Path:
        """Where a run keeps its checkpoints."""
        return Path(trainer.log_dir or trainer.default_root_dir) / "checkpoints"


def missing(trainer: L.Trainer) -> str:
    """What of a run that has ended is in no checkpoint."""
    return next((c.lost for c in trainer.checkpoint_callbacks if isinstance(c, Checkpoints)), "")
