"""Signals: a run that is told to stop does so at the end of a step."""

import signal
import threading
from types import FrameType
from typing import Any, NoReturn

import lightning as L

from pinn.base.processes import gathered
from pinn.base.signals import SIGNALS, program, raise_for

TOGETHER = 10  # steps between agreements of several processes, which cost a synchronisation


class InterruptedRunError(Exception):
    """SIGINT or SIGTERM arrived.

    Args:
        signum: which one.
        step: the last complete step.

    Attributes:
        advice: how the run is continued; empty where it cannot be.
    """

    def __init__(self, signum: int, step: int) -> None:
        super().__init__(f"stopped by {signal.Signals(signum).name} after step {step}")
        self.signum = signum
        self.advice = ""


class Interrupt(L.Callback):
    """Stop after the step in which SIGINT (Ctrl-C) or SIGTERM arrives.

    A second one ends at once, and so does the first one before this process has taken a step, and
    after the last checkpoint: there is nothing to save.

    Raises:
        InterruptedRunError: at the end of the step, on all processes together.
    """

    def __init__(self) -> None:
        self.received = 0
        self.trainer: L.Trainer | None = None
        self.first = 0

    def on_train_start(self, trainer: L.Trainer, solver: Any) -> None:
        """Listen, in the place of the trainer's own handlers, which act in mid-step."""
        self.received, self.first, self.trainer = 0, trainer.global_step, trainer
        program.defers = False
        if threading.current_thread() is not threading.main_thread():
            return  # where Python delivers no signals
        for signum in SIGNALS:
            signal.signal(signum, self.receive)

    def receive(self, signum: int, frame: FrameType | None) -> None:
        """Remember the signal, or end at once."""
        if not self.received and self.trainer and self.trainer.global_step > self.first:
            self.received = signum
        else:  # at a second Ctrl-C torchrun sends SIGTERM
            self.end(self.received if self.received and program.listens else signum)

    @staticmethod
    def end(signum: int) -> NoReturn:
        """End at once."""
        if program.listens:
            program.end(signum)
        raise_for(signum)

    def on_train_batch_end(self, trainer: L.Trainer, solver: Any, *_: Any) -> None:
        """Stop if told to."""
        if trainer.world_size == 1 or trainer.global_step % TOGETHER == 0:
            self.stop(trainer)
        program.defers = True
        program.when = f"in the step after step {trainer.global_step}"

    def on_train_end(self, trainer: L.Trainer, solver: Any) -> None:
        """Pictures, report and the last checkpoint are completed first."""
        program.when = f"after step {trainer.global_step}, the last one"

    def on_fit_end(self, trainer: L.Trainer, solver: Any) -> None:
        """Stop if told to since the last step; all is saved and shown."""
        self.stop(trainer)
        self.trainer, program.defers = None, False
        if self.received:  # while this process waited for the others, who do not know
            self.end(self.received)

    def stop(self, trainer: L.Trainer) -> None:
        """End the run on all processes, if one of them was told to."""
        if received := max(gathered(self.received)):
            raise InterruptedRunError(received, trainer.global_step)
