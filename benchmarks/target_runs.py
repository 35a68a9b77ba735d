"""One run of a target: `train.py` with problem, seed and accuracy, and what came of it."""

from __future__ import annotations

import compileall
import json
import math
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from target_rows import Row
from watched import busy

import pinn
from pinn.assessment.scores import errors
from pinn.base.recipe import spec_of
from pinn.physics.references import Reference

ROOT = Path(__file__).parents[1]
HERE = Path(__file__).parent
OWN = ["disguise", "further_problems", "corner_problems"]  # modules whose classes a run may name
PATIENCE, LEAST = 3.0, 120.0  # times the seconds of a row, until a run is stopped; at least
UNCOMPILED = "PYTHONDONTWRITEBYTECODE"  # not for a run: an installed package has its byte code
LONGEST = 4000  # characters of the settings that are kept
TOLD = "estimated relative error"
ESTIMATE = re.compile(r"\b([A-Za-z_]\w*):? +([0-9.]+(?:e[+-]?\d+)?)(?![\w.])")
SAID = re.compile(r"[a-z]+( \d+)? {2,}\S.*")  # a line of the run's log: a word, and what it says
MOST, WIDTH = 40, 160  # such lines that are kept, and characters of each
UNSOLVED = re.compile(r"not solved.*")


def configuration(row: Row, seed: int) -> dict[str, Any]:
    """Problem, seed and accuracy."""
    problem = {"class_path": row.problem, "init_args": dict(row.arguments)}
    model = {"problem": problem, "accuracy": row.accuracy}
    return {"seed_everything": seed, "model": model}


def command(row: Row, seed: int, file: Path) -> list[str]:
    """What is run; the configuration is written to a file."""
    given = [sys.executable, str(ROOT / "train.py"), "--config"]
    if row.config:
        return [*given, row.config, "--seed_everything", str(seed)]
    file.write_text(json.dumps(configuration(row, seed)), encoding="utf-8")
    mine = [name for name in OWN if row.problem.startswith(name + ".")]
    return [*given, str(file), *(part for name in mine for part in ("--allow_import", name))]


def measured(row: Row, seed: int) -> dict[str, Any]:
    """A run and its figures.

    Returns:
        `seconds`, `told` (seconds until the estimate was printed), `estimates` by unknown,
        `unsolved` (the line, if there is one), `said` (the lines of the log), `settings` (of the
        networks), `figure` (what is compared with the target), `errors` by unknown, `quantities`,
        `others` (cores that other work kept busy), `threads` that were asked for, and `failed` (the
        last line of a run that did not end well).
    """
    with tempfile.TemporaryDirectory() as folder:
        ran = watch(command(row, seed, Path(folder) / "target.yaml"), folder, row.seconds)
        files = [*Path(folder).glob("runs/*/*/checkpoints/*.ckpt")]
        if not files:
            return {**ran, "failed": ran["failed"] or "no checkpoint", "figure": None}
        newest = max(files, key=lambda path: path.stat().st_mtime)
        sys.path[:0] = [path for path in [str(HERE)] if path not in sys.path]
        return {**ran, **judged(row, pinn.load(newest, allow_import=OWN))}


def watch(arguments: list[str], folder: str, seconds: float) -> dict[str, Any]:
    """Run a command to its end, or to the end of patience, and read what it prints."""
    compileall.compile_dir(ROOT / "pinn", quiet=1)
    given = {name: value for name, value in os.environ.items() if name != UNCOMPILED}
    paths = os.pathsep.join([str(HERE), str(ROOT)])
    before, begun = busy(), time.monotonic()
    process = subprocess.Popen(
        ["timeout", f"{max(LEAST, PATIENCE * seconds):.0f}", *arguments],
        cwd=folder,
        env={**given, "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    told, unsolved, last = None, None, ""
    estimates: dict[str, float] = {}
    said: list[str] = []
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            last = line.strip() or last
            said += [last[:WIDTH]] if SAID.match(line) else []
            if TOLD in line:
                told = told or time.monotonic() - begun
            for name, value in ESTIMATE.findall(line) if TOLD in line else ():
                estimates[name] = float(value)
            unsolved = next(iter(UNSOLVED.findall(line)), unsolved)
    status, spent = process.wait(), time.monotonic() - begun
    after, others = busy(), None
    if before is not None and after is not None:
        cores, own, wall = (b - a for a, b in zip(before, after, strict=True))
        others = round(max(0.0, cores - own) / wall, 2)
    return {
        "seconds": round(spent, 2),
        "told": told and round(told, 2),
        "estimates": estimates,
        "unsolved": unsolved,
        "said": said[-MOST:],
        "others": others,
        "threads": os.environ.get("OMP_NUM_THREADS"),
        "failed": (last or f"exit status {status}") if status else None,
    }


def judged(row: Row, solution: Any) -> dict[str, Any]:
    """The figure of a trained solution, and what it is made of."""
    reference = solution.problem.judged_by()
    found = {} if reference is None else by_unknown(solution, reference)
    values = {n: q.value for n, q in solution.quantities().items() if n in row.quantities}
    off = [abs(values[n] - known) / within for n, (known, within) in row.quantities.items()]
    figures = {
        "velocity": lambda: found["u"],
        "all": lambda: largest(found.values()),
        "quantities": lambda: largest(off),
        "step": lambda: largest([*off, found.get("u", math.inf) / row.accuracy]),
    }
    settings = json.dumps({n: spec_of(net) for n, net in solution.networks.items()})
    return {
        "figure": figures[row.judge](),
        "errors": found,
        "quantities": values,
        "settings": settings[:LONGEST],
    }


def components(row: Row) -> dict[str, tuple[str, ...]]:
    """Unknown → the names of its components."""
    module, _, name = row.problem.rpartition(".")
    problem = getattr(import_module(module or "pinn.problems"), name)(**row.arguments)
    return {unknown: problem.components(unknown) for unknown in problem.unknowns}


def largest(values: Iterable[float]) -> float:
    """The largest one; NaN, if any is."""
    return float(torch.tensor([*values], dtype=torch.float64).max())


def by_unknown(solution: Any, reference: Reference) -> dict[str, float]:
    """Relative L2 error of each unknown, its components together."""
    scores, problem = errors(solution, reference), solution.problem
    found = {}
    for unknown in problem.unknowns:
        parts = [n for n in problem.components(unknown) if n in reference.values]
        if not parts:
            continue
        sizes = torch.stack([reference.values[n][reference.judged].norm() for n in parts])
        each = torch.tensor([scores[f"error/{n}"] for n in parts], dtype=torch.float64)
        if len(parts) > 1:
            found[unknown] = float((each * sizes).norm() / sizes.norm())
        else:
            found[unknown] = float(each)
    return found
