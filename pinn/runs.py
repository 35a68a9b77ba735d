"""Where runs live: `runs/<configuration>/<time>/` with events, configuration and checkpoints."""

import time
from pathlib import Path

from pinn.callbacks.keeper import newest_first
from pinn.checkpoint import CheckpointError, read


def new_run(base: str | Path, name: str) -> Path:
    """A folder of its own for a new run, even if two start in the same second.

    Raises:
        ValueError: it cannot be made; the line says why.
    """
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    for suffix in ("", *(f"_{n}" for n in range(2, 1000))):
        folder = Path(base) / name / f"{stamp}{suffix}"
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            if folder.is_dir():
                continue
            raise ValueError(
                f"no folder for the run can be made below {base}/{name}: {error.strerror}"
            ) from error
        return folder
    raise RuntimeError(f"no free folder below {base}/{name}")


def newest_checkpoint(base: str | Path, name: str) -> Path:
    """The newest good checkpoint of the newest run of a configuration that has one.

    Raises:
        CheckpointError: there is none.
    """
    folder = Path(base) / name
    for run in sorted((d for d in folder.glob("*") if d.is_dir()), reverse=True):
        for candidate in newest_first(run / "checkpoints"):
            try:
                read(candidate)
            except CheckpointError:
                continue
            return candidate
    raise CheckpointError(f"--resume auto: no checkpoint of {name!r} below {folder}")


def run_of(checkpoint: Path) -> Path:
    """The run that a checkpoint belongs to.

    Raises:
        CheckpointError: it lies outside a run, and would scatter the files of its continuation.
    """
    folder = checkpoint.absolute().parent
    if folder.name != "checkpoints":
        raise CheckpointError(
            f"{checkpoint} is not in the folder `checkpoints` of a run: put it back, or start a "
            "new run from its weights with --init_from"
        )
    return checkpoint.parent.parent
