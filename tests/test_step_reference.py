"""The stored flow over a step without an inlet channel: published eddies, and the equations."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.interpolate import RectBivariateSpline

from pinn.problems import BackwardStep

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "pinn" / "problems" / "step_data" / "step_re800.npz"


@pytest.fixture(scope="module")
def flow():
    with np.load(FILE) as file:
        return {name: np.asarray(file[name], dtype=np.float64) for name in file.files}


def sign_changes(x, values):
    """Where straight lines between the values cross zero."""
    at = np.flatnonzero(values[1:] * values[:-1] < 0)
    return x[at] - values[at] * (x[at + 1] - x[at]) / (values[at + 1] - values[at])


def test_the_eddies_are_those_of_gartling(flow):
    published = {"reattachment": 12.20, "upper_separation": 9.70, "upper_reattachment": 20.96}
    for name, value in published.items():
        assert float(flow[name]) == pytest.approx(value, abs=0.01)  # two digits of half of it
    assert 0 < flow["error_u"] < 1e-4
    assert 0 < flow["error_v"] < 1e-3


def test_the_stored_velocity_has_these_eddies(flow):
    """The slope at a wall by a one-sided difference of fourth order."""
    x, u = flow["x"][2:], flow["u"][2:]
    weights = np.array([48.0, -36.0, 16.0, -3.0])
    (floor,) = sign_changes(x, u[:, 1:5] @ weights)
    ceiling = sign_changes(x, u[:, -2:-6:-1] @ weights)
    assert floor == pytest.approx(float(flow["reattachment"]), abs=5e-3)
    ends = [float(flow["upper_separation"]), float(flow["upper_reattachment"])]
    assert ceiling == pytest.approx(ends, abs=2e-2)


def test_the_same_mass_passes_everywhere(flow):
    y = flow["y"]
    through = RectBivariateSpline(flow["x"][1:], y, flow["u"][1:], ky=5)
    passing = [through.integral(x, x + 0.25, 0, 2) / 0.25 for x in flow["x"][1:-1]]
    assert passing == pytest.approx(np.ones(239), abs=2e-4)


def test_walls_and_inflow(flow):
    y, u, v = flow["y"], flow["u"], flow["v"]
    assert max(np.abs(side).max() for side in (u[:, 0], u[:, -1], v[:, 0], v[:, -1])) < 1e-7
    expected = np.where(y > 1, 6 * (y - 1) * (2 - y), 0)
    assert np.abs(u[0] - expected).max() < 1e-6
    assert np.abs(v[0]).max() < 1e-7
    # Far behind the step the flow is nearly developed: u = 3/4 y (2 − y).
    assert np.abs(u[-1] - 0.75 * y * (2 - y)).max() < 1e-2


def test_vorticity_balance_of_a_rectangle(flow):
    """∮ (ζ u − (2/Re) ∇ζ)·n ds = 0."""
    inner = slice(4, 221)  # 1 ≤ x ≤ 55
    u, v = (
        RectBivariateSpline(flow["x"][inner], flow["y"], flow[k][inner], kx=5, ky=5) for k in "uv"
    )
    advected, diffused = 0.0, 0.0
    for axis, ends, along in ((0, (4.0, 14.0), (0.4, 1.6)), (1, (0.4, 1.6), (4.0, 14.0))):
        nodes = np.linspace(*along, 801)
        normal = (1, 0) if axis == 0 else (0, 1)
        for end, out in zip(ends, (-1, 1), strict=True):
            at = (end, nodes) if axis == 0 else (nodes, end)

            def of(field, dx, dy, at=at):
                return field(*at, dx=dx, dy=dy).ravel()

            flux = (of(u, 0, 1) - of(v, 1, 0)) * of((u, v)[axis], 0, 0)
            slope = of(u, normal[0], 1 + normal[1]) - of(v, 1 + normal[0], normal[1])
            advected += out * np.trapezoid(flux, nodes)
            diffused += out * np.trapezoid(slope, nodes) * 2 / 800
    assert abs(advected - diffused) < 0.01 * abs(diffused)


def test_only_gartling_s_set_up_has_it(flow):
    found = BackwardStep(800.0, inlet=0, length=60).reference()
    assert found.shape == (241, 41)
    assert bool(found.judged.all())
    at = int(torch.argmin((found.at - torch.tensor([14.5, 0.5])).abs().sum(-1)))
    assert float(found.values["u"][at]) == flow["u"][58, 10]
    for other in ({"inlet": 3.0}, {"length": 30.0}, {"reynolds": 400.0}):
        assert (
            BackwardStep(**({"reynolds": 800.0, "inlet": 0, "length": 60.0} | other)).reference()
            is None
        )


@pytest.mark.slow
def test_recomputed_flow_agrees_with_the_stored_file():
    script = ROOT / "benchmarks" / "step_reference.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "agrees" in done.stdout
