"""The benchmark of the unknown lid speed, in short: fewer features and three draws."""

import sys
from pathlib import Path
from statistics import median

import pytest

HOME = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def draws():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HOME))
        import lid_speed

        yield [lid_speed.run(draw, width=100) for draw in range(3)]
    for name in ("lid_speed", "smooth_flow", "cavity_flow", "corner_flow", "stored"):
        sys.modules.pop(name, None)


def test_the_speed_of_the_lid_is_found(draws):
    assert all(draw["settled"] for draw in draws)
    assert median(abs(draw["error"]) for draw in draws) < 0.15  # of the first guess, 0.5
    assert all(0.002 < draw["half_width"] < 0.1 for draw in draws)
