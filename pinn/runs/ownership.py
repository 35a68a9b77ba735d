"""Who trains a run: one process, by a lock that ends with it however it ends.

The lock is one of `fcntl`. Where the system can, it belongs to the open file, which only this
module closes; a child of this process closes its copy. Elsewhere it belongs to the process, which
loses it where any code in it opens and closes the file. A file system that is shared between
machines has to pass the lock on: NFS 4 does, NFS 3 with its lock daemon, Lustre where it is mounted
with `flock`.
"""

import errno
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pinn.base.console import say

fcntl: Any
try:
    import fcntl
except ImportError:  # where there are no such locks: nothing keeps a second process out
    fcntl = None

NAME = ".owner"  # in the folder of a run; its text is for the reader, the lock counts
PLACE = 1 << 30  # of the locked byte: the text can be read where a lock keeps readers out
OFD = getattr(fcntl, "F_OFD_SETLK", 0)  # the lock of an open file; 0 where there is none
TRIES, PAUSE = 4, 0.05  # another process may only be looking whether the run is free
OWNER = "PINN_OWNER"  # tells the processes that the owner starts whose they are
LAUNCHED = (
    ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT"),
    ("SLURM_JOB_ID", "SLURM_STEP_ID"),
    ("MASTER_ADDR", "MASTER_PORT"),
)


class LiveRunError(ValueError):
    """Another process trains the run."""


@dataclass
class Held:
    """A run that this process trains: the open file with the lock, and whose it is."""

    file: int
    process: int
    thread: int


held: dict[Path, Held] = {}


def take(run: Path) -> None:
    """Be the one who trains a run, until `release` or the end of this process.

    Raises:
        LiveRunError: another process trains it, or another thread of this one.
    """
    if mine := own(run):  # where a second lock would be granted
        if mine.thread == threading.get_ident():
            return
        raise LiveRunError(refusal(run, f"another thread of this process, {os.getpid()},"))
    if fcntl is None:
        return
    try:
        file = locked(run)
    except OSError as error:
        say(
            f"warning   {run} cannot be locked ({error.strerror}): see to it that no other process "
            "trains this run"
        )
        return
    if file is None:
        raise LiveRunError(refusal(run, owner(run)[0]))
    held[run.resolve()] = Held(file, os.getpid(), threading.get_ident())
    os.environ[OWNER] = signature()
    with suppress(OSError):  # the text is for readers: a full disk takes no lock away
        os.ftruncate(file, 0)
        os.write(file, f"{signature()}\n{job()}\n".encode())


def own(run: Path) -> Held | None:
    """The run where this process trains it: to open and close its file again would end the lock."""
    mine = held.get(run.resolve())
    return mine if mine and mine.process == os.getpid() else None


def locked(run: Path) -> int | None:
    """The open file of a run with its lock; None where another process has that.

    Raises:
        OSError: the folder cannot be written to, or its file system has no locks.
    """
    for attempt in range(TRIES):
        file = os.open(run / NAME, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            lock(file)
            with_name = (run / NAME).stat()
            if os.path.samestat(with_name, os.fstat(file)):  # not removed by its last owner
                return file
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                os.close(file)
                raise
        os.close(file)
        time.sleep(PAUSE if attempt < TRIES - 1 else 0)
    return None


def lock(file: int) -> None:
    """Lock the byte of an open file.

    Raises:
        OSError: EACCES or EAGAIN where another one has it; else there are no locks.
    """
    if OFD:
        asked = struct.pack("hhqqi0q", fcntl.F_WRLCK, os.SEEK_SET, PLACE, 1, 0)
        try:
            fcntl.fcntl(file, OFD, asked)
            return
        except OSError as error:
            if error.errno != errno.EINVAL:  # a kernel or file system without them
                raise
    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, PLACE)


def leave_to_parent() -> None:
    """Close, in a child of this process, the files whose locks would live as long as the child."""
    for mine in held.values():
        with suppress(OSError):
            os.close(mine.file)
    held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=leave_to_parent)


def release(run: Path) -> None:
    """Let others train a run."""
    mine = held.pop(run.resolve(), None)
    if mine and mine.process == os.getpid():
        (run / NAME).unlink(missing_ok=True)
        os.close(mine.file)


@contextmanager
def ownership() -> Iterator[None]:
    """Runs that this thread takes within the block are given back at its end."""
    before, thread = set(held), threading.get_ident()
    try:
        yield
    finally:
        for run in [r for r, mine in held.items() if r not in before and mine.thread == thread]:
            release(run)


def is_anothers(run: Path) -> bool:
    """Whether a run is trained, and not by the first process of this one's own job."""
    mine = own(run)
    if mine:
        return mine.thread != threading.get_ident()
    who, launched = owner(run)
    if fcntl is None or not who or who == os.environ.get(OWNER) or (launched and launched == job()):
        return False
    try:
        file = locked(run)
    except OSError:
        return False
    if file is not None:
        os.close(file)
    return file is None


def owner(run: Path) -> tuple[str, str]:
    """Who trains a run or did so last, and in which job; empty where nobody is named."""
    if own(run):
        return signature(), job()
    try:
        lines = (run / NAME).read_text(encoding="utf-8", errors="replace")[:1000].split("\n")
    except OSError:
        return "", ""
    return lines[0], (lines[1] if len(lines) > 1 else "")


def signature() -> str:
    """This process, as others name it."""
    return f"process {os.getpid()} on {socket.gethostname()}"


def job() -> str:
    """What all processes of a job have in common that a launcher started; empty for one alone."""
    for names in LAUNCHED:
        if all(os.environ.get(name) for name in names):
            return " ".join(os.environ[name] for name in names)
    return ""


def refusal(run: Path, who: str) -> str:
    """A line about a run that is trained by somebody else."""
    return (
        f"{run} is being trained by {who or 'another process'}: wait until it ends, stop it, or "
        "start a new run without resume"
    )
