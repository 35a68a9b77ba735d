"""The targets as a table in Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import median
from typing import Any

from target_rows import Row

Lines = Mapping[tuple[str, int], Mapping[str, Any]]
WORST = 10.0  # times the target, that no seed may exceed
HEAD = (
    "| row | target | in | median | worst | took | estimate / error | best published | |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def table(rows: Mapping[str, Row], lines: Lines, tree: str) -> str:
    """One row per target.

    Args:
        rows: of the targets.
        lines: the stored runs by row and seed.
        tree: the hash of the package as it is; runs of another one are marked.
    """
    shown = [HEAD]
    met = 0
    for name, row in rows.items():
        runs = [line for (of, _), line in sorted(lines.items()) if of == name]
        text, good = one(name, row, runs, tree)
        shown.append(text)
        met += good
    shown += ["", f"{met} of {len(rows)} targets are met."]
    return "\n".join(shown)


def one(name: str, row: Row, runs: list[Mapping[str, Any]], tree: str) -> tuple[str, bool]:
    """A row, and whether its target is met."""
    about = f"| {name} | {row.target:.0e} | {row.seconds:.0f} s |"
    if not runs:
        return f"{about} not measured | | | | {row.published} | |", False
    figures = [math.inf if run["figure"] is None else run["figure"] for run in runs]
    figures = [math.inf if math.isnan(f) else f for f in figures]
    middle, worst, took = median(figures), max(figures), median(run["seconds"] for run in runs)
    good = middle <= row.target and worst <= WORST * row.target and took <= row.seconds
    marks = [] if good else ["missed"]
    marks += [f"{len(runs)} seeds"] if len(runs) != 3 else []
    marks += ["outdated"] if any(run["pinn"] != tree for run in runs) else []
    marks += sorted({"failed" for run in runs if run["failed"]})
    marks += sorted({"not solved, it says" for run in runs if run.get("unsolved")})
    return (
        f"{about} {middle:.1e} | {worst:.1e} | {took:.0f} s | {ratio(runs)} | {row.published} "
        f"| {', '.join(marks)} |"
    ), good


def ratio(runs: list[Mapping[str, Any]]) -> str:
    """The largest estimate over the largest error, of each run."""
    found = []
    for run in runs:
        known, told = run.get("errors") or {}, run.get("estimates") or {}
        if known and told and max(known.values()) > 0:
            found.append(max(told.values()) / max(known.values()))
    return ", ".join(f"{each:.2g}" for each in found) or "–"
