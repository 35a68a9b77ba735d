"""The trainer of a run: what a user sets is added to what keeps the run safe."""

import csv
import importlib.util
import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint, ProgressBar, Timer
from lightning.pytorch.loggers import CSVLogger, Logger
from lightning.pytorch.plugins import CheckpointIO, Precision
from lightning.pytorch.profilers import Profiler
from lightning.pytorch.utilities import rank_zero_only

from pinn.base.console import say
from pinn.base.first_process import is_first
from pinn.callbacks import Announcement, FiniteLoss, LowLossWarning, Report, Scalars
from pinn.callbacks.deadline import Deadline
from pinn.callbacks.early_stopping import Stopping
from pinn.callbacks.event_files import EventFiles
from pinn.callbacks.interrupt import Interrupt
from pinn.callbacks.phase_start import PhaseStart
from pinn.callbacks.progress import Track, progress_bar
from pinn.callbacks.user_loggers import guard
from pinn.callbacks.users_callbacks import check_callbacks, replaces, validation_period
from pinn.checkpoints.file import read
from pinn.checkpoints.writing import AtomicCheckpointIO
from pinn.runs.folders import discard, new_run, present, run_of
from pinn.runs.launchers import check_launcher, settled, with_environment
from pinn.runs.ownership import release, take
from pinn.runs.ranks import Together, watched
from pinn.runs.requirements import PROFILERS, STEPS
from pinn.training.lightning_adapter import has_written
from pinn.training.schedule import Schedule

# What every trainer of this package starts from; each can be set under `trainer`.
TRAINER: dict[str, Any] = {
    "log_every_n_steps": 50,
    "check_val_every_n_epoch": None,
    "num_sanity_val_steps": 0,
    "enable_model_summary": False,
}


class RunTrainer(L.Trainer):
    """A trainer whose files lie in the folder of the run, whatever its loggers are.

    Attributes:
        run: the folder; None for a run that leaves nothing.
        own_logger: whether curves go to TensorBoard files in it.
        above: the folder above a new run that was there before; None where a run continues.
        labels: what a run of a sweep has of the keys that are swept.
    """

    run: Path | None = None
    own_logger = False
    above: Path | None = None
    labels: Mapping[str, Any] = {}

    @property
    def log_dir(self) -> str | None:
        """The folder of the run; every process has to ask."""
        if self.run is None:
            return super().log_dir
        return str(self.strategy.broadcast(str(self.run)))

    @property
    def progress_bar_metrics(self) -> dict[str, float]:
        """What Lightning's progress bars show beside the step: the loss, and what is logged."""
        loss = self.callback_metrics.get("loss/total")
        own = {} if loss is None else {"loss": float(loss)}
        return own | super().progress_bar_metrics

    def fit(self, *args: Any, **kwargs: Any) -> None:
        """Train; where one of several processes dies, all end and say which."""
        with watched(self):
            super().fit(*args, **kwargs)

    def take_folder(
        self,
        base: str | Path,
        name: str,
        checkpoint: Path | None = None,
        label: str = "",
        again: bool = False,
    ) -> None:
        """Keep files in the folder of the run to continue, or in a new one, made by one process."""
        if checkpoint is not None:
            self.enter(run_of(checkpoint), purge_step=read(checkpoint)["global_step"] + 1)
        elif is_first():
            self.begin(base, name, label, again)
        else:
            self.enter(Path(base) / name)

    def begin(self, base: str | Path, name: str, label: str = "", again: bool = False) -> None:
        """Make the folder of a new run, see `runs.new_run`, and keep files in it."""
        for logger in self.loggers:
            if table := table_of(logger):
                raise ValueError(
                    f"CSVLogger would overwrite {table}: give it another version, or none"
                )
        above = present(Path(base) / name)
        self.enter(new_run(base, name, label, again), above=above)

    def enter(self, run: Path, purge_step: int | None = None, above: Path | None = None) -> None:
        """Keep files in a folder: curves, unless other loggers were given, and checkpoints.

        Args:
            run: the folder.
            purge_step: curves from this step on are those of a run that was stopped.
            above: the folder above a new run that was there before.
        """
        if is_first():
            take(run)
        self.run, self.above = run, above
        for logger in self.loggers:
            if purge_step is not None and (table := table_of(logger)):
                go_on(logger, table, purge_step)
        if self.own_logger and any(map(importlib.util.find_spec, ("tensorboard", "tensorboardX"))):
            self.logger = EventFiles(run, purge_step)
        elif self.own_logger:
            say("curves    none are kept: tensorboard is not installed")
        for callback in self.checkpoint_callbacks:
            if isinstance(callback, ModelCheckpoint) and callback.dirpath is None:
                callback.dirpath = str(run / "checkpoints")

    def withdraw(self) -> None:
        """Remove the folder of a new run that has taken no step: nothing in it is of use."""
        if self.run and self.above and self.is_global_zero and self.global_step == 0:
            release(self.run)  # a network file system keeps what is open when it is removed
            discard(self.run, self.above)


def fixed_callbacks(bar: bool | None = None) -> list[L.Callback]:
    """The callbacks of every run, besides `Figures` and `Checkpoints`, which have settings.

    Args:
        bar: whether progress is shown by a bar; by default on a terminal.
    """
    return [Announcement(), FiniteLoss(), Scalars(), progress_bar(bar), Report(), LowLossWarning()]


