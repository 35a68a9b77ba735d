"""What one solution differs from another, up to constants that the equations leave open."""

import pytest
import torch

from pinn.training.change import changes, without_constant

F64 = torch.float64
AT = torch.rand(400, 2, generator=torch.Generator().manual_seed(0), dtype=F64)
X, T = AT.unbind(1)


def test_a_constant_that_depends_on_time_is_no_change():
    u = torch.sin(3 * X) * torch.exp(-T)
    moved = u + torch.cos(4 * T)
    open_along = {"p": AT[:, 1:]}
    (change,) = changes({"p": moved}, {"p": u}, open_along, None).values()
    assert change < 1e-9
    (change,) = changes({"p": moved}, {"p": u}, {}, None).values()
    assert change > 0.1


def test_a_plain_constant_is_the_weighted_mean():
    weights = 0.5 + T
    weights = weights / weights.mean()
    left = without_constant(X, AT[:, :0], weights)
    torch.testing.assert_close(left, X - (weights * X).mean())


def test_what_is_zero_is_measured_by_the_largest():
    now = {"u": X, "v": 1e-9 * T}
    found = changes(now, {"u": X, "v": 0 * T}, {}, None)
    assert found == {"u": 0.0, "v": pytest.approx(1e-3, rel=0.1)}
