"""Damped least squares: every way of solving it gives the solution of the definition."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pinn.objective.chunks import InsufficientMemoryError
from pinn.optim import LevenbergMarquardt, linear_model
from pinn.optim.budget import Budget
from pinn.optim.factor import Factor, Reflectors
from pinn.optim.gram import STRIPE, Gram, Kernel, add_square, mirror
from pinn.optim.linear_model import LinearModel
from pinn.optim.system import JacobianRows

MANY = 1e12


class Linear:
    """A system whose Jacobian does not change."""

    def __init__(self, J, r, at_a_time=None):
        self.J, self.r, self.at_a_time = J, r, at_a_time or max(len(r), 1)
        self.asked = 0

    def residuals(self):
        return self.r

    def blocks(self):
        self.asked += 1
        return zip(self.J.split(self.at_a_time), self.r.split(self.at_a_time), strict=True)


def random(m, n, condition=10.0, seed=0):
    """J with singular values from 1 to 1/condition, and r."""
    g = torch.Generator().manual_seed(seed)
    k = min(m, n)
    U = torch.linalg.qr(torch.randn(m, k, generator=g, dtype=torch.float64))[0]
    V = torch.linalg.qr(torch.randn(n, k, generator=g, dtype=torch.float64))[0]
    s = torch.logspace(0, -torch.tensor(condition).log10().item(), k, dtype=torch.float64)
    return U * s @ V.T, torch.randn(m, generator=g, dtype=torch.float64)


def defined(J, r, damping):
    """The minimum of |Jδ + r|² + damping δᵀDδ by a dense solver, and the decrease."""
    squares = J.square().sum(0)
    D = squares.clamp_min(squares.mean())
    below = torch.diag((damping * D).sqrt())
    right = torch.cat([-r, r.new_zeros(J.shape[1])])[:, None]
    delta = torch.linalg.lstsq(torch.cat([J, below]), right, driver="gelsd").solution[:, 0]
    return delta, r.square().sum() - (r + J @ delta).square().sum()


def ways(J, r, at_a_time=7):
    m, n = J.shape
    system = Linear(J, r, at_a_time)
    found = {
        "gram": Gram(JacobianRows(system, r, n, m, most=5)),
        "factor": Factor(JacobianRows(system, r, n, m, most=5)),
        "gram of all": Gram(JacobianRows(system, r, n, m, most=m)),
        "factor of all": Factor(JacobianRows(system, r, n, m, most=m)),
    }
    if m < n:
        found |= {"kernel": Kernel(whole(J, r)), "reflectors": Reflectors(whole(J, r))}
    return found


def whole(J, r):
    return torch.cat([J, r[:, None]], 1)


def rows(J, r):
    return JacobianRows(Linear(J, r), r, J.shape[1], len(r), most=len(r))


def close(found, expected, tolerance):
    return float((found - expected).norm()) <= tolerance * float(expected.norm())


@pytest.mark.parametrize("damping", [1.0, 1e-3])
@pytest.mark.parametrize(("m", "n"), [(40, 12), (23, 23), (12, 40), (1, 3), (3, 1)])
def test_every_way_solves_what_is_defined(m, n, damping):
    J, r = random(m, n)
    delta, decrease = defined(J, r, damping)
    for name, form in ways(J, r).items():
        found, predicted = form.solve(damping)
        assert close(found, delta, 1e-10), name
        assert close(predicted, decrease, 1e-10), name


def test_columns_of_very_different_lengths():
    J, r = random(40, 12)
    J = J * torch.logspace(3, -8, 12, dtype=torch.float64)
    delta, decrease = defined(J, r, 1e-2)
    for name, form in ways(J, r).items():
        found, predicted = form.solve(1e-2)
        assert close(found, delta, 1e-8), name
        assert close(predicted, decrease, 1e-8), name


def test_a_column_of_zeros_is_left_alone():
    J, r = random(20, 6)
    J[:, 2] = 0.0
    for name, form in ways(J, r).items():
        found, _ = form.solve(1e-6)
        assert abs(float(found[2])) < 1e-12, name
        assert bool(found.isfinite().all()), name


@pytest.mark.parametrize(("m", "n"), [(40, 12), (12, 40)])
def test_orthogonal_factors_keep_the_digits_that_squares_lose(m, n):
    J, _ = random(m, n, condition=1e10)
    x = torch.ones(n, dtype=torch.float64) if m > n else J.T @ torch.ones(m, dtype=torch.float64)
    r = -(J @ x)
    exact = Factor(rows(J, r)) if m > n else Reflectors(whole(J, r))
    squared = Gram(rows(J, r)) if m > n else Kernel(whole(J, r))

    def left(form, damping):
        found, decrease = form.solve(damping)
        return float((r + J @ found).norm() / r.norm()) if decrease.isfinite() else torch.inf

    assert left(exact, 1e-26) < 1e-10
    assert left(squared, 1e-26) > 1e3 * left(exact, 1e-26)


def model(J, r, at_a_time=None, given=MANY):
    system = Linear(J, r, at_a_time)
    return LinearModel(system, r, Budget(J.shape[1], len(r), given), len(r)), system


def solved(made, damping):
    """δ with the decrease; None where no way finds one."""
    for delta, facts in made.minima(damping):
        decrease, exists, is_finite = facts.tolist()
        assert is_finite
        if exists:
            return delta, decrease
        assert not delta.any()  # so that whoever tries it stays
    return None


@pytest.mark.parametrize(("m", "n"), [(40, 12), (12, 40)])
def test_the_damping_chooses_the_way(m, n):
    J, r = random(m, n)
    made, _ = model(J, r)
    solved(made, 1e-3)
    assert "squared" in vars(made)
    assert "orthogonal" not in vars(made)
    made, _ = model(J, r)
    solved(made, 1e-20)
    assert "orthogonal" in vars(made)
    assert "squared" not in vars(made)


@pytest.mark.parametrize(("m", "n"), [(40, 12), (12, 40)])
def test_both_ways_agree_where_the_choice_changes(m, n, monkeypatch):
    J, r = random(m, n)
    solutions = []
    for safety in (0.0, 1e9):
        monkeypatch.setattr(linear_model, "SAFETY", safety)
        solutions.append(solved(model(J, r)[0], 1e-9)[0])
    assert close(*solutions, 1e-9)


def test_a_failed_cholesky_is_no_failure(monkeypatch):
    monkeypatch.setattr(linear_model, "SAFETY", 0.0)
    J = torch.ones(30, 8, dtype=torch.float64)  # of rank one
    r = torch.ones(30, dtype=torch.float64)
    made, _ = model(J, r)
    assert made.squared.solve(1e-30)[1].isnan()
    found, predicted = solved(made, 1e-20)
    assert close(found, torch.full_like(found, -1 / 8), 1e-6)  # of least norm
    assert predicted == pytest.approx(30.0)


@pytest.mark.parametrize(("m", "n"), [(400, 12), (12, 40)])
def test_the_jacobian_is_asked_for_once_where_it_fits(m, n):
    J, r = random(m, n)
    made, system = model(J, r, at_a_time=7)
    for damping in (1e-20, 1e-3, 1e-2):
        solved(made, damping)
    made.bent(torch.ones(n, dtype=torch.float64), r, 0.0)
    assert system.asked == 1


def test_a_jacobian_that_does_not_fit_is_asked_for_again():
    J, r = random(400, 12)
    tight, system = model(J, r, at_a_time=7, given=8 * 11_200)
    assert tight.budget.has_room_for_factor
    assert 256 <= tight.budget.rows < 400
    roomy, _ = model(J, r)
    for asked, damping in enumerate((1e-20, 1e-3), start=1):
        assert close(solved(tight, damping)[0], solved(roomy, damping)[0], 1e-12)
        assert system.asked == asked
    delta, curvature = torch.ones(12, dtype=torch.float64), 0.1 * r
    assert close(tight.bent(delta, curvature, 0.0), roomy.bent(delta, curvature, 0.0), 1e-12)
    assert close(tight.rows.times(delta), J @ delta, 1e-12)


@pytest.mark.parametrize("most", [7, 40])
@pytest.mark.parametrize(("m", "n"), [(40, 12), (12, 40)])
def test_other_residuals_after_steps(m, n, most):
    J, r = random(m, n)
    rows, steps = JacobianRows(Linear(J, r, 5), r, n, m, most), torch.eye(n, 3).to(J)
    right = torch.stack([r, 2 * r.flip(0), torch.zeros_like(r)], 1)
    form = Gram(rows) if m > n else Kernel(whole(J, r))
    form.solve(1e-2)
    expected = [defined(J, each, 1e-2)[0] for each in (right + J @ steps).unbind(1)]
    assert close(form.after(right, steps), torch.stack(expected, 1), 1e-10)


@pytest.mark.parametrize(("m", "n"), [(40, 12), (12, 40)])
def test_a_step_is_bent_by_the_second_derivative(m, n):
    J, r = random(m, n)
    delta, curvature = torch.ones(n, dtype=torch.float64), 1e-3 * r
    made, _ = model(J, r)
    solved(made, 1e-2)
    expected = delta + defined(J, curvature, 1e-2)[0] / 2
    assert close(made.bent(delta, curvature, 0.0), expected, 1e-10)
    rest = curvature - 0.3 * (J @ delta)
    assert close(made.bent(delta, rest, 0.3), expected, 1e-10)
    assert torch.equal(made.bent(delta, 1e6 * curvature, 0.0), delta)  # no parabola any more
    assert torch.equal(made.bent(delta, torch.nan * curvature, 0.0), delta)


def test_fewer_residuals_than_parameters_by_either_space():
    J, r = random(12, 40)
    narrow = Factor(rows(J, r))
    for damping in (1e-2, 1e-8):
        (a, p), (b, q) = solved(model(J, r)[0], damping), narrow.solve(damping)
        assert close(a, b, 1e-8)
        assert p == pytest.approx(float(q), rel=1e-8)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 600])
def test_half_of_a_square_and_its_mirror_are_the_square(size):
    g = torch.Generator().manual_seed(0)
    rows, more = torch.randn(2, 30, size, generator=g, dtype=torch.float64)
    found = torch.zeros(size, size, dtype=torch.float64)
    add_square(found, rows)
    add_square(found, more)
    mirror(found)
    expected = rows.T @ rows + more.T @ more
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-13)


class Products(TorchDispatchMode):
    """Counts the operations of matrix products added in place."""

    flops = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function is torch.ops.aten.addmm_.default:
            _, a, b = args
            self.flops += 2 * a.numel() * b.shape[1]
        return function(*args, **(kwargs or {}))


def test_half_of_the_operations_of_a_square():
    rows = torch.randn(100, 1024, dtype=torch.float64)
    with Products() as counted:
        add_square(torch.zeros(1024, 1024, dtype=torch.float64), rows)
    assert counted.flops == 100 * 1024 * (1024 + STRIPE)


def test_a_jacobian_that_is_not_finite_says_so():
    for m, n in ((40, 12), (12, 40)):
        for damping in (1e-3, 1e-20):
            J, r = random(m, n)
            J[3, 4] = torch.nan
            for delta, facts in model(J, r)[0].minima(damping):
                assert facts.tolist()[1:] == [0.0, 0.0]
                assert not delta.any()
            theta = torch.nn.Parameter(torch.zeros(n, dtype=torch.float64))
            optimizer = LevenbergMarquardt([theta], damping=damping)
            optimizer.system = Linear(J, r)
            with pytest.raises(FloatingPointError, match=r"Jacobian .* not finite"):
                optimizer.step()
            assert not theta.any()


def test_little_memory_takes_smaller_pieces_before_it_is_refused():
    P, M = 1000, 20_000
    assert Budget(P, M, MANY).rows == M
    few = Budget(P, M, 80e6)  # ten squares
    assert few.has_room_for_factor
    assert 1000 < few.rows < M
    least = Budget(P, M, 30e6)  # the Gram matrix alone
    assert not least.has_room_for_factor
    assert 0 < least.rows < 1000
    with pytest.raises(InsufficientMemoryError) as refused:
        Budget(P, M, 10e6)
    (line,) = str(refused.value).splitlines()
    for part in ("0.0261 GB", "1000 parameters", "20000 residuals", "smaller network", "Adam"):
        assert part in line


def test_without_room_for_a_factor_cholesky_alone_is_used():
    J, r = random(40, 12)
    tight, _ = model(J, r, given=8 * (3 * 13**2 + 40 * 13))
    assert close(solved(tight, 1e-8)[0], solved(model(J, r)[0], 1e-8)[0], 1e-6)
    J = torch.ones(40, 12, dtype=torch.float64)
    tight, _ = model(J, r, given=8 * (3 * 13**2 + 40 * 13))
    assert solved(tight, 1e-30) is None


@pytest.mark.parametrize(("is_local", "form"), [(True, Gram), (False, Factor)])
def test_the_coefficients_of_a_patch_are_solved_for_by_the_fast_factor(is_local, form):
    """As those of several patches are, at the damping with which rounds go on."""
    torch.manual_seed(0)
    J, r = (torch.randn(600, *n, dtype=torch.float64) for n in ((500,), ()))
    made = LinearModel(Linear(J, r, None), r, Budget(500, 600, MANY, is_local), 600)
    assert next(made.minima(1e-12)).facts[1]
    assert isinstance(made.form, form)
