"""The time that training takes, without what happens between steps now and then."""

import time
from typing import Any

import lightning as L


class Stopwatch:
    """Counts seconds while it runs; starting a running one, or stopping a stopped one, is fine."""

    def __init__(self) -> None:
        self.counted = 0.0
        self.since: float | None = None

    def start(self) -> None:
        """Count from now on."""
        if self.since is None:
            self.since = time.perf_counter()

    def stop(self) -> None:
        """Count no more until started again."""
        self.counted, self.since = self.seconds, None

    @property
    def seconds(self) -> float:
        """What was counted so far."""
        running = 0.0 if self.since is None else time.perf_counter() - self.since
        return self.counted + running


class Timed(L.Callback):
    """A callback with a watch that runs during steps, and not while others validate or draw."""

    def __init__(self) -> None:
        self.watch = Stopwatch()

    def on_train_start(self, trainer: L.Trainer, solver: Any) -> None:
        """Count from here."""
        self.watch = Stopwatch()

    def on_train_batch_start(self, trainer: L.Trainer, solver: Any, *_: Any) -> None:
        """The clock runs again, if a validation stopped it."""
        self.watch.start()

    def on_validation_start(self, trainer: L.Trainer, solver: Any) -> None:
        """The time that validation and pictures take is not the steps'."""
        self.watch.stop()

    def on_train_epoch_end(self, trainer: L.Trainer, solver: Any) -> None:
        """The last step is done; others may draw before a callback's turn at the end."""
        self.watch.stop()
