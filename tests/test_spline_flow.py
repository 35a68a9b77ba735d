"""The spline method of the references: an exact flow with an open outlet, and a spectral one."""

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
MODULES = ("spline_flow", "spline_cavity")


@pytest.fixture(scope="module")
def splines():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        import spline_cavity
        import spline_flow

        yield spline_flow, spline_cavity
    for name in MODULES:
        sys.modules.pop(name, None)


def test_flow_between_plates_leaves_undisturbed(splines):
    """ψ = 3 y² − 2 y³ is exact, at an outlet too where the pressure is zero."""
    method, _ = splines
    along, up = method.Splines(np.linspace(0, 3, 7)), method.Splines(np.linspace(0, 1, 4), (1 / 3,))
    exact = np.tile(up.fitted(3 * up.points.ravel() ** 2 - 2 * up.points.ravel() ** 3), (12 - 1, 1))
    free = np.zeros(exact.shape, dtype=bool)
    free[2:, 2:-2] = True
    values = np.where(free, 0.3, exact)
    flow = method.SplineFlow(along, up, values, free, np.zeros((5, 42, 21)))
    flow.solve(0.1)
    assert np.abs(flow.values - exact).max() < 1e-10


@pytest.mark.parametrize(
    ("profile", "name"), [("uniform", "re100"), ("parabolic", "parabolic_re100")]
)
def test_few_elements_find_the_stored_flow(splines, profile, name):
    _, cavity = splines
    flow = cavity.SplineCavity(16, profile)
    flow.solve(100)
    with np.load(ROOT / "pinn" / "problems" / "cavity_data" / f"cavity_{name}.npz") as stored:
        x, u, v = (stored[key] for key in ("x", "u", "v"))
    found, inside = flow.fields(x, x), np.s_[5:96, 5:96]
    for mine, theirs in ((found["u"], u), (found["v"], v)):
        gap = np.linalg.norm((mine - theirs)[inside])
        assert gap < 2e-3 * np.linalg.norm(theirs[inside])
