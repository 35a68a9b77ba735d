"""Views and parts of features, against nested reverse mode."""

import pytest
import torch
import torch.nn.functional as F
from nested import PLANS, N, assert_refused, assert_rule, cases, jet_of, names, random, tokens

from pinn.algebra.jet import NoRuleError
from pinn.algebra.rules.copies import WHOLE
from pinn.algebra.rules.selection import PARTS
from pinn.algebra.rules.shape import SHAPE

PLACES = torch.tensor([[[0, 2, 1, 1], [2, 2, 0, 1], [1, 0, 0, 2]]]).expand(N, 3, 4)
BOUNDS, TABLE = torch.tensor([0.7, 1.1, 1.5]).double(), random(4)

# z is (N, 3, 4).
EXAMPLES = {
    "reshape": [
        lambda z: z.reshape(N, 12),
        lambda z: z.reshape((N, 2, -1)),
        lambda z: torch.reshape(z, (-1, 6, 2)),
        lambda z: z.reshape(z.shape[0], -1),
    ],
    "view": [lambda z: z.view(*z.shape[:-1], 2, 2), lambda z: z.view(len(z), -1)],
    "flatten": [lambda z: z.flatten(1), lambda z: torch.flatten(z, start_dim=-2)],
    "unflatten": [lambda z: z.unflatten(-1, (2, 2)), lambda z: torch.unflatten(z, 2, (2, -1))],
    "squeeze": [
        lambda z: z[..., :1].squeeze(-1),
        lambda z: z[:, :1, :1].squeeze(),
        lambda z: z.squeeze(1),
        lambda z: torch.squeeze(z[..., :1], (1, 2)),
    ],
    "unsqueeze": [lambda z: z.unsqueeze(1), lambda z: torch.unsqueeze(z, -1)],
    "transpose": [lambda z: z.transpose(1, 2), lambda z: torch.transpose(z, -1, -2)],
    "swapaxes": [lambda z: z.swapaxes(1, 2)],
    "swapdims": [lambda z: z.swapdims(2, 1)],
    "mT": [lambda z: z.mT],
    "permute": [lambda z: z.permute(0, 2, 1), lambda z: torch.permute(z, (0, -1, 1))],
    "movedim": [lambda z: z.movedim(1, 2), lambda z: torch.movedim(z, (1, 2), (2, 1))],
    "moveaxis": [lambda z: z.moveaxis(1, -1)],
    "expand": [lambda z: z[..., :1].expand(-1, -1, 5), lambda z: z[:, :1].expand((N, 2, 4))],
    "broadcast_to": [lambda z: torch.broadcast_to(z[..., :1], (N, 3, 2))],
    "expand_as": [lambda z: z[..., :1].expand_as(z)],
    "split": [
        lambda z: z.split(3, -1)[1],
        lambda z: torch.split(z, [1, 2], dim=1)[1],
        lambda z: z.split(2, dim=2)[0],
    ],
    "chunk": [lambda z: z.chunk(2, -1)[1], lambda z: torch.chunk(z, 2, dim=1)[0]],
    "unbind": [lambda z: z.unbind(1)[2], lambda z: torch.stack(torch.unbind(z, -1), 1)],
    "narrow": [lambda z: z.narrow(1, 1, 2)],
    "select": [lambda z: z.select(-1, 2)],
    "index_select": [lambda z: z.index_select(2, torch.tensor([3, 0, 0]))],
    "gather": [
        lambda z: torch.gather(z, -1, PLACES),
        lambda z: z.gather(1, PLACES[:, :2, :3]),
    ],
    "take_along_dim": [
        lambda z: torch.take_along_dim(z, PLACES, -1),
        lambda z: z.take_along_dim(PLACES[:, :, :1], dim=1),
    ],
    "bucketize": [lambda z: z * TABLE[torch.bucketize(z.detach(), BOUNDS)]],
    "searchsorted": [lambda z: z * TABLE[torch.searchsorted(BOUNDS, z.detach())]],
    "flip": [lambda z: z.flip(-1), lambda z: torch.flip(z, (1, 2))],
    "roll": [lambda z: z.roll(1, -1), lambda z: torch.roll(z, (1, 2), (1, 2))],
    "repeat": [lambda z: z.repeat(1, 2, 1)],
    "tile": [lambda z: z.tile(2), lambda z: torch.tile(z, (1, 2, 1))],
    "pad": [lambda z: F.pad(z, (1, 2)), lambda z: F.pad(z, (0, 1, 2, 0))],
    "tril": [lambda z: z.tril(), lambda z: torch.tril(z, 1)],
    "triu": [lambda z: z.triu(-1)],
    "contiguous": [lambda z: z.contiguous()],
    "clone": [lambda z: z.clone()],
    "detach": [lambda z: z.detach() * z],
    "to": [lambda z: z.to(torch.float64), lambda z: z.to("cpu")],
    "type_as": [lambda z: z.type_as(z)],
    "float": [lambda z: z.float().double() * 0 + z],
    "double": [lambda z: z.double()],
    "zeros_like": [lambda z: z + torch.zeros_like(z)],
    "ones_like": [lambda z: z * torch.ones_like(z)],
    "full_like": [lambda z: z * torch.full_like(z, 2.0)],
    "new_zeros": [lambda z: z + z.new_zeros(4)],
    "new_ones": [lambda z: z * z.new_ones(3, 1)],
    "new_full": [lambda z: z * z.new_full((4,), 3.0)],
    "new_tensor": [lambda z: z * z.new_tensor([1.0, 2.0, 3.0, 4.0])],
}
CASES = cases(EXAMPLES)


