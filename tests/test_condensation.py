"""The few unknowns that their equations leave to patches in three dimensions."""

import math
from types import SimpleNamespace

import pytest
import torch
from condensing import TWICE, steps, system_of
from test_resume_cli import equal
from test_rounds import newest, solve

from pinn import Interval, Problem, dt, laplacian, on
from pinn.geometry import Rectangle
from pinn.networks import Patches, Polynomials
from pinn.networks.layout import Layout
from pinn.objective.alone import REGION, Alone
from pinn.objective.local_least_squares import LocalLeastSquares
from pinn.objective.objective import Objective
from pinn.objective.sites import thinned
from pinn.optim import condensation
from pinn.optim.condensation import Condensed, basis_of, condensed, largest_eigenvalue, lowest
from pinn.problems import Continuity, Kovasznay, TaylorGreen2D
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution
from pinn.training.effort import condensed_effort, effort
from pinn.training.options import Facts
from pinn.training.rounds import Rounds

pytestmark = pytest.mark.usefixtures("double_precision")

# --- a patch alone


@pytest.mark.parametrize("problem", [Continuity(), TaylorGreen2D(sides="residual")])
def test_the_rows_of_a_patch_alone_are_those_of_one_patch_in_its_place(problem):
    system = system_of(problem, 4, fill=0.1)
    apart = Alone(system)
    (seen, J, r), patch = list(apart.by_patch())[5], 5
    network = next(iter(system.networks.values()))
    lower, upper = (side[patch].tolist() for side in network.layout.boxes().support)
    solution = Solution(problem, Patches(None, Polynomials(4))).double()
    for name, own in solution.networks.items():
        own.lay(Layout(lower, upper), system.networks[name].output.weight.shape[1])
        with torch.no_grad():
            own.output.weight.copy_(system.networks[name].output.weight[patch : patch + 1])
    one = LocalLeastSquares(Objective(solution, plan_regions(solution)))
    one.place({**system.points, REGION: apart.points_of(patch)}, system.weights)
    placed = {REGION: one.placed[REGION]}
    one.placed = placed
    ((_, expected, rows),) = one.grouped()
    # the weights of a region's points have mean 1 over all patches there, and over this one here
    factor = rows.norm() / r.norm()
    torch.testing.assert_close(r * factor, rows)
    torch.testing.assert_close(J * factor, expected)
    assert seen == apart.blocks_of(patch)


def test_a_part_beside_what_is_open_that_is_rounding_is_no_unknown():
    """Processes that add up in another order would go on with other unknowns."""
    _, J, r = list(Alone(system_of(TaylorGreen2D(sides="residual"), 4, fill=0.1)).by_patch())[5]
    basis = condensation.own_basis(J, torch.zeros_like(r), 0)
    assert not basis[:, -1].any()
    generator = torch.Generator().manual_seed(0)
    open_ones = torch.randn(basis.shape[1], generator=generator, dtype=torch.float64)
    again = condensation.own_basis(J, J @ (basis @ open_ones), 0)
    assert not again[:, -1].any()
    assert condensation.own_basis(J, r, 0)[:, -1].any()


def test_flat_domains_and_single_patches_take_all_unknowns():
    flat = system_of(Kovasznay(), 4, {"x": 2, "y": 2})
    single = system_of(Continuity(), 4, {})
    assert condensed(flat) is flat
    assert condensed(single) is single
    assert isinstance(condensed(system_of(Continuity(), 4)), Condensed)


class Diffusivity(Problem):
    """∂u/∂t = κ Δu with κ trained."""

    coordinates = ("x", "y", "t")
    unknowns = {"u": 1}

    def __init__(self):
        super().__init__(Rectangle(x=(0.0, 1.0), y=(0.0, 1.0), time=(0.0, 1.0)))
        self.kappa = torch.nn.Parameter(torch.tensor(0.5))

    @on("interior")
    def diffusion(self, u):
        """∂u/∂t − κ Δu."""
        return dt(u) - self.kappa * laplacian(u)

    @on("initial")
    def initial(self, u, x):
        """u − x."""
        return u - x


