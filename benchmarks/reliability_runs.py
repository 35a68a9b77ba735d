"""Runs that meet: two that want one folder, one that is killed, processes that lose each other."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from reliability_signals import CONFIG, start
from reliability_table import Row

from pinn.checkpoints.file import read
from pinn.checkpoints.names import newest_first
from pinn.cli.main import main

# What would be measured by the clock is settled, so that two runs end with the same bits.
SETTLED = CONFIG.replace("data:", "  derivatives: taylor\n  compile: false\ndata:", 1)
LONG = SETTLED.replace("steps: 60", "steps: 100000")
SAVE = "the first file of a checkpoint"
MOMENTS = {
    "at the start": "",
    "before the first step": "phases    ",
    "at a save": SAVE,
    "between steps": "step 20/",
}


def forked(argv: list[str], log: Path) -> int:
    """A command in the folder of its log, whose process need not load torch again; its number."""
    child = os.fork()
    if child:
        return child
    code = 99
    try:
        os.chdir(log.parent)
        with log.open("a") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        sys.stdout = sys.stderr = os.fdopen(2, "w", buffering=1)
        code = main(argv)
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """The exit code of a process."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kept(folder: Path) -> list[Path]:
    """The checkpoints of the only run in a folder."""
    return [file for run in folder.glob("runs/*/*") for file in newest_first(run / "checkpoints")]


def weights(path: Path) -> dict[str, bytes]:
    """The bits of all weights."""
    return {n: w.numpy().tobytes() for n, w in read(path)["state_dict"].items()}


def kills(short: bool, folder: Path) -> Iterable[Row]:
    """`kill -9` at any moment: a checkpoint that loads, no lock, the same bits at the end."""
    sys.argv = [str(Path(__file__).parents[1] / "train.py")]
    times, chance = 5 if short else 100, random.Random(0)
    few = ["--config", "small", "--checkpoints.every", "1"]
    whole = folder / "whole"
    prepared(whole, SETTLED)
    if ended(forked(few, whole / "log")):
        raise RuntimeError((whole / "log").read_text()[-500:])
    expected, lost, other = weights(kept(whole)[0]), "", ""
    good = same = 0
    for number in range(times):
        here = folder / str(number)
        prepared(here, SETTLED)
        child = forked(few, here / "log")
        while not kept(here) and os.waitpid(child, os.WNOHANG)[0] == 0:
            time.sleep(0.001)
        time.sleep(chance.random() * 2.0)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        try:
            read(kept(here)[0])
            good += 1
        except Exception as error:
            lost = lost or f"{number}: {error}"
        code = ended(forked([*few, "--resume", "auto"], here / "log"))
        same += code == 0 and weights(kept(here)[0]) == expected
        other = other or ("" if code == 0 else (here / "log").read_text()[-200:])
    yield Row("kill -9", times, good, "the newest checkpoint loads", lost)
    yield Row("kill -9, then --resume auto", times, same, "the bits of a whole run", other)


def prepared(folder: Path, text: str) -> None:
    """A folder with a configuration."""
    folder.mkdir()
    (folder / "small.yaml").write_text(text)


def pairs(short: bool, folder: Path) -> Iterable[Row]:
    """Two processes and one run: the second one is refused, or takes another run."""
    sys.argv = [str(Path(__file__).parents[1] / "train.py")]
    times = 2 if short else 10
    refused = passed = freed = 0
    note = ""
    for number in range(times):
        here = folder / str(number)
        prepared(here, LONG)
        owner = forked(["--config", "small", "--name", "mine"], here / "log")
        while not kept(here):
            time.sleep(0.01)
        newest = str(kept(here)[0])
        code = ended(forked(["--config", "small", "--resume", newest], here / "second"))
        said = (here / "second").read_text()
        refused += code == 2 and f"being trained by process {owner} on" in said
        again = ["--config", "small", "--resume", "auto", "--trainer.max_steps", "1"]
        code = ended(forked(again, here / "third"))
        said = (here / "third").read_text()
        passed += code == 0 and "passed over: " in said and "a new run begins" in said
        os.kill(owner, signal.SIGKILL)
        ended(owner)
        newest = str(newest_first(here / "runs" / "small" / "mine" / "checkpoints")[0])
        more = ["--config", "small", "--resume", newest, "--trainer.max_steps", "100000"]
        child = forked([*more, "--trainer.max_time", "00:00:00:01"], here / "fourth")
        freed += ended(child) == 0
        note = note or ("" if freed == number + 1 else (here / "fourth").read_text()[-200:])
    yield Row("a second owner of a run", times, refused, "refused, pid and host named")
    yield Row("--resume auto beside a live run", times, passed, "passes over it, says so")
    yield Row("a run whose owner was killed", times, freed, "goes on at once", note)


def children_of(number: int) -> list[int]:
    """The processes that a process has started."""
    listed = Path(f"/proc/{number}/task/{number}/children").read_text()
    return [int(child) for child in listed.split()]


def ranks(short: bool, folder: Path) -> Iterable[Row]:
    """Two processes, one of which is killed."""
    moments = dict(list(MOMENTS.items())[-1:]) if short else MOMENTS
    for number, (moment, text) in enumerate(moments.items()):
        for rank in (1,) if short else (1, 0):
            here = folder / f"{number}-{rank}"
            prepared(here, LONG)
            process = start(here, "--config", "small", "--trainer.devices", "2")
            reach(process, text, here)
            os.kill(children_of(process.pid)[0] if rank else process.pid, signal.SIGKILL)
            yield judged(process, moment, rank, here)


def reach(process: subprocess.Popen[str], text: str, here: Path) -> None:
    """Wait for a moment in a run of two processes."""
    while not children_of(process.pid):
        time.sleep(0.01)
    time.sleep(0.3)  # until the first process knows the number of the second one
    while text == SAVE and not list(here.glob("runs/*/*/checkpoints/*step-*")):
        time.sleep(0.001)
    for line in process.stdout or () if text not in ("", SAVE) else ():
        if text in line:
            break


def judged(process: subprocess.Popen[str], moment: str, rank: int, here: Path) -> Row:
    """Whether a run that lost a process has ended with one line that says so."""
    _, said = process.communicate(timeout=300)
    lines = said.splitlines()
    good = len(lines) == 1 and f"rank {rank} of 2 was killed" in lines[0]
    if good and kept(here):
        good = kept(here)[0].name in lines[0]
    what = f"rank {rank} of 2 killed {moment}"
    note = "" if good else said[-200:].replace("\n", " ")
    return Row(what, 1, int(good), "one line: rank, checkpoint", note)
