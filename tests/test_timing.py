"""Races in turns, by a clock that the test winds."""

from pinn.choosing.race import Heat, Race


class Course:
    """A clock, and candidates that move it by a fixed overhead and a time per point."""

    def __init__(self, **candidates):
        self.candidates, self.time, self.runs = candidates, 0.0, []

    def clock(self):
        return self.time

    def measure(self, name, points):
        overhead, per_point = self.candidates[name]
        seconds = overhead + per_point * points
        self.time += seconds
        self.runs.append((name, points))
        return seconds

    def race(self, budget, sizes):
        return Race(self.measure, self.clock, self.time + budget).run([*self.candidates], sizes)


def test_the_finalists_meet_again_at_the_largest_size_that_fits():
    course = Course(a=(1e-3, 1e-6), b=(1e-3, 2e-6), c=(1e-2, 1e-6))
    heats = course.race(2.0, [256, 1024, 4096])
    assert [heat.points for heat in heats] == [256, 4096]
    assert heats[0].seconds.keys() == {"a", "b", "c"}
    assert heats[1] == Heat(4096, {"a": 1e-3 + 4096e-6, "b": 1e-3 + 2 * 4096e-6})


def test_the_budget_is_kept():
    for budget in (0.05, 0.5, 5.0):
        course = Course(a=(0.01, 1e-5), b=(0.01, 1.5e-5), c=(0.01, 1.2e-5))
        course.race(budget, [256, 4096, 10**6])
        assert course.time <= budget + 0.02
        assert course.runs[0] == ("a", 256)


def test_a_first_turn_above_the_budget_ends_the_timing():
    course = Course(a=(3.0, 0), b=(0.1, 0))
    assert course.race(2.0, [64]) == []
    assert course.runs == [("a", 64)]
    course = Course(a=(0.1, 0), b=(3.0, 0), c=(0.1, 0))
    assert course.race(2.0, [64]) == [Heat(64, {"a": 0.1})]
    assert course.runs == [("a", 64), ("b", 64)]


def test_the_candidate_that_is_cheapest_by_count_always_reaches_the_final():
    course = Course(counted=(1e-2, 1e-7), quick=(1e-3, 1e-5))  # slow to start, fast at many points
    heats = course.race(10.0, [256, 16384])
    assert heats[0].seconds["quick"] * 2 < heats[0].seconds["counted"]
    assert heats[1].seconds["counted"] < heats[1].seconds["quick"]


def test_turns_alternate_and_end_once_the_order_is_clear():
    course = Course(a=(1e-3, 0), b=(3e-3, 0))
    course.race(2.0, [64])
    assert course.runs == [("a", 64), ("b", 64)] * 4
    close = Course(a=(1e-3, 0), b=(1.05e-3, 0))
    close.race(2.0, [64])
    assert close.runs == [("a", 64), ("b", 64)] * 22


def test_a_disturbed_turn_does_not_decide():
    class Disturbed(Course):
        def measure(self, name, points):
            late = 0.5 if len(self.runs) in (0, 4) else 0.0  # the warm-up, and one turn of a
            return late + super().measure(name, points)

    heats = Disturbed(a=(1e-3, 0), b=(2e-3, 0)).race(2.0, [64])
    assert heats[-1].seconds == {"a": 1e-3, "b": 2e-3}
