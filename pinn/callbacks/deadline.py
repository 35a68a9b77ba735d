"""`trainer.max_time`: how long this job may train."""

import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Timer

OVER = "max_time is over"


class Deadline(L.Callback):
    """Stop the run after the step in which the time of this job is over.

    Setting up counts; a resumed run has all of its time again, and takes one step at least, so that
    a job in a queue which is started again and again comes to its end. Lightning's `Timer`, which
    serves `max_time` otherwise, goes on with what an earlier job has used up.

    Args:
        duration: as `max_time`: `DD:HH:MM:SS`, a timedelta, or a dictionary of its arguments.
    """

    def __init__(self, duration: Any) -> None:
        self.seconds = Timer(duration).time_remaining() or 0.0
        self.began = time.monotonic()
        self.step = 0
        self.over = False

    def setup(self, trainer: L.Trainer, solver: Any, stage: str) -> None:
        """The time begins."""
        self.began, self.over = time.monotonic(), False

    def on_train_start(self, trainer: L.Trainer, solver: Any) -> None:
        """Know a step that is taken from those of the job before."""
        self.step = trainer.global_step

    def on_train_batch_end(self, trainer: L.Trainer, solver: Any, *_: Any) -> None:
        """Look at the clock once a step is complete; the first process decides."""
        if trainer.global_step == self.step:
            return
        self.step = trainer.global_step
        over = time.monotonic() - self.began >= self.seconds
        self.over = trainer.strategy.broadcast(over) if trainer.world_size > 1 else over
        trainer.should_stop = trainer.should_stop or self.over