def test_every_rule_has_an_example():
    assert names(SHAPE, PARTS, WHOLE) <= set(EXAMPLES) | {"constant_pad_nd"}


@pytest.mark.parametrize("call", CASES)
def test_rule_agrees_with_nested_reverse_mode(call):
    plans = ("every", "collapsed", "collapsed third", "collapsed fourth")
    assert_rule(lambda z, t: call(z), plans, argument=tokens)


@pytest.mark.parametrize("call", CASES)
def test_rule_agrees_on_rows_that_are_the_same_at_all_points(call):
    """z is affine, so that its derivatives are kept for one point only."""

    def affine(x, weight):
        return F.linear(x, weight)[:, None, :] * torch.tensor([[1.0], [2.0], [3.0]]).double()

    assert_rule(lambda z, t: call(z), ("every",), argument=affine)


REFUSED = {
    "reshape": lambda z: z.reshape(-1),
    "reshape other points": lambda z: z.reshape(2 * N, 6),
    "reshape -1": lambda z: z.reshape(-1, 6),
    "view": lambda z: z.view(1, N, 12),
    "view as dtype": lambda z: z.view(torch.int64),
    "flatten": lambda z: z.flatten(),
    "squeeze": lambda z: z.squeeze(0),
    "unsqueeze": lambda z: z.unsqueeze(0),
    "transpose": lambda z: z.transpose(0, 2),
    "permute": lambda z: z.permute(1, 0, 2),
    "movedim": lambda z: z.movedim(0, 1),
    "expand": lambda z: z.expand(2, N, 3, 4),
    "split": lambda z: z.split(1),
    "unbind": lambda z: z.unbind(),
    "flip": lambda z: z.flip(0),
    "roll": lambda z: z.roll(1),
    "roll points": lambda z: z.roll(1, 0),
    "repeat": lambda z: z.repeat(2, 1, 1),
    "repeat by tile": lambda z: z.tile(2, 1, 1),
    "pad": lambda z: F.pad(z, (0, 0, 0, 0, 1, 0)),
    "pad with ones": lambda z: F.pad(z, (1, 0), value=1.0),
    "index_select": lambda z: z.index_select(0, torch.tensor([0])),
    "to": lambda z: z.to(torch.int64),
}


@pytest.mark.parametrize("name", REFUSED)
def test_moving_points_is_refused(name):
    assert_refused(name, REFUSED[name])


def test_squeeze_of_a_single_point_is_refused():
    """On tensors it would drop the axis of the points."""
    with pytest.raises(NoRuleError, match="would drop a point axis"):
        jet_of(random(1, 2), PLANS["every"])[:, :1].squeeze()


def test_detached_has_no_derivative_and_no_gradient():
    weight = random(4, 2).requires_grad_()
    z = tokens(jet_of(random(N, 2), PLANS["every"]), weight).detach()
    assert not z.requires_grad
    assert all(stream is None for stream in z.streams.values())
