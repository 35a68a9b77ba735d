"""Costs of the divergence as tables in Markdown, and whether `auto` chose well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple

from cell import MODES, STRATEGIES, Cell, middle
from table import TOLERANCE
from velocity import TITLES

WITHIN = 1.1  # of the best strategy
OFTEN = 0.95  # of the cells
WORST = 1.5
Result = Mapping[str, Any]  # what `Contest.run` returns, with "peers"


class Verdict(NamedTuple):
    """How `auto` did at a cell.

    Args:
        ratio: the time of its strategy, relative to the best; infinite if that was not measured.
        spread: (max − min) / median of the repeats, the larger of the two strategies' own.
        best: the best strategy.
    """

    ratio: float
    spread: float
    best: str

    @property
    def good(self) -> bool:
        """Within 10 % of the best, or within the spread if that is larger."""
        return self.ratio <= max(WITHIN, 1 + self.spread)


def verdict(result: Result) -> Verdict | None:
    """How `auto` did; None where no exact strategy was measured."""
    rows, auto = result["rows"], result["auto"]["strategy"]
    times = {s: t for s in STRATEGIES[:-1] if (t := middle(rows.get(s, {}))) is not None}
    if not times:
        return None
    best = min(times, key=times.__getitem__)
    if auto not in times:
        return Verdict(float("inf"), spread(rows[best]["seconds"]), best)
    spreads = [spread(rows[s]["seconds"]) for s in (auto, best)]
    return Verdict(times[auto] / times[best], max(spreads), best)


def spread(seconds: Sequence[float]) -> float:
    """(max − min) / median."""
    return (max(seconds) - min(seconds)) / median(seconds)


def verdict_lines(results: Iterable[Result]) -> list[str]:
    """In how many cells `auto` is good, by how much it is off at most, and where it is not good."""
    judged = [(result, v) for result in results if (v := verdict(result)) is not None]
    if not judged:
        return ["No exact strategy was measured."]
    good = sum(v.good for _, v in judged)
    strictly = sum(v.ratio <= WITHIN for _, v in judged)
    worst = max(v.ratio for _, v in judged)
    reached = good >= OFTEN * len(judged) and worst <= WORST
    lines = [
        f"auto is within {WITHIN - 1:.0%} of the best strategy, or the measured spread if that is "
        f"larger, in {good} of {len(judged)} cells ({good / len(judged):.0%}; target ≥ "
        f"{OFTEN:.0%}); at worst {worst:.2f} times the best (target ≤ {WORST}): "
        f"{'reached' if reached else 'MISSED'}.",
        f"Whatever the spread, within {WITHIN - 1:.0%} in {strictly} cells; the median spread is "
        f"{median(v.spread for _, v in judged):.0%}.",
    ]
    for result, v in judged:
        if not v.good or v.ratio > WORST:
            auto = result["auto"]
            lines.append(
                f"- {cell_of(result).title}: {auto['strategy']} is {v.ratio:.2f} times {v.best} "
                f"(spread {v.spread:.0%}); it was chosen for {auto['reason']}"
            )
    seconds = [result["auto"]["seconds"] for result, _ in judged]
    taken = f"A choice took {median(seconds):.2f} s (median), {max(seconds):.2f} s at most."
    return [*lines, taken]


def tables(results: Sequence[Result], peers: Sequence[str]) -> str:
    """One table per network and mode."""
    lines: list[str] = []
    for network in TITLES:
        for mode in MODES:
            of = [r for r in results if r["network"] == network and r["mode"] == mode]
            if of:
                lines += table(of, peers if network == "dense" else ())
    return "\n".join(lines)


def table(results: Sequence[Result], peers: Sequence[str]) -> list[str]:
    """Rows d × points, columns strategies and peers."""
    network, mode = results[0]["network"], results[0]["mode"]
    columns = ["d", "points", *STRATEGIES, "auto / best", *peers]
    lines = [
        f"### {TITLES[network]}: {MODES[mode]}",
        "",
        "ms / MiB / GFLOP, auto's choice in bold" + ("; peers in ms" if peers else ""),
        "",
        f"| {' | '.join(columns)} |",
        "|" + "---|" * len(columns),
    ]
    for result in results:
        rows, auto, others = result["rows"], result["auto"], result.get("peers", {})
        v = verdict(result)
        usual = max(len(row.get("seconds", ())) for row in rows.values())
        cells = [str(result["d"]), f"{result['batch']:,}"]
        cells += [entry(rows.get(s, {}), s == auto["strategy"], usual) for s in STRATEGIES]
        cells += ["—" if v is None else f"{v.ratio:.2f}{'' if v.good else ' (!)'}"]
        cells += [milliseconds(others.get(name, {})) for name in peers]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def entry(row: Mapping[str, Any], chosen: bool, usual: int) -> str:
    """Time, memory and FLOPs of a strategy, and its repeats if they are not as many as usual."""
    if "flops" not in row:
        return "—"
    time = milliseconds(row)
    time = f"**{time}**" if chosen else time
    if 0 < len(row.get("seconds", ())) < usual:
        time += f" (×{len(row['seconds'])})"
    return f"{time} / {digits(row['memory'] / 2**20)} / {digits(row['flops'] / 1e9)}"


def milliseconds(row: Mapping[str, Any]) -> str:
    """The median."""
    seconds = middle(row)
    return "—" if seconds is None else digits(1e3 * seconds)


def digits(number: float) -> str:
    """Three digits, more only before the point."""
    if number >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}" if number >= 1e-3 else f"{number:.1g}"


def skipped_lines(results: Iterable[Result]) -> list[str]:
    """What was not measured, and why."""
    lines = []
    for result in results:
        for name, row in {**result["rows"], **result.get("peers", {})}.items():
            if "skipped" in row:
                lines.append(f"- {cell_of(result).title}: {name}: {row['skipped']}")
    return ["Skipped:", *lines] if lines else ["Nothing was skipped."]


def disagreement_lines(results: Iterable[Result]) -> list[str]:
    """A warning for every exact value that is not that of the others."""
    lines = []
    for result in results:
        rows = {s: row for s, row in result["rows"].items() if s in STRATEGIES[:-1]}
        values = {
            name: row["value"]
            for name, row in {**rows, **result.get("peers", {})}.items()
            if "value" in row
        }
        base = values.get("loop", next(iter(values.values()), 0.0))
        lines += [
            f"WARNING: {cell_of(result).title}: {name} has mean square {value:.6g}, not {base:.6g}"
            for name, value in values.items()
            if not abs(value - base) <= TOLERANCE * abs(base)
        ]
    return lines or ["All exact strategies and all peers agree in value."]


def cell_of(result: Result) -> Cell:
    """The cell that a result belongs to."""
    return Cell(*(result[name] for name in Cell._fields))
