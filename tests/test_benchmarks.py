"""The harness of the benchmarks, as far as it needs no peer."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def load(monkeypatch):
    """Import a script of the benchmarks as they import one another."""
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), str(BENCHMARKS / "peers"), *sys.path])
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(BENCHMARKS) in str(getattr(sys.modules[name], "__file__", None)):
            del sys.modules[name]


@pytest.fixture
def case(load):
    step = load("step")
    return step.make_case(step.Size(depth=2, width=8, interior=32, boundary=12))


def results(**rows):
    return {"title": "a size", "flops": 2e9, "gflops": [90.0, 100.0], "rows": rows}


def row(seconds, loss=1.0, **more):
    return {"seconds": seconds, "loss": loss, "peak_mb": 12.3, "setup_mb": None, **more}


def test_flops_are_counted_by_hand(case):
    forward = 2 * (2 * 8 + 8 * 8 + 8 * 3)
    assert case.forward_flops == forward
    assert case.step_flops == (12 * 32 + 3 * 12) * forward


def test_a_case_survives_its_file(case, load, tmp_path):
    case.save(tmp_path / "case.npz")
    again = load("case").Case.load(tmp_path / "case.npz")
    for name in ("interior", "boundary", "velocity"):
        np.testing.assert_array_equal(getattr(again, name), getattr(case, name))
    for kept, given in zip(again.weights + again.biases, case.weights + case.biases, strict=True):
        np.testing.assert_array_equal(kept, given)


def loss_by_hand(case):
    """The loss in float64 from full Jacobians and Hessians."""
    weights = [torch.tensor(w, dtype=torch.float64) for w in case.weights]
    biases = [torch.tensor(b, dtype=torch.float64) for b in case.biases]

    def network(x):
        for weight, bias in zip(weights[:-1], biases[:-1], strict=True):
            x = torch.tanh(weight @ x + bias)
        return weights[-1] @ x + biases[-1]

    def equations(x):
        y, slopes = network(x), torch.func.jacrev(network)(x)
        curvature = torch.func.jacrev(torch.func.jacrev(network))(x)
        laplacian = torch.einsum("cii->c", curvature)
        momentum = slopes[:2] @ y[:2] + slopes[2] - laplacian[:2] / 40
        return momentum.square().sum() + (slopes[0, 0] + slopes[1, 1]) ** 2

    interior = torch.tensor(case.interior, dtype=torch.float64)
    boundary = torch.tensor(case.boundary, dtype=torch.float64)
    given = torch.func.vmap(network)(boundary)[:, :2] - torch.tensor(case.velocity)
    return float(torch.func.vmap(equations)(interior).mean() + given.square().sum(1).mean())


def test_the_nested_contestant_answers(case, load, tmp_path):
    case.save(tmp_path / "case.npz")
    with load("contestants").step_worker("nested", tmp_path / "case.npz") as worker:
        worker.send({"steps": 1})
        assert worker.receive()["versions"] == {"torch": torch.__version__}
        first = worker.receive(patience=60)
        later = worker.ask({"steps": 3})
        memory = worker.ask({"mark": True})
        worker.ask({"exit": True})
        assert worker.process.wait(timeout=10) == 0
    assert first["loss"] == pytest.approx(loss_by_hand(case), rel=1e-5)
    assert later["loss"] < first["loss"]
    assert 0 < later["seconds"] < 10
    assert memory["peak_mb"] is None or memory["peak_mb"] > 0
    assert not Path(worker.folder.name).exists()


@pytest.mark.slow
def test_our_contestant_minimises_the_same_loss(case, load, tmp_path):
    case.save(tmp_path / "case.npz")
    with load("contestants").step_worker("ours eager", tmp_path / "case.npz") as worker:
        worker.send({"steps": 1})
        assert "pinn" in worker.receive()["versions"]
        assert worker.receive()["loss"] == pytest.approx(loss_by_hand(case), rel=1e-5)
        assert worker.ask({"bare": 2})["seconds"] > 0


def test_a_contestant_that_fails_says_why(load, tmp_path):
    contestants = load("contestants")
    with (
        contestants.step_worker("nested", tmp_path / "missing.npz") as worker,
        pytest.raises(contestants.ContestantError, match=r"No such file.*missing\.npz"),
    ):
        worker.receive(patience=60)


def test_the_table_compares_with_ours(load):
    text = load("table").step_table(
        results(
            **{
                "ours eager": row([0.1, 0.3, 0.2]),
                "nested": row([0.5]),
                "pina": {"missing": "no environment"},
            }
        )
    )
    assert "| ours eager | 200.00 (100.00–300.00) | 1.00 | 10% | 12 | — |" in text
    assert "| nested | 500.00 (500.00–500.00) | 2.50 | 4% | 12 | — |" in text
    assert "| pina | missing: no environment | | | | |" in text
    assert "100 GFLOP/s" in text
    assert "WARNING" not in text


def test_the_overhead_is_a_median_of_pairs(load):
    line = load("table").overhead_line("ours", row([0.1], overhead=[5e-4, -9, 1e-4, 2e-4, 9]))
    assert "ours: 0.20 ms per step (middle half of 5 pairs: 0.10 to 0.50)" in line


@pytest.mark.parametrize(("loss", "warned"), [(1.00005, False), (1.0002, True), (np.nan, True)])
def test_another_loss_is_noticed(load, loss, warned):
    text = load("table").step_table(results(nested=row([0.5]), folx=row([0.5], loss=loss)))
    assert ("WARNING: the first loss of folx" in text) is warned


def test_a_wrong_name_is_refused(load):
    step = load("step")
    assert step.chosen("ours,nested", "cpu") == ["ours eager", "ours compiled", "nested"]
    with pytest.raises(SystemExit, match="unknown contestant 'pinna'"):
        step.chosen("pinna", "cpu")
