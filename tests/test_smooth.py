"""Functions of one variable, smooth or with kinks, against nested reverse mode."""

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from nested import PLANS, assert_rule, jet_of, random
from torch import nn

from pinn.algebra.jet import NoRuleError
from pinn.algebra.rules.kinks import KINKS
from pinn.algebra.rules.smooth_functions import POINTWISE
from pinn.algebra.smooth import SMOOTH, elu, gelu, gelu_by_tanh, mish, power, silu, softplus

# Functions that live on a part of the axis; the others are tried at all signs.
WITHIN = {torch.asin: 0.4, torch.acos: 0.4, torch.atanh: 0.4}  # z → factor of z − 1
ABOVE = {  # on z > 1
    torch.acosh: 1.05, torch.log: 0, torch.log2: 0, torch.log10: 0, torch.log1p: 0, torch.sqrt: 0,
    torch.rsqrt: 0, torch.reciprocal: 0, torch.special.log1p: 0,
}  # fmt: skip
SETTINGS = {
    "gelu tanh": partial(F.gelu, approximate="tanh"),
    "softplus beta": partial(F.softplus, beta=3.0),
    "elu": partial(F.elu, alpha=1.3),
    "elu module": nn.ELU(0.7),
    "silu module": nn.SiLU(),
    "tanh method": lambda z: z.tanh(),
    "functional sigmoid": F.sigmoid,
    "special": torch.special.erf,
}
DERIVATIVES = SMOOTH | {
    F.silu: silu,
    F.gelu: gelu,
    F.softplus: softplus,
    F.mish: mish,
    partial(F.gelu, approximate="tanh"): gelu_by_tanh,
    partial(F.elu, alpha=1.3): elu(1.3),
    partial(torch.pow, exponent=3): power(3),
    partial(torch.pow, exponent=1.5): power(1.5),
}


def name_of(function):
    """The same in every process, which an address is not."""
    if isinstance(function, partial):
        settings = " ".join(f"{k}={v}" for k, v in function.keywords.items())
        return f"{function.func.__name__} {settings}"
    return function.__name__


def argument(function, z):
    if function in ABOVE:
        return z + ABOVE[function]
    return WITHIN.get(function, 1.0) * (z - 1.1)


@pytest.mark.parametrize("function", POINTWISE, ids=name_of)
def test_smooth_rule_agrees_with_nested_reverse_mode(function):
    if function is F.celu:  # torch rounds 1/α to single precision
        function = partial(F.celu, alpha=1.0)
    assert_rule(lambda z, t: function(argument(function, z)))


@pytest.mark.parametrize("function", POINTWISE, ids=name_of)
def test_smooth_rule_on_all_rows_at_once(function):
    """Behind a dense layer, where the backward is written by hand and reads the fifth one."""
    if function is F.celu:
        function = partial(F.celu, alpha=1.0)
    same = torch.eye(4).double()
    plans = ("fourth", "collapsed fourth")
    assert_rule(lambda z, t: function(F.linear(argument(function, z), same)), plans)


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_agree_with_nested_reverse_mode(name):
    assert_rule(lambda z, t: SETTINGS[name](z - 1.1), ("every", "collapsed third"))


def test_celu_with_its_own_rate():
    def same(z, t):
        return torch.where(z > 1.1, z - 1.1, 0.7 * torch.expm1((z - 1.1) / 0.7))

    assert_rule(lambda z, t: F.celu(z - 1.1, 0.7), ("third",), same=same)


