"""What stands beside a field as a constant keeps its gradient, or is refused in one line."""

import operator

import numpy as np
import pytest
import torch
from plane import N, assert_equal, at
from torch import nn

import pinn
from pinn import Problem, Rectangle, grad, laplacian, on, vector
from pinn.algebra.jet import MissingDerivativeError


def parameters():
    return [nn.Parameter(torch.tensor(value)) for value in (2.0, 3.0)]


def gradient(result, parameters):
    """Of the sum of all entries, weighted so that none cancels."""
    value = result.value
    weights = torch.linspace(1.0, 2.0, value.numel(), dtype=value.dtype).reshape(value.shape)
    found = torch.autograd.grad((value * weights).sum(), parameters)
    return torch.stack([g.reshape(()).double() for g in found]), weights


VECTORS = {
    "tuple": lambda a, b: (a, b),
    "list": lambda a, b: [a, b],
    "parameter list": lambda a, b: nn.ParameterList([a, b]),
    "stack": lambda a, b: torch.stack([a, b]),
    "row": lambda a, b: torch.stack([a, b])[None],
    "vector": lambda a, b: vector(a, b),
    "one element each": lambda a, b: (a.reshape(1), b.reshape(1)),
}


@pytest.mark.parametrize("kind", VECTORS)
@pytest.mark.parametrize("operation", ["u*k", "k*u", "u/k", "k/u", "u+k", "k-u", "u**k"])
def test_a_constant_vector_keeps_the_gradient_of_its_parameters(kind, operation):
    field, *_ = at("x", "y")
    a, b = parameters()
    k, exact = VECTORS[kind](a, b), torch.stack([a, b]).double()
    found = eval(operation, {"u": field, "k": k})
    right = eval(operation, {"u": field.value, "k": exact})
    assert_equal(found, right)
    ours, weights = gradient(found, [a, b])
    expected = torch.autograd.grad((right * weights).sum(), [a, b])
    torch.testing.assert_close(ours, torch.stack(expected).double(), rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    "k",
    [
        lambda k: k,
        lambda k: k.reshape(1),
        lambda k: k.double(),
        lambda k: nn.Parameter(k.detach().half()),
    ],
    ids=["0-d", "one element", "float64", "float16"],
)
def test_a_constant_number_keeps_its_gradient(k):
    field, x, _ = at("x", "y")
    for f in (x, field):
        for use in (
            lambda f, n: f * n,
            lambda f, n: n - f,
            lambda f, n: f**n,
            lambda f, n: n**f,
            lambda f, n: torch.clamp(f, max=n - 1),
            lambda f, n: torch.lerp(f, 2 * f, n),
        ):
            given = k(parameters()[0])
            found, right = use(f, given), use(f.value, given.double().reshape(()))
            torch.testing.assert_close(found.value, right, rtol=1e-6, atol=1e-6)
            if right.requires_grad:
                ours = torch.autograd.grad(found.value.sum(), given, retain_graph=True)[0]
                exact = torch.autograd.grad(right.sum(), given)[0]
                torch.testing.assert_close(ours, exact, rtol=1e-3, atol=1e-3)


def test_rows_of_parameters_make_a_matrix():
    field, *_ = at("x", "y")
    a, b = parameters()
    for k in (((a, 0), (1, b)), [[a, 0.0], [1, b]], vector((a, 0), (1, b)), (vector(a, 0), (1, b))):
        matrix = torch.stack([torch.stack([a, 0 * a]), torch.stack([0 * a + 1, b])]).double()
        found, right = k @ field, field.value @ matrix.T
        assert_equal(field @ k, field.value @ matrix)
        assert_equal(found, right)
        ours, weights = gradient(found, [a, b])
        exact = torch.autograd.grad((right * weights).sum(), [a, b])
        torch.testing.assert_close(ours, torch.stack(exact).double(), rtol=1e-6, atol=0)


def test_a_vector_of_a_field_and_a_parameter():
    _, x, y = at("x", "y")
    a, b = parameters()
    found = operator.add(vector(a * x, b), (y, a))
    assert_equal(found, torch.stack([a * x.value + y.value, (b + a) + 0 * x.value], -1))
    ours, weights = gradient(found, [a, b])
    exact = torch.stack([(weights[:, 0] * x.value + weights[:, 1]).sum(), weights[:, 1].sum()])
    torch.testing.assert_close(ours, exact, rtol=1e-6, atol=0)
    assert_equal(grad(found)[:, 0], torch.stack([a + 0 * x.value, 1 + 0 * x.value], -1))


def test_where_between_parameters():
    _, x, _ = at("x", "y")
    a, b = parameters()
    found = torch.where(x < 1.0, a, b) * x
    low = x.value < 1.0
    ours = torch.autograd.grad(found.value.sum(), [a, b])
    exact = torch.stack([x.value[low].sum(), x.value[~low].sum()])
    torch.testing.assert_close(torch.stack(ours).double(), exact, rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    "k", [np.float64(2), np.float32(2), np.array(2.0), np.int64(2), True + 1, 10**30, np.array([2])]
)
def test_numbers_of_numpy_and_large_ones(k):
    _, x, _ = at("x", "y")
    number = float(np.asarray(k).reshape(()))
    for use in (lambda f, n: n * f, lambda f, n: f - n, lambda f, n: f / n):
        found = use(x, k)
        assert_equal(found, use(x.value, number))
        assert grad(found).shape == (N, 2)


