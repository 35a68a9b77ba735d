"""Which candidate is fastest: timed in turns, on as many points as a budget of seconds allows.

A first race on few points drops the clear losers, a second on more points settles the rest. Turns
are interleaved, so that a disturbance of the machine meets all alike, and medians are compared.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

TURNS = 5
TURNS_AT_LAST = 21
CLEAR = 1.1
LOST = 2.0


@dataclass(frozen=True)
class Heat:
    """One race.

    Args:
        points: at how many points.
        seconds: the median time of one evaluation, per candidate.
    """

    points: int
    seconds: dict[str, float]


@dataclass(frozen=True)
class Race:
    """Candidates timed within a budget.

    Args:
        measure: the seconds of one evaluation by a candidate at a number of points.
        clock: seconds.
        end: when the budget is spent, by the clock.
    """

    measure: Callable[[str, int], float]
    clock: Callable[[], float]
    end: float

    def run(self, names: Sequence[str], sizes: Sequence[int]) -> list[Heat]:
        """Race at the smallest size, and the finalists again at the largest that fits.

        Args:
            names: the candidates, the cheapest first: it always reaches the final.
            sizes: numbers of points, ascending.
        """
        heats: list[Heat] = []
        finalists, size = list(names), sizes[0]
        while len(finalists) > 1:
            times = self.turns(finalists, size, TURNS if size < sizes[-1] else TURNS_AT_LAST)
            if not times:
                break
            seconds = medians(times)
            heats.append(Heat(size, seconds))
            limit = LOST * min(seconds.values())  # for its best turn: one may be disturbed in most
            finalists = [n for n in times if min(times[n]) <= limit or n == names[0]]
            larger = self.larger(seconds, finalists, size, sizes)
            if larger is None:
                break
            size = larger
        return heats

    def turns(self, names: Sequence[str], points: int, count: int) -> dict[str, list[float]]:
        """The times of each candidate's turns, the first of which is a warm-up."""
        times: dict[str, list[float]] = {}
        for name in names:
            if self.clock() >= self.end:
                break
            first = self.measure(name, points)
            if self.clock() < self.end:
                times[name] = [first]
        for turn in range(count):
            if turn >= 3 and settled(times):
                break
            if self.clock() + sum(spent[-1] for spent in times.values()) >= self.end:
                break
            for name, spent in times.items():
                spent.append(self.measure(name, points))
        return times

    def larger(
        self, seconds: Mapping[str, float], names: Sequence[str], size: int, sizes: Sequence[int]
    ) -> int | None:
        """The largest size at which the finalists can have four turns each."""
        turn = sum(seconds[name] for name in names) / size
        left = self.end - self.clock()
        fitting = [n for n in sizes if n > size and 4 * turn * n <= left]
        return max(fitting, default=None)


def medians(times: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """The median of each candidate's turns, without the first where there are more."""
    return {name: statistics.median(spent[1:] or spent) for name, spent in times.items()}


def settled(times: Mapping[str, Sequence[float]]) -> bool:
    """Whether the slowest turn of one is clearly faster than the fastest of all others."""
    best = min(times, key=lambda name: max(times[name][1:]), default=None)
    if best is None:
        return True
    others = [min(spent[1:]) for name, spent in times.items() if name != best]
    return not others or CLEAR * max(times[best][1:]) < min(others)
