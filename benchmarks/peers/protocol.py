"""Line-wise JSON between the harness and a contestant, from the contestant's side.

Importing this takes standard output for the answers; what packages print goes to standard error.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Runs in the environments of all contestants: only the standard library is imported here.
_ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def receive() -> dict[str, Any]:
    """The next request; the process ends when there is none."""
    line = sys.stdin.readline()
    if not line:
        os._exit(0)
    request: dict[str, Any] = json.loads(line)
    return request


def send(answer: dict[str, Any]) -> None:
    """Answer a request."""
    _ANSWERS.write(json.dumps(answer) + "\n")
    _ANSWERS.flush()


class ResidentMemory:
    """Growth of the peak resident memory of this process, in MB; None where /proc is missing."""

    def __init__(self) -> None:
        self.baseline = 0.0
        self.restart()
        now = self.read("VmRSS")
        self.baseline = 0.0 if now is None else now

    @staticmethod
    def restart() -> None:
        """Forget the peak."""
        reset = Path("/proc/self/clear_refs")
        if reset.exists():
            reset.write_text("5")

    def peak(self) -> float | None:
        """The peak since `restart`, above what was resident when this object was made."""
        peak = self.read("VmHWM")
        return None if peak is None else peak - self.baseline

    @staticmethod
    def read(name: str) -> float | None:
        """A line of the process's status, in MB."""
        status = Path("/proc/self/status")
        if not status.exists():
            return None
        lines = (line.split() for line in status.read_text().splitlines())
        return next(float(line[1]) / 1024 for line in lines if line and line[0] == f"{name}:")


class Session:
    """Lets a training loop run on request. Make it after the imports and before the model.

        {"steps": k}    →  {"seconds": per step, "loss": of the last step}
        {"mark": true}  →  {"peak_mb": growth so far}, and the peak is forgotten
        {"exit": true}  →  {"peak_mb": growth since the mark}, and the process ends

    The first line a contestant sends is {"ready": true, "versions": {…}}. The loop calls `tick`
    before each of its steps, whoever owns the loop: there the clock stops, the answer is sent and
    the next request awaited, so that a request times whole steps of the loop and nothing else.

    Args:
        versions: of the packages that matter.
        synchronise: waits for work that was launched only.
        memory: the peak of something else than this process.
        others: further requests: name → what to run for a number of steps.
    """

    def __init__(
        self,
        versions: dict[str, str],
        synchronise: Callable[[], Any] = lambda: None,
        memory: Any = None,
        others: dict[str, Callable[[int], Any]] | None = None,
    ) -> None:
        self.versions = versions
        self.synchronise = synchronise
        self.others = others or {}
        self.asked = self.left = 0
        self.begun = 0.0
        self.ready = False
        self.memory = ResidentMemory() if memory is None else memory

    def tick(self, loss: Callable[[], float]) -> None:
        """A step is about to begin.

        Args:
            loss: the loss that the step before this one computed.
        """
        if self.left == 0:
            self.synchronise()
            seconds = time.perf_counter() - self.begun
            if self.asked:
                send({"seconds": seconds / self.asked, "loss": float(loss())})
            elif not self.ready:
                send({"ready": True, "versions": self.versions})
                self.ready = True
            self.asked = self.left = self.next_steps()
            self.begun = time.perf_counter()
        self.left -= 1

    def next_steps(self) -> int:
        """Serve requests until one asks for steps."""
        while True:
            request = receive()
            if "steps" in request:
                return int(request["steps"])
            if "mark" in request or "exit" in request:
                send({"peak_mb": self.memory.peak()})
                self.memory.restart()
            if "exit" in request:
                os._exit(0)  # in the middle of somebody's training loop
            for name in self.others.keys() & request.keys():
                send({"seconds": self.timed(self.others[name], int(request[name]))})

    def timed(self, run: Callable[[int], Any], steps: int) -> float:
        """Seconds per step of something else than the loop."""
        begun = time.perf_counter()
        run(steps)
        self.synchronise()
        return (time.perf_counter() - begun) / steps