KINKED = {
    "relu": [F.relu, torch.relu, nn.ReLU(), lambda z: z.relu()],
    "leaky_relu": [partial(F.leaky_relu, negative_slope=0.2)],
    "abs": [torch.abs, abs],
    "clamp": [lambda z: z.clamp(-0.2, 0.3), lambda z: torch.clamp(z, max=0.1)],
    "clip": [lambda z: z.clip(min=0.1)],
    "clamp_min": [lambda z: z.clamp_min(0.1)],
    "clamp_max": [lambda z: torch.clamp_max(z, 0.1)],
    "hardtanh": [partial(F.hardtanh, min_val=-0.2, max_val=0.4)],
    "relu6": [lambda z: F.relu6(10 * z)],
    "hardswish": [lambda z: F.hardswish(7 * z)],
    "threshold": [lambda z: F.threshold(z, 0.1, -2.0)],
    "hardshrink": [partial(F.hardshrink, lambd=0.2)],
    "softshrink": [partial(F.softshrink, lambd=0.2)],
    "sign": [lambda z: torch.sign(z) * z],
    "floor": [lambda z: torch.floor(3 * z) * z],
    "ceil": [lambda z: torch.ceil(3 * z) * z],
    "trunc": [lambda z: torch.trunc(3 * z) * z],
    "round": [lambda z: torch.round(3 * z) * z],
}


@pytest.mark.parametrize(
    "call", [pytest.param(c, id=f"{n} {k}") for n in KINKED for k, c in enumerate(KINKED[n])]
)
def test_kinked_rule_agrees_with_nested_reverse_mode(call):
    plans = ("every", "collapsed", "collapsed third")
    assert_rule(lambda z, t: call(t * (z - 1.4) * (z - 0.9)), plans)


def test_learnable_slope():
    for slope in (slice(None), slice(1)):
        assert_rule(lambda z, t, s=slope: F.prelu(z - 1.4, t[s]), ("every", "collapsed third"))


def test_hard_sigmoid():
    """Against hardtanh: torch's own has no second derivative."""

    def same(z, t):
        return F.hardtanh(7 * t * (z - 1.4) + 3, 0.0, 6.0) / 6

    plans = ("every", "collapsed third")
    assert_rule(lambda z, t: F.hardsigmoid(7 * t * (z - 1.4)), plans, same=same)


def test_every_kink_has_an_example():
    found = {
        key.__name__.removeprefix("special_").strip("_")
        for key in KINKS
        if hasattr(key, "__name__")
    }
    assert found - {"prelu", "hardsigmoid", "<lambda>", "absolute"} <= set(KINKED)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "hardtanh", "elu", "selu", "silu", "mish"])
def test_writing_to_the_argument_is_refused(name):
    z = jet_of(random(3, 2), PLANS["every"])
    with pytest.raises(NoRuleError, match=f"{name} with inplace=True"):
        getattr(F, name)(z, inplace=True)


@pytest.mark.parametrize("order", range(4))
@pytest.mark.parametrize("function", DERIVATIVES, ids=name_of)
def test_no_more_derivatives_than_asked_for(function, order):
    x = argument(function, random(5) + 1)
    found = DERIVATIVES[function](x, order)
    assert len(found) == order + 1
    torch.testing.assert_close(found[0], function(x))


@pytest.mark.parametrize("x", [0.0, 50.0, -50.0])
@pytest.mark.parametrize("function", DERIVATIVES, ids=name_of)
def test_finite_where_reverse_mode_is(function, x):
    x = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    expected = function(x)
    for k, ours in enumerate(DERIVATIVES[function](x, 3)):
        if not expected.isfinite():
            break
        assert ours.isfinite()
        if (x != 0) | (k < 3):  # the third derivatives of |x| differ by convention
            torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-12)
        expected = (
            torch.autograd.grad(expected, x, create_graph=True, materialize_grads=True)[0]
            if expected.requires_grad
            else torch.zeros_like(x)
        )


def test_in_single_precision_too():
    x = torch.tensor([-50.0, 0.0, 50.0])
    for derivatives in (silu, gelu, mish, softplus, gelu_by_tanh, elu(1.0), SMOOTH[torch.tanh]):
        assert all(d.isfinite().all() and d.dtype == x.dtype for d in derivatives(x, 3))
