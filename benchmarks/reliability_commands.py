"""`train.py` in a process of its own: started anew, or forked from one that has loaded torch.

To start Python and to load torch and Lightning takes most of the time of a small run. A forked
process has them, and runs `train.py` from its first line on as the interpreter would. The process
that it is forked from has only imported: no step was taken in it, and no thread runs.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pinn.checkpoints.names import newest_first

ROOT = Path(__file__).parents[1]
TRAIN = str(ROOT / "train.py")
AT_ONCE = os.cpu_count() or 1
ENVIRONMENT = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def begun(argv: list[str], log: Path, anew: bool = False, folder: Path | None = None) -> int:
    """Start a command.

    Args:
        argv: the arguments of `train.py`.
        log: the file for its errors; `LOG.out` is for its output.
        anew: whether it starts a Python of its own.
        folder: where it is started; by default that of its log.

    Returns:
        The number of the process.
    """
    place = folder or log.parent
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    files = {1: f"{log}.out", 2: str(log)}
    if anew:
        return os.posix_spawnp(
            "env",
            ["env", "-C", str(place), sys.executable, "-u", TRAIN, *argv],
            {**os.environ, **ENVIRONMENT},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, n, path, flags, 0o644) for n, path in files.items()
            ],
        )
    child = os.fork()
    if child:
        return child
    code: int | str | None = 99
    try:
        os.chdir(place)
        for number, path in files.items():
            os.dup2(os.open(path, flags, 0o644), number)
        sys.stdout, sys.stderr = (os.fdopen(n, "w", buffering=1) for n in (1, 2))
        sys.argv = [TRAIN, *argv]
        try:
            runpy.run_path(TRAIN, run_name="__main__")
        except SystemExit as end:
            code = end.code
    finally:
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


def ended(child: int) -> int:
    """The exit code of a process; negative where a signal has killed it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def done(argv: list[str], log: Path, anew: bool = False, folder: Path | None = None) -> int:
    """Run a command to its end: its exit code."""
    return ended(begun(argv, log, anew, folder))


def spread(call: Callable[[Any], Any], cases: Sequence[Any], folder: Path) -> list[Any]:
    """What a function says to each case, as plain data; one forked process for each processor."""
    children = []
    for number in range(AT_ONCE):
        child = os.fork()
        if not child:
            code = 1
            try:
                answers = [call(case) for case in cases[number::AT_ONCE]]
                (folder / f"answers-{number}").write_text(json.dumps(answers))
                code = 0
            except Exception:
                traceback.print_exc()
            finally:
                os._exit(code)
        children.append(child)
    codes = [ended(child) for child in children]
    if any(codes):
        raise RuntimeError("a case has failed by itself")
    all_of_them: list[Any] = [None] * len(cases)
    for number in range(AT_ONCE):
        all_of_them[number::AT_ONCE] = json.loads((folder / f"answers-{number}").read_text())
    return all_of_them


def told(log: Path) -> str:
    """All that a command has said."""
    return "".join(
        path.read_text(errors="replace") for path in (Path(f"{log}.out"), log) if path.exists()
    )


def hears(number: int) -> bool:
    """Whether a process has a handler of its own for SIGTERM (Linux tells)."""
    status = Path(f"/proc/{number}/status").read_text()
    caught = int((re.findall(r"SigCgt:\s*(\w+)", status) or ["0"])[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def reached(child: int, is_there: Callable[[], bool], patience: float = 300.0) -> bool:
    """Wait for something of a process; False where the process ends before, and is waited for."""
    end = time.monotonic() + patience
    while not is_there():
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        if time.monotonic() > end:
            raise TimeoutError(f"process {child} does not get there in {patience:g} s")
        time.sleep(0.005)
    return True


def prepared(folder: Path, text: str) -> Path:
    """A new folder with a configuration of the name `small`."""
    folder.mkdir(parents=True)
    (folder / "small.yaml").write_text(text)
    return folder


def kept(folder: Path) -> list[Path]:
    """The checkpoints of the only run in a folder, the newest first."""
    return [file for run in folder.glob("runs/*/*") for file in newest_first(run / "checkpoints")]


def complaint(log: Path, code: int, allowed: tuple[int, ...], words: str) -> str:
    """What is wrong with the refusal of a command; empty if it is one line with these words."""
    lines = log.read_text(errors="replace").splitlines()
    if code in allowed and len(lines) == 1 and words in lines[0]:
        return ""
    return f"exit code {code}, {len(lines)} lines: {' '.join(lines)[-200:]}"


def warm() -> None:
    """Import what runs import, and look that no thread has come of it."""
    import matplotlib.pyplot  # noqa: F401
    import tensorboard.summary.writer.event_file_writer  # noqa: F401
    import torch

    import pinn.api
    import pinn.cli.exit_codes
    import pinn.cli.recipe  # noqa: F401

    torch.set_num_threads(1)
    if threading.active_count() > 1:
        raise RuntimeError(f"a process with threads is not forked: {threading.enumerate()}")
