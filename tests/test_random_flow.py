"""The forced flow of random waves: its force against nested automatic differentiation."""

import math

import pytest
import torch

from pinn.fields.field import coordinate_field
from pinn.problems import RandomFlow


def derivative(values, at):
    """∂values/∂x of (N,) at points (N, 2), as (N, 2)."""
    return torch.autograd.grad(values.sum(), at, create_graph=True)[0]


def test_the_force_is_the_residual_of_the_waves():
    problem = RandomFlow(reynolds=50.0, draw=2)
    at = problem.geometry.sample("interior", 60, seed=1).at.requires_grad_()
    (a, b), waves = problem.sizes, [torch.tensor(w, dtype=torch.float64) for w in problem.waves]
    psi, p = (
        (torch.tensor(size, dtype=torch.float64) * torch.sin(at @ wave[:2] + wave[2])).sum(-1)
        for size, wave in zip((a, b), waves, strict=True)
    )
    slope = derivative(psi, at)
    expected = []
    for component in (slope[:, 1], -slope[:, 0]):
        gradient = derivative(component, at)
        laplacian = sum(derivative(gradient[:, i], at)[:, i] for i in range(2))
        carried = gradient[:, 0] * slope[:, 1] - gradient[:, 1] * slope[:, 0]
        expected.append(carried - laplacian / 50)
    expected = torch.stack(expected, -1) + derivative(p, at)
    found = problem.force(coordinate_field(at.detach(), problem.geometry.coordinates))
    torch.testing.assert_close(found.value, expected.detach(), rtol=1e-12, atol=1e-12)


def test_each_draw_is_another_flow_of_order_one():
    at = RandomFlow().geometry.grid(31)
    flows = [
        problem.exact(coordinate_field(at, problem.geometry.coordinates, 0))
        for problem in (RandomFlow(draw=0), RandomFlow(draw=0), RandomFlow(draw=1))
    ]
    assert torch.equal(flows[0]["u"].value, flows[1]["u"].value)
    assert (flows[0]["u"].value - flows[2]["u"].value).abs().max() > 0.1
    for flow in flows:
        for field in flow.values():
            assert 0.1 < float(field.value.square().mean()) ** 0.5 < math.sqrt(3)
    with pytest.raises(ValueError, match="draw is -1: expected at least 0"):
        RandomFlow(draw=-1)
