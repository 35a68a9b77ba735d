"""What may be asked of the trainer and of this machine."""

import inspect
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.strategies import StrategyRegistry
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from pinn.base.messages import echo, near_miss
from pinn.checkpoints.migrations import KEYS
from pinn.runs import launchers

ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")
PROFILERS = ("simple", "advanced", "pytorch")
STEPS = (
    "max_steps",
    "min_steps",
    "val_check_interval",
    "log_every_n_steps",
    "accumulate_grad_batches",
)
SWITCHES = (
    "enable_checkpointing",
    "enable_progress_bar",
    "enable_model_summary",
    "enable_autolog_hparams",
    "benchmark",
    "inference_mode",
    "use_distributed_sampler",
    "detect_anomaly",
)
FLAGS = inspect.signature(L.Trainer.__init__).parameters
IN_STEPS = "runs are counted in steps: set max_steps"
NOTHING_READS = "nothing here reads it: remove it"
# Settings of the trainer that would be ignored, or take away what keeps a run safe; the values that
# say nothing are let through.
REFUSED: dict[str, tuple[tuple[Any, ...], str]] = {
    "max_epochs": ((None, -1), IN_STEPS),
    "min_epochs": ((None,), "runs are counted in steps: set min_steps"),
    "check_val_every_n_epoch": ((None,), "runs are counted in steps: set val_check_interval"),
    "reload_dataloaders_every_n_epochs": ((0,), "to draw new points set resample"),
    "limit_train_batches": ((None, 1.0), IN_STEPS),
    "limit_test_batches": ((None, 1.0), NOTHING_READS),
    "limit_predict_batches": ((None, 1.0), NOTHING_READS),
    "overfit_batches": ((0, 0.0), "the points stay the same as long as resample is 0: remove it"),
    "barebones": (
        (False,),
        "it leaves out checkpoints, curves and the guard against NaN: remove it",
    ),
    "precision": ((None, "32-true", "32", 32), "set dtype in the phases instead"),
    "sync_batchnorm": ((False,), "the networks have no batch statistics: remove it"),
    "model_registry": ((None,), NOTHING_READS),
}


def check_trainer(given: Mapping[str, Any], prefix: str = "trainer.") -> None:
    """Refuse trainer settings that could not run, would be ignored, or would lose a safeguard.

    Args:
        given: settings of `lightning.Trainer`, those that are not given left out.
        prefix: what stands before the names where the user wrote them.

    Raises:
        TypeError: there is no such setting.
        ValueError: a value that cannot be; one line says why and what to do.
    """
    for key in given:
        if key not in FLAGS or key == "self":
            known = [name for name in FLAGS if name != "self"]
            if now := KEYS.get(f"model.{key}"):
                raise TypeError(f"{echo(key)} is called {echo(now.partition('.')[2])} now")
            raise TypeError(f"unknown setting {echo(prefix + key)}: {near_miss(key, known)}")
    settings = {key: flag.default for key, flag in FLAGS.items()}
    settings |= {"check_val_every_n_epoch": None, "val_check_interval": None, **given}
    for line in objections(settings):
        raise ValueError(prefix + line)


