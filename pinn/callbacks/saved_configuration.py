"""The resolved configuration, saved with the run."""

import os
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Any

import lightning as L
from jsonargparse import ArgumentParser, Namespace
from lightning.pytorch.loggers import TensorBoardLogger


class KeepConfig(L.Callback):
    """Save the resolved configuration with the run, beside those of earlier parts of it.

    Args:
        parser: what reads such a configuration.
        config: the configuration.
        flags: what was given beside configuration files, for checkpoints to hold.
    """

    def __init__(self, parser: ArgumentParser, config: Namespace, flags: Sequence[str]) -> None:
        self.flags = list(flags)
        # Now, so that values which have no YAML are a mistake and not the end of a run.
        self.text = parser.dump(portable(config), skip_unset=False)

    def setup(self, trainer: L.Trainer, solver: Any, stage: str) -> None:
        """Write `config.yaml`, or `config.resume-N.yaml` in the folder of a continued run."""
        log_dir = trainer.log_dir  # a broadcast: every process has to ask
        if not trainer.is_global_zero or log_dir is None:
            return
        folder = Path(log_dir)
        folder.mkdir(parents=True, exist_ok=True)
        names = ["config.yaml", *(f"config.resume-{n}.yaml" for n in range(1, 10_000))]
        target = next(folder / name for name in names if not (folder / name).exists())
        part = target.with_suffix(".part")
        try:
            part.write_text(self.text, encoding="utf-8")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                fenced = "    " + self.text.replace("\n", "\n    ")
                logger.experiment.add_text(target.stem, fenced, trainer.global_step)

    def on_save_checkpoint(self, trainer: Any, solver: Any, checkpoint: dict[str, Any]) -> None:
        """A command that continues the run begins with what this one was given."""
        checkpoint["flags"] = self.flags


def portable(config: Namespace) -> Namespace:
    """A configuration without absolute paths, to be run again from the same folder."""
    config = plain(config.clone())
    root = config.trainer.default_root_dir
    if root is not None and Path(root).is_absolute():
        config.trainer.default_root_dir = os.path.relpath(root)
    return config


def plain(value: Any) -> Any:
    """Words as text, where the default of an argument is of an enumeration."""
    if isinstance(value, Enum) and isinstance(value, str):
        return str(value.value)
    if isinstance(value, Namespace):
        for key, item in vars(value).items():
            setattr(value, key, plain(item))
    elif isinstance(value, list):
        return [plain(item) for item in value]
    return value
