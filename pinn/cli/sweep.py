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
from pinn.cli.invocation import program_words
from pinn.cli.request import Request, complain, parse
from pinn.cli.sweep_members import Member, shortened
from pinn.runs.folders import discard, new_run, present

DONE = "done"
# Column of a table → how its numbers are written.
COLUMNS = {"loss": ".2e", "steps": ".0f", "seconds": ".0f"}


def sweep(request: Request, check: Callable[[Request], Path]) -> int:
    """Run all runs of a sweep, each in a process of its own.

    Args:
        request: with the runs.
        check: raises where a run could not begin; else says below which folder it would be kept.

    Returns:
        0; 1 if a run failed; 130 and 143 if SIGINT or SIGTERM stopped it.
    """
    runs = request.sweep
    say(f"sweep     {len(runs)} runs: checking all of them …")
    base, *_ = [check(parse(member.argv)) for member in runs]
    above = present(base / request.name)
    label = request.label or f"{time.strftime('%Y-%m-%d_%H-%M-%S')}_sweep"
    folder = new_run(base, request.name, label)
    write(folder, runs)
    with tempfile.TemporaryDirectory() as place:
        stopped = fill(folder, runs, Path(place))
    if not any(path.is_dir() for path in folder.iterdir()):
        (folder / SWEEP).unlink()
        discard(folder, above)
        complain("no run of the sweep took a step")
        return 128 + stopped if stopped else 1
    show(table(runs))
    say(f"files: {folder}, with this table in {SWEEP}")
    if any(folder.glob("*/events.out.*")):
        advise(folder)
    done = [run.state for run in runs].count(DONE)
    if stopped:
        complain(f"stopped by {signal.Signals(stopped).name}: {done} runs are done")
        return 128 + stopped
    return 0 if done == len(runs) else 1


def fill(folder: Path, runs: Sequence[Member], place: Path) -> int:
    """Run what is to be run.

    Args:
        folder: of the sweep.
        runs: all of them.
        place: for files of this process.

    Returns:
        The signal that stopped it, or 0.
    """
    for number, run in enumerate(runs, 1):
        run.label = f"{folder.name}/{run.folder}"
        run.result = str(place / f"{number}.json")
        say(f"sweep     run {number} of {len(runs)}: {told(run)}")
        began = time.monotonic()
        code, stopped = carried_out(run)
        state = DONE if code == 0 else "stopped" if stopped else "failed"
        run.end(state, time.monotonic() - began)
        write(folder, runs)
        if stopped:
            return stopped
        if code:
            rest = "; going on with the others" if number < len(runs) else ""
            complain(f"run {number} of {len(runs)}, {told(run)}, has failed{rest}")
    return 0


def write(folder: Path, runs: Sequence[Member]) -> None:
    """Write the table with all numbers that are known."""
    names = dict.fromkeys(name for run in runs for name in run.numbers)
    with (folder / SWEEP).open("w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, [*runs[0].values, "state", *names, "folder"])
        rows.writeheader()
        for run in runs:
            own = {"state": run.state, "folder": run.folder}
            rows.writerow({**run.values, **run.numbers, **own})


def table(runs: Sequence[Member]) -> Table:
    """What the runs are compared by: errors, or residuals where none are known."""
    known = dict.fromkeys(name for run in runs for name in run.numbers)
    names = [n for n in known if n.startswith("error/") and not n.endswith("_everywhere")]
    names = names or [n for n in known if n.startswith("residual/") and n.endswith("_rms")]
    names += [n for n in known if "/" not in n and n not in COLUMNS]
    columns = {**dict.fromkeys(names, ".2e"), **COLUMNS}
    states = [run.state for run in runs if run.state != DONE]
    shown = Table(title="the runs of the sweep")
    for key in shortened(list(runs[0].values)).values():
        shown.add_column(key, no_wrap=True)
    for name in [*map(titled, columns), *([""] if states else [])]:
        shown.add_column(name, justify="right")
    for run in runs:
        cells = [format(run.numbers[n], f) if n in run.numbers else "" for n, f in columns.items()]
        shown.add_row(*run.values.values(), *cells, *([run.state] if states else []))
    return shown


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
    command = [sys.executable, *program_words(), *run.argv]
    running: list[subprocess.Popen[bytes]] = []
    with forwarded(running) as received:
        # In a group of its own: a Ctrl-C reaches it once, by way of this process.
        running.append(subprocess.Popen(command, env=run.environment(), process_group=0))
        for signum in received:  # before there was somebody to pass them on to
            running[0].send_signal(signum)
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
