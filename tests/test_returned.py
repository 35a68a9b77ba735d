"""What the methods of a problem may return, and what a line says of the rest."""

import numpy as np
import pytest
import torch
from small import fitted

import pinn
from pinn import MLP, Interval, Phase, Problem, Rectangle, Solution, dt, on
from pinn.objective.losses import weigh
from pinn.physics.references import Reference
from pinn.solution.plans import plan_regions

FLOAT = torch.float64


class Flow(Problem):
    """A scalar and a vector unknown."""

    coordinates, unknowns, geometry = ("x", "y"), {"u": ("u", "v"), "p": 1}, Rectangle()
    returned = staticmethod(lambda at: None)

    @on("interior")
    def eq(self, u, p):
        return u[:, 0] - p

    def exact(self, at):
        return self.returned(at)


class Single(Flow):
    unknowns = {"p": 1}

    @on("interior")
    def eq(self, p):
        return p


def known(cls, returned):
    problem = cls()
    problem.returned = returned
    return problem.judged_by()


U = {
    "field": lambda at: at * 1.0,
    "tensor": lambda at: at.value,
    "float32": lambda at: at.value.float(),
    "array": lambda at: at.value.numpy(),
    "tuple of fields": lambda at: (at[:, 0], at[:, 1]),
    "list of tensors": lambda at: [at.value[:, 0], at.value[:, 1]],
    "tuple with an array": lambda at: (at.value[:, 0].numpy(), at[:, 1]),
}
P = {
    "field": lambda at: at[:, 0] + 1,
    "tensor": lambda at: at.value[:, 0] + 1,
    "column": lambda at: at.value[:, :1] + 1,
    "array": lambda at: at.value[:, 0].numpy() + 1,
}


@pytest.mark.parametrize("u", U)
def test_a_vector_of_the_exact_solution(u):
    reference = known(Flow, lambda at: {"u": U[u](at)})
    for axis, name in enumerate(("u", "v")):
        torch.testing.assert_close(reference.values[name], reference.at[:, axis], rtol=1e-6, atol=0)


@pytest.mark.parametrize("p", P)
def test_a_scalar_of_the_exact_solution_alone_or_by_name(p):
    for reference in (
        known(Flow, lambda at: {"p": P[p](at)}),
        known(Single, lambda at: P[p](at)),
    ):
        torch.testing.assert_close(reference.values["p"], reference.at[:, 0] + 1)


@pytest.mark.parametrize("constant", [2, 2.0, np.float64(2), torch.tensor(2.0), np.array(2.0)])
def test_a_number_is_the_same_everywhere(constant):
    assert bool((known(Flow, lambda at: {"p": constant}).values["p"] == 2).all())
    both = known(Flow, lambda at: {"u": (constant, at[:, 0])}).values
    assert bool((both["u"] == 2).all())
    assert both["v"].std() > 0.1


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (lambda at: at[:, 0], r"exact returned Field of .*: return a dictionary, {\"u\": …, \"p\""),
        (lambda at: (1.0, 2.0), "exact returned a tuple: return a dictionary"),
        (lambda at: {"q": 1.0}, "exact returned 'q', which is no unknown: .*known: u, p"),
        (lambda at: {"v": 1.0}, "exact returned 'v', which is no unknown"),
        (lambda at: {"u": at[:, 0]}, r"exact returned 'u' of shape \(10201,\) .* \(10201, 2\)"),
        (lambda at: {"p": at.value}, r"exact returned 'p' of shape \(10201, 2\)"),
        (lambda at: {"p": at.value[:5, 0]}, r"exact returned 'p' of shape \(5,\) for 10201 points"),
        (lambda at: {"p": "x"}, "exact returned 'p' as a str: return a field, tensor or number"),
        (lambda at: {"p": None}, "exact returned 'p' as nothing"),
        (lambda at: {"p": at.value[:, 0] * 1j}, "exact returned 'p' as Tensor of shape"),
        (lambda at: {"p": at.val}, r"exact \(test_returned.py, line \d+: .*"),
    ],
)
def test_what_no_exact_solution_can_be_is_said_in_one_line(returned, words):
    with pytest.raises(ValueError, match="Flow." + words) as caught:
        known(Flow, returned)
    assert "\n" not in str(caught.value)


def test_an_exact_tensor_is_judged_against(tmp_path):
    class Known(Single):
        @on("interior")
        def eq(self, p, x):
            return p - x

    problem = Known()
    problem.returned = lambda at: {"p": at.value[:, 0]}
    solution = fitted(problem, [Phase(3, "LevenbergMarquardt")], tmp_path, points={"interior": 30})
    at = torch.rand(5, 2, dtype=FLOAT)
    torch.testing.assert_close(solution(at)["p"], at[:, 0], rtol=0, atol=0.05)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (3.0, "reference returned the number 3.0: return a Reference, or None"),
        (
            Reference(
                torch.zeros(4, 2),
                {"w": torch.zeros(4)},
                torch.ones(4, dtype=torch.bool),
                (2, 2),
                "",
            ),
            "reference has values of 'w': .*known: u, v, p",
        ),
    ],
)
def test_a_reference_is_checked(found, words):
    problem = Flow()
    problem.reference = lambda: found
    with pytest.raises(ValueError, match="Flow." + words):
        problem.judged_by()


# --- ansatz


