"""The lid-driven cube: its reference by another look at it, and the flow at the lid's edges."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pinn.networks import MLP
from pinn.problems import LidDrivenCube
from pinn.solution.solution import Solution

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


def still(problem):
    """A solution whose networks add nothing."""
    solution = Solution(problem, MLP(4, 1)).double()
    for parameter in solution.parameters():
        torch.nn.init.zeros_(parameter)
    return solution


def test_the_flow_at_the_edges_has_the_velocity_of_all_walls():
    problem = LidDrivenCube()
    solution = still(problem)
    for region in ("lid", "walls"):
        velocity = solution(problem.geometry.sample(region, 400).at)["u"].detach()
        wall = torch.tensor([1.0 if region == "lid" else 0.0, 0.0, 0.0], dtype=torch.float64)
        assert float((velocity - wall).abs().max()) < 1e-4


def test_the_flow_at_the_side_edges_is_harmonic():
    # Far from x = 0 and 1, u → (2/π) arctan(z/Y): u_yy + u_zz is small beside each of them.
    problem = LidDrivenCube()
    at = torch.tensor([[0.5, 1 - 0.004, 0.004], [0.5, 1 - 0.006, 0.003]], dtype=torch.float64)
    found = still(problem).at(at, ["u.yy", "u.zz"])
    assert ((found["u.yy"] + found["u.zz"]).abs() < 0.1 * found["u.yy"].abs()).all()


def test_the_reference_is_the_stored_table(script):
    reference = LidDrivenCube(400.0).reference()
    lines = script.stored(400)
    for name in "uv":
        both = np.concatenate([lines[f"vertical_{name}"], lines[f"horizontal_{name}"]])
        np.testing.assert_array_equal(reference.values[name].numpy(), both)
    assert LidDrivenCube(50.0).reference() is None


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"reynolds is 0\.0"):
        LidDrivenCube(0.0)
    with pytest.raises(ValueError, match="unknown gauge 'zero'"):
        LidDrivenCube(gauge="zero")
