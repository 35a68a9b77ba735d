"""TensorBoard files in the folder of a run; a disk that is full ends the curves, not the run."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger

from pinn.base.console import say
from pinn.checkpoints.writing import in_words

DESCRIPTIONS = ("add_text", "add_custom_scalars")


class EventFiles(TensorBoardLogger):
    """TensorBoard files in the folder of a run, and `hparams.yaml` if there is something in it."""

    def __init__(self, run: Path, purge_step: int | None) -> None:
        super().__init__(
            run.parent,
            name="",
            version=run.name,
            default_hp_metric=False,
            purge_step=purge_step,
        )
        self.writer = Writer(lambda: super(EventFiles, self).experiment, str(run))
        silence_threads()

    @property
    def experiment(self) -> Any:
        """What writes the files."""
        return self.writer

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Write the settings of a run, past the methods of its writer."""
        self.writer.guarded(super().log_hyperparams, *args, **kwargs)

    def save(self) -> None:
        """Write the settings."""
        if self.hparams:
            super().save()

    def finalize(self, status: str) -> None:
        """Write what waits, and close the files."""
        if self.writer.waiting:
            self.writer.attempt(super().save)
        super().finalize(status)


class Writer:
    """Passes calls on to a writer until the system refuses one; says so, and then does nothing.

    What describes a run waits for the first numbers of it: to load TensorBoard takes as long as
    some steps.

    Args:
        make: makes the writer, or returns it.
        folder: where it writes.
    """

    def __init__(self, make: Callable[[], Any], folder: str) -> None:
        self.make, self.folder, self.has_failed = make, folder, False
        self.waiting: list[Callable[[], Any]] = []
        self.has_begun = False

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):  # `copy` asks for methods that a writer does not have
            raise AttributeError(name)
        if name in DESCRIPTIONS and not self.has_begun:
            return lambda *args, **kwargs: self.waiting.append(
                lambda: getattr(self.make(), name)(*args, **kwargs)
            )
        if name == "flush" and not self.has_begun:
            return lambda: None
        return lambda *args, **kwargs: self.attempt(
            lambda: getattr(self.make(), name)(*args, **kwargs)
        )

    def attempt(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What a call returns, after those that waited."""
        self.has_begun, waiting, self.waiting = True, self.waiting, []
        for each in waiting:
            self.guarded(each)
        return self.guarded(call, *args, **kwargs)

    def guarded(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What a call returns; None from the one on that the system refuses."""
        if self.has_failed:
            return None
        try:
            return call(*args, **kwargs)
        except OSError as error:
            self.has_failed = True
            say(f"warning   curves in {self.folder} end here: {in_words(error)}")
            return None


def writes_events(thread: threading.Thread | None) -> bool:
    """Whether a thread is one of TensorBoard's, whose error the next call raises again."""
    return type(thread).__module__.partition(".")[0] in ("tensorboard", "tensorboardX")


def silence_threads() -> None:
    """Let TensorBoard's thread print no traceback for what its next call raises anyway."""
    before = threading.excepthook
    if getattr(before, "is_silent", False):
        return

    def hook(args: threading.ExceptHookArgs) -> None:
        if not (writes_events(args.thread) and issubclass(args.exc_type, OSError)):
            before(args)

    hook.is_silent = True  # type: ignore[attr-defined]
    threading.excepthook = hook
