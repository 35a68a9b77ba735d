"""The targets as a table in Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.figure import Figure
from target_rows import Row
from target_runs import components

Lines = Mapping[tuple[str, int], Mapping[str, Any]]
WORST = 10.0  # times the target, that no seed may exceed
FACTOR, SERIOUS = 10.0, 0.1  # within which an estimate is, and an error that a run has to tell
MARKERS = "os^"
HEAD = (
    "| row | target | in | median | worst | told, ended after | estimate / error "
    "| best published | |\n|---|---|---|---|---|---|---|---|---|"
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
    shown += ["", f"{met} of {len(rows)} targets are met.", "", promise(rows, lines)]
    return "\n".join(shown)


def one(name: str, row: Row, runs: list[Mapping[str, Any]], tree: str) -> tuple[str, bool]:
    """A row, and whether its target is met."""
    target = f"{row.target:.0e}" if row.target < 1 else "its tolerance"
    about = f"| {name} | {target} | {row.seconds:.0f} s |"
    if not runs:
        return f"{about} not measured | | | | {row.published} | |", False
    figures = [math.inf if run["figure"] is None else run["figure"] for run in runs]
    figures = [math.inf if math.isnan(f) else f for f in figures]
    middle, worst, ended = median(figures), max(figures), median(run["seconds"] for run in runs)
    told = median(run.get("told") or run["seconds"] for run in runs)
    good = middle <= row.target and worst <= WORST * row.target and told <= row.seconds
    marks = [] if good else ["missed"]
    marks += [f"{len(runs)} seeds"] if len(runs) != 3 else []
    marks += ["outdated"] if any(run["pinn"] != tree for run in runs) else []
    marks += sorted({"failed" for run in runs if run["failed"]})
    marks += sorted({"not solved, it says" for run in runs if run.get("unsolved")})
    return (
        f"{about} {middle:.1e} | {worst:.1e} | {told:.1f} s, {ended:.0f} s | {ratio(row, runs)} "
        f"| {row.published} | {', '.join(marks)} |"
    ), good


def ratio(row: Row, runs: list[Mapping[str, Any]]) -> str:
    """The largest estimate over the largest error, of each run."""
    parts = components(row)
    pairs = (both(run, parts) for run in runs)
    found = [told / known for known, told in pairs if known and told]
    return ", ".join(f"{each:.2g}" for each in found) or "–"


def both(
    run: Mapping[str, Any], parts: Mapping[str, Sequence[str]]
) -> tuple[float | None, float | None]:
    """The largest error over the unknowns with a reference, and the largest estimate of these.

    Args:
        run: its line.
        parts: unknown → its components, which have estimates.
    """
    known, told = run.get("errors") or {}, run.get("estimates") or {}
    judged = [told[part] for name in known for part in parts[name] if part in told]
    return max(known.values(), default=None), max(judged, default=None)


def pairs_of(rows: Mapping[str, Row], lines: Lines) -> Iterator[tuple[str, Any, Any, Any]]:
    """Of each stored run its row, its line, and what `both` finds."""
    parts = {name: components(row) for name, row in rows.items()}
    for (name, _), run in lines.items():
        if name in rows:
            yield name, run, *both(run, parts[name])


def promise(rows: Mapping[str, Row], lines: Lines) -> str:
    """How often the estimate is within a factor of ten of the error, and runs that are silent."""
    every = list(pairs_of(rows, lines))
    ratios = [told / known for _, _, known, told in every if known and told]
    near = sum(1 / FACTOR <= each <= FACTOR for each in ratios)
    small = sum(each < 1 / FACTOR for each in ratios)
    wrong = [(run, told) for _, run, known, told in every if (known or 0.0) > SERIOUS]
    silent = sum(not run.get("unsolved") and (told or 0.0) < SERIOUS for run, told in wrong)
    return (
        f"The estimate is within a factor of {FACTOR:.0f} of the error in {near} of {len(ratios)} "
        f"runs, and smaller in {small}; of {len(wrong)} runs with an error above {SERIOUS:.0%}, "
        f"{silent} do not say so."
    )


def draw(rows: Mapping[str, Row], lines: Lines, path: Path) -> None:
    """The estimated against the true error of every stored run, and a factor of ten about it."""
    figure = Figure(figsize=(5.0, 4.6), layout="constrained")
    axes = figure.subplots()
    groups: dict[str, list[tuple[float, float]]] = {}
    for name, _, known, told in pairs_of(rows, lines):
        if known and told:
            groups.setdefault(name.split(" (")[0], []).append((known, told))
    for number, (name, pairs) in enumerate(sorted(groups.items())):
        marker = MARKERS[number // 10 % len(MARKERS)]
        axes.loglog(*zip(*pairs, strict=True), marker, color=f"C{number % 10}", label=name)
    ends = axes.get_xlim()
    for factor in (1 / FACTOR, 1.0, FACTOR):
        style = "k-" if factor == 1 else "k:"
        axes.loglog(ends, [factor * end for end in ends], style, lw=0.8)
    axes.set_xlabel("true relative error")
    axes.set_ylabel("estimated relative error")
    axes.legend(frameon=False, fontsize=6, ncols=2)
    figure.savefig(path, dpi=160)
