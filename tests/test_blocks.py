"""Sparse least squares: factors of blocks give what dense ones give, at a cost that is linear."""

from itertools import pairwise
from random import Random

import pytest
import torch
from sparse import Bent, Sparse, cells, spread
from test_factor import Linear, Products, close, defined
from torch import nn

from pinn.base.costs import Count
from pinn.objective.chunks import InsufficientMemoryError
from pinn.optim import LevenbergMarquardt, elimination, linear_model
from pinn.optim.block_budget import BlockBudget
from pinn.optim.block_factor import BlockFactor
from pinn.optim.block_gram import BlockGram, eliminated
from pinn.optim.budget import Budget
from pinn.optim.gram import Gram
from pinn.optim.grouped_rows import GroupedRows
from pinn.optim.linear_model import LinearModel
from pinn.optim.ordering import graph_of, orders
from pinn.optim.structure import structure_of
from pinn.optim.system import JacobianRows


def random_groups(seed, most=4):
    """Sizes, groups and rows without any order."""
    choose = Random(seed)
    sizes = [choose.randint(1, 5) for _ in range(30)]
    groups = [sorted(choose.sample(range(30), choose.randint(1, most))) for _ in range(40)]
    return sizes, [tuple(seen) for seen in groups], [choose.randint(1, 12) for _ in groups]


PROBLEMS = {
    "chain": lambda: Sparse([3, 5, 2, 4, 3, 6, 1], cells(7), [9] * 6),
    "grid": lambda: Sparse([4] * 20, cells(4, 5), [7] * 12, at_a_time=3),
    "grid, wide": lambda: Sparse([4] * 20, cells(4, 5), [2] * 12),
    "space": lambda: Sparse([3] * 27, cells(3, 3, 3), [20] * 8),
    "ring": lambda: Sparse([3] * 24, cells(12, 2, wraps=True), [8] * 12),
    "hole": lambda: Sparse([3] * 25, [g for g in cells(5, 5) if 12 not in g] + [(12,)], [7] * 13),
    "border": lambda: Sparse([4] * 12 + [2], [(*g, 12) for g in cells(12)], [9] * 11),
    "several in a group": lambda: Sparse([4] * 6, cells(6) * 2 + [(0,), (5,)], [3] * 12),
    "unconnected": lambda: Sparse([3] * 8, [*cells(4), (5, 6), (7,)], [5] * 5),
    "nothing seen": lambda: Sparse([3] * 4, [*cells(4), ()], [5, 5, 5, 2]),
    "random": lambda: Sparse(*random_groups(0), seed=1),
    "random, sparser": lambda: Sparse(*random_groups(1, most=2), seed=2),
    "all seen": lambda: Sparse([3] * 4, [(0, 1, 2, 3)], [20]),
}


@pytest.fixture(params=[True, False], ids=["merged", "single"])
def fronts(request, monkeypatch):
    """Fronts as they are merged, and one per block."""
    if not request.param:
        monkeypatch.setattr(elimination, "effort", lambda pivots, border: pivots)


def both(system):
    """The factors of blocks."""
    r = system.residuals()
    rows = GroupedRows(system, r, structure_of(system, sum(system.sizes())), keeps=True)
    return BlockGram(rows), BlockFactor(rows)


@pytest.mark.usefixtures("fronts", "same_scale")
@pytest.mark.parametrize("damping", [1.0, 1e-3])
@pytest.mark.parametrize("name", PROBLEMS)
def test_every_way_solves_what_is_defined(name, damping):
    system = PROBLEMS[name]()
    J, r = system.dense(), system.residuals()
    delta, decrease = defined(J, r, damping)
    for form in both(system):
        found, predicted = form.solve(damping)
        assert close(found, delta, 1e-10)
        assert close(predicted, decrease, 1e-10)


