"""Which candidate is fastest: timed in turns, on as many points as a budget of seconds allows.

A first race on few points drops the clear losers, a second on more points settles the rest: on all
of them where the budget holds three turns of those that are close, since the order at a quarter of
the points may be another one. Turns are interleaved, so that a disturbance of the machine meets all
alike, and medians are compared.
"""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

TURNS = 5
TURNS_AT_LAST = 21
CLEAR = 1.1
LOST = 2.0
CLOSE = 1.3  # of the time of the fastest
FIRST = 0.3  # of the time left, for a race on few points


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
            is_last = size == sizes[-1]
            share = 1.0 if is_last else FIRST
            times = self.turns(finalists, size, TURNS_AT_LAST if is_last else TURNS, share)
            if not times:
                break
            seconds = medians(times)
            heats.append(Heat(size, seconds))
            limit = LOST * min(seconds.values())  # for its best turn: one may be disturbed in most
            finalists = [n for n in times if min(times[n]) <= limit or n == names[0]]
            size, finalists = self.following(seconds, finalists, size, sizes)
            if not size:
                break
        return heats

    def turns(
        self, names: Sequence[str], points: int, count: int, share: float
    ) -> dict[str, list[float]]:
        """The times of each candidate's turns, the first of which is a warm-up.

        Args:
            names: the candidates.
            points: at how many points.
            count: the most turns after the warm-up.
            share: of the time left, beyond which there are no more than two of them.
        """
        times: dict[str, list[float]] = {}
        until = self.clock() + share * (self.end - self.clock())
        for name in names:
            if self.clock() >= self.end:
                break
            first = self.measure(name, points)
            if self.clock() < self.end:
                times[name] = [first]
        for turn in range(count):
            if (turn >= 3 and settled(times)) or (turn >= 2 and self.clock() >= until):
                break
            if self.clock() + sum(spent[-1] for spent in times.values()) >= self.end:
                break
            for name, spent in times.items():
                spent.append(self.measure(name, points))
        return times

    def following(
        self, seconds: Mapping[str, float], names: Sequence[str], size: int, sizes: Sequence[int]
    ) -> tuple[int, list[str]]:
        """The size of the next race, 0 for none, and who is in it.

        All points, if three turns of all of them fit, or of those that are close; else the largest
        size that four turns of all fit into.
        """
        left, last = self.end - self.clock(), sizes[-1]
        best = min(seconds[name] for name in names)
        close = [name for name in names if seconds[name] <= CLOSE * best]
        for some in (list(names), close):
            turn = sum(seconds[name] for name in some) / size
            if size < last and len(some) > 1 and 3 * turn * last <= left:
                return last, some
        turn = sum(seconds[name] for name in names) / size
        fitting = [n for n in sizes if n > size and 4 * turn * n <= left]
        return max(fitting, default=0), list(names)


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