def test_equations_with_a_trained_coefficient_do_not_settle_a_patch():
    system = system_of(Diffusivity(), 4)
    assert condensed(system) is system


def test_two_networks_are_combined_patch_by_patch():
    problem = TaylorGreen2D(sides="residual")
    networks = {
        "u": Patches(TWICE, Polynomials(4)),
        "p": Patches(TWICE, Polynomials(4)),
    }
    solution = Solution(problem, networks).double()
    objective = Objective(solution, plan_regions(solution))
    system, rounds = LocalLeastSquares(objective), Rounds(solution, 1e-3)
    weights = dict.fromkeys(objective.order, 1.0)
    system.place({region: rounds.points(region) for region in objective.plans}, weights)
    few = condensed(system)
    assert few.owners == [(patch, 8 + patch) for patch in range(8)]
    step = torch.randn(sum(few.sizes()), generator=torch.Generator().manual_seed(1))
    first = few.expanded(step)[: system.sizes()[0]]
    expected = few.bases[0][: len(first)] @ step[: few.sizes()[0]]
    torch.testing.assert_close(first, expected)


# --- the unknowns that are left


def symmetric(values):
    """A matrix with such eigenvalues, its Cholesky factor, and its eigenvectors."""
    n, generator = len(values), torch.Generator().manual_seed(0)
    Q = torch.linalg.qr(torch.randn(n, n, generator=generator)).Q
    squares = (Q * values) @ Q.T
    squares = (squares + squares.T) / 2 + 1e-13 * torch.eye(n)
    return squares, torch.linalg.cholesky(squares), Q


def test_the_largest_eigenvalue_is_found_by_powers():
    squares, *_ = symmetric(torch.logspace(-12, 0, 100))
    assert float(largest_eigenvalue(squares)) == pytest.approx(1.0, rel=0.05)


GAP = torch.cat([torch.logspace(-13, -9, 30), torch.logspace(-2, 0, 90)])
CLOSE = torch.logspace(-6, 0, 120)


@pytest.mark.parametrize("values", [GAP, CLOSE], ids=["gap", "close"])
@pytest.mark.parametrize("guess", [0, 40, 120])
def test_the_lowest_eigenvectors_are_found(values, guess, monkeypatch):
    squares, root, Q = symmetric(values)
    made = []
    one = condensation.inverse_iteration
    monkeypatch.setattr(
        condensation, "inverse_iteration", lambda *given: made.append(given[3]) or one(*given)
    )
    found = lowest(squares, root, torch.tensor(1e-3), guess)
    low = Q[:, values < 2e-4]  # those at the threshold may be left out
    missed = low - found @ (found.T @ low)
    if values is CLOSE:
        assert 40 <= found.shape[1] <= 60
        assert float(missed.norm(dim=0).max()) < 0.2
    else:
        assert (len(made) > 0) == (guess < 72)  # by a block, which grows where it is too small
        assert found.shape[1] == 30
        assert float(missed.norm()) < 1e-6


@pytest.mark.parametrize("value", [0.0, math.inf, math.nan])
def test_equations_that_say_nothing_leave_all_unknowns(value):
    rows = torch.full((9, 4), value)
    assert torch.equal(basis_of(rows, rows[:, 0], 0), torch.eye(4))


class Decay(Problem):
    """∂u/∂t = κ ∂²u/∂x² with κ as a coordinate:  u = e^{−κπ²t} sin πx."""

    coordinates = ("x", "kappa", "t")
    unknowns = {"u": 1}

    def __init__(self):
        super().__init__(Interval(x=(0, 1), time=(0, 1)).with_ranges({"kappa": (0.1, 0.3)}))

    @on("interior")
    def diffusion(self, u, kappa):
        """∂u/∂t − κ ∂²u/∂x²."""
        return dt(u) - kappa * laplacian(u)

    @on("initial")
    def initial(self, u, x):
        """u − sin πx."""
        return u - torch.sin(math.pi * x)

    @on("boundary")
    def ends(self, u):
        """u."""
        return u