@pytest.mark.usefixtures("fronts", "same_scale")
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_factor_is_that_of_the_dense_matrix(name):
    system = PROBLEMS[name]()
    J, r = system.dense(), system.residuals()
    form, _ = both(system)
    dense = Gram(JacobianRows(Linear(J, r), r, J.shape[1], len(r), len(r)))
    form.solve(1e-3)
    dense.solve(1e-3)
    assert torch.allclose(form.scale, dense.scale, rtol=1e-14)
    right = torch.sin(torch.arange(len(r), dtype=torch.float64))
    assert close(form.again(right), dense.again(right), 1e-11)
    steps = torch.cos(torch.arange(2.0 * J.shape[1], dtype=torch.float64)).view(-1, 2)
    two = torch.stack([right, r], 1)
    for own in (form, dense):
        expected = torch.stack([own.again(c) for c in (two + J @ steps).unbind(1)], 1)
        assert close(own.after(two, steps), expected, 1e-10)
    order = torch.cat([own for own, _ in form.indices])
    permuted = dense.matrix[order][:, order] + 1e-3 * torch.eye(len(order), dtype=torch.float64)
    L = torch.zeros_like(permuted)
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order))
    for (own, border), (root, below) in zip(form.indices, form.panels, strict=True):
        L[place[own][:, None], place[own]] = root
        L[place[border][:, None], place[own]] = below
    assert close(L @ L.T, permuted, 1e-14)
    assert not L.triu(1).any()


def test_a_block_that_nobody_sees_is_left_alone():
    system = PROBLEMS["unconnected"]()
    for form in both(system):
        found, _ = form.solve(1e-6)
        assert bool(found.isfinite().all())
        assert not found[12:15].any()


def nearly_dependent(condition):
    """Blocks whose columns are nearly dependent within each group of rows."""
    system = Sparse([8] * 9, cells(3, 3), [60] * 4)
    powers = torch.logspace(0, -torch.tensor(condition).log10().item(), 8, dtype=torch.float64)
    mix = torch.linalg.qr(torch.randn(8, 8, dtype=torch.float64))[0]
    for number, J in enumerate(system.J):
        system.J[number] = ((J.view(60, 4, 8) * powers) @ mix).view(60, 32)
    x = torch.ones(72, dtype=torch.float64)
    system.r = list((-system.dense() @ x).split(60))
    return system


@pytest.mark.usefixtures("same_scale")
def test_orthogonal_factors_keep_the_digits_that_squares_lose():
    system = nearly_dependent(1e10)
    J, r = system.dense(), system.residuals()
    assert torch.linalg.cond(J) > 1e9
    squared, exact = both(system)

    def left(form, damping):
        found, decrease = form.solve(damping)
        return float((r + J @ found).norm() / r.norm()) if decrease.isfinite() else torch.inf

    assert left(exact, 1e-26) < 1e-10
    assert left(squared, 1e-26) > 1e3 * left(exact, 1e-26)
    assert close(exact.solve(1e-18)[0], defined(J, r, 1e-18)[0], 1e-6)


