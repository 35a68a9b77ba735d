"""The candidates of one evaluation, counted and then timed within a budget."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor

from pinn.base.costs import Cost, Model, all_memory, number, some
from pinn.choosing.race import Heat, Race
from pinn.choosing.sample_step import TIE, Trial, untouched
from pinn.derivatives.evaluate import TRACES

DEAR = 3.0
CLEAR = 1.5
SIZES = (256, 1024, 4096, 16384, 65536, 262144)
GIB = 2.0**30


@dataclass
class Measurement:
    """What is known of each candidate.

    Args:
        costs: counted, of those that agree with reverse mode.
        estimates: seconds by the model of costs.
        heats: the races of those worth timing, the last at the most points.
        left_out: why a candidate was not timed.
        tie: the fused pass is taken while it is no more than this many times the fastest; from 1.5
            on the count has to agree that it is dearer.
    """

    costs: dict[str, Cost] = field(default_factory=dict)
    estimates: dict[str, float] = field(default_factory=dict)
    heats: list[Heat] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    tie: float = TIE

    @property
    def final(self) -> Heat | None:
        """The last race between two or more; the first one if there was none."""
        return next(
            (h for h in reversed(self.heats) if len(h.seconds) > 1), next(iter(self.heats), None)
        )

    def last(self, strategy: str) -> Heat | None:
        """The last race that a candidate was in."""
        return next((h for h in reversed(self.heats) if strategy in h.seconds), None)

    @property
    def fastest(self) -> str:
        """The winner: by its time, where there is one, and by the model otherwise.

        A candidate that the budget did not reach counts with its estimate, in the proportion in
        which the best timed one missed its own. Among equals the fused pass is taken: it needs no
        graph of a graph, and two starts of a run should agree.
        """
        seconds = dict(self.final.seconds) if self.final else {}
        scale = 1.0
        if seconds:
            best = min(seconds, key=seconds.__getitem__)
            scale = seconds[best] / self.estimates[best]
        for s, estimate in self.estimates.items():
            if s not in self.left_out and self.last(s) is None:
                seconds[s] = estimate * scale
        best = min(seconds, key=seconds.__getitem__)
        if "taylor" not in seconds or seconds["taylor"] > self.tie * seconds[best]:
            # Short times are noisy: beyond a wide tie the count, which is not, has to agree.
            dearer = self.estimates.get("taylor", math.inf) > CLEAR * self.estimates[best]
            if self.tie < CLEAR or dearer:
                return best
        return "taylor"

    @property
    def line(self) -> str:
        """One line: `taylor: 2.9 ms, vmap 4.4 ms at 1,000 points; loop …`."""
        best, final = self.fastest, self.final
        seconds = final.seconds if final else {}
        if final and best in seconds:
            ranked = sorted(seconds, key=lambda s: (s != best, seconds[s]))
            times = [f"{s} {duration(seconds[s])}" for s in ranked]
            line = f"{', '.join(times)} at {final.points:,} points".replace(" ", ": ", 1)
        else:
            line = best + (" by count" if len(self.costs) > 1 else ": no other strategy works")
        others = [s for s in self.known if s not in seconds and s != best]
        return "; ".join([line, *(f"{s} {self.note(s)}" for s in others)])

    @property
    def known(self) -> list[str]:
        """The candidates that were counted or left out."""
        return [s for s in TRACES if s in self.costs or s in self.left_out]

    def table(self) -> list[dict[str, Any]]:
        """A row per candidate, plain data: None for what was not counted or timed."""
        return [self.row(s) for s in self.known]

    def row(self, strategy: str) -> dict[str, Any]:
        """One candidate: None for what was not counted or timed."""
        cost, heat = self.costs.get(strategy), self.last(strategy)
        counts = ("flops", "memory", "operations")
        return {
            "strategy": strategy,
            **{name: getattr(cost, name, None) for name in counts},
            "seconds": None if heat is None else heat.seconds[strategy],
            "points": None if heat is None else heat.points,
            "note": "chosen" if strategy == self.fastest else self.note(strategy),
        }

    def note(self, strategy: str) -> str:
        """What became of a candidate that is not the fastest."""
        if strategy in self.left_out:
            return self.left_out[strategy]
        heat = self.last(strategy)
        if heat is None:
            return "not timed within the budget"
        ratio = heat.seconds[strategy] / min(heat.seconds.values())
        return f"{ratio:.2g} times the fastest at {heat.points:,} points"


def measure(trial: Trial, x: Tensor, refused: Mapping[str, str], end: float) -> Measurement:
    """Count every candidate that is not refused, and time those that may be the fastest.

    Args:
        trial: the evaluation.
        x: all the points (…, D).
        refused: candidates that do not serve, and why.
        end: when, by the trial's clock, the timing has to be over.
    """
    measurement = Measurement(left_out=dict(refused), tie=trial.tie)
    costs, estimates = measurement.costs, measurement.estimates
    with untouched(trial.f, x.device):
        whole = trial.whole(x)
        for strategy in trial.strategies:
            if strategy not in refused:
                model = Model(partial(trial, strategy=strategy), x, whole)
                costs[strategy] = model.at(number(x))
                estimates[strategy] = costs[strategy].seconds(x.device)
        measurement.left_out |= discarded(costs, estimates, all_memory(x.device))
        names = sorted(set(estimates) - set(measurement.left_out), key=estimates.__getitem__)
        if len(names) > 1:
            race = Race(lambda name, n: trial(some(x, n), name), trial.clock, end)
            measurement.heats = race.run(names, sizes(x, whole))
    return measurement


def sizes(x: Tensor, whole: bool) -> list[int]:
    """The numbers of points at which to race, ascending, all of them last."""
    total = number(x)
    return [total] if whole else [*(n for n in SIZES if 2 * n <= total), total]


def discarded(
    costs: Mapping[str, Cost], estimates: Mapping[str, float], capacity: float
) -> dict[str, str]:
    """The candidates not worth timing, and why: too dear, or more than the memory holds."""
    fitting = [s for s in costs if costs[s].memory <= capacity]
    if not fitting:
        fitting = [min(costs, key=lambda s: costs[s].memory)]
    cheapest = min(estimates[s] for s in fitting)
    large = {s: costs[s].memory / GIB for s in estimates if s not in fitting}
    ratios = {s: estimates[s] / cheapest for s in fitting}
    return {s: f"discarded: needs {size:.1f} GiB" for s, size in large.items()} | {
        s: f"{ratio:.2g} times as expensive" for s, ratio in ratios.items() if ratio > DEAR
    }


def lines_of(table: Sequence[Mapping[str, Any]]) -> list[str]:
    """A table of candidates as aligned text, with its head."""
    if not table:
        return []
    head = ("strategy", "MFLOP", "MiB", "operations", "time", "points", "note")
    rows = [head]
    for row in table:
        flops, memory = scaled(row["flops"], 1e6), scaled(row["memory"], 2**20)
        operations, points = scaled(row["operations"], 1), scaled(row["points"], 1)
        time = "–" if row["seconds"] is None else duration(row["seconds"])
        rows.append((row["strategy"], flops, memory, operations, time, points, row["note"]))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    form = "  ".join([f"{{:<{widths[0]}}}", *(f"{{:>{width}}}" for width in widths[1:-1]), "{}"])
    return [form.format(*row) for row in rows]


def scaled(count: float | None, unit: float) -> str:
    """A count in a unit, with at least two digits."""
    if count is None:
        return "–"
    number = count / unit
    return f"{number:,.0f}" if number >= 10 or unit == 1 else f"{number:.2g}"


def duration(seconds: float) -> str:
    """Seconds for people: `2.9 ms`, `182 ms`, `1.4 s`."""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    ms = 1e3 * seconds
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.2g} ms"