REACHED = {
    "continuity": (Continuity(), TWICE, None),
    "a time that ends early": (Continuity(), TWICE | {"t": [0.15]}, 0.3),
    "Taylor-Green": (TaylorGreen2D(sides="residual"), TWICE, None),
    "a parameter": (Decay(), {"x": 2, "kappa": 2, "t": 2}, None),
}


@pytest.mark.parametrize("case", REACHED)
def test_few_unknowns_reach_what_all_reach_three_degrees_lower(case):
    problem, grid, until = REACHED[case]
    degree, given = 8, {"grid": grid, "until": until}
    (*_, few), optimizer = steps(system_of(problem, degree, **given), 1)
    (*_, lower), _ = steps(system_of(problem, degree - 3, **given), 1, condenses=False)
    (*_, all_of_them), _ = steps(system_of(problem, degree, **given), 1, condenses=False)
    model = optimizer.model
    assert model.unknowns < 0.5 * model.system.length
    assert all_of_them <= few < lower


def test_a_linear_step_decreases_the_loss_as_it_has_promised():
    _, optimizer = steps(system_of(Continuity(), 6, fill=0.1), 1)
    assert optimizer.past["gain"] == pytest.approx(1.0, abs=1e-6)


def test_a_step_is_made_of_the_combinations():
    whole = system_of(TaylorGreen2D(sides="residual"), 4, fill=0.1)
    few = condensed(whole)
    step = torch.randn(sum(few.sizes()), generator=torch.Generator().manual_seed(1))
    delta = few.expanded(step)
    assert few.row_counts() == whole.row_counts()
    spread = [whole.spread(seen, J) @ delta for seen, J, _ in whole.grouped()]
    starts = torch.tensor([0, *few.sizes()]).cumsum(0).tolist()
    parts = []
    for seen, J, _ in few.grouped():
        parts.append(J @ torch.cat([step[starts[n] : starts[n + 1]] for n in seen]))
    torch.testing.assert_close(torch.cat(parts), torch.cat(spread))


def test_a_step_takes_less_than_with_all_unknowns():
    layout = system_of(Continuity(), 4, {"x": 4, "y": 4, "t": 4}).networks
    layout = next(iter(layout.values())).layout
    whole, few = effort(layout, 969, 1938), condensed_effort(layout, 969, 1938, 0.2)
    assert few.operations < whole.operations / 5
    assert few.memory < whole.memory / 5


@pytest.mark.parametrize("left", [1.0, 0.2])
def test_a_round_is_counted_as_it_is_solved(left):
    solution = Solution(Continuity(), Patches(TWICE, Polynomials(4))).double()
    network = next(iter(solution.networks.values()))
    facts = SimpleNamespace(left=left, outputs=1, rows=lambda degrees: 400, degrees=(4, 4, 4))
    found = Facts.effort(facts, network.layout, (4, 4, 4))
    given = network.layout, 35, 400
    assert found == (effort(*given) if left == 1 else condensed_effort(*given, left))


# --- in a run


def test_a_run_in_three_dimensions_resumes_bit_for_bit(tmp_path):
    goal = {"problem": Continuity(), "accuracy": 5e-2}
    solve(tmp_path / "whole", **goal)
    whole = newest(tmp_path / "whole")
    solve(tmp_path / "part", max_steps=1, **goal)
    solve(tmp_path / "part", resume="auto", **goal)
    assert equal(newest(tmp_path / "part")["state_dict"], whole["state_dict"])
    assert whole["pinn"]["rounds"]["outcomes"][-1]["patches"] > 1


def test_fewer_points_are_spread_evenly_over_the_groups():
    placed = system_of(Continuity(), 4).placed[REGION]
    few = thinned(placed, 100)
    assert 50 <= len(few.points) <= 100
    assert sum(few.sizes) == len(few.points)
    assert thinned(placed, 10**6) is placed
    every = math.ceil(len(placed.points) / 100)
    assert torch.equal(few.points.at, placed.points.at[::every])
    members = placed.members(placed.sites[0])[::every]
    assert torch.equal(few.members(few.sites[0]), members[:, : few.members(few.sites[0]).shape[1]])
