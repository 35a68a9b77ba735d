"""Callbacks of Lightning and of the user: what works, and when one looks at a metric."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from importlib.util import find_spec
from itertools import chain
from typing import Any

import lightning as L
from lightning.pytorch import callbacks as theirs

from pinn.assessment.scores import tags
from pinn.base.messages import near_miss
from pinn.callbacks.progress import Track
from pinn.checkpoints.states import check_states
from pinn.training.collocation import Collocation
from pinn.training.lightning_adapter import last_step, setting
from pinn.training.solver import Solver

# What waits for the end of an epoch, or changes batches or optimiser behind the phases' back.
REFUSED: dict[str, str] = {
    "BaseFinetuning": "freezes layers at the end of epochs, but a run is one epoch: call "
    "requires_grad_(False) on weights that must stay, or give a phase `train: output`",
    "BasePredictionWriter": "writes the results of trainer.predict, which no run calls: "
    "evaluate the solution at points",
    "BatchSizeFinder": "looks for a batch size, but there are no batches: set the "
    "numbers of points",
    "GradientAccumulationScheduler": "changes with the epoch, but a run is one epoch: set "
    "points to have more points in a step",
    "LearningRateFinder": "trains before the run, and does not change the rates of the phases: set "
    "lr in the phases",
    "ModelPruning": "prunes at the end of epochs, but a run is one epoch: use a narrower network",
    "StochasticWeightAveraging": "averages over epochs, but a run is one epoch: use "
    "EMAWeightAveraging",
}
# Settings that are off, and the callbacks that need them.
NEEDED: dict[str, Any] = {
    "enable_checkpointing": theirs.Checkpoint,
    "logger": theirs.LearningRateMonitor | theirs.DeviceStatsMonitor | theirs.ThroughputMonitor,
    "enable_progress_bar": theirs.ProgressBar,
}
OWN = ("loss/", "residual/", "error/", "check/", "divergence/")
USUAL = 200  # steps between validations
LOOKS = 10  # validations of a shorter run that somebody looks at


def check_callbacks(given: Sequence[Any], off: Collection[str]) -> None:
    """Refuse callbacks that would do nothing, or twice the same.

    Args:
        given: the user's callbacks.
        off: the settings that are off, of those that callbacks need.

    Raises:
        ValueError: one of them cannot work; the line says why.
    """
    for line in chain(*(unfit(callback, off) for callback in given), doubles(given)):
        raise ValueError(line)


def unfit(callback: Any, off: Collection[str]) -> Iterator[str]:
    """Why a callback would do nothing, where these settings are off."""
    name = type(callback).__name__
    if not isinstance(callback, L.Callback):
        yield f"callbacks has {callback!r}: expected objects of Lightning's Callback"
    for kind, why in REFUSED.items():
        if isinstance(callback, getattr(theirs, kind)):
            yield f"callback {name} {why}"
    for key in off:
        if isinstance(callback, NEEDED[key]):
            yield f"{key} is False, and callbacks has {name}, which needs it: remove one of them"
    if line := waits_for_an_epoch(callback):
        yield line


def waits_for_an_epoch(callback: L.Callback) -> str:
    """What is wrong with a callback that acts as epochs end or begin; empty if nothing is."""
    names = {theirs.Timer: "interval", theirs.LearningRateMonitor: "logging_interval"}
    for kind, name in names.items():
        if isinstance(callback, kind) and setting(callback, name) == "epoch":
            shown = f"callback {kind.__name__} has {name} epoch"
            return f"{shown}, but a run is one epoch: set it to step"
    return ""


def doubles(given: Sequence[L.Callback]) -> Iterator[str]:
    """What is there twice."""
    for callback in given:
        if sum(other is callback for other in given) > 1:
            yield f"callbacks has the same {type(callback).__name__} twice: remove one of them"
    stateful = [c for c in given if type(c).state_dict is not L.Callback.state_dict]
    for (kind, _), count in Counter((type(c), c.state_key) for c in stateful).items():
        if count > 1:
            yield (
                f"callbacks has {count} of {kind.__name__} that save under one name: remove all "
                "but one, or let them monitor different metrics"
            )
    bars = [c for c in given if isinstance(c, theirs.ProgressBar)]
    if len(bars) > 1:
        yield f"callbacks has {len(bars)} progress bars: remove all but one"


def replaces(given: L.Callback, own: L.Callback) -> bool:
    """Whether a callback says how something of this package is to be done."""
    if isinstance(own, Track):
        return isinstance(given, theirs.ProgressBar | Track)
    return isinstance(given, type(own))


def validation_period(given: Iterable[L.Callback], steps: float, slow: bool) -> int:
    """The steps between validations where the user has not said.

    A short run, by least squares say, would end before the first one; nobody minds, unless a
    callback waits for it.

    Args:
        given: the user's callbacks.
        steps: of the run, at most.
        slow: whether its steps are few and long.
    """
    if not any(waits(callback) for callback in given):
        return USUAL
    if math.isinf(steps):
        return LOOKS if slow else USUAL
    return int(min(max(steps // LOOKS, 1), USUAL))


def waits(callback: L.Callback) -> bool:
    """Whether a callback does something at validations; Lightning's own that show progress do not
    count.
    """
    if isinstance(callback, theirs.EarlyStopping | theirs.ModelCheckpoint):
        return saves_at(callback) == "validations"
    hook = getattr(callback.on_validation_end, "__func__", None)
    foreign = not type(callback).__module__.startswith(("lightning", "pinn."))
    return foreign and hook is not L.Callback.on_validation_end


def saves_at(callback: L.Callback) -> str:
    """When a callback of Lightning looks at its metric: `validations`, `steps` or `end`."""
    if setting(callback, "save_on_train_epoch_end"):
        return "end"
    every = setting(callback, "every_n_train_steps"), setting(callback, "train_time_interval")
    return "steps" if any(every) else "validations"


def make_ready(trainer: Any, solver: Solver, data: Collocation) -> None:
    """Bring a run together, and check all that can be before there is a folder.

    Raises:
        ValueError: something that cannot work; the line says why.
    """
    check_states(solver.solution.networks)
    solver.attach(data)
    data.check_processes(trainer.world_size)
    solver.schedule.check(trainer)
    for callback in trainer.callbacks:
        for line in objections(callback, trainer, solver):
            raise ValueError(f"{type(callback).__name__} {line}")


def objections(callback: Any, trainer: Any, solver: Solver) -> Iterator[str]:
    """Why a callback cannot do its work in this run, and what to do."""
    monitor = getattr(callback, "monitor", None)
    if isinstance(monitor, str) and monitor not in (known := metrics(solver)):
        another = monitor.startswith("error/") and len(solver.schedule.stages) > 1
        foreign = not monitor.startswith(OWN) and somebody_logs(trainer.callbacks)
        if not another and not foreign:
            yield f"monitors {monitor!r}: {near_miss(monitor, known)}"
    if isinstance(callback, theirs.EarlyStopping | theirs.ModelCheckpoint):
        yield from idle_times(callback, trainer, solver)
    if isinstance(callback, theirs.DeviceStatsMonitor):
        wanted, on_cpu = setting(callback, "cpu_stats"), trainer.strategy.root_device.type == "cpu"
        if wanted is False and on_cpu:
            yield "has cpu_stats false, but this run is on the CPU: remove one of them"
        if (on_cpu or wanted) and find_spec("psutil") is None:
            yield "needs psutil for the CPU, which is not installed: pip install psutil"
    several = len({phase.torch_dtype for phase in solver.schedule.phases}) > 1
    if isinstance(callback, theirs.WeightAveraging) and several:
        yield (
            "keeps its average in the precision of the first phase, but the phases have different "
            "ones: give them the same dtype"
        )


def idle_times(callback: Any, trainer: Any, solver: Solver) -> Iterator[str]:
    """Why a callback would look never, or at an old value."""
    if setting(callback, "check_on_train_epoch_end"):
        yield (
            "has check_on_train_epoch_end, but a run is one epoch: remove it, so that it looks at "
            "every validation"
        )
    if setting(callback, "every_n_epochs", 1) > 1:
        yield "has every_n_epochs, but a run is one epoch: use every_n_train_steps"
    when, monitor = saves_at(callback), callback.monitor
    if when == "steps" and monitor and monitor.startswith(OWN) and not monitor.startswith("loss/"):
        yield (
            f"saves every few steps by {monitor!r}, which is measured at validations: remove "
            "every_n_train_steps, so that it saves at each validation"
        )
    if when != "validations" or trainer.fast_dev_run:
        return
    if trainer.limit_val_batches == 0:
        yield "looks at validations, but limit_val_batches is 0: remove one of them"
    every, steps = trainer.val_check_interval, min(solver.schedule.last_step, last_step(trainer))
    if steps < every:
        yield (
            f"looks at validations, every {every} steps, but this run has {steps:.0f}: lower "
            "val_check_interval"
        )


def somebody_logs(callbacks: Sequence[L.Callback]) -> bool:
    """Whether there are callbacks that may measure something themselves."""
    known = ("lightning.pytorch.callbacks", "pinn.")
    return any(
        isinstance(c, theirs.LearningRateMonitor | theirs.LambdaCallback)
        or not type(c).__module__.startswith(known)
        for c in callbacks
        if not isinstance(getattr(c, "monitor", None), str)
    )


def metrics(solver: Solver) -> list[str]:
    """All that a callback can monitor."""
    losses = [f"loss/{residual.name}" for residual in solver.problem.residuals]
    coefficients = [f"coefficient/{name}" for name in solver.problem.coefficients()]
    return ["loss/total", *losses, *tags(solver.solution, solver.reference), *coefficients]
