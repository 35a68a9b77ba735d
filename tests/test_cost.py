"""The price of derivatives in matrix-product FLOPs and launches, counted and not timed."""

import pytest
import torch
from torch import nn

from pinn.algebra.channels import Plan, first, laplace
from pinn.base.costs import Count
from pinn.derivatives.evaluate import evaluate
from pinn.operators.divergence import Divergence


def mlp(*activations, width=8, inputs=2, outputs=2):
    layers = [nn.Linear(inputs, width)]
    for activation in activations:
        layers += [activation, nn.Linear(width, width)]
    return nn.Sequential(*layers[:-1], nn.Linear(width, outputs))


def tensors(jet, plan):
    return [jet.value, *(jet.stream(channel) for channel in plan.channels)]


def weighted(parts):
    entries = torch.cat([part.reshape(-1) for part in parts])
    return entries @ torch.linspace(0.5, 1.5, len(entries), dtype=entries.dtype)


def cost(run, backward=False):
    with Count() as count:
        result = run()
        if backward:
            result.backward()
    return count


def deep(outputs=3, inputs=2):
    torch.manual_seed(0)
    return mlp(*(nn.Tanh() for _ in range(4)), width=64, inputs=inputs, outputs=outputs)


@pytest.mark.parametrize("outputs", [1, 3, 8])
@pytest.mark.parametrize("d", [2, 3, 4])
def test_the_fused_pass_costs_d_plus_two_forward_passes(d, outputs):
    net, x = deep(inputs=d, outputs=outputs), torch.rand(256, d)
    plan = Plan((laplace(range(d)),))
    forward = cost(lambda: net(x)).flops
    fused = cost(lambda: evaluate(net, x, plan, "taylor")).flops
    assert 2 * forward < fused <= 1.02 * (d + 2) * forward

    def loss():
        return weighted(tensors(evaluate(net, x, plan, "taylor"), plan))

    assert cost(loss, backward=True).flops <= 1.02 * 3 * (d + 2) * forward


def test_launches_of_the_fused_pass_do_not_grow_with_the_dimension():
    def launched(d):
        net, x = deep(inputs=d), torch.rand(16, d)
        plan = Plan((laplace(range(d)),))

        def step():
            jet = evaluate(net, x, plan, "taylor")
            return (jet.streams.whole * torch.arange(2.0, d + 4).reshape(-1, 1, 1)).sum()

        return cost(step, backward=True).launches

    assert launched(2) == launched(3) == launched(4) == launched(10)


@pytest.mark.parametrize("strategy", ["vmap", "loop"])
def test_reverse_mode_costs_one_pass_per_component_more(strategy):
    net, x, plan = deep(outputs=2), torch.rand(128, 2), Plan((first(0), first(1)))
    forward = cost(lambda: net(x)).flops
    assert cost(lambda: evaluate(net, x, plan, strategy)).flops <= 3.05 * forward

    def loss():
        return weighted(tensors(evaluate(net, x, plan, strategy), plan))

    assert cost(loss, backward=True).flops <= 3 * 3.05 * forward


def launches(strategy, d):
    net, x = deep(outputs=d, inputs=d), torch.rand(16, d)
    plan = Plan(tuple(first(i) for i in range(d)))
    return cost(lambda: evaluate(net, x, plan, strategy)).launches


def test_launches_of_the_batched_pass_do_not_grow_with_the_dimension():
    assert launches("vmap", 2) == launches("vmap", 10)


def test_launches_of_the_loop_grow_with_the_dimension():
    assert launches("loop", 10) > 3 * launches("loop", 2)


def test_the_fused_pass_has_one_matrix_product_per_layer_and_one_for_the_unit_vectors():
    net, x = deep(), torch.rand(16, 2)
    plan = Plan((laplace((0, 1)),))
    assert cost(lambda: evaluate(net, x, plan, "taylor")).products == 6


@pytest.mark.parametrize("d", [2, 3, 4])
def test_independent_heads_cost_two_forward_passes_in_the_loop(d):
    def head():
        return nn.Sequential(
            nn.Linear(d, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1)
        )

    heads = nn.ModuleList(head() for _ in range(d))
    x = torch.rand(64, d)

    def apart(at):
        return tuple(net(at) for net in heads)

    def together(at):
        return torch.cat(apart(at), dim=-1)

    div = Divergence("loop")
    for f in (apart, together):
        for _ in range(3):  # checks come at the first uses
            div.choice(f, x)
    forward = cost(lambda: apart(x)).flops
    assert cost(lambda: div(apart, x)).flops <= 2.05 * forward
    assert cost(lambda: div(together, x)).flops >= (0.97 + d) * forward
