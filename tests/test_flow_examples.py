"""The examples that train on exact divergences: a normalising flow and score matching."""

import importlib
import math
import sys
from pathlib import Path

import pytest
import torch

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def flows(monkeypatch):
    """The example of a flow as a module."""
    pytest.importorskip(
        "torchdiffeq", reason="torchdiffeq is not installed: pip install -e .[test]"
    )
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield importlib.import_module("normalising_flow")
    sys.modules.pop("normalising_flow", None)


def small(flows, d, steps=3, width=16):
    torch.manual_seed(0)
    return flows.Flow(flows.Velocity(d, width), steps).double()


def by_jacobian(flow, x):
    """log p(x) where the log-determinant is that of the whole map, by reverse mode."""

    def end(point):
        return flow.solve(flow.growth.velocity, point[None], (0.0, 1.0))[-1, 0]

    logs = []
    for point in x:
        J = torch.autograd.functional.jacobian(end, point)
        normal = -0.5 * (end(point).square() + math.log(2 * math.pi)).sum()
        logs.append(normal + torch.linalg.slogdet(J).logabsdet)
    return torch.stack(logs)


def test_the_likelihood_is_that_of_the_change_of_variables(flows):
    flow = small(flows, 3, steps=12)
    x = torch.randn(2, 3, dtype=torch.float64)
    torch.testing.assert_close(flow(x), by_jacobian(flow, x), rtol=1e-6, atol=1e-6)


def test_the_adjoint_has_the_gradient_of_the_solver(flows):
    x = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    gradients = []
    for steps in (20, None):
        flow = small(flows, 2, steps)
        loss = -flow(x).mean()
        gradients.append(torch.autograd.grad(loss, [x, *flow.parameters()]))
    for fixed, adjoint in zip(*gradients, strict=True):
        torch.testing.assert_close(adjoint, fixed, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize(("d", "iterations", "gain"), [(2, 25, 0.3), (64, 8, 0.5)])
def test_a_flow_learns_a_density_that_is_known(flows, d, iterations, gain):
    data, plane = flows.mixture(d)
    torch.manual_seed(1)
    flow = flows.Flow(flows.Velocity(d, 32), steps=3)
    before = flows.missing(flow, data, 256)
    flows.train(flow, data, iterations, batch=64)
    after = flows.missing(flow, data, 256)
    assert after < before - gain
    assert plane.shape == (d, 2)
    assert flow.sample(torch.randn(7, d)).shape == (2, 7, d)
