"""SIGINT and SIGTERM outside of a step: one line, and the exit code that shells expect.

An exception that is raised by a handler can be swallowed by whatever is at work: an import, a
recording, a destructor. A program that listens ends in the handler instead.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from pinn.base.error_file import record
from pinn.base.first_process import is_first

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Program:
    """This process, where a signal ends it.

    Attributes:
        listens: whether it is a program, whose signals end it with a line, and not a user's script.
        defers: whether a signal waits for the end of a step.
        is_said: whether the line has been said.
        signum: the signal that ends it; 0 without one.
        when: what the line says beside the signal.
        advice: what it says at the end, such as how to continue; it is asked when it is said.
        farewells: what is done before the end, such as removing an empty folder.
    """

    def __init__(self) -> None:
        self.listens = self.defers = self.is_said = False
        self.signum = 0
        self.when = "before the first step"
        self.advice: Callable[[], str] = str
        self.farewells: list[Callable[[], object]] = []
        self.leaving = threading.Lock()

    def listen(self) -> None:
        """End at a signal from now on."""
        self.listens = True
        for signum in SIGNALS:
            signal.signal(signum, self.end)

    def finish(self) -> None:
        """All is saved and said: Python's own end would let a signal kill without a line."""
        for signum in SIGNALS:
            signal.signal(signum, signal.SIG_IGN)

    def end(self, signum: int, frame: FrameType | None = None) -> NoReturn:
        """End now: say so on one line from the first process, clean up, exit with 128 + signum."""
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        self.signum = signum
        self.leave(128 + signum, f"stopped by {signal.Signals(signum).name} {self.when}")

    def say(self, line: str) -> None:
        """Say why this process ends, and how to go on; once."""
        if self.is_said:
            return
        self.is_said = True
        with contextlib.suppress(Exception):  # of an output at work, or of nobody who reads
            sys.stdout.flush()
        advice = ""
        with contextlib.suppress(Exception):
            advice = self.advice()
        with contextlib.suppress(OSError):
            text = f"train.py: {line}{advice and f': {advice}'}\n"
            os.write(2, text.encode(errors="replace"))

    def leave(self, code: int, line: str, speaks: bool | None = None) -> NoReturn:
        """End now, from any thread: one line, the farewells, the exit code.

        Args:
            code: of the exit.
            line: what is said.
            speaks: whether it is said; by default in the first process.
        """
        if not self.leaving.acquire(blocking=False):
            time.sleep(60)  # another thread ends this process
        if is_first() if speaks is None else speaks:
            self.say(line)
        record(line)
        for farewell in reversed(self.farewells):
            with contextlib.suppress(Exception):
                farewell()
        os._exit(code)


program = Program()


def raise_for(signum: int, frame: FrameType | None = None) -> NoReturn:
    """What a signal raises in a script: KeyboardInterrupt, or SystemExit with 128 + signum."""
    if signum == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + signum)


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Within the block SIGTERM raises SystemExit where it would kill: folders are left tidy.

    The handlers of before are back at its end, also where a library leaves Ctrl-C switched off.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # where Python delivers no signals
        return
    before = {signum: signal.getsignal(signum) for signum in SIGNALS}
    if before[signal.SIGTERM] == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, raise_for)
    try:
        yield
    finally:
        for signum, handler in before.items():
            if handler is not None:  # one that was not set from Python
                signal.signal(signum, handler)