def objections(settings: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong, a line each, without the prefix of the first word."""
    for key, (allowed, why) in REFUSED.items():
        value = settings[key]
        if not any(value == other and type(value) is type(other) for other in allowed):
            yield f"{key} is {echo(value)}: {why}"
    yield from choices(settings)
    yield from numbers(settings)
    yield from launchers.objections(settings)
    if settings["num_nodes"] != 1 and not {"MASTER_ADDR", "SLURM_NTASKS"} & os.environ.keys():
        yield (
            f"num_nodes is {settings['num_nodes']}, but this is not a cluster (MASTER_ADDR is "
            "not set): use 1"
        )
    yield from strategies(settings["strategy"])
    if settings["strategy"] == "single_device" and str(settings["devices"]) not in ("1", "auto"):
        yield f"strategy is 'single_device', and devices is {settings['devices']}: use ddp"
    if isinstance(settings["accelerator"], str):
        yield from accelerators(settings["accelerator"])
        yield from devices(settings["accelerator"], settings["devices"])
    if settings["max_time"] is not None:
        yield from duration(settings["max_time"])


def choices(settings: Mapping[str, Any]) -> Iterator[str]:
    """Values other than those that a setting can have."""
    for key in SWITCHES:
        if not isinstance(settings[key], bool | None):
            yield f"{key} is {echo(settings[key])}: expected true or false"
    exact = settings["deterministic"]
    if not isinstance(exact, bool | None) and exact != "warn":
        yield f"deterministic is {echo(exact)}: expected true, false or 'warn'"
    trial, sanity = settings["fast_dev_run"], settings["num_sanity_val_steps"]
    if not isinstance(trial, bool) and trial != 0 and not (isinstance(trial, int) and trial > 0):
        yield f"fast_dev_run is {echo(trial)}: expected true, false or a number of steps"
    if sanity is not None and (not isinstance(sanity, int) or sanity < -1):
        yield f"num_sanity_val_steps is {echo(sanity)}: expected 1 to validate before the run, or 0"
    profiler = settings["profiler"]
    if isinstance(profiler, str) and profiler not in PROFILERS:
        yield f"profiler is {echo(profiler)}: {near_miss(profiler, PROFILERS)}"


def numbers(settings: Mapping[str, Any]) -> Iterator[str]:
    """Numbers out of range."""
    for key in ("val_check_interval", "log_every_n_steps", "accumulate_grad_batches"):
        value = settings[key]
        if value is not None and not is_whole(value):
            yield f"{key} is {echo(value)}: expected a number of steps ≥ 1"
    steps, least, clip = (settings[k] for k in ("max_steps", "min_steps", "gradient_clip_val"))
    if steps is None or isinstance(steps, bool) or (not is_whole(steps) and steps != -1):
        yield f"max_steps is {steps}: expected at least 1, or -1 for the steps of all phases"
    elif least is not None and not is_whole(least):
        yield f"min_steps is {least}: expected a number of steps ≥ 1"
    elif least is not None and -1 < steps < least:
        yield f"min_steps is {least}, above max_steps, which is {steps}: lower it"
    if clip is not None and not (isinstance(clip, int | float) and clip > 0):
        yield f"gradient_clip_val is {echo(clip)}: expected a positive number"
    algorithm = settings["gradient_clip_algorithm"]
    if algorithm is not None and clip is None:
        given = echo(algorithm)
        yield f"gradient_clip_algorithm is {given}, without gradient_clip_val: set that too"
    if algorithm not in (None, "norm", "value"):
        yield f"gradient_clip_algorithm is {echo(algorithm)}: expected 'norm' or 'value'"
    part = settings["limit_val_batches"]
    if part is not None and part not in (0, 1):
        yield f"limit_val_batches is {part}: a validation is one evaluation: use 1, or 0 for none"


def is_whole(value: object) -> bool:
    """Whether a value is a whole number ≥ 1."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return value >= 1 and value % 1 == 0


def duration(given: Any) -> Iterator[str]:
    """A time that none can be read from."""
    try:
        lasts = Timer(given).time_remaining() or 0.0
    except (TypeError, AttributeError, MisconfigurationException):
        lasts = -1.0
    if lasts < 0:
        yield f"max_time is {echo(given)}: expected days:hours:minutes:seconds, such as 00:01:30:00"


def strategies(strategy: object) -> Iterator[str]:
    """Ways to spread a run over devices that share memory between processes, or cut weights."""
    named = getattr(strategy, "class_path", type(strategy).__name__)  # in a configuration, by path
    name = strategy if isinstance(strategy, str) else named.rpartition(".")[2]
    if re.search("spawn|fork|note", name):
        yield f"strategy is {echo(name)}: use ddp"
    if re.search("(?i)fsdp|deepspeed|modelparallel|model_parallel|xla|tpu", name):
        yield f"strategy is {echo(name)}: every process needs all of the weights: use ddp"
    if name in ("rule", "taylor", "vmap", "loop"):
        yield f"strategy is {echo(name)}: how derivatives are computed is set by derivatives"
    elif isinstance(strategy, str) and strategy not in ("auto", *StrategyRegistry):
        yield f"strategy is {echo(name)}: expected auto, or ddp for several processes"


def accelerators(name: str) -> Iterator[str]:
    """An accelerator that this machine does not have."""
    if name not in ACCELERATORS:
        yield f"accelerator {echo(name)} does not exist: {near_miss(name, ACCELERATORS)}"
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if not {"gpu": cuda or mps, "cuda": cuda, "mps": mps}.get(name, True):
        yield f"accelerator is {echo(name)}, which this machine does not have: use cpu"


def devices(accelerator: str, asked: object) -> Iterator[str]:
    """More processes than there are devices; on the CPU, than there are cores."""
    if asked == "auto":
        return
    text = str(asked).strip("[]")
    if not text.replace(",", "").replace(" ", "").replace("-", "").isdigit():
        yield f"devices is {echo(asked)}: expected a number, or auto"
    on_cpu = accelerator == "cpu" or not torch.cuda.is_available()
    if on_cpu and (isinstance(asked, list) or not text.isdigit() or text == "0"):
        yield f"devices is {asked}: on the CPU it is a number of processes ≥ 1"
    available = max(os.cpu_count() or 1, 2) if on_cpu else torch.cuda.device_count()
    kind = "CPU cores" if on_cpu else "GPUs"
    if not isinstance(asked, list) and "," not in text and int(text) > available:
        yield f"devices is {text}: this machine has {available} {kind}"
