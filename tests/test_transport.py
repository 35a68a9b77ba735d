"""Burgers, Allen–Cahn, advection with diffusion: their solutions against second computations."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pinn.fields.field import coordinate_field
from pinn.problems import AdvectionDiffusion, AdvectionDiffusion2D, AllenCahn, Burgers

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def series(monkeypatch):
    """The program that wrote the reference of Allen–Cahn."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import allen_cahn_reference

    return allen_cahn_reference


def exact(problem, at):
    at = torch.as_tensor(at, dtype=torch.float64)
    return problem.exact(coordinate_field(at, problem.geometry.coordinates, 0))["u"].value.numpy()


@pytest.mark.parametrize("viscosity", [0.001, 0.01 / math.pi, 0.1])
def test_cole_and_hopf_by_the_trapezoidal_rule(viscosity):
    axis = np.concatenate((np.linspace(-1, 1, 41), np.linspace(-0.02, 0.02, 21)))
    at = np.stack(np.meshgrid(axis, np.linspace(0, 1, 11)), axis=-1).reshape(-1, 2)
    z = np.linspace(-24, 24, 4001)
    y = at[:, :1] - 2 * np.sqrt(viscosity * at[:, 1:]) * z
    phase = -np.cos(math.pi * y) / (2 * math.pi * viscosity) - z**2
    share = np.exp(phase - phase.max(axis=1, keepdims=True))
    expected = -(share * np.sin(math.pi * y)).sum(1) / share.sum(1)
    assert abs(exact(Burgers(viscosity), at) - expected).max() < 1e-10


def test_the_exact_solution_of_burgers_begins_with_a_sine_and_ends_with_a_shock():
    x = np.linspace(-1, 1, 101)
    begins = exact(Burgers(), np.stack((x, 0 * x), axis=-1))
    assert abs(begins + np.sin(math.pi * x)).max() < 1e-12
    left, right = exact(Burgers(), [[-0.02, 1.0], [0.02, 1.0]])
    assert left > 0.6
    assert right == pytest.approx(-left, rel=1e-10)


def test_the_stored_solution_of_allen_cahn_is_that_of_a_coarser_computation(series):
    reference = AllenCahn().reference()
    u = reference.values["u"].reshape(reference.shape).numpy()
    # Early on the kink of the initial values asks for more modes.
    difference = abs(u[100:].T - series.solve(1600, 500)).max(axis=1)
    assert difference.max() < 1e-4
    assert difference[30:].max() < 1e-7
    assert abs(u - u[::-1]).max() == 0


def test_the_stored_solution_of_allen_cahn_has_the_values_of_another_program():
    reference = AllenCahn().reference()
    u = dict(zip(map(tuple, reference.at.tolist()), reference.values["u"].tolist(), strict=True))
    assert u[0.0, 0.25] == pytest.approx(0.000174388, abs=5e-10)
    assert u[0.5, 0.25] == pytest.approx(-0.000547948, abs=5e-10)
    assert u[0.25, 0.5] == pytest.approx(0.473832189, abs=5e-10)
    assert u[-0.25, 1.0] == pytest.approx(0.9884746, abs=5e-8)
    assert u[0.5, 1.0] == pytest.approx(-0.0640768, abs=5e-8)
    assert u[-1.0, 0.25] == pytest.approx(-0.99904, abs=5e-6)


@pytest.mark.parametrize("problem", [AdvectionDiffusion(), AdvectionDiffusion2D(1e-2)])
def test_half_of_the_comparison_lies_in_each_layer(problem):
    reference = problem.reference()
    for axis in reference.at.T:
        in_layer = axis > 1 - 20 * problem.diffusion
        assert 0.45 < in_layer.double().mean() < 0.55
    # Without the layer the solution would be a product of coordinates.
    without = reference.at.prod(dim=1)
    missed = (reference.values["u"] - without).norm() / without.norm()
    assert missed > 0.1


def test_arguments_without_a_solution_are_refused():
    with pytest.raises(ValueError, match=r"viscosity is 0\.0001: it must be at least 0\.001"):
        Burgers(1e-4)
    with pytest.raises(ValueError, match=r"diffusion is 0\.0: it must be a positive"):
        AdvectionDiffusion(0.0)
