"""What happens when something goes wrong: kills, flipped bits, wrong contents, full disks, …

    python benchmarks/reliability.py                       all parts, with all their cases
    python benchmarks/reliability.py --short               fewer cases of each row
    python benchmarks/reliability.py --only flips disk_full
    python benchmarks/reliability.py --jobs 1              one part at a time

A part (`reliability_parts`) makes the faults that it is about in an empty folder, and counts how
many end as promised. Both forms have the same rows. The exit status is 1 if a row is not met.

Every part runs in a process forked from one that has imported torch and done nothing else. So do
most of the commands that a part runs; in every row that is about commands, some are started anew
(see `reliability_commands`).
"""

from __future__ import annotations

import argparse
import importlib
import multiprocessing
import os
import resource
import tempfile
import time
import traceback
from pathlib import Path
from typing import NamedTuple

from reliability_commands import ENVIRONMENT, warm
from reliability_parts import PARTS
from reliability_table import HEAD, Row, line
from stored import machine, store


class Taken(NamedTuple):
    """What a part has found, and the seconds by the clock and of the processors that it took."""

    name: str
    rows: list[Row]
    wall: float
    cpu: float


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=tuple(PARTS))
    parser.add_argument("--short", action="store_true", help="fewer cases of each row")
    parser.add_argument("--jobs", type=int, default=2, help="parts at a time")
    return parser.parse_args(given)


def used() -> float:
    """Seconds that processors have spent on this process and on those that it has waited for."""
    each = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in each)


def take(job: tuple[str, bool]) -> Taken:
    """Run one part; one that fails by itself is a row that is not met."""
    name, short = job
    wall, cpu = time.perf_counter(), used()
    try:
        part = getattr(importlib.import_module(PARTS[name].file), name)
        with tempfile.TemporaryDirectory(prefix=f"reliability-{name}-") as folder:
            rows = PARTS[name].checked(part(short, Path(folder)))
    except Exception as error:
        traceback.print_exc()
        rows = [Row(name, 1, 0, "a part that ends", f"{type(error).__name__}: {error}"[:200])]
    return Taken(name, rows, time.perf_counter() - wall, used() - cpu)


def main() -> int:
    """Run the parts; 1 if a promise is not kept."""
    options = arguments()
    os.environ.update(ENVIRONMENT)
    begin = time.perf_counter()
    warm()
    parts: list[Taken] = []
    print(HEAD, flush=True)
    fork = multiprocessing.get_context("fork")
    with fork.Pool(options.jobs, maxtasksperchild=1) as pool:
        for each in pool.imap(take, [(name, options.short) for name in options.only]):
            print("\n".join(map(line, each.rows)), flush=True)
            parts.append(each)
    return outcome(parts, options.short, time.perf_counter() - begin)


def outcome(parts: list[Taken], short: bool, wall: float) -> int:
    """Say how many rows are met and what that took, and store it: the exit code."""
    rows = [row for part in parts for row in part.rows]
    met, cpu = sum(row.is_met for row in rows), sum(part.cpu for part in parts)
    print(f"\n{met} of {len(rows)} rows as promised, {wall:.0f} s, {cpu:.0f} s of processors")
    print(", ".join(f"{part.name} {part.wall:.0f} ({part.cpu:.0f})" for part in parts))
    seconds = {part.name: [round(part.wall, 1), round(part.cpu, 1)] for part in parts}
    results = {"rows": [row._asdict() for row in rows], "wall, cpu": seconds, "wall": wall}
    store("reliability", {"machine": machine(), "short": short, **results})
    return 0 if met == len(rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
