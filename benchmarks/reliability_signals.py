"""SIGINT and SIGTERM at every stage of a command, from the moment that Python can hear them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from reliability_table import Row

ROOT = Path(__file__).parents[1]
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


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """`train.py` in a folder, its output line by line."""
    return subprocess.Popen(
        [sys.executable, "-u", str(ROOT / "train.py"), *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def hears(process: subprocess.Popen[str]) -> bool:
    """Whether a process has a handler of its own for SIGTERM (Linux tells)."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = int(re.findall(r"SigCgt:\s*(\w+)", status)[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def wait(process: subprocess.Popen[str], text: str) -> bool:
    """Wait for a line with a text; False where the process ends before."""
    if not text:
        while process.poll() is None and not hears(process):
            time.sleep(0.002)
        return process.poll() is None
    return any(text in line for line in process.stdout or ())


def stopped(folder: Path, text: str, signum: signal.Signals, delay: float = 0.0) -> str:
    """What is wrong with how a run ends that gets a signal at a stage; empty if nothing is."""
    folder.mkdir()
    (folder / "small.yaml").write_text(CONFIG)
    process = start(folder, "--config", "small")
    if not wait(process, text):
        return f"{text!r} was not printed: {process.communicate()[1][-200:]}"
    time.sleep(delay)
    process.send_signal(signum)
    _, said = process.communicate(timeout=300)
    lines = said.splitlines()
    if process.returncode == 0 and text in OVER and not lines:
        return ""  # all was said before the signal came
    if process.returncode != EXIT[signum]:
        return f"exit code {process.returncode}: {said[-200:]}"
    if len(lines) != 1 or f"stopped by {signum.name}" not in lines[0]:
        return f"{len(lines)} lines: {said[-200:]}"
    kept = list(folder.glob("runs/*/*/checkpoints/*.ckpt"))
    if not kept and (folder / "runs").exists():
        return "an empty folder of a run is left"
    if kept and "--resume" not in lines[0]:
        return f"no word of the checkpoint: {lines[0]}"
    return ""


def signals(short: bool, folder: Path) -> Iterable[Row]:
    """Both signals at every stage, SIGTERM a little later than SIGINT."""
    stages = dict(list(STAGES.items())[:4:3]) if short else STAGES
    for number, (stage, text) in enumerate(stages.items()):
        cases = [(signal.SIGINT, 0.0), (signal.SIGTERM, 0.03)]
        ends = [
            stopped(folder / f"{number}-{k}", text, signum, delay)
            for k, (signum, delay) in enumerate(cases)
        ]
        wrong = [end for end in ends if end]
        yield Row(
            f"signal: {stage}",
            len(ends),
            len(ends) - len(wrong),
            "130 or 143, one line, no folder without a checkpoint"
            + (", or 0 where all was said" if text in OVER else ""),
            wrong[0] if wrong else "",
        )
