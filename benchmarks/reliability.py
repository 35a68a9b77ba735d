"""What happens when something goes wrong: kills, flipped bits, wrong contents, full disks, …

    python benchmarks/reliability.py                       all parts, with all their cases
    python benchmarks/reliability.py --short               fewer cases of each part
    python benchmarks/reliability.py --only flips disk_full

A part is a function `(short, folder) -> rows`, in a file of its kind; `folder` is an empty one. It
makes the faults that it is about, and counts how many end as promised. The exit status is 1 if one
does not.
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
import time
from pathlib import Path

from reliability_table import HEAD, line
from stored import machine, store

# Each part by name: the file that has it, as a function of that name.
PARTS = {
    "flips": "reliability_files",
    "hashing": "reliability_files",
    "wrong_contents": "reliability_contents",
    "foreign": "reliability_foreign",
    "resume": "reliability_resume",
    "memory": "reliability_memory",
    "disk_full": "reliability_disk",
    "signals": "reliability_signals",
    "kills": "reliability_runs",
    "pairs": "reliability_runs",
    "ranks": "reliability_runs",
    "bombs": "reliability_yaml",
    "mutants": "reliability_yaml",
}


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=tuple(PARTS))
    parser.add_argument("--short", action="store_true", help="fewer cases of each part")
    return parser.parse_args(given)


def main() -> int:
    """Run the parts; 1 if a promise is not kept."""
    options = arguments()
    rows, seconds = [], {}
    print(HEAD, flush=True)
    for name in options.only:
        part = getattr(importlib.import_module(PARTS[name]), name)
        start = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix=f"reliability-{name}-") as folder:
            for row in part(options.short, Path(folder)):
                print(line(row), flush=True)
                rows.append(row)
        seconds[name] = round(time.perf_counter() - start, 1)
    broken = [row for row in rows if not row.is_met]
    met, took = len(rows) - len(broken), sum(seconds.values())
    print(f"\n{met} of {len(rows)} rows as promised, {took:.0f} s")
    store(
        "reliability",
        {"machine": machine(), "seconds": seconds, "rows": [row._asdict() for row in rows]},
    )
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
