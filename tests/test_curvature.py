"""A network whose derivatives are zero where the equations read them is refused before training."""

import pytest
import torch
from torch import nn

import pinn
from pinn import Problem, Rectangle, dt, grad, laplacian, on, partial
from pinn.solution.plans import plan_regions
from pinn.solution.smoothness import check_curvature
from pinn.solution.solution import Solution


class Load(Problem):
    coordinates, unknowns, geometry = ("x", "y"), {"u": 1}, Rectangle()

    @on("boundary")
    def b(self, u):
        return u

    @on("interior")
    def eq(self, u):
        return laplacian(u) - 1.0


class Eikonal(Load):
    @on("interior")
    def eq(self, u):
        return grad(u) @ grad(u) - 1.0


class Third(Load):
    @on("interior")
    def eq(self, u):
        return partial(laplacian(u), "x") - u


class Heat(Problem):
    coordinates, unknowns = ("x", "t"), {"u": 1}
    geometry = pinn.Interval(time=(0, 1))

    @on("interior")
    def eq(self, u):
        return dt(u) - 0.1 * laplacian(u)


class Obstacle(Load):
    @on("interior")
    def eq(self, u):
        return torch.relu(1.0 - u) + laplacian(u)


class Square(nn.Module):
    def forward(self, x):
        return torch.relu(x) ** 2


class Late(nn.Module):
    """Kinks that lie outside of the domain."""

    def forward(self, x):
        return torch.relu(x + 5.0)


def network(*activations, inputs=2):
    torch.manual_seed(0)
    layers = [layer for a in activations for layer in (nn.Linear(inputs, 2), a)]
    return nn.Sequential(*layers, nn.Linear(2, 1))


BENT = [
    nn.ReLU(), nn.LeakyReLU(), nn.PReLU(), nn.RReLU(), nn.ReLU6(), nn.Hardtanh(), nn.Hardsigmoid(),
    nn.Hardshrink(), nn.Softshrink(), nn.Threshold(0.1, 0.0),
]  # fmt: skip


@pytest.mark.parametrize("activation", BENT, ids=lambda a: type(a).__name__)
@pytest.mark.parametrize("problem", [Load, Third, Heat, Obstacle])
def test_a_network_of_straight_pieces_is_named_with_the_cure(problem, activation):
    words = f"Linear|{type(activation).__name__}.*second derivatives are zero.*such as tanh$"
    with pytest.raises(ValueError, match=words) as raised:
        plan_regions(Solution(problem(), network(activation)))
    assert "\n" not in str(raised.value)
    plan_regions(Solution(Eikonal(), network(activation)))  # first order is fine


@pytest.mark.parametrize("phases", [None, [pinn.Phase(optimizer="Adam", steps=2, lr=1e-3)]])
def test_before_training_whatever_the_optimiser(phases, tmp_path):
    with pytest.raises(ValueError, match=r"read ∇² of network 'all' .* by ReLU\)"):
        pinn.fit(Load(), network(nn.ReLU()), phases=phases, folder=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_third_derivative_of_pieces_of_second_degree():
    plan_regions(Solution(Load(), network(Square())))
    with pytest.raises(ValueError, match=r"read .*∇² of network 'all' .Sequential.* third derivat"):
        plan_regions(Solution(Third(), network(Square())))


def test_kinks_outside_of_the_domain_are_seen():
    with pytest.raises(ValueError, match="second derivatives are zero"):
        plan_regions(Solution(Load(), network(Late())))


SMOOTH = {
    "tanh": lambda: network(nn.Tanh()),
    "ReLU among smooth layers": lambda: network(nn.Tanh(), nn.ReLU()),
    "linear": lambda: nn.Linear(2, 1),
    "MLP": lambda: pinn.MLP(width=4, depth=1),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_others_pass_and_are_left_as_they_were(name):
    net = SMOOTH[name]()
    solution = Solution(Load(), net)
    state = torch.random.get_rng_state()
    plan_regions(solution)
    assert torch.equal(state, torch.random.get_rng_state())
    assert net.training


def test_a_network_per_unknown_is_named():
    class Two(Load):
        unknowns = {"u": 1, "v": 1}

        @on("interior")
        def other(self, u, v):
            return laplacian(v) - u

    nets = {"u": network(nn.Tanh()), "v": network(nn.ReLU())}
    with pytest.raises(ValueError, match="of network 'v'"):
        plan_regions(Solution(Two(), nets))


def test_noise_and_batch_statistics_do_not_matter():
    net = network(nn.BatchNorm1d(2), nn.Dropout(0.5), nn.ReLU())
    before = {name: b.clone() for name, b in net.named_buffers()}
    solution = Solution(Load(), net)
    with pytest.raises(ValueError, match="by ReLU"):
        check_curvature(solution, {"all": plan_of_laplacian()})
    assert all(torch.equal(b, before[name]) for name, b in net.named_buffers())


def plan_of_laplacian():
    return plan_regions(Solution(Load(), network(nn.Tanh())))["interior"].networks["all"]


@pytest.mark.parametrize("phases", [None, [pinn.Phase(optimizer="Adam", steps=2, lr=1e-3)]])
def test_a_linear_network_runs_and_its_second_derivative_stays_zero(phases, tmp_path):
    phases = phases or [pinn.Phase(optimizer="LevenbergMarquardt", steps=3)]
    s = pinn.fit(Load(), nn.Linear(2, 1), phases=phases, folder=str(tmp_path),
                 points={"interior": 16, "boundary": 8})  # fmt: skip
    u = s.double().fields(torch.rand(3, 2, dtype=torch.float64))[0]["u"]
    assert torch.equal(laplacian(u).value, torch.zeros(3).double())
