"""Writing checkpoints: beside their target, sealed, flushed to the disk, and renamed."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from pinn.base.console import say
from pinn.base.messages import echo
from pinn.checkpoints.contents import AVERAGED
from pinn.checkpoints.file import read
from pinn.checkpoints.seal import seal, versions
from pinn.checkpoints.states import PLAIN, diverged, not_plain


class AtomicCheckpointIO(TorchCheckpointIO):
    """A checkpoint appears whole or not at all, whatever stops the process.

    Attributes:
        lost: why the last one was not written; empty if it was.
    """

    lost = ""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a file; where that fails a line says why, and training goes on without it.

        Weights with NaN are not kept, nor a state that could not be read back.
        """
        target = Path(path)
        self.lost = no_good(checkpoint)
        if self.lost:
            say(f"warning   {target} is not written: {self.lost}")
            return
        try:
            write(checkpoint, target)
        except Exception as error:
            refusal = system_error(error)
            if refusal is None:
                raise
            self.lost = in_words(refusal)
            say(f"warning   {target} is not written: {self.lost}: the next save tries again")

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read plain data only; a checkpoint that holds code is refused."""
        return read(path)

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a file, unless the one that was to take its place is missing."""
        if not self.lost:
            super().remove_checkpoint(path)


def no_good(checkpoint: Mapping[str, Any]) -> str:
    """Why nobody could go on from a checkpoint; empty where one can."""
    exempt = set(checkpoint.get("pinn", {}).get("buffers", ()))
    for state in [checkpoint[key] for key in ("state_dict", AVERAGED) if key in checkpoint]:
        if any(diverged(state, exempt)):
            return "its weights are NaN or infinite"
        for name, value in not_plain(state):
            return f"{name} is {echo(value)}: expected {PLAIN}"
    return ""


def write(checkpoint: Mapping[str, Any], target: Path) -> None:
    """Write beside the target, seal, flush to the disk, and rename; also the name is then safe."""
    new = [place for place in target.parent.parents if not target.parent.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part{os.getpid()}")
    try:
        with partial.open("w+b") as file:
            torch.save(signed(checkpoint), file)
            seal(file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    for folder in (target.parent, *new):
        flush_folder(folder)


def signed(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint that says what has written it."""
    own = checkpoint.get("pinn")
    noted = {"pinn": {**own, "versions": versions()}} if isinstance(own, dict) else {}
    return {**checkpoint, **noted}


def flush_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system can do so."""
    try:
        number = os.open(folder, os.O_RDONLY)
    except OSError:  # a system that opens no folders
        return
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(number)


def in_words(error: OSError) -> str:
    """What the system refuses."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "no space is left on its disk" if full else str(error.strerror or error)


def system_error(error: BaseException | None) -> OSError | None:
    """The refusal of the system behind an error; torch hides it behind one of its own."""
    while error is not None and not isinstance(error, OSError):
        error = error.__context__
    return error
