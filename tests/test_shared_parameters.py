"""One parameter in several places: its gradient is the sum over all of them, in every mode."""

import pytest
import torch
from torch import nn

from pinn.fields.field import vector
from pinn.fields.vector_calculus import laplacian
from pinn.geometry import Rectangle
from pinn.networks import MLP
from pinn.objective.least_squares import LeastSquares
from pinn.objective.losses import residual_losses
from pinn.objective.objective import Objective
from pinn.optim import Phase
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution
from pinn.training.collocation import Collocation
from pinn.training.solver import Solver


class Two(Problem):
    """∇²u = v,  ∇²v = 1 inside,  u = v = 0 around."""

    coordinates, unknowns, geometry = ("x", "y"), {"u": 1, "v": 1}, Rectangle()

    def __init__(self, k=None):
        super().__init__()
        self.k = nn.Parameter(torch.tensor([1.5])) if k is None else k

    @on("interior")
    def first(self, u, v):
        return laplacian(u) - self.k[0] * v

    @on("interior")
    def second(self, v):
        return laplacian(v) - 1.0

    @on("boundary")
    def around(self, u, v):
        return vector(u, v)


class Net(nn.Module):
    """A network whose last layer is called output."""

    def __init__(self, trunk, output):
        super().__init__()
        self.trunk, self.output = trunk, output

    def forward(self, x):
        return self.output(self.trunk(x))