def test_an_array_of_the_shape_of_a_vector_is_a_constant_vector():
    field, *_ = at("x", "y")
    found = np.array([2.0, 3.0]) * field
    assert_equal(found, field.value * torch.tensor([2.0, 3.0]).double())
    assert_equal(grad(found)[:, 1, 1], torch.full((N,), 3.0).double())


REFUSED = {
    "complex": (lambda u, x: x * 1j, "complex"),
    "complex array": (lambda u, x: u * np.complex128(1j), "complex"),
    "text": (lambda u, x: x * "2", "'2' of type str"),
    "none": (lambda u, x: x + None, "None of type NoneType"),
    "too large": (lambda u, x: x * 10**400, "1.8e308"),
    "ragged": (lambda u, x: u * ((1, 2), (3,)), "give them one shape"),
    "empty": (lambda u, x: u * (), "empty tuple"),
    "other length": (lambda u, x: x * torch.ones(7), r"shape \(7,\) .* write a constant vector as"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_constant_is_refused_in_one_line(name):
    field, x, _ = at("x", "y")
    call, words = REFUSED[name]
    with pytest.raises((TypeError, ValueError), match=words) as raised:
        call(field, x)
    assert "\n" not in str(raised.value)


def test_a_tensor_that_could_be_points_or_components_is_refused():
    square = pinn.differentiate(lambda p: p, torch.rand(2, 2, dtype=torch.float64), order=2)
    with pytest.raises(TypeError, match="one value per point or a constant vector: write a cons"):
        square * torch.ones(2)
    assert_equal(square * (1.0, 2.0), square.value * torch.tensor([1.0, 2.0]))
    k = nn.Parameter(torch.tensor([1.0, 2.0]))  # a parameter is no value computed at the points
    assert_equal(square * k, square.value * k.detach())
    one = pinn.differentiate(lambda p: p, torch.rand(1, 2, dtype=torch.float64))
    assert_equal(one * torch.tensor([2.0]), 2 * one.value)
    with pytest.raises(MissingDerivativeError, match="is not known"):
        grad(one * torch.tensor([2.0]))


XS = [i / 7 for i in range(8)]
TABLE = {"x": [x for x in XS for _ in XS], "y": XS * 8}
TABLE["T"] = [x * x + 2 * y * y for x, y in zip(TABLE["x"], TABLE["y"], strict=True)]


class Plate(Problem):
    """∇·(k∘∇T) with T known: both conductivities follow."""

    coordinates, unknowns, columns = ("x", "y"), {"u": 1}, ("T",)
    geometry = Rectangle().with_points("probes", TABLE)

    def __init__(self, write="tuple"):
        super().__init__()
        self.write = write
        self.kx, self.ky = parameters()

    @on("interior")
    def flux(self, u, x, y):
        return grad(u) * VECTORS[self.write](self.kx, self.ky) - vector(4 * x, 12 * y)

    @on("probes")
    def measured(self, u, T):
        return u - T


@pytest.mark.parametrize("write", ["tuple", "stack"])
def test_two_conductivities_in_one_vector_are_found(write, tmp_path):
    problem = Plate(write)
    with torch.no_grad():
        problem.kx.fill_(1.0), problem.ky.fill_(1.0)
    torch.manual_seed(0)
    network = pinn.MLP(width=30, depth=1, spread=2.0)
    phases = [pinn.Phase(optimizer="LevenbergMarquardt", steps=15)]
    s = pinn.fit(problem, network, points={"interior": 64}, phases=phases, folder=str(tmp_path))
    assert s.problem.kx.item() == pytest.approx(2.0, abs=2e-3)
    assert s.problem.ky.item() == pytest.approx(3.0, abs=2e-3)


def test_a_parameter_that_was_cut_off_is_told(tmp_path, capsys):
    class Cut(Plate):
        @on("interior")
        def flux(self, u, x, y):
            return grad(u) * (float(self.kx), self.ky) - vector(4 * x, 12 * y)

    phases = [pinn.Phase(optimizer="Adam", steps=1, lr=1e-3)]
    pinn.fit(Cut(), pinn.MLP(width=4, depth=1), points={"interior": 8}, phases=phases,
             folder=str(tmp_path), derivatives="taylor", compile=False)  # fmt: skip
    told = capsys.readouterr().out
    assert "kx of the problem reaches no residual and is not trained" in told
    assert "ky of the problem" not in told


def test_a_parameter_in_the_exact_solution_keeps_its_derivatives():
    _, x, y = at("x", "y")
    a, b = parameters()
    assert_equal(laplacian(a * x**2 + b * y), 2 * a + 0 * x.value)


LOOSE = nn.Parameter(torch.tensor(1.0))
UNHELD = {
    "list": lambda self: [nn.Parameter(torch.tensor(1.0))],
    "dictionary": lambda self: {0: nn.Parameter(torch.tensor(1.0))},
    "object": lambda self: (torch.nn.Linear(1, 1).bias,),
    "outside": lambda self: {0: LOOSE},
}


@pytest.mark.parametrize("kind", UNHELD)
def test_a_parameter_that_the_problem_does_not_hold_is_refused(kind, tmp_path):
    class Line(Problem):
        coordinates, unknowns, geometry = ("x",), {"u": 1}, pinn.Interval()

        def __init__(self):
            super().__init__()
            self.k = UNHELD[kind](self)

        @on("interior")
        def slope(self, u):
            return grad(u) - self.k[0]

    with pytest.raises(ValueError, match=r"'slope' reads a parameter.*nn\.ParameterList") as caught:
        pinn.fit(Line(), pinn.MLP(width=4, depth=1), folder=tmp_path)
    assert "\n" not in str(caught.value)
