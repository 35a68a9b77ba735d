"""A callback for runs that get a signal in the middle of a hook; configurations name it."""

import os
import signal

import lightning as L


class StopIn(L.Callback):
    """Sends this process a signal the first time that a hook is called at a step or later."""

    def __init__(self, hook: str, step: int = 0, signum: int = int(signal.SIGTERM)) -> None:
        def stop(trainer, *args, **kwargs):
            if trainer.global_step >= step and not self.sent:
                self.sent = True
                os.kill(os.getpid(), signum)

        self.sent = False
        setattr(self, hook, stop)
