"""Intervals of coefficients: against regression by numpy, and against repeated experiments."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.optimize import curve_fit
from small import fitted
from test_resume import Copies
from torch import nn

from pinn.checkpoints.file import load, read
from pinn.fields.field import partial
from pinn.geometry import Interval
from pinn.networks import MLP, Network
from pinn.objective.least_squares import LeastSquares
from pinn.objective.objective import Objective
from pinn.optim import LevenbergMarquardt, Phase
from pinn.optim.budget import Budget
from pinn.physics.estimates import Estimate
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.problems import KovasznayViscosity
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution
from pinn.training.collocation import Collocation
from pinn.training.covariance import coefficients, covariance, estimates, measured
from pinn.training.solver import Solver


class Powers(Network):
    """Σ_k c_k xᵏ: a network with a design matrix."""

    def __init__(self, degree=2):
        super().__init__()
        self.degree = degree

    def create(self, geometry, outputs):
        self.output = nn.Linear(self.degree, outputs)

    def value(self, x):
        return self.output(torch.cat([x ** (k + 1) for k in range(self.degree)], -1))


class Decay(Problem):
    """u' = −k, with u measured: a straight line, whose slope is the coefficient."""

    coordinates = ("x",)
    unknowns = {"u": 1}
    columns = ("seen",)

    def __init__(self, seed=0, samples=20, noise=0.1):
        x = (np.arange(samples) + 0.5) / samples
        errors = np.random.default_rng(seed).normal(0, noise, samples)
        cloud = {"x": x.tolist(), "seen": (1 - 0.7 * x + errors).tolist()}
        super().__init__(Interval().with_points("probes", cloud))
        self.k = nn.Parameter(torch.tensor(0.0))

    @on("interior")
    def balance(self, u):
        return partial(u, "x") + self.k

    @on("probes")
    def measured(self, u, seen):
        return u - seen


class Exponential(Decay):
    """u' = −k u: the coefficient multiplies the unknown."""

    @on("interior")
    def balance(self, u):
        return partial(u, "x") + self.k * u


