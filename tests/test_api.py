"""From Python: problem in, solution out."""

import pytest
import torch

import pinn
from pinn.checkpoints.file import CheckpointError
from pinn.checkpoints.names import newest_first
from pinn.networks import MLP
from pinn.optim import Phase
from pinn.problems import Kovasznay, Poisson
from pinn.solution.solution import Solution

POINTS = {"interior": 100, "boundary": 40}
CPU = {"accelerator": "cpu"}


def fit(folder, problem=None, phases=(), points=None, **settings):
    problem, phases = problem or Poisson(), list(phases) or [Phase(3)]
    network = MLP(10, 2)
    points = points or {"interior": 16, "boundary": 8}
    return pinn.fit(problem, network, phases, points, folder=folder, **{**CPU, **settings})


def only(folder):
    (run,) = folder.glob("*/*")
    return run


def weights(solution):
    return torch.cat([p.detach().flatten() for p in solution.parameters()])


def test_poisson_is_solved(tmp_path, capsys):
    phases = [Phase(100, lr=0.01), Phase(10, "LBFGS", dtype="float64")]
    solution = fit(tmp_path, phases=phases, points=POINTS, weights={"boundary": 100.0})
    assert isinstance(solution, Solution)
    assert not solution.training
    at = solution.problem.geometry.grid(21)
    exact = torch.sin(torch.pi * at[:, 0]) * torch.sin(torch.pi * at[:, 1])
    error = (solution(at)["u"] - exact).norm() / exact.norm()
    assert error < 0.01
    out = capsys.readouterr().out
    assert "strategy  taylor" in out
    assert "110 steps in" in out
    assert "error of u" in out

    run = only(tmp_path)
    assert run.parent.name == "poisson"
    assert f"files: {run}" in out
    kept = newest_first(run / "checkpoints")
    assert [path.name for path in kept] == ["step-0000110.ckpt", "step-0000100.ckpt"]
    assert torch.equal(pinn.load(kept[0])(at)["u"], solution(at)["u"])
    assert list(run.glob("events.*"))


def test_the_seed_decides(tmp_path):
    first, again = fit(tmp_path, seed=3), fit(tmp_path, seed=3)
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(fit(tmp_path, seed=4)))
    assert len(list(tmp_path.glob("poisson/*"))) == 3


def test_init_from_starts_from_saved_weights(tmp_path):
    first = fit(tmp_path / "a", phases=[Phase(30, lr=0.01)])
    path = newest_first(only(tmp_path / "a") / "checkpoints")[0]
    still = [Phase(1, lr=1e-12)]
    second = fit(tmp_path / "b", phases=still, seed=5, init_from=path)
    torch.testing.assert_close(weights(second), weights(first), rtol=0, atol=1e-9)
    newest = newest_first(only(tmp_path / "b") / "checkpoints")[0]
    assert newest.name == "step-0000001.ckpt"
    with pytest.raises(CheckpointError, match="does not fit Kovasznay: networks"):
        fit(tmp_path / "c", problem=Kovasznay(), init_from=path)


def test_settings_of_the_trainer(tmp_path):
    fit(tmp_path, phases=[Phase(9)], max_steps=4)
    assert newest_first(only(tmp_path) / "checkpoints")[0].name == "step-0000004.ckpt"


def test_strategy_and_points_are_passed_on(tmp_path):
    solution = fit(tmp_path, derivatives="loop", method="uniform", resample=2)
    assert solution.strategy == {"all": "loop"}
    saved = torch.load(newest_first(only(tmp_path) / "checkpoints")[0], weights_only=True)["pinn"]
    assert saved["data"] == {
        "points": {"interior": 16, "boundary": 8},
        "method": "uniform",
        "resample": 2,
        "adapt": False,
        "held_out": 2000,
        "seed": 0,
    }


def test_no_advice_from_third_parties(tmp_path, capfd):
    fit(tmp_path)
    out, err = capfd.readouterr()
    assert err == ""
    assert not any(word in out for word in ("Tip", "GPU", "Seed"))


def test_without_phases_a_drawn_network_is_solved_by_least_squares(tmp_path, capsys):
    network = MLP(250, 1, spread=2.0)
    points = {"interior": 400, "boundary": 80}
    solution = pinn.fit(Poisson(), network, None, points, method="gauss", folder=tmp_path, **CPU)
    at = solution.problem.geometry.grid(21)
    exact = torch.sin(torch.pi * at[:, 0]) * torch.sin(torch.pi * at[:, 1])
    assert (solution(at)["u"] - exact).norm() < 1e-4 * exact.norm()
    assert (
        "phases    LevenbergMarquardt 50 steps or 5 steps without progress float64"
        in capsys.readouterr().out
    )
