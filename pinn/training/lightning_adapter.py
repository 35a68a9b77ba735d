"""All that is used of Lightning's inside, which its next version may change.

It tells where a run stands, and leaves out of a step what no run of this package needs. If it is
what loads Lightning, it leaves out of that too what no run needs. Where something is missing, a run
is slower or more careful; docs/design.md lists it.
"""

import importlib
import inspect
import logging
import math
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from pinn.base.later import Later, StandIn, later
from pinn.base.unloaded_compiler import without_compiler


def load_metrics() -> None:
    """Load of torchmetrics what Lightning needs; the rest loads scipy and matplotlib."""
    whole = later("torchmetrics", _logger=logging.getLogger("torchmetrics"))
    about = importlib.import_module("torchmetrics.__about__")
    vars(whole).update(__version__=about.__version__)
    pictures: Any = later(
        "torchmetrics.utilities.plot",
        [f"{folder}/utilities" for folder in whole.__path__],
        _AX_TYPE=StandIn.of("matplotlib.axes", "Axes"),
        _PLOT_OUT_TYPE=object,
        plot_single_or_multi_val=lambda *args, **kwargs: Later.run(
            pictures
        ).plot_single_or_multi_val(*args, **kwargs),
    )
    vars(importlib.import_module("torchmetrics.utilities"))["plot"] = pictures
    for home, name in (("metric", "Metric"), ("collections", "MetricCollection")):
        vars(whole)[name] = getattr(importlib.import_module(f"torchmetrics.{home}"), name)


def load_lightning() -> None:
    """Import Lightning without what it needs only for metrics and compiled modules of a user."""
    packages = ("lightning", "torchmetrics")
    if any(name in sys.modules for name in packages):
        return
    try:
        with without_compiler():
            load_metrics()
            importlib.import_module("lightning")
    except (ImportError, AttributeError):  # of another version: it is loaded as it asks to be
        for name in [n for n in sys.modules if n.partition(".")[0] in packages]:
            del sys.modules[name]


load_lightning()
import lightning as L  # noqa: E402 - after that
from lightning.pytorch.profilers import PassThroughProfiler  # noqa: E402

F64 = torch.float64
# The hooks of callbacks that Lightning calls at every step.
EVERY_STEP = (
    "on_train_batch_start",
    "on_train_batch_end",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
)
NOTHING = nullcontext("")


class NoProfiler(PassThroughProfiler):
    """Lightning's own for `profiler=None` enters a generator around each of 60 calls of a step."""

    def profile(self, action_name: str) -> AbstractContextManager[str]:  # type: ignore[override]
        """Nothing is timed."""
        return NOTHING


class LeanModule(L.LightningModule):
    """A LightningModule around which the trainer does half of its usual work at every step.

    Batches are ticks: there is nothing in them to be moved to a device.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Keep the signature of `training_step`, which Lightning inspects at every step."""
        super().__init_subclass__(**kwargs)
        step: Any = cls.training_step
        step.__signature__ = inspect.signature(step)

    def __setattr__(self, name: str, value: Any) -> None:
        """Lightning sets the name of the running hook 45 times in a step; torch would ask each
        time whether it is a parameter.
        """
        if name == "_current_fx_name":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def setup(self, stage: str) -> None:
        """Leave out of the trainer what does nothing."""
        trainer: Any = self.trainer
        if type(trainer.profiler) is PassThroughProfiler:
            trainer.profiler = NoProfiler()
        own = [c for c in trainer.callbacks if type(c).__module__.startswith("pinn.")]
        for callback in own:
            for hook in EVERY_STEP:
                if getattr(getattr(callback, hook), "__func__", None) is getattr(L.Callback, hook):
                    setattr(callback, hook, None)  # what cannot be called is passed over

    def publish(self, group: str, values: Mapping[str, Tensor | float]) -> None:
        """Let callbacks monitor values: what `log` does for them, without its time at every step.

        Args:
            group: what stands before their names, as in `loss/`.
            values: tensors stay where they are, so that nobody waits for the device.
        """
        known = self.trainer.callback_metrics
        for name, value in values.items():
            if not isinstance(value, Tensor):
                value = torch.tensor(value, dtype=F64)
            known[group + name] = value

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Count the step that is complete, though the loop does so only after the hook that saves.

        Without this a resumed run would validate one step late, and give its rates of learning the
        numbers of earlier steps.
        """
        loops = checkpoint["loops"]["fit_loop"]
        progress = loops.get("epoch_loop.batch_progress", {})
        for count in progress.values():
            if isinstance(count, dict) and "processed" in count:
                count["completed"] = count["processed"]
        numbers = loops.get("epoch_loop.state_dict", {})
        if "_batches_that_stepped" in numbers and "processed" in progress.get("total", {}):
            numbers["_batches_that_stepped"] = progress["total"]["processed"]

    def transfer_batch_to_device(self, batch: Any, device: Any, dataloader_idx: int) -> Any:
        """A tick is on every device."""
        return batch

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        """The same as `optimizer.zero_grad()`, without its record for torch's profiler."""
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None


