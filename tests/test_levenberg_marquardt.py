"""Levenberg–Marquardt against problems whose minimum is known."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.autograd.functional import jacobian

from pinn.objective.chunks import InsufficientMemoryError
from pinn.optim import LevenbergMarquardt, linear_model
from pinn.optim.levenberg_marquardt import TRIALS, changed


class Function:
    """The residuals of a function of the parameters."""

    def __init__(self, function, *parameters, at_a_time=1000):
        self.function, self.parameters, self.at_a_time = function, parameters, at_a_time
        self.asked = 0

    def flat(self):
        return torch.cat([p.detach().reshape(-1) for p in self.parameters])

    def residuals(self):
        return self.function(self.flat())

    def blocks(self):
        self.asked += 1
        at = self.flat()
        J, r = jacobian(self.function, at), self.function(at)
        yield from zip(J.split(self.at_a_time), r.split(self.at_a_time), strict=True)


def minimiser(function, start, at_a_time=1000, **options):
    theta = nn.Parameter(torch.as_tensor(start, dtype=torch.float64).clone())
    optimizer = LevenbergMarquardt([theta], **options)
    optimizer.system = Function(function, theta, at_a_time=at_a_time)
    return optimizer, theta


def rosenbrock(x):
    return torch.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def powell(x):
    """J is singular at the solution, 0."""
    return torch.stack(
        [
            x[0] + 10 * x[1],
            math.sqrt(5) * (x[2] - x[3]),
            (x[1] - 2 * x[2]) ** 2,
            math.sqrt(10) * (x[0] - x[3]) ** 2,
        ]
    )


def bent(x):
    """Zero at (1, 2), where J is regular."""
    return torch.stack([x[0] ** 3 * x[1] - 2, torch.sin(x[0] - 1) + x[1] ** 2 - 4, x[0] - x[1] / 2])


def linear(m=30, n=8, seed=0):
    g = torch.Generator().manual_seed(seed)
    A = torch.randn(m, n, generator=g, dtype=torch.float64)
    return A, torch.randn(m, generator=g, dtype=torch.float64)


@pytest.mark.parametrize("damping", [1e-13, 1e-20])
@pytest.mark.parametrize("at_a_time", [4, 1000])
def test_a_linear_problem_takes_one_step(damping, at_a_time):
    A, b = linear()
    optimizer, theta = minimiser(lambda x: A @ x - b, [0.0] * 8, at_a_time, damping=damping)
    before = optimizer.step()
    expected = torch.linalg.lstsq(A, b[:, None]).solution[:, 0]
    assert before == pytest.approx(float(b @ b))
    assert float((theta.detach() - expected).norm()) < 1e-10 * float(expected.norm())


def test_rosenbrock():
    optimizer, theta = minimiser(rosenbrock, [-1.2, 1.0])
    losses = [optimizer.step() for _ in range(30)]
    assert all(b <= a for a, b in pairwise(losses))
    assert float((theta.detach() - 1).abs().max()) < 1e-12


def test_a_jacobian_singular_at_the_solution():
    optimizer, theta = minimiser(powell, [3.0, -1.0, 0.0, 1.0])
    for _ in range(60):
        optimizer.step()
    assert float(powell(theta.detach()).norm()) < 1e-12


def test_a_jacobian_without_full_rank_moves_as_little_as_it_can():
    A, b = linear()
    twice = torch.cat([A, A], 1)  # θ_j and θ_{j+8} act alike
    optimizer, theta = minimiser(lambda x: twice @ x - b, [0.0] * 16)
    for _ in range(12):
        optimizer.step()
    expected = torch.linalg.lstsq(twice, b[:, None], driver="gelsd").solution[:, 0]
    assert float((theta.detach() - expected).norm()) < 1e-7 * float(expected.norm())


def test_fewer_residuals_than_parameters():
    A, b = linear(6, 20)
    optimizer, theta = minimiser(lambda x: torch.tanh(A @ x) - 0.1 * b, [0.0] * 20)
    for _ in range(15):
        optimizer.step()
    assert float((torch.tanh(A @ theta.detach()) - 0.1 * b).norm()) < 1e-14


def test_convergence_is_quadratic_near_a_solution():
    optimizer, theta = minimiser(bent, [1.05, 1.95])
    solution = torch.tensor([1.0, 2.0], dtype=torch.float64)
    errors = []
    while not errors or errors[-1] > 1e-13:
        errors.append(float((theta.detach() - solution).norm()))
        optimizer.step()
        assert len(errors) < 10
    exponents = [math.log(c) / math.log(b) for b, c in pairwise(errors) if b < 0.1 and c > 1e-13]
    assert len(exponents) >= 2
    assert min(exponents) > 1.7


def test_ill_conditioned_problems_need_the_orthogonal_factor(monkeypatch):
    t = torch.linspace(0, 1, 60, dtype=torch.float64)
    J = torch.linalg.vander(t, N=14)  # condition number 4e9
    target = torch.linalg.qr(J)[0].sum(1)  # as much of it in each singular direction

    def left():
        optimizer, theta = minimiser(lambda x: J @ x - target, [0.0] * 14)
        for _ in range(25):
            optimizer.step()
        return float((J @ theta.detach() - target).norm())

    automatic = left()
    monkeypatch.setattr(linear_model.Budget, "has_room_for_factor", property(lambda _: False))
    assert automatic < 1e-6
    assert left() > 100 * automatic


def test_the_second_derivative_along_a_step(monkeypatch):
    optimizer, theta = minimiser(rosenbrock, [-1.2, 1.0])
    J, seen = jacobian(rosenbrock, theta.detach()), []

    def bent(model, delta, change, times):
        seen.append((delta, change + times * (J @ delta)))
        return delta

    monkeypatch.setattr(linear_model.LinearModel, "bent", bent)
    optimizer.step()
    for delta, found in seen:
        expected = torch.stack([-20 * delta[0] ** 2, torch.zeros_like(delta[0])])
        assert torch.allclose(found, expected, atol=1e-9)
    assert seen


def test_bent_steps_follow_a_curved_valley_in_fewer_steps(monkeypatch):
    def steps():
        optimizer, theta = minimiser(lambda x: torch.cat([rosenbrock(x), 1e-3 * x]), [-1.2, 1.0])
        for count in range(100):
            if float((theta.detach() - 1).abs().max()) < 1e-3:
                return count
            optimizer.step()
        return math.inf

    bent_steps = steps()
    monkeypatch.setattr(linear_model, "BEND", 0.0)
    assert bent_steps < steps() < math.inf


def test_several_parameters_in_their_order():
    A, b = linear(30, 10)
    weight = nn.Parameter(torch.zeros(2, 4, dtype=torch.float64))
    bias = nn.Parameter(torch.zeros(2, dtype=torch.float64))
    optimizer = LevenbergMarquardt([weight, bias], damping=1e-20)
    optimizer.system = Function(lambda x: A @ x - b, weight, bias)
    optimizer.step()
    expected = torch.linalg.lstsq(A, b[:, None]).solution[:, 0]
    assert torch.allclose(weight.reshape(-1), expected[:8], rtol=1e-10)
    assert torch.allclose(bias, expected[8:], rtol=1e-10)


def test_the_state_resumes_bit_by_bit():
    # The memory is part of the state; what is available changes between two runs.
    whole, theta = minimiser(rosenbrock, [-1.2, 1.0], memory=1.0)
    for _ in range(8):
        whole.step()
    first, half = minimiser(rosenbrock, [-1.2, 1.0], memory=1.0)
    for _ in range(3):
        first.step()
    second, again = minimiser(rosenbrock, half.detach().tolist(), damping=7.0)
    second.load_state_dict(first.state_dict())
    for _ in range(5):
        second.step()
    assert torch.equal(again, theta)
    assert second.state_dict() == whole.state_dict()
    assert second.past["steps"] == 8
    assert second.past["trials"] >= 8


def test_the_state_is_plain_data(tmp_path):
    optimizer, _ = minimiser(rosenbrock, [-1.2, 1.0])
    optimizer.step()
    torch.save(optimizer.state_dict(), tmp_path / "state.pt")
    assert torch.load(tmp_path / "state.pt", weights_only=True) == optimizer.state_dict()


def test_at_a_minimum_it_stalls_and_leaves_the_parameters_bit_by_bit():
    optimizer, theta = minimiser(lambda x: torch.cat([x, x.new_ones(1)]), [0.0, 0.0])
    before, damping = theta.detach().clone(), optimizer.damping
    assert not optimizer.stalled
    assert optimizer.step() == 1.0
    assert optimizer.stalled
    assert torch.equal(theta, before)
    assert optimizer.damping == damping
    assert optimizer.past["trials"] == TRIALS


def test_a_stall_is_forgotten_when_the_loss_decreases_again():
    optimizer, theta = minimiser(lambda x: torch.cat([x, x.new_ones(1)]), [0.0, 0.0])
    optimizer.step()
    with torch.no_grad():
        theta.fill_(0.5)
    optimizer.step()
    assert not optimizer.stalled
    assert float(theta.detach().abs().max()) < 1e-2


def test_a_rejected_step_raises_the_damping():
    optimizer, theta = minimiser(lambda x: torch.atan(10 * x), [1.0])  # Gauss–Newton diverges
    optimizer.step()
    assert optimizer.past["trials"] > 1
    assert abs(float(theta.detach())) < 1.0
    for _ in range(20):
        optimizer.step()
    assert abs(float(theta.detach())) < 1e-12


def test_a_trial_that_is_not_finite_is_a_rejection():
    optimizer, theta = minimiser(lambda x: torch.log(x), [30.0])  # Gauss–Newton: x < 0
    for _ in range(20):
        optimizer.step()
    assert float(theta.detach()) == pytest.approx(1.0, abs=1e-12)


def test_the_damping_follows_the_gain():
    dampings = [changed(1e-3, gain) for gain in (0.99, 0.8, 0.6, 0.4, 0.1)]
    assert dampings == sorted(dampings)
    assert dampings[0] < 1e-3 < dampings[-1]
    assert 0 < changed(1e-30, 1.0) < 1e-29


def test_the_closure_runs_once_with_gradients():
    optimizer, theta = minimiser(rosenbrock, [-1.2, 1.0])
    calls = []

    def closure():
        calls.append(torch.is_grad_enabled())
        return rosenbrock(theta).square().sum()

    value = optimizer.step(closure)
    assert calls == [True]
    assert float(value.detach()) == pytest.approx(24.2)
    assert theta.grad is None


def test_a_schedule_does_not_change_the_steps():
    plain, theta = minimiser(rosenbrock, [-1.2, 1.0])
    scheduled, other = minimiser(rosenbrock, [-1.2, 1.0])
    schedule = torch.optim.lr_scheduler.ExponentialLR(scheduled, 0.1)
    for _ in range(4):
        plain.step()
        scheduled.step()
        schedule.step()
    assert scheduled.param_groups[0]["lr"] == pytest.approx(1e-4)
    assert torch.equal(theta, other)


def test_other_precisions_are_refused():
    theta = nn.Parameter(torch.zeros(2))
    with pytest.raises(ValueError, match=r"float64, not in torch\.float32: .* dtype: float64"):
        LevenbergMarquardt([theta])
    optimizer, theta = minimiser(rosenbrock, [-1.2, 1.0])
    theta.data = theta.data.float()
    with pytest.raises(ValueError, match=r"not in torch\.float32"):
        optimizer.step()


@pytest.mark.parametrize(
    ("options", "said"),
    [({"damping": 0.0}, "damping is 0.0"), ({"memory": -1.0}, "memory is -1.0 GiB")],
)
def test_numbers_out_of_range_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        minimiser(rosenbrock, [0.0, 0.0], **options)


def test_several_groups_are_refused():
    groups = [{"params": [nn.Parameter(torch.zeros(1, dtype=torch.float64))]} for _ in range(2)]
    with pytest.raises(ValueError, match="one group"):
        LevenbergMarquardt(groups)


def test_without_a_system_it_says_so():
    optimizer = LevenbergMarquardt([nn.Parameter(torch.zeros(1, dtype=torch.float64))])
    with pytest.raises(RuntimeError, match="set its `system` first"):
        optimizer.step()


def test_what_does_not_fit_is_refused_before_it_is_evaluated():
    start = torch.zeros(5000, dtype=torch.float64)
    optimizer, _ = minimiser(lambda x: torch.cat([x, x]), start, memory=0.1)
    with pytest.raises(InsufficientMemoryError) as refused:
        optimizer.step()
    (line,) = str(refused.value).splitlines()
    for part in ("0.61 GB", "5000 parameters", "10000 residuals", "0.107 GB"):
        assert part in line
    assert optimizer.system.asked == 0


@pytest.mark.parametrize(("there", "room"), [(3e9, 4e9 / 2), (1e9, 1e9 / 2)])
def test_a_resumed_run_has_the_memory_that_it_had_where_it_is_there(monkeypatch, there, room):
    monkeypatch.setattr("pinn.optim.budget.free_memory", lambda device: 4e9)
    first, _ = minimiser(rosenbrock, [-1.2, 1.0])
    first.step()
    monkeypatch.setattr("pinn.optim.budget.free_memory", lambda device: there)
    second, _ = minimiser(rosenbrock, [-1.2, 1.0])
    second.load_state_dict(first.state_dict())
    second.step()
    assert second.room.given == room


def test_residuals_that_are_not_finite_are_refused():
    optimizer, _ = minimiser(lambda x: torch.log(x), [-1.0])
    with pytest.raises(FloatingPointError, match="residuals are not finite"):
        optimizer.step()


@pytest.mark.parametrize(
    ("function", "start"),
    [
        (lambda x: torch.sqrt(x.abs()) + 1, [0.0]),  # NaN
        (lambda x: torch.sqrt(x) + 1, [0.0]),  # infinite
        (lambda x: torch.stack([x[0] ** 0.5 + 1, x[1] - 2]), [0.0, 1.0]),  # one entry of four
        (lambda x: (1e200 * x).sum() + torch.stack([x[0], x[0] + 1]), [0.0, 0.0, 0.0]),  # squares
    ],
)
@pytest.mark.parametrize("damping", [1e-3, 1e-20])  # by Cholesky, and by orthogonal factors
def test_a_jacobian_that_is_not_finite_is_refused_and_nothing_moves(function, start, damping):
    optimizer, theta = minimiser(function, start, damping=damping)
    with pytest.raises(FloatingPointError, match=r"Jacobian .* not finite"):
        optimizer.step()
    assert theta.tolist() == start
    assert not optimizer.stalled


# --- rows shared by two processes; tests/test_distributed.py has both


CASES = ["tall cholesky", "tall qr", "wide cholesky", "wide qr"]


def network(case):
    """Residuals, start and damping; by Cholesky or QR, in more or fewer residuals."""
    many = 40 if "tall" in case else 6
    t = torch.linspace(-1, 1, many, dtype=torch.float64)
    g = torch.Generator().manual_seed(0)
    start = torch.randn(12, generator=g, dtype=torch.float64)

    def function(x):
        values = x[8:] @ torch.tanh(x[:4, None] * t + x[4:8, None])
        return values - torch.sin(2 * t) * (1 + 0.1 * torch.cos(20 * t))

    return function, start, 1e-2


def four_steps(case, rank=None):
    """θ, the losses and the state after four steps, with all rows or those of one process."""
    function, start, damping = network(case)
    third = len(function(start)) // 3  # unequal shares
    part = {None: slice(None), 0: slice(None, third), 1: slice(third, None)}[rank]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(linear_model, "SAFETY", 1e30 if "qr" in case else linear_model.SAFETY)
        optimizer, theta = minimiser(lambda x: function(x)[part], start, 4, damping=damping)
        losses = [optimizer.step() for _ in range(4)]
    return theta.detach(), losses, dict(optimizer.past)
