"""Runs of one configuration with other values, one after the other, and one table of them."""

import csv
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.table import Table

from pinn.base.console import say, show
from pinn.callbacks.report import advise
from pinn.cli.configuration import SWEEP
from pinn.cli.request import Request, complain, parse
from pinn.cli.sweep_members import Member, shortened
from pinn.runs.folders import discard, new_run, present

DONE, WAITING = "done", "not run"


def sweep(request: Request, check: Callable[[Request], Path]) -> int:
    """Run all runs of a sweep, each in a process of its own.

    Args:
        request: with the runs.
        check: raises where a run could not begin; else says below which folder it would be kept.

    Returns:
        0; 1 if a run failed; 130 and 143 if SIGINT or SIGTERM stopped it.
    """
    runs, bases = request.sweep, []
    say(f"sweep     {len(runs)} runs: checking all of them …")
    for member in runs:
        bases.append(check(parse(member.argv)))
    base = bases[0] / request.name
    above = present(base)
    label = request.label or f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_sweep"
    folder = new_run(bases[0], request.name, label)
    sheet = Sheet(folder, runs)
    with tempfile.TemporaryDirectory() as place:
        stopped = sheet.fill(Path(place))
    if not any(path.is_dir() for path in folder.iterdir()):
        (folder / SWEEP).unlink()
        discard(folder, above)
        complain("no run of the sweep took a step")
        return 128 + stopped if stopped else 1
    show(sheet.table())
    say(f"files: {folder}, with this table in {SWEEP}")
    if any(folder.glob("*/events.out.*")):
        advise(folder)
    if stopped:
        complain(f"stopped by {signal.Signals(stopped).name}: {sheet.count(DONE)} runs are done")
        return 128 + stopped
    return 0 if sheet.count(DONE) == len(runs) else 1


class Sheet:
    """What came out of each run.

    Args:
        folder: of the sweep.
        runs: all of them.
    """

    def __init__(self, folder: Path, runs: Sequence[Member]) -> None:
        self.folder, self.runs = folder, runs
        self.state = dict.fromkeys((run.folder for run in runs), WAITING)
        self.seconds: dict[str, float] = {}
        self.found: dict[str, dict[str, float]] = {}
        self.write()

    def count(self, state: str) -> int:
        """How many runs are in a state."""
        return list(self.state.values()).count(state)

    def fill(self, place: Path) -> int:
        """Run what is to be run.

        Args:
            place: for files of this process.

        Returns:
            The signal that stopped it, or 0.
        """
        for number, run in enumerate(self.runs, 1):
            run.label = f"{self.folder.name}/{run.folder}"
            run.result = str(place / f"{number}.json")
            say(f"sweep     run {number} of {len(self.runs)}: {told(run)}")
            began = time.monotonic()
            code, stopped = carried_out(run)
            self.seconds[run.folder] = time.monotonic() - began
            self.found[run.folder] = run.found()
            self.state[run.folder] = DONE if code == 0 else "stopped" if stopped else "failed"
            self.write()
            if stopped:
                return stopped
            if code:
                rest = "; going on with the others" if number < len(self.runs) else ""
                complain(f"run {number} of {len(self.runs)}, {told(run)}, has failed{rest}")
        return 0

    def write(self) -> None:
        """Write the table with all numbers that are known."""
        names = list(dict.fromkeys(n for found in self.found.values() for n in found))
        head = [*self.runs[0].values, "state", "seconds", *names, "folder"]
        with (self.folder / SWEEP).open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(head)
            for run in self.runs:
                numbers, seconds = self.found.get(run.folder, {}), self.seconds.get(run.folder, "")
                took = f"{seconds:.1f}" if seconds else ""
                values = [numbers.get(name, "") for name in names]
                state = self.state[run.folder]
                rows.writerow([*run.values.values(), state, took, *values, run.folder])

    def table(self) -> Table:
        """What the runs are compared by: errors, or residuals where none are known."""
        known = dict.fromkeys(n for found in self.found.values() for n in found)
        shown = [n for n in known if n.startswith("error/") and not n.endswith("_everywhere")]
        shown = shown or [n for n in known if n.startswith("residual/") and n.endswith("_rms")]
        shown += [n for n in known if "/" not in n and n not in ("loss", "steps")]
        short = shortened(list(self.runs[0].values))
        table = Table(title="the runs of the sweep")
        for key in self.runs[0].values:
            table.add_column(short[key], no_wrap=True)
        states = [""] if self.count(DONE) < len(self.runs) else []
        for name in [*(titled(n) for n in shown), "loss", "steps", "seconds", *states]:
            table.add_column(name, justify="right")
        for run in self.runs:
            found = self.found.get(run.folder, {})
            numbers = [f"{found[n]:.2e}" if n in found else "" for n in [*shown, "loss"]]
            steps = f"{found['steps']:.0f}" if "steps" in found else ""
            took = f"{self.seconds[run.folder]:.0f}" if run.folder in self.seconds else ""
            state = [self.state[run.folder]] * len(states)
            table.add_row(*run.values.values(), *numbers, steps, took, *state)
        return table


def titled(name: str) -> str:
    """The head of a column: `error of u`."""
    group, _, rest = name.rpartition("/")
    return f"{group} of {rest.removesuffix('_rms')}" if group else name


def told(run: Member) -> str:
    """A run, by what it is told from the others."""
    short = shortened(list(run.values))
    return ", ".join(f"{short[key]} {value}" for key, value in run.values.items())


def carried_out(run: Member) -> tuple[int, int]:
    """Run one run; its exit code, and the signal that arrived meanwhile, or 0."""
    command = [sys.executable, sys.argv[0], *run.argv]
    running: list[subprocess.Popen[bytes]] = []
    with forwarded(running) as received:
        # In a group of its own: a Ctrl-C reaches it once, by way of this process.
        running.append(subprocess.Popen(command, env=run.environment(), process_group=0))
        code = running[0].wait()
    return code, received[0] if received else 0


@contextmanager
def forwarded(running: list[subprocess.Popen[bytes]]) -> Iterator[list[int]]:
    """Pass signals on to processes, and note them."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received  # where Python delivers no signals
        return

    def forward(signum: int, frame: object) -> None:
        received.append(signum)
        for process in running:
            process.send_signal(signum)

    before = {s: signal.signal(s, forward) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