@pytest.mark.parametrize("border", [0, 5])
@pytest.mark.parametrize("pivots", [3, 8, 20])
def test_columns_are_eliminated_a_few_at_a_time(pivots, border, monkeypatch):
    monkeypatch.setattr("pinn.optim.block_gram.PIVOTS", pivots)
    monkeypatch.setattr("pinn.optim.block_gram.STRIPE", 4)
    A = torch.randn(
        13 + border, 40, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    matrix = A @ A.T
    columns = matrix[:, :13].clone()
    failures = eliminated(columns)
    expected = torch.linalg.cholesky(matrix)[:, :13]
    torch.testing.assert_close(columns[:13].tril(), expected[:13])
    torch.testing.assert_close(columns[13:], expected[13:])
    assert not any(map(bool, failures))
    columns = -matrix[:, :13].clone()
    assert any(map(bool, eliminated(columns)))


def test_a_failed_cholesky_says_so_and_qr_takes_its_place(monkeypatch):
    monkeypatch.setattr(linear_model, "SAFETY", 0.0)
    system = Sparse([2, 2, 2], [(0, 1), (1, 2)], [6, 6])
    system.J = [torch.ones_like(J) for J in system.J]
    r = system.residuals()
    model = LinearModel(system, r, budget(system), len(r))
    first, second = model.minima(1e-30)
    assert first.facts.tolist()[1:] == [0.0, 1.0]
    assert not first.delta.any()
    assert second.facts.tolist()[1:] == [1.0, 1.0]
    assert bool(second.delta.isfinite().all())


def budget(system, given=1e12):
    structure = structure_of(system, sum(system.sizes()))
    return BlockBudget(structure, len(system.residuals()), given)


@pytest.mark.usefixtures("same_scale")
def test_rows_that_do_not_fit_are_asked_for_again():
    system = PROBLEMS["grid"]()
    J, r = system.dense(), system.residuals()
    roomy, tight = budget(system), budget(system, budget(system).held - 1)
    assert roomy.keeps
    assert roomy.has_room_for_factor
    assert not tight.keeps
    assert not tight.has_room_for_factor
    for room, asked in ((roomy, 1), (tight, 3)):
        system.asked = 0
        model = LinearModel(system, r, room, len(r))
        delta = next(model.minima(1e-2)).delta
        assert close(delta, defined(J, r, 1e-2)[0], 1e-10)
        curvature = 1e-3 * r
        expected = delta + defined(J, curvature, 1e-2)[0] / 2
        assert close(model.bent(delta, curvature, 0.0), expected, 1e-10)
        assert close(model.rows.times(delta), J @ delta, 1e-12)
        assert system.asked == asked


def test_the_memory_is_counted_before_it_is_taken():
    system = PROBLEMS["grid"]()
    theta = nn.Parameter(torch.zeros(80, dtype=torch.float64))
    optimizer = LevenbergMarquardt([theta], memory=1e-5)
    optimizer.system = system
    with pytest.raises(InsufficientMemoryError) as refused:
        optimizer.step()
    (line,) = str(refused.value).splitlines()
    needed = f"needs {budget(system).least / 1e9:.3g} GB"
    for part in (needed, "80 parameters in 20 blocks", "84 residuals", "1.07e-05 GB"):
        assert part in line
    assert system.asked == 0


def test_no_more_is_taken_than_was_counted():
    system = Sparse([40] * 24, cells(4, 6), [90] * 15)
    r, room = system.residuals(), budget(system)
    for make, damping, most in (
        (BlockGram, 1e-3, room.least),
        (BlockFactor, 1e-20, 8 * room.structure.orthogonal),
    ):
        rows = GroupedRows(system, r, room.structure, keeps=make is BlockFactor)
        list(rows)
        with Count() as tally:
            make(rows).solve(damping)
        assert 0.4 * most < tally.peak <= most


def test_blocks_that_are_not_those_of_the_parameters_are_refused():
    optimizer = LevenbergMarquardt([nn.Parameter(torch.zeros(79, dtype=torch.float64))])
    optimizer.system = PROBLEMS["grid"]()
    with pytest.raises(ValueError, match="the blocks have 80 parameters, expected 79"):
        optimizer.step()


# --- the order of elimination


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_order_has_every_block_once(name):
    system = PROBLEMS[name]()
    count = len(system.sizes())
    for order in orders(graph_of(count, system.groups()), system.sizes()):
        assert sorted(order) == list(range(count))
    tree = elimination.elimination(system.sizes(), system.groups())
    for number, front in enumerate(tree.fronts):
        assert all(child < number for child in front.children)
        for child in front.children:
            assert set(tree.fronts[child].border) <= set(front.blocks)
    for seen in filter(None, system.groups()):
        assert set(seen) <= set(tree.fronts[tree.first(seen)].blocks)


def test_a_block_that_all_see_is_eliminated_last():
    system = PROBLEMS["border"]()
    assert elimination.elimination(system.sizes(), system.groups()).fronts[-1].pivots[-1] == 12


def test_cost_and_memory_grow_linearly_along_the_longest_axis():
    trees = [elimination.elimination([50] * 4 * n, cells(n, 4)) for n in (10, 20, 40, 80)]
    for what in ("operations", "numbers"):
        counts = [getattr(tree, what) for tree in trees]
        steps = [b - a for a, b in pairwise(counts)]
        assert steps[1] == pytest.approx(2 * steps[0], rel=0.15)
        assert steps[2] == pytest.approx(2 * steps[1], rel=0.15)
    # L of n columns, 5 blocks below each; and a band's, twice that for a front per column
    assert trees[-1].operations < 2 * 16_000 * 250**2
    assert trees[-1].working < 4 * 500**2


def test_the_products_that_are_computed_grow_linearly_too():
    flops = []
    for n in (10, 20, 40):
        system = Sparse([20] * 4 * n, cells(n, 4), [60] * 3 * (n - 1))
        rows = GroupedRows(system, system.r[0], structure_of(system, 80 * n), keeps=True)
        with Products() as counted:
            BlockGram(rows).solve(1e-3)
        flops.append(counted.flops)
    (first, second) = (b - a for a, b in pairwise(flops))
    assert second == pytest.approx(2 * first, rel=0.15)


def test_dissection_takes_less_for_a_square():
    sizes, groups = [100] * 900, cells(30, 30)
    band = 90_000 * 3_200**2  # of rows of patches
    assert elimination.elimination(sizes, groups).operations < 0.5 * band


def test_200_000_unknowns_fit_into_20_gib():
    groups = cells(100, 10)
    system = Sparse([1] * 1000, groups, [1] * len(groups))
    system._sizes, system._counts = (200,) * 1000, (450,) * len(groups)
    room = BlockBudget(structure_of(system, 200_000), 450 * len(groups), 20 * 2**30)
    assert room.keeps
    assert room.has_room_for_factor


# --- a whole run


class Whole:
    """The same residuals as a dense problem."""

    def __init__(self, system):
        self.system, self.residuals = system, system.residuals

    def blocks(self):
        for seen, J, r in self.system.grouped():
            yield spread(J, seen, self.system.sizes()), r


@pytest.mark.usefixtures("same_scale")
@pytest.mark.parametrize("safety", [linear_model.SAFETY, 1e30])
def test_a_whole_run_is_that_of_the_dense_problem(monkeypatch, safety):
    monkeypatch.setattr(linear_model, "SAFETY", safety)
    thetas = []
    for wrapped in (lambda system: system, Whole):
        system = Bent([4] * 20, cells(4, 5), [9] * 12)
        optimizer = LevenbergMarquardt([system.theta], memory=1.0)
        optimizer.system = wrapped(system)
        losses = [optimizer.step() for _ in range(6)]
        assert losses[-1] < 0.9 * losses[0]
        thetas.append(system.theta.detach().clone())
    assert close(*thetas, 1e-9)


def test_a_system_of_one_block_takes_the_dense_forms():
    system = Sparse([6], [(0,)], [20])
    system.blocks = lambda: zip(system.J, system.r, strict=True)
    theta = nn.Parameter(torch.zeros(6, dtype=torch.float64))
    optimizer = LevenbergMarquardt([theta])
    optimizer.system = system
    optimizer.step()
    assert isinstance(optimizer.room, Budget)
    assert system.asked == 0


def test_rows_of_other_points_are_counted_anew():
    system = Bent([4] * 6, cells(6), [9] * 5)
    optimizer = LevenbergMarquardt([system.theta], memory=1.0)
    optimizer.system = system
    optimizer.step()
    before = optimizer.room
    optimizer.step()
    assert optimizer.room is before
    optimizer.system = other = Bent([4] * 6, cells(6, wraps=True), [9] * 6)
    other.theta = system.theta
    optimizer.step()
    assert {seen for seen, _ in optimizer.room.structure.shares[0]} == set(other.groups())