def inside(thing: Any, path: str, default: Any = None) -> Any:
    """An attribute by its dotted path; the default where this version has none."""
    for name in path.split("."):
        thing = getattr(thing, name, None)
        if thing is None:
            return default
    return thing


def steps_begun(trainer: Any) -> int:
    """The batches that a run has taken up, the one at work included."""
    before = inside(trainer, "fit_loop.epoch_loop.total_batch_idx")
    return trainer.global_step if before is None else before + 1


def validates(trainer: Any) -> bool:
    """Whether a validation follows the step at work."""
    every = inside(trainer, "val_check_batch", trainer.val_check_interval) or math.inf
    begun = steps_begun(trainer)
    return begun > 0 and every != math.inf and begun % int(every) == 0


def counted(loops: Any) -> dict[str, Any]:
    """The counts in the state of a loop of training that a resumed run goes on from.

    Args:
        loops: `fit_loop.state_dict()`, or what a checkpoint has of it.

    Returns:
        `steps`, and four counts of `batches`; what is not there is left out.
    """
    optimizer = "epoch_loop.automatic_optimization.optim_progress"
    places: dict[str, tuple[str, ...]] = {
        f"batches {kind} {name}": ("epoch_loop.batch_progress", kind, name)
        for kind in ("total", "current")
        for name in ("ready", "processed")
    }
    places["steps"] = (optimizer, "optimizer", "step", "total", "completed")
    found = {}
    for title, path in places.items():
        value = loops
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is not None:
            found[title] = value
    return found


def is_between_steps(trainer: Any) -> bool:
    """Whether the weights are those of a step; False where Lightning does not say."""
    progress = inside(trainer, "fit_loop.epoch_loop.batch_progress.current")
    begun, done = inside(progress, "ready"), inside(progress, "processed")
    return begun is not None and begun == done


def last_step(trainer: L.Trainer) -> float:
    """The step at which the run ends at the latest; infinite where time alone bounds it."""
    return trainer.max_steps if trainer.max_steps >= 0 else math.inf


def bound(trainer: Any, last: float) -> None:
    """Let a run end with a step; where Lightning takes no other bound, it is told to stop there."""
    loop = inside(trainer, "fit_loop.epoch_loop")
    if hasattr(loop, "max_steps"):
        loop.max_steps = -1 if last == math.inf else int(last)
    elif trainer.global_step >= last:
        trainer.should_stop = True


def run_one_epoch(trainer: Any) -> None:
    """One epoch without an end: min_steps asks for a whole one, and nothing could stop the run."""
    trainer.fit_loop.max_epochs, trainer.fit_loop.min_epochs = -1, 0


def replace_optimizer(trainer: Any, make: Callable[[], Optimizer], recast: bool) -> None:
    """Go on with another optimiser.

    Args:
        trainer: of the run.
        make: makes it.
        recast: whether precision or trained parameters have changed, for which
            DistributedDataParallel has buckets.
    """
    strategy = trainer.strategy
    if recast and hasattr(strategy, "configure_ddp"):
        strategy.model = trainer.lightning_module
        strategy.configure_ddp()
    strategy.optimizers = [make()]


def let_children_die() -> None:
    """Take from Lightning the watch over processes that it has started: it would end this one."""
    for thread in threading.enumerate():
        if thread.name == "child-process-observer" and hasattr(thread, "_child_processes"):
            thread._child_processes = []


def setting(callback: L.Callback, name: str, default: Any = None) -> Any:
    """A setting of a callback of Lightning, which may keep it to itself; the default without."""
    return getattr(callback, f"_{name}", getattr(callback, name, default))


def has_written(logger: Any) -> bool:
    """Whether a logger has begun; one that does not say has not, and is asked for its file."""
    return getattr(logger, "_experiment", None) is not None
