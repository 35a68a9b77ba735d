"""What is remembered of a function, and for how long."""

import gc
import weakref
from functools import partial

import pytest
import torch
from oracle import network, points

from pinn.cache.rechecks import MOST, recall
from pinn.operators.divergence import Divergence


def decisions(f, x=None, training=True, settings=()):
    """What `recall` passes to a decision it has to make; nothing if it remembers."""
    made = []
    recall(f, points(4, 2) if x is None else x, training, settings, made.append)
    return made


def test_a_lambda_made_anew_is_the_same_function():
    net, other = network(2), network(2)

    def make(module, factor=1.0, power=2):
        return lambda x: factor * module(x) ** power

    assert decisions(make(net)) == [True]
    assert decisions(make(net)) == []
    assert decisions(make(net, factor=0.5)) == []  # such as a weight that changes every step
    assert decisions(make(other)) == [True]
    assert decisions(make(net, power=3)) == []


def test_a_number_that_is_new_is_held_against_reverse_mode():
    net = network(2)

    def checks(**numbers):
        made = []

        def f(x):
            return numbers["factor"] * net(x)

        recall(f, points(4, 2), True, (), lambda _: None, lambda _: made.append(f) or True)
        return len(made)

    assert checks(factor=1.0) == 0  # decided
    uses = [checks(factor=1.0) for _ in range(8)]
    assert uses == [1, 1, 0, 1, 0, 0, 0, 1]  # after 1, 2, 4, 8 uses
    assert checks(factor=2.0) == 1
    assert [checks(factor=f) for f in (1.0, 2.0)] == [0, 0]
    ever_new = [checks(factor=1.0 / k) for k in range(3, 403)]
    assert sum(ever_new) < 30  # and from then on after 32, 64, … uses


def test_a_partial_made_anew_is_the_same_function():
    net, other = network(3), network(3)

    def velocity(module, t, x):
        return module(torch.cat([x, t.expand(len(x), 1)], -1))

    def made(module, t=0.5, **named):
        return decisions(partial(velocity, module, torch.tensor(t), **named))

    assert made(net) == [True]
    assert [made(net), made(net, 0.75)] == [[], []]
    assert made(other) == [True]
    assert decisions(partial(net.forward)) == [True]
    assert decisions(partial(net.forward)) == []


def test_the_time_of_an_equation_is_soon_known_to_be_ever_new():
    net, checked = network(2), []

    def call(t):
        again = lambda _: checked.append(t) or True  # noqa: E731
        recall(lambda x: t * net(x), points(4, 2), True, (), lambda _: None, again)

    for k in range(40):
        call(torch.tensor(k / 40))
    assert [float(t) * 40 for t in checked] == pytest.approx([1, 2, 3, 4, 8, 16, 32])


def test_a_check_that_fails_is_a_new_decision():
    net, made = network(2), []
    for wrong in (False, True):
        recall(net, points(4, 2), True, (), made.append, lambda _, wrong=wrong: not wrong)
    assert made == [True, False]


def test_functions_inside_functions_are_compared_as_well():
    net, other = network(2), network(2)

    def make(module):
        inner = lambda x: module(x)  # noqa: E731
        return lambda x: 2 * inner(x)

    assert decisions(make(net)) == [True]
    assert decisions(make(net)) == []
    assert decisions(make(other)) == [True]


def test_tensors_count_by_their_shape():
    def make(t):
        return lambda x: x * t

    assert decisions(make(points(4, 1))) == [True]
    assert decisions(make(points(4, 1))) == []
    assert decisions(make(points(1, 2))) == [True]


@pytest.mark.parametrize("change", ["points", "dtype", "training", "settings", "mode"])
def test_another_situation_is_another_decision(change):
    net = network(2)
    assert decisions(net) == [True]
    assert decisions(net) == []
    x = {"points": points(1, 2), "dtype": points(4, 2).float()}.get(change)
    if change == "mode":
        net[1].eval()
    settings = ("vmap",) if change == "settings" else ()
    assert decisions(net, x, change != "training", settings) == [True]


def test_the_mode_of_a_module_in_a_closure_counts():
    net = network(2)

    def f(x):
        return net(x)

    assert decisions(f) == [True]
    net.eval()
    assert decisions(f) == [True]


def test_what_cannot_be_looked_into_is_not_measured():
    net, held = network(2), (n for n in range(5))
    for _ in range(2):
        assert decisions(lambda x: net(x) * next(held)) == [False]


@pytest.mark.parametrize("kind", [list, tuple, lambda nets: {"first": nets[0]}])
def test_collections_are_known_by_what_they_hold(kind):
    first, other = network(2), network(2)

    def held(net):
        nets = kind([net])
        return lambda x: (nets["first"] if isinstance(nets, dict) else nets[0])(x)

    assert decisions(held(first)) == [True]
    assert decisions(held(first)) == []
    assert decisions(held(other)) == [True]


def test_a_function_that_is_ever_new_is_not_measured_for_ever():
    net = network(2)
    made = [decisions(net, settings=(k,))[0] for k in range(MOST + 2)]
    assert made == [True] * MOST + [False] * 2


def test_a_function_that_names_itself():
    def f(x, depth=1):
        return f(x, depth - 1) if depth else torch.sin(x)

    assert decisions(f) == [True]
    assert decisions(f) == []


def test_modules_in_closures_are_not_kept_alive():
    net = network()
    gone = weakref.ref(net)

    def closing_over(module):
        return lambda x: module(x)

    Divergence()(closing_over(net), points(5, 3))
    del net
    gc.collect()
    assert gone() is None


def test_auto_is_measured_again_for_many_more_points():
    net, div = network(2), Divergence()
    table = div.choice(net, points(60, 2)).table
    assert div.choice(net, points(30, 2)).table is table
    assert div.choice(net, points(600, 2)).table is not table
