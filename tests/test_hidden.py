"""What `.detach()` hides from training: a factor is said, a whole residual is refused."""

import pytest
import torch
from small import fitted

import pinn
from pinn import MLP, Interval, Problem, div, grad, laplacian, mean, on, partial
from pinn.optim import Phase
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution


def line(residual, parameter=None):
    """u on an interval, with its ends given, by an equation of one's own."""

    class Line(Problem):
        coordinates, unknowns, geometry = ("x",), {"u": 1}, Interval()

        def __init__(self):
            super().__init__()
            self.k = None if parameter is None else torch.nn.Parameter(torch.tensor(parameter))

        @on("interior")
        def balance(self, u, x):
            return residual(self, u, x)

        @on("boundary")
        def ends(self, u, x):
            return u - (1 + x)

    return Line()


def no_grad(self, u, x):
    with torch.no_grad():
        factor = u.value**2
    return factor * laplacian(u)


def picard(self, u, x):
    return div(u.detach() * grad(u))


WHOLE = {
    "unknown": lambda self, u, x: (u - 1).detach(),
    "derivative": lambda self, u, x: (laplacian(u) - 1).detach(),
    "both factors": lambda self, u, x: u.detach() * partial(u, "x").detach() - x,
    "function": lambda self, u, x: pinn.sin(u).detach(),
    "torch.detach": lambda self, u, x: torch.detach(u * u),
}
PARTLY = {
    "picard": picard,
    "value": lambda self, u, x: u.value.detach() * laplacian(u),
    "no_grad": no_grad,
    "data": lambda self, u, x: u.value.data * laplacian(u),
    "term": lambda self, u, x: laplacian(u) - u.detach() ** 2,
}
PLAIN = {
    "no detach": lambda self, u, x: div(u * grad(u)),
    "of a coordinate": lambda self, u, x: laplacian(u) * x.detach(),
    "kinks": lambda self, u, x: torch.where(u > 1, laplacian(u), 2 * u) + u.abs() + torch.relu(u),
    "steps": lambda self, u, x: laplacian(u) * torch.floor(3 * u),
    "stiff": lambda self, u, x: 1e8 * laplacian(u) - 1e8 * u + pinn.exp(30 * u),
    "never read": lambda self, u, x: laplacian(u) + 0 * u,
    "mean": lambda self, u, x: laplacian(u) - mean(u),
    "constant": lambda self, u, x: u - 1e12,
    "random": lambda self, u, x: laplacian(u) * torch.rand(len(u.value), dtype=u.dtype),
}


def hidden(problem):
    return plan_regions(Solution(problem, MLP(4, 1)))["interior"].hidden


@pytest.mark.parametrize("kind", WHOLE)
def test_a_residual_that_training_does_not_see_is_refused(kind):
    with pytest.raises(ValueError, match=r"'balance' reads no unknown.*under \.detach\(\)") as said:
        hidden(line(WHOLE[kind]))
    assert "\n" not in str(said.value)


def test_a_coefficient_that_is_fitted_to_a_fixed_solution_is_trained():
    assert hidden(line(lambda self, u, x: self.k - u.detach(), 2.0)) == ("balance",)


@pytest.mark.parametrize("kind", PARTLY)
def test_a_part_that_training_does_not_see_is_found(kind):
    assert hidden(line(PARTLY[kind])) == ("balance",)


@pytest.mark.parametrize("kind", PLAIN)
def test_no_false_alarm(kind):
    assert hidden(line(PLAIN[kind])) == ()


@pytest.mark.parametrize(
    ("optimizer", "steps", "is_said"),
    [("LevenbergMarquardt", 25, True), ("LBFGS", 3, True), ("Adam", 3, False)],
)
def test_a_frozen_factor_is_allowed_and_said_before_the_first_step(
    optimizer, steps, is_said, tmp_path, capsys
):
    phases = [Phase(steps, optimizer)]
    solution = fitted(
        line(picard), phases, tmp_path, points={"interior": 20, "boundary": 2}, compile=False
    )
    told = capsys.readouterr().out
    note = "balance: a part is held fixed, as by .detach(), so the gradient is not that of the loss"
    assert (note in " ".join(told.split())) == is_said
    if optimizer == "LevenbergMarquardt":  # (u u')' = 0 by iteration of the frozen factor
        at = torch.tensor([[0.5]], dtype=torch.float64)
        torch.testing.assert_close(solution(at)["u"].item(), 2.5**0.5, rtol=1e-3, atol=0)
