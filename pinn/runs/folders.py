"""Where runs live: `runs/<configuration>/<time>/` with events, configuration and checkpoints."""

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from pinn.base.console import say
from pinn.base.first_process import is_first
from pinn.checkpoints.file import CheckpointError, UnsealedError, read
from pinn.checkpoints.names import newest_first
from pinn.runs.ownership import LiveRunError, is_anothers, release, take

STAMP = re.compile(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d")


def new_run(base: str | Path, name: str, label: str = "", again: bool = False) -> Path:
    """A folder of its own for a new run, even if two start in the same second.

    Args:
        base: below which runs are kept.
        name: of the configuration.
        label: the folder's name; by default the time.
        again: a folder of that name has no checkpoint to continue from, and is set aside.

    Raises:
        ValueError: it exists already, is being trained, or cannot be made; the line says why.
    """
    home, stamp = Path(base) / name, time.strftime("%Y-%m-%d_%H-%M-%S")
    if label and again and (home / label).is_dir():
        take(home / label)  # nobody is about to take its first step
        release(home / label)
        aside = next(place for place in numbered(home / label) if not place.exists())
        (home / label).rename(aside)
        say(f"{home / label} had no checkpoint: it is called {aside} now")
    for folder in [home / label] if label else numbered(home / stamp):
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            if folder.is_dir() and not label:
                continue
            if folder.is_dir():
                raise ValueError(
                    f"--name {label}: {folder} exists already: take another name, or continue that "
                    "run: add --resume auto"
                ) from error
            raise ValueError(
                f"no folder for the run can be made below {home}: {error.strerror}"
            ) from error
        return folder
    raise RuntimeError(f"no free folder below {home}")


def numbered(folder: Path) -> Iterator[Path]:
    """A folder, and others beside it: `a`, `a_2`, `a_3`, …"""
    yield folder
    yield from (folder.with_name(f"{folder.name}_{n}") for n in range(2, 1000))


def began(run: Path) -> tuple[str, int]:
    """When a run began, such that later is larger: its name, or the time of its configuration.

    The second entry is the number that tells runs of the same second apart.
    """
    if match := STAMP.match(run.name):
        number = run.name[match.end() :].removeprefix("_")
        return match[0], int(number) if number.isdecimal() else 1
    kept = run / "config.yaml"
    seconds = (kept if kept.is_file() else run).stat().st_mtime
    return time.strftime("%Y-%m-%d_%H-%M-%S", time.localtime(seconds)), 1


def present(folder: Path) -> Path:
    """The lowest folder on a path that exists."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def discard(run: Path, above: Path) -> None:
    """Remove a run, and folders that were made for it and are empty now.

    Args:
        run: its folder.
        above: the folder above it that was there before.
    """
    if run.is_dir():
        shutil.rmtree(run)
    for folder in run.parents:
        if folder == above or any(folder.iterdir()):
            return
        folder.rmdir()


def newest_checkpoint(base: str | Path, name: str, label: str = "") -> Path | None:
    """The newest good checkpoint of the newest run of a configuration; None if none has one.

    The run is this process's own then. Runs that others train are passed over.
    Newer ones that are no good are named, each with its reason.

    Args:
        base: below which runs are kept.
        name: of the configuration.
        label: of the folder of the one run that counts; by default all do.

    Raises:
        UnsealedError: the newest one is perhaps good, but nobody has asked for files without hash.
        LiveRunError: the one that counts is being trained.
    """
    folder, passed = Path(base) / name, list[str]()
    runs = [d for d in folder.glob(label or "*") if d.is_dir()]
    for run in sorted(runs, key=began, reverse=True):
        if not newest_first(run / "checkpoints") or not is_free(run, bool(label)):
            continue
        for candidate in newest_first(run / "checkpoints"):
            if is_good(candidate, passed):
                return candidate
        if is_first():
            release(run)
    tell(passed, "there is no other")
    return None


def is_good(file: Path, passed: list[str]) -> bool:
    """Whether a run can go on from a checkpoint; says why it could not from those passed over.

    Raises:
        UnsealedError: it may be good, but has no hash.
    """
    try:
        read(file)
    except UnsealedError:
        raise
    except CheckpointError as error:
        passed.append(str(error))
        return False
    tell(passed, f"{file} is used in its place")
    return True


def tell(passed: list[str], then: str) -> None:
    """Say of each checkpoint that was passed over why, and what is done then."""
    for reason in passed:
        say(f"warning   {reason}; {then}")


def is_free(run: Path, asked: bool) -> bool:
    """Whether a run is nobody else's; the first process takes it.

    Raises:
        LiveRunError: it is another's, and is asked for by its name.
    """
    if not is_first():
        return asked or not is_anothers(run)
    try:
        take(run)
    except LiveRunError as error:
        if asked:
            raise
        say(f"passed over: {str(error).partition(': ')[0]}")
        return False
    return True


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
