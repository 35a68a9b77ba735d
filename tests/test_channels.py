"""Plans: what one evaluation has to produce."""

from pinn.algebra.channels import Plan, every_channel, first, laplace, second


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
    assert set(plan.second) == {second(0, 2), laplace((0, 1))}


def test_one_dimensional_laplacian_is_the_second_derivative():
    assert laplace((0,)) == second(0, 0)


def test_no_space_has_no_laplacian():
    assert every_channel(1, ()) == (first(0), second(0, 0))
