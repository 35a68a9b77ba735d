"""Signals: a run that is told to stop does so at the end of a step."""

import signal
import threading
from types import FrameType
from typing import Any

import lightning as L

from pinn.base.processes import gathered

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
    """Stop after the step in which SIGINT (Ctrl-C) or SIGTERM arrives; a second one ends at once.

    Raises:
        InterruptedRunError: at the end of the step, on all processes together.
    """

    def __init__(self) -> None:
        self.received = 0

    def on_train_start(self, trainer: L.Trainer, solver: Any) -> None:
        """Listen, in the place of the trainer's own handlers, which act in mid-step."""
        if threading.current_thread() is not threading.main_thread():
            return  # where Python delivers no signals
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, self.receive)

    def receive(self, signum: int, frame: FrameType | None) -> None:
        """Remember the signal, and let the next one have its usual effect."""
        self.received = signum
        signal.signal(signum, signal.SIG_DFL)

    def on_train_batch_end(self, trainer: L.Trainer, solver: Any, *_: Any) -> None:
        """Stop if told to."""
        if trainer.world_size > 1 and trainer.global_step % TOGETHER:
            return
        if received := max(gathered(self.received)):
            raise InterruptedRunError(received, trainer.global_step)
