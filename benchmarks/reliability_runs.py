"""Runs that meet: two that want one folder, one that is killed, processes that lose each other."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from reliability_commands import begun, done, ended, kept, prepared, reached, spread, told
from reliability_resume import weights
from reliability_signals import CONFIG, said_by
from reliability_table import Row

from pinn.checkpoints.file import read
from pinn.checkpoints.names import newest_first, step_of

# What would be measured by the clock is settled, so that two runs end with the same bits.
SETTLED = CONFIG.replace("data:", "  derivatives: taylor\n  compile: false\ndata:", 1)
LONG = SETTLED.replace("steps: 60", "steps: 100000")
STEPS = 60
# Those that are forked draw no curves and no pictures, which take most of their time.
FEW = ["--config", "small", "--checkpoints.every", "1"]
BARE = ["--trainer.logger", "false"]
SAVE = "the first file of a checkpoint"
MOMENTS = {
    "between steps": "step 20/",
    "at the start": "",
    "before the first step": "phases    ",
    "at a save": SAVE,
}


def is_at(folder: Path, step: int) -> bool:
    """Whether a run has saved a step, or, for step 0, has a folder."""
    if not step:
        return any(folder.glob("runs/*/*"))
    files = kept(folder)
    return bool(files) and step_of(files[0]) >= step


def killed(folder: Path, step: int, delay: float, anew: bool) -> str:
    """What is wrong with what a run leaves that is killed; empty if nothing is.

    Args:
        folder: of the run; it is made.
        step: that has been saved by then; for 0 the run has a folder at least.
        delay: in seconds, from then on.
        anew: whether it starts a Python of its own.
    """
    log = prepared(folder, SETTLED) / "log"
    child = begun(FEW if anew else [*FEW, *BARE], log, anew)
    if not reached(child, partial(is_at, folder, step)):
        return f"it has ended before step {step}: {told(log)[-200:]}"
    time.sleep(delay)
    os.kill(child, signal.SIGKILL)
    ended(child)
    if not step and not kept(folder):
        return ""  # nothing was saved yet
    try:
        read(kept(folder)[0])
    except Exception as error:
        return f"step {step}: {error}"
    return ""


class Kill(NamedTuple):
    """One `kill -9` that is to be tried.

    Args:
        number: of the case.
        step: see `killed`.
        delay: see `killed`.
        anew: see `killed`.
    """

    number: int
    step: int
    delay: float
    anew: bool


def after(kill: Kill, folder: Path, expected: dict[str, bytes]) -> tuple[str, str, bool, bool]:
    """What is wrong after a kill, and after the resumption; what the kill had met.

    Returns:
        Both complaints, empty where there is none; whether a file was being written, and whether
        there was no checkpoint yet.
    """
    here = folder / str(kill.number)
    lost = killed(here, kill.step, kill.delay, kill.anew)
    in_a_save = any(here.glob("runs/*/*/checkpoints/.*.part*"))
    before = not kept(here)
    command = FEW if kill.anew else [*FEW, *BARE]
    code = done([*command, "--resume", "auto"], here / "log", kill.anew)
    is_same = code == 0 and weights(kept(here)[0]) == expected
    other = "" if is_same else f"{kill.number}, {code}: {(here / 'log').read_text()[-200:]}"
    shutil.rmtree(here)
    return lost, other, in_a_save, before


def kills(short: bool, folder: Path) -> Iterable[Row]:
    """`kill -9` at any moment: a checkpoint that loads, no lock, the same bits at the end."""
    times, draw = 4 if short else 100, random.Random(0)
    whole = prepared(folder / "whole", SETTLED)
    if done(FEW, whole / "log", anew=not short):
        raise RuntimeError(told(whole / "log")[-500:])
    expected = weights(kept(whole)[0])
    cases = [
        Kill(
            number,
            0 if number % 10 == 1 else draw.randint(1, STEPS - 6),
            draw.random() * 0.05,
            anew=not short and number % 33 == 0,
        )
        for number in range(times)
    ]
    answers = spread(partial(after, folder=folder, expected=expected), cases, folder)
    lost, other, in_a_save, before = zip(*answers, strict=True)
    anew = sum(kill.anew for kill in cases)
    note = f"{sum(in_a_save)} in the middle of a file, {sum(before)} before the first one"
    yield row("kill -9", lost, "the newest checkpoint loads", anew, note)
    yield row("kill -9, then --resume auto", other, "the bits of a whole run", anew)


def row(what: str, wrong: Sequence[str], promised: str, anew: int, note: str = "") -> Row:
    """A row from what was wrong with each case, empty where nothing was."""
    first = next((words for words in wrong if words), note)
    return Row(what, len(wrong), wrong.count(""), promised, first, anew)


def pairs(short: bool, folder: Path) -> Iterable[Row]:
    """Two processes and one run: the second one is refused, or takes another run."""
    times = 1 if short else 10
    refused, passed, freed = [], [], []
    fresh = 0
    for number in range(times):
        here, anew = prepared(folder / str(number), LONG), not short and number % 5 == 0
        fresh += anew
        owner = begun(["--config", "small", *BARE, "--name", "mine"], here / "log", anew)
        if not reached(owner, partial(is_at, here, 1)):
            raise RuntimeError(told(here / "log")[-500:])
        os.kill(owner, signal.SIGSTOP)  # else the checkpoint that is named would soon be replaced
        command = ["--config", "small", "--resume"]
        code = done([*command, str(kept(here)[0])], here / "second", anew)
        said = told(here / "second")
        is_right = code == 2 and f"being trained by process {owner} on" in said
        refused.append("" if is_right else said[-200:] or str(code))
        os.kill(owner, signal.SIGCONT)
        again = [*command, "auto", *BARE, "--trainer.max_steps", "1"]
        code = done(again, here / "third", anew)
        said = told(here / "third")
        is_right = code == 0 and "passed over: " in said and "a new run begins" in said
        passed.append("" if is_right else said[-200:] or str(code))
        os.kill(owner, signal.SIGKILL)
        ended(owner)
        newest = str(newest_first(here / "runs" / "small" / "mine" / "checkpoints")[0])
        more = [*command, newest, "--trainer.max_time", "00:00:00:01"]
        code = done([*more, "--trainer.max_steps", "100000"], here / "fourth", anew)
        freed.append(f"{code}: {told(here / 'fourth')[-200:]}" if code else "")
    yield row("a second owner of a run", refused, "refused, pid and host named", fresh)
    yield row("--resume auto beside a live run", passed, "passes over it, says so", fresh)
    yield row("a run whose owner was killed", freed, "goes on at once", fresh)


def children_of(number: int) -> list[int]:
    """The processes that a process has started."""
    listed = Path(f"/proc/{number}/task/{number}/children").read_text()
    return [int(child) for child in listed.split()]


def ranks(short: bool, folder: Path) -> Iterable[Row]:
    """Two processes, one of which is killed."""
    moments = dict(list(MOMENTS.items())[:1]) if short else MOMENTS
    for rank in (1, 0):
        ends = [
            bereft(folder / f"{number}-{rank}", moment, rank, anew=not short)
            for number, moment in enumerate(moments)
        ]
        anew = 0 if short else len(ends)
        yield row(f"rank {rank} of 2 killed", ends, "one line: rank, checkpoint", anew)


def bereft(here: Path, moment: str, rank: int, anew: bool) -> str:
    """What is wrong with the end of a run of two processes that loses one."""
    log = prepared(here, LONG) / "log"
    child = begun(["--config", "small", "--trainer.devices", "2"], log, anew)
    if not reached(child, lambda: bool(children_of(child))):
        return f"{moment}: it has ended: {told(log)[-200:]}"
    time.sleep(0.3)  # until the first process knows the number of the second one
    text = MOMENTS[moment]
    saved = lambda: any(here.glob("runs/*/*/checkpoints/*step-*"))  # noqa: E731
    if not reached(child, saved if text == SAVE else lambda: text in said_by(log)):
        return f"{moment}: it has ended: {told(log)[-200:]}"
    os.kill(children_of(child)[0] if rank else child, signal.SIGKILL)
    ended(child)
    reached_end(log, rank)
    lines = log.read_text().splitlines()
    good = len(lines) == 1 and f"rank {rank} of 2 was killed" in lines[0]
    if good and kept(here):
        good = kept(here)[0].name in lines[0]
    return "" if good else f"{moment}: {log.read_text()[-200:]}"


def reached_end(log: Path, rank: int, patience: float = 120.0) -> None:
    """Wait for the line of the second process, which is nobody's child once the first is killed."""
    end = time.monotonic() + patience
    while not rank and not log.read_text().endswith("\n") and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(0 if rank else 0.5)  # nothing follows it
