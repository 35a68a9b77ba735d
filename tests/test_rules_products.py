"""Matrix products, attention and blends, against nested reverse mode."""

import pytest
import torch
import torch.nn.functional as F
from nested import PLANS, N, assert_refused, assert_rule, cases, jet_of, names, random, tokens
from torch import nn

from pinn.algebra.channels import first
from pinn.algebra.jet import NoRuleError
from pinn.algebra.rules.attention import ATTENTION
from pinn.algebra.rules.convolution import CONVOLUTION
from pinn.algebra.rules.matrix_products import PRODUCTS
from pinn.algebra.rules.several_operands import BLEND

W34, W43, W44, W45, W344 = (
    random(*shape, seed=5) - 0.5 for shape in ((3, 4), (4, 3), (4, 4), (4, 5), (3, 4, 4))
)
CAUSAL = torch.ones(3, 3, dtype=torch.bool).tril()

# z is (N, 3, 4), t a learnable (4,).
EXAMPLES = {
    "matmul": [
        lambda z, t: z @ W45,
        lambda z, t: z @ t,
        lambda z, t: W43 @ z,
        lambda z, t: CHANNELS @ z,
        lambda z, t: W344 @ z.unsqueeze(-1),
        lambda z, t: z.unsqueeze(2) @ W344,
        lambda z, t: z @ z.mT,
        lambda z, t: torch.matmul(z.mT, (z * z * t)),
        lambda z, t: z.matmul(W45),
        lambda z, t: W43.matmul(z),
        lambda z, t: z[:, 0] @ W45,
    ],
    "mm": [lambda z, t: torch.mm(z[:, 0], W45)],
    "bmm": [lambda z, t: torch.bmm(z, (t * z).mT)],
    "inner": [lambda z, t: torch.inner(z, t), lambda z, t: torch.inner(z, W34)],
    "addmm": [lambda z, t: torch.addmm(t[:1], z[:, 0], W45, beta=0.5, alpha=2)],
    "baddbmm": [lambda z, t: torch.baddbmm(W344[0, :3, :3], z, z.mT, alpha=0.3)],
    "einsum": [
        lambda z, t: torch.einsum("nkc,cd->nkd", z, W45),
        lambda z, t: torch.einsum("nkc,kcd->nd", z, W344),
        lambda z, t: torch.einsum("...c,c->...", z, t),
        lambda z, t: torch.einsum("nkc,nlc->nkl", z, z * t),
        lambda z, t: torch.einsum("nkc, kcd, nkd -> nk", z, W344, z * z),
        lambda z, t: torch.einsum("cd,nkc->ndk", W45, z),
        lambda z, t: torch.einsum("nkk->nk", z[..., :3]),
        lambda z, t: torch.einsum("nkc,nd->nkd", z, W34[:N]),
        lambda z, t: torch.einsum("nkc,nkcd->nkd", z, random(N, 3, 4, 2)),
    ],
    "bilinear": [
        lambda z, t: F.bilinear(z, z * t, W344),
        lambda z, t: F.bilinear(z, z * z, W344, CHANNELS),
    ],
    "conv1d": [
        lambda z, t: F.conv1d((z * t).mT, W344, t[:3], padding=1),
        lambda z, t: F.conv1d(z[:, :2] ** 2, W344[:2, :1], groups=2, stride=(2,)),
    ],
    "conv2d": [
        lambda z, t: F.conv2d((z * t).unsqueeze(1), W344[:, :1, :3].unsqueeze(1), padding=1)
    ],
    "conv3d": [lambda z, t: F.conv3d((z * z).reshape(-1, 1, 3, 2, 2), W344[:, None, :2, None, :2])],
    "conv_transpose1d": [lambda z, t: F.conv_transpose1d(z * t, W344, stride=2)],
    "conv_transpose2d": [
        lambda z, t: F.conv_transpose2d((z * t).unsqueeze(1), W344[:1, :2].unsqueeze(2), t[:2])
    ],
    "conv_transpose3d": [
        lambda z, t: F.conv_transpose3d(
            (z * z).reshape(-1, 1, 3, 2, 2), W344[:1, :2, None, None, :2]
        ),
    ],
    "glu": [lambda z, t: F.glu(z * t, -1), lambda z, t: F.glu(z, dim=2)],
    "scaled_dot_product_attention": [
        lambda z, t: F.scaled_dot_product_attention(z, z * t, z @ W44),
        lambda z, t: F.scaled_dot_product_attention(z, z * t, z, attn_mask=CAUSAL, scale=0.3),
        lambda z, t: F.scaled_dot_product_attention(z, z * t, z, is_causal=True),
        lambda z, t: F.scaled_dot_product_attention(z, z, z * t, attn_mask=W34[:, :3]),
    ],
    "where": [
        lambda z, t: torch.where(W34 > 0, z, t * z * z),
        lambda z, t: torch.where(t > 1, z, 0.0),
        lambda z, t: torch.where(t > 1, 2.0, z),
    ],
    "masked_fill": [lambda z, t: z.masked_fill(W34 > 0, 3.0)],
    "maximum": [
        lambda z, t: torch.maximum(z, t * z * z),
        lambda z, t: z.maximum(t),
    ],
    "minimum": [lambda z, t: torch.minimum(z, 2.2 - z), lambda z, t: torch.minimum(t, z)],
    "lerp": [lambda z, t: torch.lerp(z, z * z, t), lambda z, t: z.lerp(z * t, 0.3)],
    "addcmul": [
        lambda z, t: torch.addcmul(z, z, t, value=0.3),
        lambda z, t: torch.addcmul(t, z, z * z),
    ],
    "addcdiv": [lambda z, t: torch.addcdiv(z, z * z, t + z, value=2)],
    "atan2": [lambda z, t: torch.atan2(z, t), lambda z, t: torch.arctan2(z * z, z + t)],
    "hypot": [lambda z, t: torch.hypot(z, t), lambda z, t: torch.hypot(z, z * z)],
}
CHANNELS = random(3, seed=9) + 0.5
CASES = cases(EXAMPLES)


