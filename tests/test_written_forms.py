"""Forms in which people write an equation: tuples, NumPy's functions, frozen factors, mistakes."""

import numpy as np
import pytest
import torch
from plane import assert_equal, at

import pinn
from pinn import advect, curl, differentiate, div, grad, laplacian, partial, vector
from pinn.algebra.no_rule import NoRuleError
from pinn.objective.losses import region_residuals
from pinn.recording.recording import Recording
from pinn.recording.tape import RecordingError
from pinn.solution.plans import plan_regions

POINTS = torch.rand(7, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 0.5


def flow(p):
    return torch.stack([p[:, 0] ** 2 * p[:, 1], p[:, 0] * p[:, 1] ** 3], -1)


@pytest.fixture
def w():
    return differentiate(flow, POINTS, order=2)


OPERATORS = {
    "grad": grad, "div": div, "laplacian": laplacian, "curl": curl,
    "partial": lambda f: partial(f, "x"), "advect": lambda f: advect(f, f),
}  # fmt: skip


@pytest.mark.parametrize("form", [tuple, list, vector], ids=["tuple", "list", "vector of one list"])
@pytest.mark.parametrize("operator", OPERATORS)
def test_an_operator_takes_components_as_a_vector(w, operator, form):
    parts = form([w[:, 0], w[:, 1]])
    assert_equal(OPERATORS[operator](parts), OPERATORS[operator](w).value)


@pytest.mark.parametrize("rows", ["((a, b), (c, d))", "[[a, b], [c, d]]", "(v(a, b), v(c, d))",
                                  "v([v(a, b), v(c, d)])", "v([(a, b), (c, d)])"])  # fmt: skip
def test_a_matrix_goes_by_rows_in_every_form(w, rows):
    x, y = POINTS.unbind(-1)
    a, b = w[:, 0], w[:, 1]
    found = div(eval(rows, {"v": vector, "a": a, "b": b, "c": 2 * b, "d": a}))
    along = torch.stack([2 * x * y + 3 * x * y**2, 2 * y**3 + x**2], -1)
    assert_equal(found, along)


def test_a_constant_velocity_is_a_tuple_or_a_parameter(w):
    k = torch.nn.Parameter(torch.tensor([2.0, 3.0], dtype=torch.float64))
    jacobian = grad(w).value
    assert_equal(advect((2.0, 3.0), w), jacobian @ k.detach())
    for velocity in (k, (k[0], k[1])):
        found = advect(velocity, w)
        assert_equal(found, (jacobian @ k).detach())
        (slope,) = torch.autograd.grad(found.value.sum(), k)
        torch.testing.assert_close(slope, jacobian.sum((0, 1)))


@pytest.mark.parametrize("eye", [torch.eye(2), np.eye(2), ((1, 0), (0, 1))], ids=str)
def test_a_pressure_times_the_unit_matrix(w, eye):
    e = 0.5 * (grad(w) + grad(w).T)
    stress = 2.0 * e.trace() * eye + 2 * e
    right = 3 * grad(div(w)).value + laplacian(w).value
    assert_equal(div(stress), right)
    if isinstance(eye, torch.Tensor):
        assert_equal(div(2.0 * e.trace()[:, None, None] * eye + 2 * e), right)


NUMPY = {
    "std": (lambda w: np.std(w, axis=1), lambda v: v.std(1, correction=0)),
    "var": (lambda w: np.var(w, axis=-1, ddof=1), lambda v: v.var(1, correction=1)),
    "transpose": (lambda w: np.transpose(grad(w), (0, 2, 1)), lambda v: None),
    "trace": (lambda w: np.trace(grad(w), axis1=1, axis2=2), lambda v: None),
    "clip": (lambda w: np.clip(w, a_min=0.5, a_max=0.7), lambda v: v.clip(0.5, 0.7)),
    "select": (
        lambda w: np.select([w[:, 0] < 0.5, w[:, 0] < 1.0], [1.0, w[:, 1]], 3.0),
        lambda v: torch.where(v[:, 0] < 0.5, 1.0, torch.where(v[:, 0] < 1.0, v[:, 1], 3.0)),
    ),
    "round": (lambda w: np.round(w, 2), lambda v: v.round(decimals=2)),
}  # fmt: skip


@pytest.mark.parametrize("name", NUMPY)
def test_a_function_of_numpy_has_the_meaning_of_numpy(w, name):
    function, exact = NUMPY[name]
    right = exact(w.value)
    if name == "transpose":
        right = grad(w).T.value
    if name == "trace":
        right = div(w).value
    assert_equal(function(w), right)


def test_a_frozen_factor_keeps_its_derivatives_and_is_not_trained():
    k = torch.nn.Parameter(torch.tensor(2.0, dtype=torch.float64))
    x, y = POINTS.unbind(-1)
    u = differentiate(lambda p: k * p[:, 0] ** 2 * p[:, 1], POINTS, order=2)
    found = div(u.detach() * grad(u))  # Picard: u is taken from the last step
    slope = torch.stack([2 * x * y, x**2], -1)
    right = k.detach() * k * ((slope**2).sum(-1) + x**2 * y * 2 * y)
    assert_equal(found, right.detach())
    ours, exact = (torch.autograd.grad(f.sum(), k)[0] for f in (found.value, right))
    torch.testing.assert_close(ours, exact)


def test_training_reads_what_is_frozen():
    class Picard(pinn.Problem):
        coordinates, unknowns, geometry = ("x",), {"u": 1}, pinn.Interval(x=(1, 2))

        @pinn.on("interior")
        def eq(self, u, x):
            return partial(u.detach() * partial(u, "x"), "x") + partial(u, "x").detach() - x

    solution = pinn.Solution(Picard(), pinn.MLP(width=4, depth=1)).double()
    (plan,) = plan_regions(solution).values()
    points = solution.problem.geometry.sample("interior", 5)
    fields, at = solution.fields(points.at)
    found = region_residuals(solution, "interior", points, plan)["eq"]
    u, x = fields["u"], at[:, 0]
    first, second = partial(u, "x").value, partial(partial(u, "x"), "x").value
    torch.testing.assert_close(found, first**2 + u.value * second + first - x.value)


MISTAKES = {
    "u.sum()": (lambda u, x: u.sum(), NoRuleError, r"sum takes in all points.*mean\(u\)"),
    "np.mean": (lambda u, x: np.mean(u), NoRuleError, r"numpy.mean takes in all points"),
    "torch.mean": (lambda u, x: torch.mean(u), NoRuleError, r"mean takes in all points"),
    "values": (lambda u, x: grad(u.value), TypeError, r"grad of a tensor.*not u\.value"),
    "number": (lambda u, x: laplacian(2.0), TypeError, r"laplacian of a float: give an unknown"),
    "xx": (lambda u, x: partial(u, "xx"), ValueError, r"write partial\(partial\(u, 'x'\), 'x'\)"),
    "None": (lambda u, x: partial(u, None), ValueError, r"None is no coordinate.*'x', 'y'"),
    "1.0": (lambda u, x: partial(u, 1.0), ValueError, r"1\.0 is no coordinate"),
    "dx": (lambda u, x: u.dx, AttributeError, r"no attribute 'dx': its derivatives are partial"),
    "scalar": (lambda u, x: u[:, 0], IndexError, r"is a scalar, one value at a point: write u"),
    "third": (lambda u, x: grad(u)[:, 2], IndexError, r"has 2 components, the first is u\[:, 0\]"),
    "format": (lambda u, x: f"{u:.3f}", TypeError, r"a field holds values at many points"),
    "split": (lambda u, x: np.split(grad(u), 2, axis=1), NoRuleError, r"numpy.split takes no"),
    "advect": (lambda u, x: advect((1.0, 2.0, 3.0), u), ValueError, r"one component per space"),
}  # fmt: skip


SETTINGS = {
    "points": ({"points": 50}, r"data\.points is 50: give the number of each region"),
    "weights": (
        {"weights": {"eq": torch.nn.Parameter(torch.tensor(1.0))}},
        r"weight of 'eq' is a trained parameter.*give a number",
    ),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_that_is_something_else_is_one_line(name, tmp_path):
    class Level(pinn.Problem):
        coordinates, unknowns, geometry = ("x",), {"u": 1}, pinn.Interval()

        @pinn.on("interior")
        def eq(self, u):
            return u - 1.0

    settings, words = SETTINGS[name]
    with pytest.raises(ValueError, match=words):
        pinn.fit(Level(), pinn.MLP(width=4, depth=1), folder=tmp_path, **settings)


def test_dates_as_bounds_are_one_line():
    days = np.datetime64("2020-01-01"), np.datetime64("2020-01-02")
    with pytest.raises(ValueError, match=r"give a number; for dates, give the seconds"):
        pinn.Interval(x=days)


def test_a_number_read_from_a_parameter_is_said_to_keep_steps_from_being_recorded():
    def read(varying, fixed):
        return [varying[0] * varying[0].sum().item()]

    with pytest.raises(RecordingError, match=r"^the problem or a network reads values as plain"):
        Recording(read, [torch.ones(2)], [torch.ones(2)])


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_with_a_field_is_one_line_with_a_cure(name):
    write, kind, words = MISTAKES[name]
    _, x, y = at("x", "y")
    with pytest.raises(kind, match=words) as caught:
        write(x * y, x)
    assert "\n" not in str(caught.value)
