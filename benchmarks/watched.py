"""Processes that write their error against the seconds, and where their curves are kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from contestants import PEERS, ROOT
from environments import interpreter
from stored import RESULTS, machine

Run = dict[str, Any]
QUIET = 0.1  # cores that other work may keep busy unmentioned


def configuration(name: str, seed: int, settings: Sequence[str] = ()) -> Run:
    """One training with `train.py`, watched.

    Args:
        name: of the configuration.
        seed: of weights and points.
        settings: further arguments.
    """
    here = os.pathsep.join([str(Path(__file__).parent), str(ROOT)])

    def command(curve: Path) -> list[str]:
        watch = f"[{{class_path: curve.Curve, init_args: {{path: {curve}}}}}]"
        given = [sys.executable, str(ROOT / "train.py"), "--config", name, *settings]
        given += ["--seed_everything", str(seed), "--allow_import", "curve"]
        return [*given, "--trainer.callbacks", watch]

    found = watched(command, {"PYTHONPATH": here}, f"{name}, seed {seed}")
    return {"problem": name, "seed": seed, **found}


def peer(problem: str, package: str, seconds: int, seed: int) -> Run:
    """One training with another package, for so many seconds from the start of its process.

    Raises:
        EnvironmentMissingError: its environment cannot be made.
    """
    python, script = interpreter(package), PEERS / f"accuracy_{package}.py"

    def command(curve: Path) -> list[str]:
        return [str(python), str(script), str(curve), str(seconds), str(seed), problem]

    found = watched(command, {"DDE_BACKEND": "pytorch"}, f"{package}, seed {seed}")
    about = {"problem": problem, "package": package, "seconds": seconds, "seed": seed}
    return {**about, **found}


def watched(command: Callable[[Path], list[str]], variables: dict[str, str], title: str) -> Run:
    """Run a command that appends [seconds, error, loss] to a file.

    Returns:
        The lines as `curve`, the machine, and what it did besides.

    Raises:
        SystemExit: it failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        curve = Path(folder) / "curve.jsonl"
        before = busy()
        environment = {**os.environ, **variables}
        done = subprocess.run(
            command(curve), cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        after = busy()
        if done.returncode or not curve.exists():
            last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
            raise SystemExit(f"{title}: {last}")
        lines = [json.loads(line) for line in curve.read_text(encoding="utf-8").splitlines()]
    others = None
    if before is not None and after is not None:
        all_cores, own, wall = (b - a for a, b in zip(before, after, strict=True))
        others = max(0.0, all_cores - own) / wall
    threads = os.environ.get("OMP_NUM_THREADS")
    return {"machine": machine(), "threads": threads, "others": others, "curve": lines}


def busy() -> tuple[float, float, float] | None:
    """Core-seconds that the machine and this process's children have worked, and the clock."""
    path = Path("/proc/stat")
    if not path.exists():
        return None
    # user, nice, system, idle, iowait, irq, softirq
    counted = [int(ticks) for ticks in path.read_text().split("\n", 1)[0].split()[1:8]]
    work = (sum(counted) - counted[3] - counted[4]) / os.sysconf("SC_CLK_TCK")
    times = os.times()
    return work, times.children_user + times.children_system, times.elapsed


def kept(name: str, measure: Callable[[], Run], again: bool = False) -> Run:
    """A run from the store, measured if it is not there."""
    path = RESULTS / "accuracy" / f"{name}.json"
    if again or not path.exists():
        found = measure()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found), encoding="utf-8")
    stored: Run = json.loads(path.read_text(encoding="utf-8"))
    return stored


def disturbance(runs: Sequence[Run]) -> str:
    """What else ran, in one line."""
    known = [run["others"] for run in runs if run.get("others") is not None]
    loud = [others for others in known if others > QUIET]
    parts = [f"{len(runs)} runs"]
    if loud:
        parts.append(f"{len(loud)} of them while other work kept up to {max(loud):.1f} cores busy")
    if len(known) < len(runs):
        parts.append(f"{len(runs) - len(known)} without a record of what else ran")
    threads = sorted({run["threads"] or "all" for run in runs if "threads" in run})
    if threads:
        parts.append(f"threads: {', '.join(threads)}")
    return "; ".join(parts) + "."
