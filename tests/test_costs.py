"""What an evaluation costs, counted on a handful of points."""

import gc

import pytest
import torch
from oracle import points
from torch import nn

from pinn.algebra.channels import Plan, first, laplace
from pinn.base.costs import Cost, Count, Model, number, some, tally
from pinn.choosing.sample_step import Trial

FIRST = Plan((first(0), first(1)))


def dense(outputs=2, width=32, inputs=2):
    torch.manual_seed(0)
    layers = nn.Linear(inputs, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh()
    return nn.Sequential(*layers, nn.Linear(width, outputs)).double()


def model(f, strategy, plan=FIRST, training=True, x=None):
    trial = Trial(f, plan, training)
    return Model(lambda at: trial(at, strategy), points(100, 2) if x is None else x)


def test_memory_follows_the_life_of_tensors():
    with Count() as counted:
        a = torch.ones(1000)
        b = a * 2
        kept = b.view(10, 100)  # shares the storage of b
        del b
        c = kept + 1
        del kept
        c.mul_(2)  # in place: nothing new
    del a
    assert counted.events[:3] == [4000, 4000, 4000]
    assert counted.peak == 12000
    assert sum(counted.events) == 4000
    del c
    assert sum(counted.events) == 0


@pytest.mark.parametrize("strategy", ["taylor", "vmap", "loop"])
@pytest.mark.parametrize(
    ("plan", "training"),
    [(FIRST, True), (Plan((laplace((0, 1)),)), False)],
    ids=["first", "second"],
)
def test_a_handful_of_points_tells_the_cost_of_many(strategy, plan, training):
    net, x = dense(), points(500, 2)
    trial = Trial(net, plan, training)
    gc.collect()
    whole = tally(lambda at: trial(at, strategy), x)
    found = model(net, strategy, plan, training, x).at(500)
    assert whole.flops > 0
    assert found == Cost(whole.flops, whole.peak, whole.traffic, whole.launches)


@pytest.mark.parametrize("d", [2, 4])
@pytest.mark.parametrize("strategy", ["vmap", "loop"])
def test_batched_and_single_reverse_passes_are_seen(strategy, d):
    net, x = dense(outputs=d, inputs=d), points(100, d)
    plan = Plan(tuple(first(i) for i in range(d)))
    forward = tally(net, x).flops
    assert model(net, strategy, plan, False, x).at(100).flops == pytest.approx((1 + d) * forward)


def test_separate_heads_cost_the_loop_their_own_part_only():
    heads = nn.ModuleList(dense(outputs=1) for _ in range(2))

    def apart(at):
        return tuple(head(at) for head in heads)

    def together(at):
        return torch.cat(apart(at), dim=-1)

    forward = tally(together, points(100, 2)).flops
    for f, passes in ((apart, 2), (together, 3)):
        found = model(f, "loop", training=False).at(100).flops
        assert found == pytest.approx(passes * forward, rel=0.02)


def test_the_backward_pass_counts_when_training():
    net = dense()
    value, step = (model(net, "loop", training=training).at(100) for training in (False, True))
    assert step.flops == pytest.approx(3 * value.flops, rel=0.02)
    assert step.memory > value.memory


def test_a_function_of_all_points_is_counted_at_all_of_them():
    t = points(40, 1)
    trial = Trial(lambda x: torch.sin(x * t), FIRST)
    assert trial.whole(points(40, 2))
    assert not Trial(torch.sin, FIRST).whole(points(40, 2))
    found = Model(lambda at: trial(at, "loop"), points(40, 2), whole=True)
    assert found.sizes == (40, 40)
    assert found.at(80).traffic == 2 * found.at(40).traffic


@pytest.mark.parametrize(
    ("shape", "n", "expected"),
    [
        ((100, 2), 8, (8, 2)),
        ((3, 2), 8, (3, 2)),
        ((50, 40, 2), 100, (2, 40, 2)),
        ((2, 1000, 3), 100, (1, 100, 3)),
        ((2,), 8, (2,)),
        ((0, 2), 8, (0, 2)),
    ],
)
def test_some_of_the_points(shape, n, expected):
    few = some(torch.rand(shape), n)
    assert tuple(few.shape) == expected
    assert number(few) <= max(n, 1)


def test_more_work_is_estimated_to_take_longer():
    cpu = torch.device("cpu")
    base = Cost(1e9, 0.0, 1e6, 10).seconds(cpu)
    assert Cost(2e9, 0.0, 1e6, 10).seconds(cpu) > base
    assert Cost(1e9, 0.0, 1e9, 10).seconds(cpu) > base
    assert Cost(1e9, 0.0, 1e6, 1000).seconds(cpu) > base
    assert Cost(1e9, 1e9, 1e6, 10).seconds(cpu) == base
