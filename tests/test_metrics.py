"""Norms of errors and residuals: against numpy, in any precision."""

import math

import numpy as np
import pytest
import torch

from pinn.assessment.norms import magnitude, relative_l2
from pinn.assessment.scores import size

rng = np.random.default_rng(0)
PREDICTED = torch.from_numpy(rng.normal(3.0, 1.0, 1000))
TARGET = torch.from_numpy(rng.normal(2.0, 1.0, 1000))
RESIDUAL = torch.from_numpy(rng.normal(size=(1000, 3)))


def relative(predicted, target, up_to_constant=False):
    error, truth = (predicted - target).numpy(), target.numpy()
    if up_to_constant:
        error, truth = error - error.mean(), truth - truth.mean()
    return np.linalg.norm(error) / np.linalg.norm(truth)


@pytest.mark.parametrize("up_to_constant", [False, True])
def test_the_relative_error_equals_numpy(up_to_constant):
    expected = relative(PREDICTED, TARGET, up_to_constant)
    assert relative_l2(PREDICTED, TARGET, up_to_constant) == pytest.approx(expected, rel=1e-13)
    single = relative_l2(PREDICTED.float(), TARGET.float(), up_to_constant)
    doubled = relative(PREDICTED.float().double(), TARGET.float().double(), up_to_constant)
    assert single == pytest.approx(doubled, rel=1e-13)


@pytest.mark.parametrize("cuts", [(), (500,), (1, 7, 990), (0, 300)])  # the last has an empty part
def test_the_size_of_a_residual_in_parts_equals_numpy(cuts):
    norms = np.linalg.norm(RESIDUAL.numpy(), axis=1)
    found = size("r_", list(torch.tensor_split(RESIDUAL, cuts)))
    assert found["r_rms"] == pytest.approx(math.sqrt((norms**2).mean()), rel=1e-13)
    assert found["r_max"] == pytest.approx(norms.max(), rel=1e-13)


def test_the_size_of_a_scalar_residual():
    r = torch.tensor([3.0, -5.0, 4.0])
    assert size("", [r]) == {"rms": pytest.approx(math.sqrt(50 / 3)), "max": 5.0}
    assert magnitude(r).dtype == torch.float64


def test_up_to_constant_ignores_any_constant():
    shifted = relative_l2(PREDICTED + 40.0, TARGET - 7.0, up_to_constant=True)
    assert shifted == pytest.approx(relative(PREDICTED, TARGET, True), rel=1e-12)


def test_a_large_constant_does_not_cancel_a_small_error():
    error = 1e-6 * torch.sin(torch.arange(1000.0, dtype=torch.float64))
    found = relative_l2(TARGET + error + 1e4, TARGET, up_to_constant=True)
    # 1e4 itself carries a rounding error of 1e-12, a millionth of the error.
    assert found == pytest.approx(relative(TARGET + error, TARGET, True), rel=1e-5)


def test_zero_reference_gives_the_rms_of_the_error():
    zero = torch.zeros(4)
    assert relative_l2(torch.tensor([1.0, -1.0, 2.0, 0.0]), zero) == math.sqrt(6 / 4)
    assert relative_l2(zero, zero) == 0.0


def test_constant_reference_up_to_a_constant_gives_the_rms_of_the_error():
    constant = torch.full((1000,), 0.1, dtype=torch.float64)
    found = relative_l2(PREDICTED, constant, up_to_constant=True)
    assert found == pytest.approx(float(PREDICTED.std(correction=0)), rel=1e-12)


@pytest.mark.parametrize("position", [0, 999])
def test_nan_propagates(position):
    broken, residual = PREDICTED.clone(), RESIDUAL.clone()
    broken[position] = residual[position] = torch.nan
    assert math.isnan(relative_l2(broken, TARGET))
    assert math.isnan(relative_l2(broken, TARGET, up_to_constant=True))
    assert all(map(math.isnan, size("r_", [residual[:500], residual[500:]]).values()))


def test_keeps_no_graph():
    weight = torch.ones(1000, dtype=torch.float64, requires_grad=True)
    assert relative_l2(PREDICTED * weight, TARGET) > 0
    assert not magnitude(PREDICTED * weight).requires_grad


@pytest.mark.parametrize(("predicted", "target"), [((4,), (4, 1)), ((4, 2), (4, 2)), ((0,), (0,))])
def test_shapes_that_would_broadcast_are_refused(predicted, target):
    with pytest.raises(ValueError, match=r"predicted has shape .* both must be \(N,\)"):
        relative_l2(torch.ones(predicted), torch.ones(target))
