"""Results as a table in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

TOLERANCE = 1e-4  # relative difference of the first losses
OVERHEAD_TARGET = 0.5  # ms
Row = Mapping[str, Any]

HEAD = (
    "| contestant | ms per step (min–max) | ratio to {base} | share of peak | memory MB "
    "| set-up MB |\n|---|---|---|---|---|---|"
)


def step_table(size: Mapping[str, Any]) -> str:
    """One row per contestant, and what should be known about it.

    Args:
        size: what `step.py` measured for one size.
    """
    rows: Mapping[str, Row] = size["rows"]
    base = reference(rows, ("ours compiled", "ours eager", "nested"))
    lines = [f"### {size['title']}", "", HEAD.format(base=base or "—")]
    lines += [step_row(name, row, rows.get(base or ""), size) for name, row in rows.items()]
    peak = max(size["gflops"], default=None)
    if peak is not None:
        lines += ["", f"Matrix-product peak of the same run: {peak:.0f} GFLOP/s."]
    lines += loss_lines(rows)
    return "\n".join(lines) + "\n"


def reference(rows: Mapping[str, Row], names: tuple[str, ...]) -> str | None:
    """The first of the names that was measured."""
    return next((n for n in names if rows.get(n, {}).get("seconds")), None)


def step_row(name: str, row: Row, base: Row | None, size: Mapping[str, Any]) -> str:
    """One contestant."""
    if "missing" in row:
        return f"| {name} | missing: {row['missing']} | | | | |"
    milliseconds = [1e3 * s for s in row["seconds"]]
    middle = median(milliseconds)
    ratio = "—" if base is None else f"{middle / (1e3 * median(base['seconds'])):.2f}"
    peak = max(size["gflops"], default=None)
    share = "—" if peak is None else f"{share_of_peak(size['flops'], middle / 1e3, peak):.0%}"
    spread = f"{middle:.2f} ({min(milliseconds):.2f}–{max(milliseconds):.2f})"
    memory = " | ".join("—" if row[k] is None else f"{row[k]:.0f}" for k in ("peak_mb", "setup_mb"))
    return f"| {name} | {spread} | {ratio} | {share} | {memory} |"


def share_of_peak(flops: float, seconds: float, gflops: float) -> float:
    """flops / seconds, as a fraction of what matrix products reach."""
    return flops / seconds / (1e9 * gflops)


def overhead_line(name: str, row: Row) -> str:
    """What the trainer adds to a step, from pairs measured one after the other."""
    if "missing" in row:
        return f"Overhead of the trainer, {name}: missing: {row['missing']}"
    added = sorted(1e3 * seconds for seconds in row["overhead"])
    quarter = len(added) // 4
    return (
        f"Overhead of the trainer, {name}: {median(added):.2f} ms per step (middle half of "
        f"{len(added)} pairs: {added[quarter]:.2f} to {added[-1 - quarter]:.2f}); target "
        f"≤ {OVERHEAD_TARGET} ms."
    )


def loss_lines(rows: Mapping[str, Row]) -> list[str]:
    """A warning for each contestant that does not minimise the same loss."""
    base = reference(rows, ("nested", *rows))
    if base is None:
        return []
    expected = rows[base]["loss"]
    lines = []
    for name, row in rows.items():
        if "loss" in row and not abs(row["loss"] - expected) <= TOLERANCE * abs(expected):
            lines += [
                "",
                f"WARNING: the first loss of {name} is {row['loss']:.6g}, that of {base} "
                f"{expected:.6g}: they do not minimise the same thing.",
            ]
    return lines
