"""A callback for runs that are to be stopped at a known step; configurations name it."""

import os
import signal

import lightning as L


class StopAt(L.Callback):
    """Sends this process a signal at the end of a step."""

    def __init__(self, step: int, signum: int = int(signal.SIGTERM)) -> None:
        self.step, self.signum = step, signum

    def on_train_batch_end(self, trainer, *args):
        if trainer.global_step == self.step:
            os.kill(os.getpid(), self.signum)