def trunk():
    return nn.Sequential(nn.Linear(2, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh())


def one_trunk():
    shared = trunk()
    return Two(), {n: Net(shared, nn.Linear(6, 1)) for n in ("u", "v")}


def one_output():
    shared = nn.Linear(6, 1)
    return Two(), {n: Net(trunk(), shared) for n in ("u", "v")}


def tied_between_networks():
    nets = {n: Net(trunk(), nn.Linear(6, 1)) for n in ("u", "v")}
    nets["v"].trunk[2].weight = nets["u"].trunk[0].bias = nn.Parameter(torch.rand(6, 6))
    nets["u"].trunk[0].bias = nn.Parameter(torch.rand(6))
    nets["u"].trunk[2].weight = nets["v"].trunk[2].weight
    return Two(), nets


def tied_inside_a_network():
    nets = {n: Net(trunk(), nn.Linear(6, 1)) for n in ("u", "v")}
    nets["u"].trunk.append(nn.Linear(6, 6)).append(nn.Tanh())
    nets["u"].trunk[4].weight = nets["u"].trunk[2].weight
    nets["v"].trunk[2].bias = nets["v"].trunk[0].bias
    return Two(), nets


def tied_to_the_problem():
    problem, nets = Two(), {n: Net(trunk(), nn.Linear(6, 1)) for n in ("u", "v")}
    nets["v"].output.bias = problem.k
    return problem, nets


FIVE = [one_trunk, one_output, tied_between_networks, tied_inside_a_network, tied_to_the_problem]
TRAINED = pytest.mark.parametrize("part", ["all", "output"])


def made(make, part):
    """A solution in float64, its plans and points."""
    torch.manual_seed(0)
    problem, networks = make()
    solution = Solution(problem, networks).double()
    solution.strategy = dict.fromkeys(networks, "taylor")
    if part == "output":
        outer = solution.outer_parameters()
        for name, parameter in solution.named_parameters():
            parameter.requires_grad_(name in outer)
    data = Collocation({"interior": 30, "boundary": 12})
    data.check(problem)
    points = data.draw(problem, 0, 0, next(solution.parameters()))
    return solution, plan_regions(solution), points


def unshared(solution, points, plans):
    """The loss and its gradient by torch alone, over the live modules."""
    loss = sum(residual_losses(solution, points, plans).values())
    trained = [p for p in solution.parameters() if p.requires_grad]
    return loss, torch.autograd.grad(loss, trained, materialize_grads=True)


@pytest.mark.parametrize(
    ("make", "part", "mode"),
    [(make, "all", "recorded") for make in FIVE]  # a recording is held against the Python
    + [(one_trunk, "output", "eager"), (tied_to_the_problem, "output", "eager")],
)
def test_the_gradient_is_the_sum_over_all_places(make, part, mode):
    solution, plans, points = made(make, part)
    told = []
    weights = dict.fromkeys(("first", "second", "around"), 1.0)
    step = Objective(solution, plans, mode, tell=told.append)
    for _ in range(3):
        expected, slopes = unshared(solution, points, plans)
        losses, found = step.gradient(points, weights)
        torch.testing.assert_close(losses.sum(), expected.detach())
        torch.testing.assert_close(found, list(slopes), rtol=1e-10, atol=1e-12)
        with torch.no_grad():
            for parameter in step.parameters():
                parameter.mul_(1.1)
    assert told == []
    assert all(isinstance(p, nn.Parameter) for m in solution.modules() for p in own(m))


def own(module):
    return [p for p in module._parameters.values() if p is not None]


RECORDED = [(one_trunk, "all", True), (tied_inside_a_network, "all", True)]
EAGER = [(make, "all", False) for make in FIVE]
EAGER += [(one_output, "output", False), (tied_between_networks, "output", False)]


@pytest.mark.parametrize(("make", "part", "record"), RECORDED + EAGER)
def test_the_jacobian_is_that_of_reverse_mode(make, part, record):
    solution, plans, points = made(make, part)
    told = []
    weights = dict.fromkeys(("first", "second", "around"), 1.0)
    system = LeastSquares(Objective(solution, plans, tell=told.append), record)
    system.place(points, weights)
    for _ in range(2):
        jacobian, rows = (torch.cat(parts) for parts in zip(*system.blocks(), strict=True))
        expected, slopes = unshared(solution, points, plans)
        flat = torch.cat([s.reshape(-1) for s in slopes])
        torch.testing.assert_close(rows @ rows, expected.detach())
        torch.testing.assert_close(2 * rows @ jacobian, flat, rtol=1e-10, atol=1e-12)
        with torch.no_grad():
            for parameter in system.parameters():
                parameter.mul_(1.1)
    assert told == []


@TRAINED
def test_two_networks_with_one_trunk_are_trained(part, train):
    torch.manual_seed(0)
    problem, networks = one_trunk()
    problem.k.requires_grad_(False)
    phases = [Phase(12, "LevenbergMarquardt", train=part)]
    solver = Solver(problem, networks, phases, compile=False)
    first = solver.solution.networks["v"].trunk[0].weight.detach().clone()
    train(solver, {"interior": 40, "boundary": 24})
    assert float(solver.terms["total"]) < (5e-2 if part == "all" else 0.9)
    frozen = torch.equal(solver.solution.networks["v"].trunk[0].weight, first.double())
    assert frozen == (part == "output")


def test_a_run_goes_on_with_what_is_shared(train, tmp_path):
    def run(steps, **settings):
        torch.manual_seed(3)
        problem, networks = one_trunk()
        problem.k.requires_grad_(False)
        phases = [Phase(3, lr=1e-2, dtype="float64"), Phase(3, "LevenbergMarquardt")]
        solver = Solver(problem, networks, phases, compile=False)
        return solver, train(solver, max_steps=steps, **settings)

    whole = run(6)[0]
    _, trainer = run(4)
    trainer.save_checkpoint(tmp_path / "part.ckpt")
    again = run(6, ckpt_path=tmp_path / "part.ckpt")[0]
    networks = again.solution.networks
    assert networks["u"].trunk[0].weight is networks["v"].trunk[0].weight
    for name, value in whole.solution.state_dict().items():
        assert torch.equal(again.solution.state_dict()[name], value)


def test_one_network_for_two_unknowns_is_refused_in_one_line():
    shared = MLP(6, 1)
    with pytest.raises(ValueError, match="one network is given for several unknowns"):
        Solution(Two(), {"u": shared, "v": shared})
