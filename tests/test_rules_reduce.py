"""Sums and norms over features, and normalisation, against nested reverse mode."""

import pytest
import torch
import torch.nn.functional as F
from nested import PLANS, N, assert_refused, assert_rule, cases, jet_of, names, random, tokens
from torch import nn

from pinn.algebra.rules.normalise import NORMALISE
from pinn.algebra.rules.reduce import REDUCE

SCALE, SHIFT = random(4, seed=7) + 0.5, random(4, seed=8)
CHANNELS = random(3, seed=9) + 0.5

# z is (N, 3, 4), t a learnable (4,).
EXAMPLES = {
    "sum": [
        lambda z, t: z.sum(-1),
        lambda z, t: torch.sum(z, (1, 2)),
        lambda z, t: z.sum(dim=1, keepdim=True),
    ],
    "mean": [lambda z, t: z.mean(-1), lambda z, t: torch.mean(z, (1, 2), keepdim=True)],
    "cumsum": [lambda z, t: z.cumsum(1), lambda z, t: torch.cumsum(z, dim=-1)],
    "prod": [lambda z, t: z.prod(-1), lambda z, t: torch.prod(z, dim=1, keepdim=True)],
    "cumprod": [lambda z, t: z.cumprod(1), lambda z, t: torch.cumprod(z, dim=-1)],
    "var": [
        lambda z, t: z.var(-1),
        lambda z, t: torch.var(z, (1, 2), unbiased=False),
        lambda z, t: torch.var(z, -1, correction=0, keepdim=True),
    ],
    "std": [lambda z, t: z.std(-1, keepdim=True)],
    "norm": [lambda z, t: z.norm(dim=-1), lambda z, t: torch.norm(z, 2, -1, True)],
    "vector_norm": [lambda z, t: torch.linalg.vector_norm(z, dim=(1, 2))],
    "logsumexp": [lambda z, t: z.logsumexp(-1), lambda z, t: torch.logsumexp(z, (1, 2), True)],
    "rms_norm": [lambda z, t: F.rms_norm(z, (4,), t), lambda z, t: F.rms_norm(z, (3, 4), eps=0.1)],
    "group_norm": [
        lambda z, t: F.group_norm(z.mT, 2, t, SHIFT),
        lambda z, t: F.group_norm(z[:, 0], 2, t, SHIFT),
    ],
    "batch_norm": [
        lambda z, t: F.batch_norm(z.mT, SHIFT, SCALE, t, SHIFT),
        lambda z, t: F.batch_norm(z[:, 0], SHIFT, SCALE),
    ],
    "instance_norm": [
        lambda z, t: F.instance_norm(z, CHANNELS, CHANNELS, use_input_stats=False),
    ],
    "normalize": [lambda z, t: F.normalize(z, dim=-1), lambda z, t: F.normalize(z, eps=2.9)],
    "softmax": [
        lambda z, t: F.softmax(z, -1),
        lambda z, t: z.softmax(1),
        lambda z, t: torch.softmax(z * t, -1),
    ],
    "log_softmax": [lambda z, t: F.log_softmax(z, dim=-1), lambda z, t: z.log_softmax(1)],
    "softmin": [lambda z, t: F.softmin(z, dim=-1)],
    "dropout": [lambda z, t: F.dropout(z, 0.5, training=False), lambda z, t: F.dropout(z, 0.0)],
    "dropout1d": [lambda z, t: F.dropout1d(z, training=False)],
    "dropout2d": [lambda z, t: F.dropout2d(z[..., None], training=False)],
    "dropout3d": [lambda z, t: F.dropout3d(z[..., None, None], training=False)],
    "alpha_dropout": [lambda z, t: F.alpha_dropout(z, training=False)],
    "feature_alpha_dropout": [lambda z, t: F.feature_alpha_dropout(z, training=False)],
}
CASES = cases(EXAMPLES)


def test_every_rule_has_an_example():
    assert names(REDUCE, NORMALISE) - set(EXAMPLES) == {"layer_norm"}


