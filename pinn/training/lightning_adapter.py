"""Less of what Lightning does around every step for nobody."""

import inspect
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import lightning as L
import torch
from lightning.pytorch.profilers import PassThroughProfiler
from torch import Tensor
from torch.optim import Optimizer

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
        for callback in trainer.callbacks:
            for hook in EVERY_STEP:
                if getattr(getattr(callback, hook), "__func__", None) is getattr(L.Callback, hook):
                    setattr(callback, hook, None)  # what cannot be called is passed over

    def publish(self, group: str, values: Mapping[str, Tensor | float]) -> None:
        """Let callbacks monitor values: what `log` does for them, without its time at every step.

        Args:
            group: what stands before their names, as in `loss/`.
            values: tensors stay where they are, so that nobody waits for the device.
        """
        self.trainer.callback_metrics.update(
            {
                group + name: value if isinstance(value, Tensor) else torch.tensor(value, dtype=F64)
                for name, value in values.items()
            }
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Count the step that is complete, though the loop does so only after the hook that saves.

        Without this a resumed run would validate one step late.
        """
        progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
        for count in (progress["total"], progress["current"]):
            count["completed"] = count["processed"]

    def transfer_batch_to_device(
        self, batch: Any, device: torch.device, dataloader_idx: int
    ) -> Any:
        """A tick is on every device."""
        return batch

    def optimizer_zero_grad(self, epoch: int, batch_idx: int, optimizer: Optimizer) -> None:
        """The same as `optimizer.zero_grad()`, without its record for torch's profiler."""
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None
