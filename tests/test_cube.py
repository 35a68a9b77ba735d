"""The lid-driven cube: its reference by another look at it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import cavity_3d_reference

    yield cavity_3d_reference
    for name in ("cavity_3d_reference", "cube_flow"):
        sys.modules.pop(name, None)


# The least u on the vertical line: about −0.215 by several codes; J. Wong, A. Baker (2002).
@pytest.mark.parametrize(
    ("reynolds", "least", "within"), [(100, -0.215, 0.01), (400, -0.23788, 0.01)]
)
def test_the_stored_lines_are_near_published_values(script, reynolds, least, within):
    lines = script.stored(reynolds)
    assert lines["vertical_u"].min() == pytest.approx(least, rel=within)
    for name, ends in {"vertical_u": (0, 1), "horizontal_v": (0, 0)}.items():
        assert (lines[name][0], lines[name][-1]) == ends
    # Both lines meet in the centre.
    for name in "uv":
        assert lines[f"vertical_{name}"][50] == pytest.approx(
            lines[f"horizontal_{name}"][50], abs=2e-4
        )


def test_a_coarse_grid_agrees_with_the_stored_lines():
    command = [sys.executable, str(BENCHMARKS / "cavity_3d_reference.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_finite_volumes_converge_in_almost_second_order(script):
    points = np.linspace(0, 0.8, 41)
    coarse, middle, fine = (script.Cube(50.0, n).lines(points) for n in (8, 16, 32))
    first, second = script.difference(coarse, middle), script.difference(middle, fine)
    assert 1.5 < np.log2(first / second) < 2.5
