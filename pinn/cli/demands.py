"""What a configuration may ask of the trainer and of this machine."""

import os
import re
from collections.abc import Mapping
from typing import Any

import torch

from pinn.geometry.coordinates import near_miss

ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")


def check_trainer(settings: Mapping[str, Any]) -> None:
    """Refuse trainer settings that could not run, or would be ignored.

    Args:
        settings: the `trainer` section of a configuration.

    Raises:
        ValueError: a number out of range, or a device that this machine does not have.
    """
    for key in ("val_check_interval", "log_every_n_steps", "accumulate_grad_batches"):
        value = settings[key]
        if value is not None and not (value >= 1 and value == int(value)):
            raise ValueError(f"trainer.{key} is {value}: expected a number of steps ≥ 1")
    steps, clip = settings["max_steps"], settings["gradient_clip_val"]
    if steps < 1 and steps != -1:
        raise ValueError(
            f"trainer.max_steps is {steps}: expected at least 1, or -1 for the steps of all phases"
        )
    if clip is not None and not clip > 0:
        raise ValueError(f"trainer.gradient_clip_val is {clip}: expected a positive number")
    if settings["num_nodes"] != 1 and not {"MASTER_ADDR", "SLURM_NTASKS"} & os.environ.keys():
        raise ValueError(
            f"trainer.num_nodes is {settings['num_nodes']}, and this is no cluster, where "
            "MASTER_ADDR would be set: use 1"
        )
    if settings["precision"] not in (None, "32-true", "32", 32):
        raise ValueError(
            f"trainer.precision is {settings['precision']!r}: set dtype in the phases instead"
        )
    for key in ("max_epochs", "min_epochs", "check_val_every_n_epoch"):
        if settings[key] is not None:
            raise ValueError(f"trainer.{key} is {settings[key]}: runs are counted in max_steps")
    if isinstance(settings["strategy"], str) and re.search("spawn|fork|note", settings["strategy"]):
        raise ValueError(f"trainer.strategy is {settings['strategy']!r}: use ddp")
    accelerator = settings["accelerator"]
    if isinstance(accelerator, str):
        check_accelerator(accelerator)
        check_devices(accelerator, settings["devices"])


def check_accelerator(name: str) -> None:
    """Refuse an accelerator that this machine does not have."""
    if name not in ACCELERATORS:
        hint = near_miss(name, ACCELERATORS)
        raise ValueError(f"trainer.accelerator {name!r} does not exist: {hint}")
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if not {"gpu": cuda or mps, "cuda": cuda, "mps": mps}.get(name, True):
        raise ValueError(f"trainer.accelerator is {name!r}, which this machine has not: use cpu")


def check_devices(accelerator: str, devices: object) -> None:
    """Refuse more processes than there are devices; on the CPU, than there are cores."""
    if devices == "auto":
        return
    text = str(devices).strip("[]")
    if not text.replace(",", "").replace(" ", "").replace("-", "").isdigit():
        raise ValueError(f"trainer.devices is {devices!r}: expected a number, or auto")
    on_cpu = accelerator == "cpu" or not torch.cuda.is_available()
    available = max(os.cpu_count() or 1, 2) if on_cpu else torch.cuda.device_count()
    kind = "CPU cores" if on_cpu else "GPUs"
    if not isinstance(devices, list) and "," not in text and int(text) > available:
        raise ValueError(f"trainer.devices is {text}: this machine has {available} {kind}")
    if text == "0" and on_cpu:
        raise ValueError("trainer.devices is 0: expected at least 1")


def seed(value: int | None) -> int:
    """The one seed of weights and points; a random one could not be repeated."""
    if value is None or isinstance(value, bool) or not 0 <= value < 2**32:
        shown = "null" if value is None else value
        raise ValueError(f"seed_everything is {shown}: expected a number from 0 to {2**32 - 1}")
    return value