def make_trainer(
    given: Mapping[str, Any], own: Iterable[L.Callback], schedule: Schedule
) -> RunTrainer:
    """A trainer with the user's settings, and with what keeps a run safe whatever they are.

    Args:
        given: settings of `lightning.Trainer`, checked by `demands.check_trainer`.
        own: callbacks of this run, besides `fixed_callbacks`.
        schedule: of the run, by which validations are timed unless `given` says.

    Raises:
        ValueError: callbacks that cannot work, or contradict another setting.
    """
    given = {k: as_whole(k, value) for k, value in settled(given).items() if value is not None}
    mine = as_list(given.pop("callbacks", None))
    bar, keep = given.pop("enable_progress_bar", None), given.pop("enable_checkpointing", True)
    logger = given.pop("logger", True)
    check_loggers(logger)
    switches = {"enable_checkpointing": keep, "logger": logger, "enable_progress_bar": bar}
    check_callbacks(mine, [key for key, value in switches.items() if value is False])
    check_plugins(as_list(given.get("plugins")), given.get("profiler"))
    deadline = [Deadline(given.pop("max_time"))] if "max_time" in given else []
    if deadline and any(isinstance(c, Timer) for c in mine):
        raise ValueError("max_time is set, and callbacks has a Timer: remove one of them")
    own = [c for c in own if keep or not isinstance(c, Checkpoint)]
    callbacks = in_order([PhaseStart(), *fixed_callbacks(bar), *deadline, Stopping(), *own], mine)
    most = given.get("max_steps", -1)
    steps = min(schedule.last_step, most if most >= 0 else math.inf)
    if given.get("min_steps", 0) > steps:
        raise ValueError(
            f"min_steps is {given['min_steps']}, and the phases have {steps} steps: give them more"
        )
    slow = any(phase.has_one_loss for phase in schedule.phases)
    given.setdefault("val_check_interval", validation_period(mine, steps, slow))
    trainer = RunTrainer(
        **{
            **TRAINER,
            **given,
            "logger": False if logger is True else logger,
            "callbacks": callbacks,
            "plugins": [*with_environment(as_list(given.get("plugins"))), AtomicCheckpointIO()],
            "enable_checkpointing": keep,
            "enable_progress_bar": any(isinstance(c, ProgressBar) for c in callbacks),
        }
    )
    check_launcher(trainer)
    for each in trainer.loggers:
        guard(each)
    trainer.own_logger = logger is True and not given.get("fast_dev_run")
    return trainer


def in_order(own: Iterable[L.Callback], given: Sequence[L.Callback]) -> list[L.Callback]:
    """The package's callbacks with the user's among them, one of a kind.

    The guard and the curves come before the user's: what these raise hides no NaN and loses no
    point. The report and the pictures come after: they show the weights that the user's leave, an
    average of all steps say. A signal is looked at last, so that one that they send ends this step.
    """
    first = [FiniteLoss, Announcement, Scalars, Track, PhaseStart, Deadline]
    kept = [c for c in own if not any(replaces(g, c) for g in given)]
    before = [c for c in kept if isinstance(c, tuple(first))]
    after = [c for c in kept if c not in before]
    return [Together(), *before, *given, *after, Interrupt()]


def check_loggers(given: Any) -> None:
    """Refuse what is no logger.

    Raises:
        ValueError: which.
    """
    for logger in [] if isinstance(given, bool) else as_list(given):
        if not isinstance(logger, Logger):
            raise ValueError(
                f"logger is {logger!r}: expected true, false, or objects of Lightning's loggers, "
                "such as CSVLogger('logs')"
            )


def table_of(logger: Any) -> Path | None:
    """The table that a new CSVLogger would begin with removing; one that has written goes on."""
    if not isinstance(logger, CSVLogger) or has_written(logger):
        return None
    table = Path(logger.log_dir) / "metrics.csv"
    return table if table.exists() else None


@rank_zero_only
def go_on(logger: Any, table: Path, purge_step: int) -> None:
    """Keep the rows that a run has written up to the step from which it continues."""
    with table.open(newline="", encoding="utf-8") as file:
        whole = [line for line in file if line.endswith("\n")]  # a full disk has cut the last row
        reader = csv.DictReader(whole)
        rows, keys = list(reader), list(reader.fieldnames or ())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Experiment logs directory")
        writer = logger.experiment  # removes the table
    writer.metrics_keys = keys
    with table.open("w", newline="", encoding="utf-8") as file:
        again = csv.DictWriter(file, fieldnames=keys)
        again.writeheader()
        again.writerows(r for r in rows if int(r["step"]) < purge_step)


def check_plugins(given: Iterable[Any], profiler: Any) -> None:
    """Refuse another writer of checkpoints, another precision, and what is no profiler.

    Raises:
        ValueError: there is one.
    """
    if not isinstance(profiler, str | Profiler | None):
        raise ValueError(f"profiler is {profiler!r}: expected one of {', '.join(PROFILERS)}")
    for plugin in given:
        if isinstance(plugin, str):
            raise ValueError(f"plugins is {plugin!r}: expected objects of Lightning's plugins")
        if isinstance(plugin, Precision):
            raise ValueError(
                f"plugins has {type(plugin).__name__}, a precision: set dtype in the phases instead"
            )
        if isinstance(plugin, CheckpointIO):
            raise ValueError(
                f"plugins has {type(plugin).__name__}: a checkpoint here is written whole or not "
                "at all, by a writer of this package: remove it"
            )


def as_list(value: Any) -> list[Any]:
    """A value that may be one, several or none."""
    if value is None:
        return []
    several = isinstance(value, Iterable) and not isinstance(value, str)
    return list(value) if several else [value]


def as_whole(key: str, value: Any) -> Any:
    """Numbers of steps may be written 1e3; Lightning wants an `int`."""
    return int(value) if key in STEPS and isinstance(value, float) else value