def test_every_rule_has_an_example():
    elsewhere = {
        "arctan2",
        "transpose",
        "swapaxes",
        "swapdims",
        "multi_head_attention_forward",
        "dot",
    }
    assert names(PRODUCTS, CONVOLUTION, BLEND, ATTENTION) - elsewhere - {"rmatmul"} == set(EXAMPLES)


@pytest.mark.parametrize("call", CASES)
def test_rule_agrees_with_nested_reverse_mode(call):
    assert_rule(
        call, ("every", "collapsed", "collapsed third", "collapsed fourth"), argument=tokens
    )


def self_attention(**settings):
    torch.manual_seed(0)
    return nn.MultiheadAttention(4, 2, batch_first=True, **settings).double()


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "call",
    [
        lambda z, t, m: m(z * t, z * t, z * t)[0],
        lambda z, t, m: m(z, z * t, z * z, need_weights=False)[0],
        lambda z, t, m: m(z * t, z, z)[1],
        lambda z, t, m: m(z, z * t, z, average_attn_weights=False, attn_mask=~CAUSAL)[1],
    ],
)
def test_multi_head_attention_agrees_with_nested_reverse_mode(call, training):
    module = self_attention().train(training)
    plans = ("every", "collapsed third", "collapsed fourth")
    assert_rule(lambda z, t: call(z, t, module), plans, argument=tokens)


def test_attention_with_other_widths_for_keys_and_values():
    module = self_attention(kdim=3, vdim=2)
    assert_rule(
        lambda z, t: module(z, z[..., :3], z[..., :2] * t[:2])[0], ("every",), argument=tokens
    )


def at_one_point(x):
    """A single point without a point axis."""
    return jet_of(x, PLANS["every"])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: torch.dot(x, x * x)[None],
        lambda x: torch.dot(x, W44[0, :2])[None],
        lambda x: W43[:2, :2] @ torch.sin(x),
        lambda x: torch.sin(x) @ W43[:2, :2],
        lambda x: torch.einsum("cd,c->d", W43[:2, :2], torch.sin(x)),
        lambda x: (torch.sin(x) @ W43[:2, 0])[None],
        lambda x: (
            torch.sin(x).sum()[None] if isinstance(x, torch.Tensor) else torch.sin(x).sum(-1)[None]
        ),
    ],
)
def test_a_single_point_without_a_point_axis(f):
    x = random(2, seed=3)
    jet = f(at_one_point(x))
    exact = torch.autograd.functional.jacobian(f, x)
    torch.testing.assert_close(jet.value, f(x))
    for i in range(2):
        torch.testing.assert_close(jet.stream(first(i)), exact[:, i])


REFUSED = {
    "matmul": lambda z: random(2, N) @ z[:, 0],
    "matmul with more axes": lambda z: z @ W344[None],
    "matmul of a matrix": lambda z: z[:, 0] @ z,
    "bmm": lambda z: torch.bmm(z, W344.mT),
    "dot": lambda z: torch.dot(z[:, 0, 0], z[:, 0, 0]),
    "inner": lambda z: torch.inner(z, z),
    "einsum": lambda z: torch.einsum("nkc->kc", z),
    "einsum moves": lambda z: torch.einsum("nkc->knc", z),
    "einsum couples": lambda z: torch.einsum("nkc,mkc->nm", z, z),
    "einsum implicit": lambda z: torch.einsum("nkc,cd", z, W44),
    "einsum of three": lambda z: torch.einsum("nkc,nkc,nkc->nk", z, z, z),
    "scaled_dot_product_attention": lambda z: F.scaled_dot_product_attention(*[z[:, 0]] * 3),
    "scaled_dot_product_attention drops": lambda z: F.scaled_dot_product_attention(
        z, z, z, dropout_p=0.1
    ),
    "multi_head_attention_forward": lambda z: self_attention()(*[z[:, 0]] * 3),
    "dropout": lambda z: self_attention(dropout=0.1)(z, z, z),
    "transpose": lambda z: z.transpose(0, 1).transpose(1, 2),
    "where": lambda z: torch.where(z, 1.0, 0.0),
    "glu": lambda z: F.glu(z, 0),
}


@pytest.mark.parametrize("name", REFUSED)
def test_mixing_points_is_refused(name):
    assert_refused(name, REFUSED[name])


def test_transposed_points_reach_attention_only():
    jet = tokens(jet_of(random(N, 2), PLANS["every"]), random(4, 2))
    with pytest.raises(NoRuleError, match="sin of transposed points"):
        torch.sin(jet.transpose(0, 1))