@pytest.mark.parametrize("call", CASES)
def test_rule_agrees_with_nested_reverse_mode(call):
    assert_rule(
        call, ("every", "collapsed", "collapsed third", "collapsed fourth"), argument=tokens
    )


def layer_norm(z, axes, weight=1.0, bias=0.0, eps=1e-5):
    """By hand: reverse mode through torch's own gives second derivatives a wrong gradient."""
    centred = z - z.mean(axes, keepdim=True)
    return centred / ((centred * centred).mean(axes, keepdim=True) + eps).sqrt() * weight + bias


BY_HAND = {
    "layer_norm": (lambda z, t: F.layer_norm(z, (4,)), lambda z, t: layer_norm(z, -1)),
    "layer_norm affine": (
        lambda z, t: F.layer_norm(z, (4,), t, SHIFT, 0.1),
        lambda z, t: layer_norm(z, -1, t, SHIFT, 0.1),
    ),
    "layer_norm of torch itself": (
        lambda z, t: torch.layer_norm(z, (4,), t, SHIFT, 0.1, False),
        lambda z, t: layer_norm(z, -1, t, SHIFT, 0.1),
    ),
    "layer_norm matrix": (
        lambda z, t: F.layer_norm(z, (3, 4)),
        lambda z, t: layer_norm(z, (-2, -1)),
    ),
    "instance_norm": (
        lambda z, t: F.instance_norm(z, weight=CHANNELS, bias=CHANNELS),
        lambda z, t: layer_norm(z, -1, CHANNELS[:, None], CHANNELS[:, None]),
    ),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_normalisation_agrees_with_the_formula(name):
    ours, exact = BY_HAND[name]
    plans = [plan for plan in PLANS if plan != "fourth"]  # the oracle takes seconds for it
    assert_rule(ours, plans, same=exact, argument=tokens)
    z = random(N, 3, 4)
    torch.testing.assert_close(ours(z, SCALE), exact(z, SCALE))


REFUSED = {
    "sum": lambda z: z.sum(),
    "sum over points": lambda z: z.sum(0),
    "sum over all": lambda z: torch.sum(z, (0, 1)),
    "mean": lambda z: z.mean(),
    "var": lambda z: z.var(0),
    "norm": lambda z: z.norm(),
    "norm p": lambda z: z.norm(p=1, dim=-1),
    "cumsum": lambda z: z.cumsum(0),
    "logsumexp": lambda z: z.logsumexp(0),
    "softmax": lambda z: z.softmax(0),
    "softmax without dim": F.softmax,
    "softmax to dtype": lambda z: F.softmax(z, -1, dtype=torch.float32),
    "layer_norm": lambda z: F.layer_norm(z, (N, 3, 4)),
    "normalize": lambda z: F.normalize(z, dim=0),
    "batch_norm": lambda z: nn.BatchNorm1d(3).double()(z),
    "batch_norm without statistics": lambda z: (
        nn.BatchNorm1d(3, track_running_stats=False).double().eval()(z)
    ),
    "instance_norm": lambda z: nn.InstanceNorm1d(3, track_running_stats=True).double()(z),
    "instance_norm of channels alone": lambda z: F.instance_norm(z[:, 0]),
    "dropout": lambda z: F.dropout(z, 0.1),
}


@pytest.mark.filterwarnings("ignore:Implicit dimension choice")
@pytest.mark.parametrize("name", REFUSED)
def test_mixing_points_is_refused(name):
    assert_refused(name, REFUSED[name])


def test_large_features_do_not_overflow():
    jet = 1e3 * tokens(jet_of(random(N, 2), PLANS["every"]), random(4, 2))
    for found in (jet.softmax(-1), jet.logsumexp(-1), jet.log_softmax(-1)):
        assert all(found.stream(channel).isfinite().all() for channel in PLANS["every"].channels)
        assert found.value.isfinite().all()
