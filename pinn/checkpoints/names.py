"""The names of checkpoint files: `step-<n>.ckpt`, ordered by n as a number."""

import re
from pathlib import Path

NAME = re.compile(r"step-(\d+)\.ckpt")


def name_of(step: int) -> str:
    """The name of the checkpoint of a step; seven digits keep most listings in order."""
    return f"step-{step:07d}.ckpt"


def step_of(file: Path) -> int:
    """The step of a checkpoint by its name; -1 where the name is of another kind."""
    match = NAME.fullmatch(file.name)
    return int(match[1]) if match else -1


def newest_first(folder: Path) -> list[Path]:
    """The checkpoints that a run keeps in a folder, the largest step first."""
    kept = [file for file in folder.glob("step-*.ckpt") if step_of(file) >= 0]
    return sorted(kept, key=step_of, reverse=True)
