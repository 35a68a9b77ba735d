"""What Taylor arithmetic has no rule for is refused by name."""

import pytest
import torch
import torch.nn.functional as F

from pinn.algebra.channels import every_channel
from pinn.algebra.jet import Jet, NoRuleError
from pinn.fields.field import seed

N, D = 4, 2


def points(n=N, d=D):
    return torch.rand(n, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def make_jet(*lead):
    x = points().reshape(*(lead or (N,)), D)
    return Jet(x, seed(x, every_channel(D, (0, 1))), lead=x.ndim - 1)


WEIGHT = torch.eye(2, dtype=torch.float64)


def test_cat_and_stack_refuse_the_point_axis():
    jet = make_jet()
    with pytest.raises(NoRuleError, match=r"dim=0 would join the points"):
        torch.cat((jet, jet), dim=0)
    with pytest.raises(NoRuleError, match=r"dim=-2 would join the points"):
        torch.cat((jet, jet), dim=-2)
    with pytest.raises(NoRuleError, match=r"dim=0 would join the points"):
        torch.stack((jet, jet))
    with pytest.raises(NoRuleError, match=r"dim=1 would join the points"):
        torch.stack((make_jet(2, 2),) * 2, dim=1)


@pytest.mark.parametrize("dim", [None, 0, -2, (0, 1)])
def test_sum_refuses_the_point_axis(dim):
    with pytest.raises(NoRuleError, match=r"sum .*dim=.*points|sum along the point axis"):
        torch.sum(make_jet(), dim)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (torch.sort, "torch.sort"),
        (torch.logit, "torch.logit"),
        (lambda z: torch.matmul(WEIGHT.mT, z), "matmul"),
        (lambda z: torch.where(z, 1.0, 0.0), "where"),
        (lambda z: F.embedding(z, WEIGHT), "embedding"),
        (torch.nn.SiLU(inplace=True), "silu with inplace=True"),
        (lambda z: F.softplus(z, threshold=1.0), "softplus with threshold=1.0"),
    ],
)
def test_missing_rule_is_named(call, name):
    with pytest.raises(NoRuleError, match=f"{name}.* has no derivative rule"):
        call(make_jet())


def test_missing_method_is_named():
    with pytest.raises(AttributeError, match=r"Tensor\.sort has no derivative rule"):
        make_jet().sort(-1)
    assert not hasattr(make_jet(), "data")


@pytest.mark.parametrize(
    "statement",
    [
        lambda z: z == 0,
        lambda z: z != 0,
        lambda z: z > 0,
        lambda z: z <= 0,
        bool,
        lambda z: z.__setitem__((slice(None), 0), 1.0),
        lambda z: z.__iadd__(1),
        lambda z: z.__imul__(2),
    ],
    ids=["==", "!=", ">", "<=", "bool", "[] =", "+=", "*="],
)
def test_what_python_would_answer_wrongly_is_refused(statement):
    with pytest.raises(NoRuleError, match="no derivative rule"):
        statement(make_jet())


def test_jets_can_still_be_keys():
    jet = make_jet()
    assert {jet: 1}[jet] == 1
