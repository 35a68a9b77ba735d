"""Natural convection: its reference by a second look at the equations, and a run that finds it."""

from importlib.resources import files

import numpy as np
import pytest
import torch
from numpy.polynomial.chebyshev import chebder, chebgrid2d, chebval2d

from pinn.api import fit
from pinn.assessment.scores import errors
from pinn.networks import MLP
from pinn.optim import Phase
from pinn.problems import NaturalConvection
from pinn.problems.convection import STORED
from pinn.solution.solution import Solution

DAVIS = {1e3: (1.118, 3.649, 3.697), 1e4: (2.243, 16.178, 19.617), 1e5: (4.519, 34.73, 68.59)}


def derivative(c, nx, ny):
    """∂ⁿ/∂x ∂y of a Chebyshev series in 2x − 1 and 2y − 1."""
    return 2.0 ** (nx + ny) * chebder(chebder(c, nx, axis=0), ny, axis=1)


@pytest.mark.parametrize("rayleigh", STORED)
def test_the_stored_flow_solves_the_equations(rayleigh):
    exponent = round(np.log10(rayleigh))
    path = files("pinn.problems") / "convection_data" / f"square_ra1e{exponent}.npz"
    with path.open("rb") as file, np.load(file) as data:
        psi, T = data["psi"], data["T"]
    s, w = np.polynomial.legendre.leggauss(64)

    def on_grid(c, nx, ny):
        return chebgrid2d(s, s, derivative(c, nx, ny))

    u, v = on_grid(psi, 0, 1), -on_grid(psi, 1, 0)
    flux = u * on_grid(T, 1, 0) + v * on_grid(T, 0, 1)
    conducted = (on_grid(T, 2, 0) + on_grid(T, 0, 2)) / (0.71 * rayleigh) ** 0.5
    assert np.abs(flux - conducted).max() < 2e-3 * np.abs(conducted).max()
    vorticity = [-on_grid(psi, 2 + i, j) - on_grid(psi, i, 2 + j) for i, j in ((1, 0), (0, 1))]
    spread = -on_grid(psi, 4, 0) - 2 * on_grid(psi, 2, 2) - on_grid(psi, 0, 4)
    source = on_grid(T, 1, 0) + (0.71 / rayleigh) ** 0.5 * spread
    balance = u * vorticity[0] + v * vorticity[1] - source
    # The fourth derivatives of ψ are infinite in the corners: weighed, and not point by point.
    for weight in (1 + 0 * s, s, s**2, s**3):
        each = np.outer(w * (1 - s**2) ** 2, weight * w * (1 - s**2) ** 2)
        assert abs((each * balance).sum()) < 1e-4 * np.abs(each * source).sum()
        assert abs((each.T * balance).sum()) < 1e-4 * np.abs(each * source).sum()
    s = np.linspace(-1, 1, 41)
    edge = np.ones(41)
    for a, b in ((s, edge), (s, -edge), (edge, s), (-edge, s)):
        for order in ((0, 0), (1, 0), (0, 1)):
            np.testing.assert_allclose(chebval2d(a, b, derivative(psi, *order)), 0, atol=1e-12)
    np.testing.assert_allclose(chebval2d(-edge, s, T), 1, atol=1e-12)
    np.testing.assert_allclose(chebval2d(edge, s, T), 0, atol=1e-12)
    np.testing.assert_allclose(chebval2d(s, edge, derivative(T, 0, 1)), 0, atol=1e-11)


@pytest.mark.parametrize("rayleigh", DAVIS)
def test_the_reference_is_near_the_published_table(rayleigh):
    problem = NaturalConvection(rayleigh)
    values = {k: v.reshape(101, 101) for k, v in problem.reference().values.items()}
    nusselt, u_max, v_max = DAVIS[rayleigh]
    assert problem.known == pytest.approx(nusselt, rel=1e-3)
    assert float(values["u"][50].max()) * problem.speed == pytest.approx(u_max, rel=1e-3)
    assert float(values["v"][:, 50].max()) * problem.speed == pytest.approx(v_max, rel=5e-3)


def test_where_there_is_no_reference():
    assert NaturalConvection(2e4).reference() is None
    assert NaturalConvection(1e4, prandtl=7.0).reference() is None
    assert NaturalConvection(1e4, prandtl=7.0).known is None


def test_still_air_conducts():
    solution = Solution(NaturalConvection(), MLP(4, 1)).double()
    for parameter in solution.parameters():
        torch.nn.init.zeros_(parameter)
    assert [q.value for q in solution.quantities().values()] == pytest.approx([1.0, 1.0])


def test_a_run_finds_the_nusselt_number(tmp_path):
    problem = NaturalConvection([1e3, 1e4])
    solution = fit(
        problem,
        MLP(220, 1, spread=3.0),
        [Phase(6, "LevenbergMarquardt", train="output", dtype="float64")],
        {"interior": 441, "boundary": 80, "insulated": 40},
        {"walls": 100.0, "insulation": 10.0},
        derivatives="taylor",
        compile=False,
        method="gauss",
        folder=tmp_path,
        accelerator="cpu",
        enable_progress_bar=False,
        val_check_interval=12,
    )
    found = solution.quantities()
    assert found["nusselt"].reference == 2.2448158
    for each in found.values():
        assert each.value == pytest.approx(2.2448158, rel=1e-2)
    assert max(errors(solution, problem.reference()).values()) < 1e-2


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: NaturalConvection(0.0), r"rayleigh is 0\.0: it must be a positive"),
        (lambda: NaturalConvection(prandtl=-1), "prandtl is -1: it must be a positive"),
        (lambda: NaturalConvection(gauge="mean"), "unknown gauge 'mean'"),
    ],
)
def test_bad_arguments(make, said):
    with pytest.raises(ValueError, match=said):
        make()
