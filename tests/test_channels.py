"""Plans: what one evaluation has to produce."""

from pinn.algebra.channels import (
    Plan,
    differentiated,
    every_channel,
    first,
    integrated,
    laplace,
    order,
    second,
    symbol,
    third,
)
from pinn.algebra.partitions import partitions, splits


def test_plan_is_closed_downwards():
    assert Plan((second(0, 1),)).channels == (first(0), first(1), second(0, 1))
    assert Plan((laplace((0, 2)),)).channels == (first(0), first(2), laplace((0, 2)))
    assert Plan((second(1, 0),)) == Plan((second(0, 1), first(1)))
    assert Plan().channels == ()


def test_plan_drops_a_covered_laplacian():
    terms = (second(0, 0), second(1, 1))
    assert laplace((0, 1)) not in Plan((*terms, laplace((0, 1)))).channels
    assert laplace((0, 1)) in Plan((terms[0], laplace((0, 1)))).channels
    union = Plan((laplace((0, 1)),)) | Plan(terms)
    assert union.channels == (first(0), first(1), *terms)


def test_plan_in_words():
    plan = Plan((laplace((0, 1)), second(0, 2)))
    assert plan.describe(("x", "y", "t")) == "value ∂x ∂y ∂t ∇² ∂xt"
    assert plan.axes == (0, 1, 2)
    assert {c for c in plan.channels if order(c) == 2} == {second(0, 2), laplace((0, 1))}


def test_one_dimensional_laplacian_is_the_second_derivative():
    assert laplace((0,)) == second(0, 0)


def test_no_space_has_no_laplacian():
    assert every_channel(1, ()) == (first(0), second(0, 0))


def test_third_order_brings_what_its_rules_read():
    plan = Plan((third(1, 0, 0),))
    assert plan.channels == (first(0), first(1), second(0, 0), second(0, 1), ((0, 0, 1),))
    assert plan.order == 3
    along = differentiated(laplace((0, 1)), 1)
    assert along == ((0, 0, 1), (1, 1, 1))
    lower = (first(0), first(1), second(0, 0), second(0, 1), second(1, 1))
    assert Plan((along,)).channels == (*lower, along)
    assert along not in Plan((along, third(0, 0, 1), third(1, 1, 1))).channels


def test_differentiation_and_its_inverse():
    for channel in (first(0), second(0, 1), laplace((0, 1))):
        for i in range(3):
            assert integrated(differentiated(channel, i), i) == channel
    assert integrated(second(0, 0), 1) is None
    assert integrated(laplace((0, 1)), 0) is None


def test_third_order_in_words():
    names = ("x", "y", "t")
    assert symbol(third(2, 0, 0), names) == "∂xxt"
    assert [symbol(differentiated(laplace((0, 1)), i), names) for i in range(3)] == [
        "∂x∇²",
        "∂y∇²",
        "∂t∇²",
    ]


def test_terms_of_the_leibniz_and_chain_rules():
    assert dict(splits(second(0, 1))) == {(first(0), first(1)): 1, (first(1), first(0)): 1}
    assert dict(splits(second(0, 0))) == {(first(0), first(0)): 2}
    assert dict(partitions(third(0, 0, 0))) == {
        (first(0), second(0, 0)): 3,
        (first(0), first(0), first(0)): 1,
    }
    assert dict(partitions(third(0, 1, 2))) == {
        (first(0), second(1, 2)): 1,
        (first(1), second(0, 2)): 1,
        (first(2), second(0, 1)): 1,
        (first(0), first(1), first(2)): 1,
    }
    assert partitions(first(0)) == splits(first(0)) == ()