def ansatz(cls, returned):
    problem = cls()
    problem.ansatz = returned
    return Solution(problem, MLP(6, 1)).double()


def test_an_ansatz_may_return_the_only_unknown_or_a_tuple_of_components():
    at = torch.rand(4, 2, dtype=FLOAT)
    one = ansatz(Single, lambda raw, at: at[:, 0] * raw["p"])
    torch.testing.assert_close(one(at)["p"], at[:, 0] * one.networks["all"](at)[:, 0])
    two = ansatz(Flow, lambda raw, at: {"p": raw["p"], "u": (raw["p"], at[:, 1])})
    torch.testing.assert_close(two(at)["u"][:, 1], at[:, 1])
    fields, _ = two.fields(at)
    assert pinn.grad(fields["u"]).value.shape == (4, 2, 2)


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (lambda raw, at: None, "ansatz returned nothing: return a dictionary"),
        (lambda raw, at: raw["p"], "ansatz returned Field .*: return a dictionary"),
        (lambda raw, at: {"p": raw["p"]}, "it must return 'u' as well"),
        (lambda raw, at: {"u": raw["u"], "p": raw["u"]}, r"'p' of shape \(1, 2\): expected \(1,\)"),
        (lambda raw, at: {"u": raw["u"], "p": raw["p"].value}, "'p' as Tensor .* no derivatives"),
        (lambda raw, at: {"u": raw["u"], "p": raw["q"]}, r"ansatz \(test_returned.py, line"),
    ],
)
def test_what_no_ansatz_can_be_is_said_in_one_line(returned, words):
    with pytest.raises(ValueError, match=words) as caught:
        ansatz(Flow, returned)
    assert "\n" not in str(caught.value)


# --- importance, gauges


@pytest.mark.parametrize(
    "returned",
    [
        lambda at: at[:, 0] + 1,
        lambda at: at[:, :1] + 1,
        lambda at: (at[:, 0] + 1).numpy(),
    ],
)
def test_importance_takes_one_weight_per_point_in_any_form(returned):
    problem = Flow()
    problem.importance = lambda region, at: returned(at)
    solution = Solution(problem, MLP(6, 1))
    points = problem.geometry.sample("interior", 6)
    found = weigh(solution, "interior", points, torch.ones(6, dtype=FLOAT))
    torch.testing.assert_close(found, (points.at[:, 0] + 1).sqrt())


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (lambda at: at, r"importance returned shape \(6, 2\) for 6 points of 'interior'"),
        (lambda at: [1.0], "importance returned a list on 'interior'"),
        (lambda at: at.no_such, r"importance \(test_returned.py, line \d+"),
    ],
)
def test_what_no_importance_can_be_is_said_in_one_line(returned, words):
    problem = Flow()
    problem.importance = lambda region, at: returned(at)
    with pytest.raises(ValueError, match=words):
        weigh(
            Solution(problem, MLP(6, 1)),
            "interior",
            problem.geometry.sample("interior", 6),
            torch.ones(6, dtype=FLOAT),
        )


@pytest.mark.parametrize(
    ("gauges", "words"),
    [
        ({"q": "pin"}, "gauge is given for 'q'.*known: u, p"),
        ({"p": "zeromean"}, "'zeromean'.*zero_mean"),
    ],
)
def test_a_gauge_is_checked_and_may_be_an_attribute_of_the_class(gauges, words):
    cls = type("Gauged", (Flow,), {"gauges": gauges, "coordinates": ("x", "y")})
    with pytest.raises(ValueError, match=words):
        Solution(cls(), MLP(6, 1))


# --- residuals


def test_a_tuple_of_fields_is_a_vector(tmp_path):
    class Pair(Single):
        @on("interior")
        def eq(self, p, x, y):
            return p - x, 2 * (p - x)

    solution = Solution(Pair(), MLP(6, 1)).double()
    plans = plan_regions(solution)
    points = {"interior": Rectangle().sample("interior", 7)}
    from pinn.objective.losses import residual_losses

    found = residual_losses(solution, points, plans)["eq"]
    at = points["interior"].at
    torch.testing.assert_close(found, 5 * (solution(at)["p"] - at[:, 0]).square().mean())


def test_the_last_instant_is_a_region(tmp_path):
    """A condition at t = 2 alone: u' = u backwards from u(2) = 1."""

    class Backwards(Problem):
        coordinates, unknowns = ("x", "t"), {"u": 1}
        geometry = Interval(time=(0.0, 2.0))

        @on("interior")
        def eq(self, u):
            return dt(u) - u

        @on("final")
        def end(self, u):
            return u - 1.0

    geometry = Backwards.geometry
    at = geometry.sample("final", 9).at
    assert bool((at[:, 1] == 2.0).all())
    assert geometry.measure("final") == 1.0
    assert geometry.sample("final", 9).normal is None
    assert "final" not in Rectangle().regions
    points = {"interior": 60, "final": 8}
    phases = [Phase(12, "LevenbergMarquardt")]
    solution = fitted(Backwards(), phases, tmp_path, MLP(10, 1, spread=1.0), points=points)
    u = solution(torch.tensor([[0.5, 0.0]], dtype=FLOAT))["u"]
    torch.testing.assert_close(u, torch.tensor([-2.0], dtype=FLOAT).exp(), rtol=0.02, atol=0)