class Curve(Decay):
    """A second coefficient, and a residual beside the measured one on the same points."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.q = nn.Parameter(torch.tensor(0.0))

    @on("interior")
    def balance(self, u, x):
        return partial(u, "x") + self.k + self.q * x

    @on("probes")
    def also(self, u, x):
        return 0.1 * (partial(u, "x") + self.k + self.q * x)


def minimised(problem, degree=2, weight=1e8, points=8):
    """The system of a problem at its minimum; the equations weigh so much that they hold."""
    torch.manual_seed(0)
    solution = Solution(problem, Powers(degree)).double()
    solution.strategy = {"all": "taylor"}
    weights = {r.name: 1.0 if r.name == "measured" else weight for r in problem.residuals}
    system = LeastSquares(Objective(solution, plan_regions(solution)))
    data = Collocation({"interior": points}, method="gauss")
    data.check(problem)
    system.place(data.draw(problem, 0, 0, next(solution.parameters())), weights)
    return minimise(system)


def minimise(system):
    optimizer = LevenbergMarquardt(system.parameters())
    optimizer.system = system
    for _ in range(400):
        optimizer.step()
        if optimizer.stalled:
            break
    return system


def regression(problem, degree):
    """β, Cov β and the degrees of freedom of a polynomial through the probes, by numpy."""
    probes = problem.geometry.sample("probes", 1)
    A = np.vander(probes.at[:, 0].numpy(), degree + 1, increasing=True)
    y = probes.columns["seen"].numpy()
    beta = np.linalg.lstsq(A, y, rcond=None)[0]
    freedom = len(y) - degree - 1
    variance = ((y - A @ beta) ** 2).sum() / freedom
    return beta, variance * np.linalg.inv(A.T @ A), freedom


@pytest.mark.parametrize("degree", [1, 4])  # more than the equation allows changes nothing
def test_a_slope_has_the_interval_of_linear_regression(degree):
    problem = Decay()
    found = estimates(minimised(problem, degree))["k"]
    beta, cov, freedom = regression(problem, 1)
    assert found.value == pytest.approx(-beta[1], rel=1e-6)
    assert found.deviation == pytest.approx(cov[1, 1] ** 0.5, rel=1e-6)
    assert found.freedom == pytest.approx(freedom, abs=1e-5)
    assert found.settled
    low, high = stats.t.interval(0.95, freedom, -beta[1], cov[1, 1] ** 0.5)
    assert found.half_width == pytest.approx((high - low) / 2, rel=1e-6)


def test_a_nonlinear_problem_has_the_interval_of_a_fit_of_its_solution():
    problem = Exponential(noise=0.02)
    found = estimates(minimised(problem, degree=7))["k"]
    probes = problem.geometry.sample("probes", 1)
    x, y = probes.at[:, 0].numpy(), probes.columns["seen"].numpy()
    best, cov = curve_fit(lambda x, a, k: a * np.exp(-k * x), x, y, [1.0, 1.0])
    assert found.value == pytest.approx(best[1], rel=1e-5)
    # curve_fit's Jacobian is the same at its minimum, so the linear theories agree.
    assert found.deviation == pytest.approx(cov[1, 1] ** 0.5, rel=1e-4)
    assert found.freedom == pytest.approx(18, abs=1e-3)


def test_two_coefficients_and_a_constraint_among_the_data():
    problem = Curve()
    system = minimised(problem, degree=3)
    assert system.owners("probes") == ["measured", "also"]
    columns = coefficients(system)
    assert list(columns) == ["k", "q"]
    matrix, freedom, left = covariance(system, list(columns.values()))
    beta, cov, expected = regression(problem, 2)
    to = np.array([[0, -1, 0], [0, 0, -2]])  # k = −β₁, q = −2β₂
    np.testing.assert_allclose(matrix, to @ cov @ to.T, rtol=1e-5)
    assert freedom == pytest.approx(expected, abs=1e-5)
    assert float(left.abs().max()) < 1e-6
    assert [system.objective.solution.problem.coefficients()[n] for n in "kq"] == pytest.approx(
        to @ beta
    )


def test_directions_that_nobody_knows_do_not_matter():
    plain = estimates(minimised(Decay()))["k"]
    system = minimised(Decay())
    network = system.objective.solution.networks["all"]
    twice = nn.Linear(4, 1).double()  # every feature twice, and a weight that nothing reads
    with torch.no_grad():
        twice.weight.copy_(torch.cat([network.output.weight / 2] * 2, 1))
        twice.bias.copy_(network.output.bias)
    network.output = twice
    network.unread = nn.Parameter(torch.zeros(3, dtype=torch.float64))
    network.value = lambda x: twice(torch.cat([x, x**2, x, x**2], -1))
    found = estimates(system)["k"]
    assert found.deviation == pytest.approx(plain.deviation, rel=1e-6)
    assert found.freedom == pytest.approx(plain.freedom, abs=1e-5)


def test_a_soft_equation_lets_the_data_say_less():
    """A network free to leave the equation takes more of the data and leaves k less certain."""
    exact, soft = (estimates(minimised(Decay(), 4, weight))["k"] for weight in (1e8, 1e-2))
    assert soft.deviation > 1.2 * exact.deviation
    assert soft.freedom < exact.freedom - 0.5


def test_intervals_cover_the_truth_as_often_as_they_say():
    system, draws = minimised(Decay(noise=0.03)), []
    for seed in range(40):
        problem, data = Decay(seed, noise=0.03), Collocation({"interior": 8}, method="gauss")
        data.check(problem)
        system.place(data.draw(problem, 0, 0, system.parameters()[0]), system.weights)
        draws.append(estimates(minimise(system))["k"])
    assert len({found.value for found in draws}) == 40
    covered = sum(abs(found.value - 0.7) <= found.half_width for found in draws)
    assert 34 <= covered <= 40  # of 40, 38 are expected; fewer than 34 once in 200
    scatter = np.std([found.value for found in draws], ddof=1)
    assert scatter == pytest.approx(np.mean([f.deviation for f in draws]), rel=0.3)
    half = [f.half_width / 2 for f in draws]
    assert sum(abs(f.value - 0.7) <= h for f, h in zip(draws, half, strict=True)) < 34


def test_the_unit_of_the_loss_does_not_matter():
    system = minimised(Decay())
    before = estimates(system)["k"]
    system.scales = {region: 7.0 * scales for region, scales in system.scales.items()}
    after = estimates(system)["k"]
    assert after.deviation == pytest.approx(before.deviation, rel=1e-9)
    assert after.freedom == pytest.approx(before.freedom, abs=1e-9)


def test_as_many_parameters_as_data_leave_the_coefficient_open():
    found = estimates(minimised(Decay(samples=2)))["k"]
    assert found.half_width == math.inf
    assert found.settled
    assert str(found).endswith("± inf (95 %)")


OPEN = {
    "a sum": (lambda self, u: self.k + self.q, ("k", "q")),
    "a product": (lambda self, u: self.k * (1 + self.q), ("k", "q")),
    "times zero": (lambda self, u: self.k + 0 * self.q, ("q",)),
    "three in a sum": (lambda self, u: self.k + self.q + 1e-3 * self.w, ("k", "q", "w")),
}


@pytest.mark.parametrize("kind", OPEN)
def test_what_equations_and_data_leave_open_has_no_interval(kind):
    rate, left_open = OPEN[kind]

    class Rates(Curve):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.tensor(0.0), requires_grad="three" in kind)

        @on("interior")
        def balance(self, u):
            return partial(u, "x") + rate(self, u)

        @on("probes")
        def also(self, u):
            return 0.1 * (partial(u, "x") + rate(self, u))

    system = minimised(Rates())
    found = estimates(system)
    assert {n for n, e in found.items() if e.half_width == math.inf} == set(left_open)
    assert all(str(found[name]).endswith("± inf (95 %)") for name in left_open)
    if kind == "times zero":  # the other one has the interval it has alone
        _, cov, _ = regression(Decay(), 1)
        assert found["k"].deviation == pytest.approx(cov[1, 1] ** 0.5, rel=1e-6)


class Cut(Curve):
    @on("interior")
    def balance(self, u):
        return partial(u, "x") + self.k + 0 * float(self.q)

    @on("probes")
    def also(self, u):
        return 0.1 * (partial(u, "x") + self.k)


def test_a_coefficient_that_no_equation_reads_has_no_interval_and_the_end_says_so():
    system = minimised(Cut())
    found = estimates(system)
    _, cov, _ = regression(Decay(), 1)
    assert list(found) == ["k"]
    assert found["k"].deviation == pytest.approx(cov[1, 1] ** 0.5, rel=1e-6)


def test_the_end_of_a_run_says_which_coefficients_are_open(tmp_path, capsys):
    class Both(Cut):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.tensor(1.0))

        @on("interior")
        def balance(self, u):
            return partial(u, "x") + self.k + self.w + 0 * float(self.q)

        @on("probes")
        def also(self, u):
            return 0.1 * (partial(u, "x") + self.k + self.w)

    fitted(Both(), [Phase(6, "LevenbergMarquardt")], tmp_path, MLP(4, 1), compile=False,
           points={"interior": 20})  # fmt: skip
    told = " ".join(capsys.readouterr().out.split())
    assert "q 0, which no equation reads: it was not trained" in told
    assert "± inf (95 %): equations and data do not determine it" in told
    assert "e12" not in told


def test_before_the_minimum_the_way_left_is_said():
    there = minimised(Decay())
    k = there.objective.solution.problem.k
    with torch.no_grad():
        k.add_(0.5)
    found = estimates(there)["k"]
    assert found.left == pytest.approx(-0.5, rel=1e-6)
    assert not found.settled


def test_without_measured_data_there_is_no_interval():
    class Known(Decay):
        @on("probes")
        def measured(self, u, x):
            return u - (1 - 0.7 * x)

    assert measured(Known()) == set()
    assert measured(Decay()) == {"measured"}
    assert estimates(minimised(Known())) == {}
    assert estimates(None) == {}


def test_without_memory_for_a_factor_there_is_no_interval(monkeypatch):
    system = minimised(Decay())
    monkeypatch.setattr(Budget, "has_room_for_factor", property(lambda _: False))
    assert estimates(system) == {}


def test_without_memory_for_anything_there_is_no_interval(monkeypatch):
    system = minimised(Decay())
    monkeypatch.setattr("pinn.optim.budget.free_memory", lambda device: 100.0)
    assert estimates(system) == {}


def test_fewer_rows_than_parameters_know_nothing():
    assert estimates(minimised(Decay(), degree=60)) == {}


def test_measurements_of_no_weight_are_none():
    class Twice(Decay):
        @on("probes")
        def again(self, u, seen):
            return u - seen + 1000

    both, alone = minimised(Twice(), weight=1e8), estimates(minimised(Decay()))["k"]
    both.place(both.points, both.weights | {"again": 0.0})
    optimizer = LevenbergMarquardt(both.parameters())
    optimizer.system = both
    while not optimizer.stalled:
        optimizer.step()
    found = estimates(both)["k"]
    assert found.freedom == pytest.approx(alone.freedom, abs=1e-5)
    assert found.deviation == pytest.approx(alone.deviation, rel=1e-6)


def test_rows_in_chunks_are_the_same_rows(monkeypatch):
    whole = estimates(minimised(Curve(), 3))["q"]
    monkeypatch.setattr("pinn.objective.least_squares.BLOCK", 200)
    system = minimised(Curve(), 3)
    assert len(system.chunks) > 4
    assert estimates(system)["q"].deviation == pytest.approx(whole.deviation, rel=1e-6)


@pytest.mark.parametrize(
    ("value", "half", "text"),
    [
        (0.0250123, 0.000042, "0.025012 ± 0.000042 (95 %)"),
        (0.0246, 0.00036, "0.02460 ± 0.00036 (95 %)"),
        (1234.5, 67.8, "1234 ± 68 (95 %)"),
        (12.0, 0.5, "12.00 ± 0.50 (95 %)"),
        (1.2341e-7, 6e-9, "(1.234 ± 0.060)e-7 (95 %)"),
        (0.0, 0.02, "0.000 ± 0.020 (95 %)"),
        (3.0, 0.0, "3 ± 0 (95 %)"),
    ],
)
def test_the_text_has_two_digits_of_the_uncertainty(value, half, text):
    t = stats.t(10).ppf(0.975)
    assert str(Estimate(value, half / t, 10)) == text


# --- in a run

PHASES = [Phase(3, lr=0.01), Phase(5, "LevenbergMarquardt", train="output")]


def solver_of(phases=PHASES):
    torch.manual_seed(0)
    return Solver(KovasznayViscosity(samples=30), MLP(12, 1, spread=2.0), phases)


def test_a_resumed_run_has_the_same_interval_bit_by_bit(train, tmp_path):
    whole = solver_of()
    trainer = train(whole)
    trainer.save_checkpoint(tmp_path / "whole.ckpt")
    expected = read(tmp_path / "whole.ckpt")["pinn"]["estimates"]
    assert set(expected) == {"nu"}
    assert expected["nu"]["value"] == whole.problem.nu.item()
    half = solver_of()
    train(half, max_steps=5).save_checkpoint(tmp_path / "half.ckpt")
    assert read(tmp_path / "half.ckpt")["pinn"]["estimates"] != expected
    again = solver_of()
    train(again, ckpt_path=tmp_path / "half.ckpt").save_checkpoint(tmp_path / "again.ckpt")
    assert read(tmp_path / "again.ckpt")["pinn"]["estimates"] == expected
    ended = solver_of()  # nothing is left to train: the interval is that of the checkpoint
    train(ended, ckpt_path=tmp_path / "whole.ckpt").save_checkpoint(tmp_path / "ended.ckpt")
    assert read(tmp_path / "ended.ckpt")["pinn"]["estimates"] == expected
    assert vars(load(tmp_path / "again.ckpt").estimates["nu"]) == expected["nu"]


def test_saving_an_interval_records_nothing_anew(train, tmp_path):
    solver = solver_of([Phase(5, "LevenbergMarquardt", train="output")])
    train(solver, callbacks=[Copies(every=1)])
    assert solver.solution.estimates
    regions, functions = 2, 2
    assert len(solver.objective.recorder.recordings) == regions * functions


def test_an_interval_belongs_to_least_squares_alone(train, tmp_path):
    train(solver_of([Phase(3)])).save_checkpoint(tmp_path / "adam.ckpt")
    assert read(tmp_path / "adam.ckpt")["pinn"]["estimates"] == {}
    contents = torch.load(tmp_path / "adam.ckpt")
    del contents["pinn"]["estimates"], contents["pinn"]["versions"]
    contents["pinn"]["format"] = 2
    torch.save(contents, tmp_path / "older.ckpt")
    assert load(tmp_path / "older.ckpt", trust_old=True).estimates == {}
