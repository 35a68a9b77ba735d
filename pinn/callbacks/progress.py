"""Progress: a bar with loss and error on a terminal, plain lines elsewhere."""

import math
import sys
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.callbacks.progress.tqdm_progress import convert_inf

from pinn.console import say
from pinn.solver import Solver

APART = 0.1  # seconds between two pictures of the bar: nobody reads faster


def progress_bar() -> L.Callback:
    """What suits standard output."""
    return Bar(refresh_rate=10) if sys.stdout.isatty() else Lines()


def brief(solver: Solver) -> dict[str, str]:
    """Loss and headline errors, formatted."""
    shown = {}
    if "total" in solver.terms:
        shown["loss"] = f"{float(solver.terms['total']):.2e}"
    for tag, value in solver.scores.items():
        if tag.startswith("error/") and not tag.endswith("_everywhere"):
            shown[f"error {tag.removeprefix('error/')}"] = (
                f"{value:.2%}" if value >= 1e-3 else f"{value:.1e}"
            )
    return shown


def last_step(trainer: L.Trainer) -> float:
    """The step at which the run ends at the latest; infinite where time alone bounds it."""
    return trainer.max_steps if trainer.max_steps >= 0 else math.inf


class Bar(TQDMProgressBar):
    """One bar over all steps."""

    drawn = 0.0

    def get_metrics(self, trainer: L.Trainer, pl_module: Any) -> dict[str, Any]:
        """Loss and errors instead of the version number."""
        return dict(brief(pl_module))

    @property
    def total_train_batches(self) -> float:
        """The steps of the run; the loader itself has no end."""
        return last_step(self.trainer)

    def on_train_epoch_start(self, trainer: L.Trainer, *_: Any) -> None:
        """One bar for the whole run, continued where a resumed run stands."""
        self.train_progress_bar.reset()
        self.train_progress_bar.initial = trainer.global_step
        self.train_progress_bar.set_description("training")
        self.move(trainer)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Move to the present step."""
        step, now = trainer.global_step, time.perf_counter()
        due = step % self.refresh_rate == 0 and now - self.drawn >= APART
        if due or step >= last_step(trainer):
            self.drawn = now
            self.move(trainer)
            self.train_progress_bar.set_postfix(self.get_metrics(trainer, pl_module))

    def move(self, trainer: L.Trainer) -> None:
        """Where the run stands; phases that end early bring its end closer."""
        self.train_progress_bar.n = trainer.global_step
        self.train_progress_bar.total = convert_inf(last_step(trainer))

    def on_train_end(self, *args: Any) -> None:
        """Close the bar at the last step."""
        self.move(self.trainer)
        super().on_train_end(*args)

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Validation is one evaluation: it needs no bar."""

    def on_validation_batch_start(self, *_: Any, **__: Any) -> None:
        """No bar."""

    def on_validation_batch_end(self, *_: Any, **__: Any) -> None:
        """No bar."""

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Show new errors at once."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self.train_progress_bar.set_postfix(self.get_metrics(trainer, pl_module))


class Lines(L.Callback):
    """A line every few seconds at most."""

    def __init__(self, seconds: float = 5.0) -> None:
        self.seconds = seconds
        self.last = 0.0

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Print if it is time."""
        now, step = time.perf_counter(), trainer.global_step
        # The last step's line would repeat older errors just above the report's.
        if now - self.last >= self.seconds and step < last_step(trainer):
            self.last = now
            text = "  ".join(f"{k} {v}" for k, v in brief(pl_module).items())  # type: ignore
            of = f"/{trainer.max_steps}" if trainer.max_steps >= 0 else ""
            say(f"step {step}{of}  {text}")
