"""Point sets of the unit cube and their seeds."""

import random

import numpy as np
import pytest
import torch
from scipy.stats import qmc

from pinn.geometry.sampling import DRAWN, apportion, gauss_points, stream_seed, unit_points

STREAM_SEED = 3653268182142366564


@pytest.mark.parametrize("method", DRAWN)
@pytest.mark.parametrize(("n", "d"), [(1, 1), (100, 2), (1000, 4)])
def test_points_lie_in_the_open_cube(method, n, d):
    points = unit_points(n, d, method, seed=5)
    assert points.shape == (n, d)
    assert points.dtype == torch.float64
    assert ((points > 0) & (points < 1)).all()


def test_gauss_points_integrate_polynomials():
    points, weights = gauss_points(4, 2)
    assert points.shape == (16, 2)
    assert float(weights.mean()) == pytest.approx(1)
    found = (weights * points[:, 0] ** 7 * points[:, 1] ** 6).mean()
    assert float(found) == pytest.approx(1 / 8 / 7, rel=1e-13)


@pytest.mark.parametrize("method", DRAWN)
def test_zero_dimensions_give_empty_rows(method):
    assert unit_points(7, 0, method, seed=0).shape == (7, 0)


@pytest.mark.parametrize("method", DRAWN)
def test_the_seed_decides(method):
    first = unit_points(50, 3, method, seed=1)
    assert torch.equal(first, unit_points(50, 3, method, seed=1))
    assert not torch.equal(first, unit_points(50, 3, method, seed=2))


@pytest.mark.parametrize("method", DRAWN)
def test_global_random_states_are_untouched(method):
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    unit_points(64, 2, method, seed=3)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]
    assert random.getstate() == before[2]


def test_latin_hypercube_puts_one_point_in_each_slice():
    n = 60
    slices = (unit_points(n, 3, "lhs", seed=9) * n).floor().long()
    for axis in range(3):
        assert slices[:, axis].sort().values.tolist() == list(range(n))


def test_sobol_covers_better_than_uniform():
    def discrepancy(method: str, seed: int) -> float:
        return float(qmc.discrepancy(unit_points(256, 2, method, seed).numpy()))

    worst_sobol = max(discrepancy("sobol", seed) for seed in range(5))
    best_uniform = min(discrepancy("uniform", seed) for seed in range(5))
    assert worst_sobol < 0.2 * best_uniform


@pytest.mark.parametrize("method", DRAWN)
def test_the_mean_of_a_smooth_function_is_right(method):
    points = unit_points(4096, 2, method, seed=0)
    mean = torch.exp(points).prod(-1).mean().item()
    assert mean == pytest.approx((np.e - 1) ** 2, rel=0.03)


def test_large_seeds_are_accepted():
    for method in DRAWN:
        assert unit_points(4, 2, method, seed=2**63 - 1).shape == (4, 2)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0, 2, "sobol", 0), "cannot draw 0 points"),
        ((3, -1, "sobol", 0), "in -1 dimensions"),
        ((3, 1, "unifrom", 0), "unknown sampling method 'unifrom': did you mean 'uniform'"),
    ],
)
def test_bad_requests(arguments, text):
    with pytest.raises(ValueError, match=text):
        unit_points(*arguments)


def test_stream_seeds_do_not_collide():
    seeds = {
        stream_seed(seed, step, rank, region)
        for seed in range(6)
        for step in range(50)
        for rank in range(4)
        for region in ("interior", "left", "right", "1", "11")
    }
    assert len(seeds) == 6 * 50 * 4 * 5
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(seeds) > 2**62  # all 63 bits are in use


def test_stream_seeds_never_change():
    # A checkpoint continues bitwise only if these numbers stay what they are.
    assert stream_seed(0, 0, 0, "interior") == STREAM_SEED
    assert stream_seed(np.int64(0), 0, 0, "interior") == STREAM_SEED


@pytest.mark.parametrize(
    ("n", "weights", "expected"),
    [
        (10, [1.0, 1.0, 1.0], [4, 3, 3]),
        (1, [0.2, 0.5, 0.3], [0, 1, 0]),
        (5, [0.1, 0.1, 0.1], [2, 2, 1]),
        (7, [2.0, 1.0], [5, 2]),
        (3, [1e-12, 1.0], [0, 3]),
    ],
)
def test_apportion(n, weights, expected):
    assert apportion(n, weights) == expected


def test_apportion_is_exact_and_fair():
    generator = np.random.default_rng(0)
    for n in range(1, 200):
        weights = generator.uniform(0.01, 5.0, size=generator.integers(1, 8)).tolist()
        counts = apportion(n, weights)
        assert sum(counts) == n
        for count, weight in zip(counts, weights, strict=True):
            assert abs(count - n * weight / sum(weights)) < 1
