"""SIGINT and SIGTERM at every stage of a command, from the moment that Python can hear them."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from reliability_commands import begun, done, ended, hears, prepared, reached, told
from reliability_table import Row

# What is measured by the clock is left open, so that a run measures and records.
CONFIG = """\
model:
  problem: {class_path: Poisson, init_args: {wavenumber: 1}}
  network: {class_path: MLP, init_args: {width: 16, depth: 2}}
  phases: [{optimizer: Adam, steps: 60}]
data: {points: {interior: 64, boundary: 16}, held_out: 64}
trainer: {accelerator: cpu, val_check_interval: 20, enable_progress_bar: false}
checkpoints: {every: 10}
pictures: {every: 20}
"""
# A stage begins when a line with this text is printed; the first one when handlers are set.
STAGES = {
    "as Python starts": "",
    "torch is loaded": "loading torch",
    "Lightning is loaded": "loading Lightning",
    "the problem is built": "building the problem",
    "measuring": "choosing how to differentiate",
    "the choice of eager or recorded": "strategy  ",
    "the first step": "phases    ",
    "between steps": "step 1/60",
    "a validation": "checking the solution",
    "pictures": "drawing the fields",
    "the end": "how good it is",
    "after the end": "files: ",
}
OVER = ("how good it is", "files: ")
EXIT = {signal.SIGINT: 130, signal.SIGTERM: 143}


def stopped(
    folder: Path, text: str, signum: signal.Signals, delay: float = 0.0, anew: bool = True
) -> str:
    """What is wrong with how a run ends that gets a signal at a stage; empty if nothing is."""
    log = prepared(folder, CONFIG) / "log"
    child = begun(["--config", "small"], log, anew)
    if not reached(child, lambda: text in said_by(log) if text else hears(child)):
        return f"{text!r} was not printed: {told(log)[-200:]}"
    time.sleep(delay)
    os.kill(child, signum)  # a child that is not waited for keeps its number
    return judged(folder, ended(child), log.read_text(), signum, text in OVER)


def said_by(log: Path) -> str:
    """The output of a command up to now."""
    output = Path(f"{log}.out")
    return output.read_text(errors="replace") if output.exists() else ""


def judged(folder: Path, code: int, said: str, signum: signal.Signals, may_be_over: bool) -> str:
    """What is wrong with the end of a run that got a signal; empty if nothing is."""
    lines = said.splitlines()
    if code == 0 and may_be_over and not lines:
        return ""  # all was said before the signal came
    if code != EXIT[signum]:
        return f"exit code {code}: {said[-200:]}"
    if len(lines) != 1 or f"stopped by {signum.name}" not in lines[0]:
        return f"{len(lines)} lines: {said[-200:]}"
    files = list(folder.glob("runs/*/*/checkpoints/*.ckpt"))
    if not files and (folder / "runs").exists():
        return "an empty folder of a run is left"
    if files and "--resume" not in lines[0]:
        return f"no word of the checkpoint: {lines[0]}"
    return ""


def at_any_moment(folder: Path, times: int) -> Iterator[str]:
    """What is wrong with how runs end that get a signal at a moment drawn by chance."""
    draw = random.Random(0)
    begin = time.perf_counter()
    done(["--config", "small"], prepared(folder / "whole", CONFIG) / "log")
    seconds = time.perf_counter() - begin
    for number in range(times):
        here = prepared(folder / f"any-{number}", CONFIG)
        signum = list(EXIT)[number % 2]
        child = begun(["--config", "small"], here / "log")
        if reached(child, partial(hears, child)):
            time.sleep(draw.random() * seconds)
            os.kill(child, signum)
            yield judged(here, ended(child), (here / "log").read_text(), signum, True)
        else:
            yield "the run has ended before it could hear"


def signals(short: bool, folder: Path) -> Iterable[Row]:
    """Both signals at every stage, SIGTERM a little later than SIGINT; then at any moment."""
    promised = "130 or 143, one line, no folder without a checkpoint"
    over = f"{promised}, or 0 where all was said"
    for number, (stage, text) in enumerate(STAGES.items()):
        cases = [(signal.SIGINT, 0.0), (signal.SIGTERM, 0.03)]
        if short:
            cases = [cases[number % 2]]
        ends = [
            stopped(folder / f"{number}-{k}", text, signum, delay, anew=not short)
            for k, (signum, delay) in enumerate(cases)
        ]
        words = over if text in OVER else promised
        yield row(f"signal: {stage}", ends, words, 0 if short else len(ends))
    yield row("signal: at any moment", list(at_any_moment(folder, 2 if short else 60)), over, 0)


def row(what: str, ends: list[str], promised: str, anew: int) -> Row:
    """A row from what was wrong with each case."""
    wrong = [end for end in ends if end]
    note = wrong[0] if wrong else ""
    return Row(what, len(ends), len(ends) - len(wrong), promised, note, anew)
