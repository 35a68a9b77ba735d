"""A module that is compared at once with what was read of it: whatever changes is seen."""

import gc
import weakref

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from pinn.cache.key import read
from pinn.cache.module_tree import TREES


def network():
    torch.manual_seed(0)
    inner = nn.Sequential(nn.Linear(4, 300), nn.LeakyReLU(0.1), nn.LayerNorm(300))
    return nn.Sequential(inner, nn.Linear(300, 4, bias=False), nn.Tanh())


def replaced_parameter(net):
    net[1].weight = nn.Parameter(net[1].weight.detach().double())


def wider(net):
    net[1].weight.data = torch.zeros(5, 300)


def renamed(net):
    net[0].add_module("other", net[0]._modules.pop("2"))


def in_another_order(net):
    first = net[0]._modules.pop("0")
    net[0]._modules["0"] = first


def attribute_renamed(net):
    net[1].count = net[1].__dict__.pop("out_features")


def same_address_other_state(net):
    net[1]._parameters = {"weight": net[1].weight, "extra": nn.Parameter(torch.zeros(2))}


def number_in_place_of_flag(net):
    net[2].training = 1


def zero_of_the_other_sign(net):
    net[0][1].negative_slope = -0.0


def tied(net):
    net[0][2].bias = net[0][2].weight


CHANGES = {
    "a parameter replaced": replaced_parameter,
    "a parameter's shape": wider,
    "a parameter frozen": lambda net: net[0][0].bias.requires_grad_(False),
    "a parameter added": lambda net: net[2].register_parameter("a", nn.Parameter(torch.ones(1))),
    "a bias given": lambda net: setattr(net[1], "bias", nn.Parameter(torch.zeros(4))),
    "parameters tied": tied,
    "another dict of parameters": same_address_other_state,
    "a buffer added": lambda net: net[2].register_buffer("a", torch.ones(1)),
    "a flag as a buffer": lambda net: net[2].register_buffer("a", torch.tensor(1)),
    "precision": lambda net: net.double(),
    "mode": lambda net: net.eval(),
    "mode of one": lambda net: net[0][1].eval(),
    "a flag as a number": number_in_place_of_flag,
    "an activation swapped": lambda net: net.__setitem__(2, nn.Softplus()),
    "a layer swapped": lambda net: net[0].__setitem__(0, nn.Linear(4, 300)),
    "a layer appended": lambda net: net[0].append(nn.Tanh()),
    "a layer gone": lambda net: net.__delitem__(2),
    "a layer renamed": renamed,
    "layers in another order": in_another_order,
    "a layer twice": lambda net: net.append(net[2]),
    "a number": lambda net: setattr(net[0][1], "negative_slope", 0.3),
    "the sign of zero": zero_of_the_other_sign,
    "a tuple": lambda net: setattr(net[0][2], "normalized_shape", (30, 10)),
    "an attribute added": lambda net: setattr(net[2], "factor", 2.0),
    "a list added": lambda net: setattr(net[2], "factors", [2.0]),
    "an attribute gone": lambda net: delattr(net[1], "in_features"),
    "an attribute renamed": attribute_renamed,
    "a method of one object": lambda net: setattr(net[2], "forward", torch.sin),
    "a forward hook": lambda net: net[2].register_forward_hook(lambda *_: None),
    "a hook before": lambda net: net[2].register_forward_pre_hook(lambda *_: None),
    "a backward hook": lambda net: net[2].register_full_backward_hook(lambda *_: None),
    "another class": lambda net: setattr(net[2], "__class__", nn.Sigmoid),
    "a parametrization": lambda net: parametrize.register_parametrization(
        net[1], "weight", nn.Identity()
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_of_a_module_is_seen(change):
    net = network()
    before = read(net)
    assert read(net) == before
    assert TREES[net] is not None
    change(net)
    after = read(net)
    assert after != before
    assert read(net) == after


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_is_seen_in_what_holds_a_module(change):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = network()

    own = Own()
    f = lambda x: own(x)  # noqa: E731
    before = read(f)
    assert TREES[own.net] is not None
    change(own.net)
    assert read(f) != before


def test_a_method_of_the_library_that_is_patched_is_seen(monkeypatch):
    net = network()
    before = read(net)
    monkeypatch.setattr(nn.Tanh, "forward", lambda self, x: torch.sin(x))
    patched = read(net)
    assert patched != before
    monkeypatch.setattr(nn.Module, "__call__", nn.Module.__call__.__get__, raising=True)
    assert read(net) != patched


def test_what_is_changed_back_is_as_it_was():
    net = network()
    tensors, again = [], []
    before = read(net, tensors=tensors)
    net.eval()
    assert read(net) != before
    net.train()
    net[1].weight = nn.Parameter(net[1].weight.detach() * 2)  # its numbers are an argument
    assert read(net, tensors=again) == before
    assert [id(t) for t in again] == [id(p) for p in net.parameters()]
    assert len(again) == len(tensors)


def test_tensors_are_those_of_now_in_the_order_of_the_structure():
    net = network()
    read(net)
    for parameter in net.parameters():
        parameter.data = parameter.data.clone()
    net[0][0].bias = nn.Parameter(torch.ones(300))
    tensors = []
    read(net, tensors=tensors)
    assert [id(t) for t in tensors] == [id(p) for p in net.parameters()]


def test_what_is_shared_with_the_rest_is_told_apart():
    net, other = network(), network()

    def structure(*roots):
        return read(*roots).structure

    read(net), read(other)
    weight = net[1].weight
    assert structure(net, weight) != structure(net, other[1].weight)
    assert structure(weight, net) != structure(other[1].weight, net)
    assert structure(net, net[0]) != structure(net, other[0])
    tensors = []
    read(weight, net, tensors=tensors)
    assert len({*map(id, tensors)}) == len(tensors) == len(list(net.parameters()))


def test_another_module_of_the_same_form_is_another():
    assert read(network()) != read(network())


def test_a_tree_keeps_no_module_alive():
    net = network()
    reading = read(net)
    gone = [weakref.ref(module) for module in net.modules()]
    gone += [weakref.ref(parameter) for parameter in net.parameters()]
    del net
    gc.collect()
    assert reading.structure
    assert not any(ref() is not None for ref in gone)
