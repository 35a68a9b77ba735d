"""Problem, seed and `accuracy`, nothing else: which targets a run meets, and in which time.

    python benchmarks/targets.py                      # what is missing or outdated, then the table
    python benchmarks/targets.py --rows burgers,allen_cahn --seeds 0
    python benchmarks/targets.py --table              # only the table, nothing is run
    python benchmarks/targets.py --disguised          # renamed, moved and scaled (`disguise.py`)
    python benchmarks/targets.py --further            # ten further problems
    python benchmarks/targets.py --coarse --seeds 0   # the same problems, asked for 10 % and 0.1 %

Every run is `train.py` in a process of its own, with a configuration of three keys. Seconds count
from the start of the process to its end, imports and report included; `told` are those until the
line with the estimated error, before figures are drawn. The error is measured afterwards from the
checkpoint, against a reference that training does not see. The target is met if the median over the
seeds meets it and is told in the time, and every seed ends within ten times of it. A run is stored
as one line of `results/targets.jsonl` when it is finished, so that the benchmark can be interrupted
and continued.
A stored run is outdated if the package was another one: `pinn` in its line is the hash of the tree.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

from stored import RESULTS, machine
from target_rows import COARSE, DISGUISED, FURTHER, ROWS, Row
from target_runs import measured
from target_table import draw, promise, table

Line = dict[str, Any]
ROOT = Path(__file__).parents[1]
FILE = RESULTS / "targets.jsonl"
GROUPS = {"": ROWS, "disguised": DISGUISED, "further": FURTHER, "coarse": COARSE}


def tree(commit: str = "HEAD") -> str:
    """The hash of the package `pinn` in a commit; a dirty one ends with +."""
    given = ["git", "-C", str(ROOT)]
    found = subprocess.run(
        [*given, "rev-parse", f"{commit}:pinn"], capture_output=True, text=True, check=True
    )
    clean = subprocess.run([*given, "diff", "--quiet", commit, "--", "pinn"], check=False)
    return found.stdout.strip() + "+" * bool(clean.returncode)


def head() -> str:
    """The commit that is checked out."""
    command = ["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def lines(path: Path = FILE) -> dict[tuple[str, int], Line]:
    """The stored runs, the newest of each row and seed."""
    if not path.exists():
        return {}
    found = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return {(line["row"], line["seed"]): line for line in found}


def run(rows: dict[str, Row], seeds: list[int], again: bool, path: Path = FILE) -> None:
    """Measure what is missing or outdated, and append a line for each run."""
    stored, current = lines(path), tree()
    for name, row in rows.items():
        for seed in seeds:
            line = stored.get((name, seed))
            if line is not None and line["pinn"] == current and not again:
                continue
            print(f"{name}, seed {seed} …", flush=True)
            about = {"row": name, "seed": seed, "commit": head(), "pinn": current}
            found = {**about, "machine": machine(), **measured(row, seed)}
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(found) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", help="names of rows; all by default")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--again", action="store_true", help="measure what is stored, too")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--disguised", action="store_true", help="renamed, moved and scaled")
    group.add_argument("--further", action="store_true", help="the ten further problems")
    group.add_argument("--coarse", action="store_true", help="asked for 10 %% and 0.1 %%")
    parser.add_argument("--figure", type=Path, help="where to draw estimates against errors")
    options = parser.parse_args()
    rows = GROUPS[next((name for name in GROUPS if vars(options).get(name)), "")]
    chosen = options.rows.split(",") if options.rows else list(rows)
    unknown = [name for name in chosen if name not in rows]
    if unknown:
        raise SystemExit(f"unknown row {unknown[0]!r}: choose from {', '.join(rows)}")
    rows = {name: rows[name] for name in chosen}
    if not options.table:
        run(rows, [int(seed) for seed in options.seeds.split(",")], options.again)
    print(table(rows, lines(), tree()))
    every = {name: row for rows_of in GROUPS.values() for name, row in rows_of.items()}
    print(f"Of all groups: {promise(every, lines())}")
    if options.figure:
        draw(every, lines(), options.figure)


if __name__ == "__main__":
    main()
