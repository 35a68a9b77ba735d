"""Two processes on the CPU: one loss, one set of weights, one voice."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from condensing import condensed_steps
from conftest import QUIET
from lightning import Trainer
from quadrature import answers, sensors
from sparse import CASES as SPARSE
from sparse import sparse_steps
from test_levenberg_marquardt import CASES, four_steps

from pinn.base.console import quiet
from pinn.callbacks import Checkpoints
from pinn.checkpoints.file import read
from pinn.checkpoints.names import newest_first
from pinn.checkpoints.writing import AtomicCheckpointIO
from pinn.geometry import Points
from pinn.networks import MLP
from pinn.objective.least_squares import LeastSquares
from pinn.objective.losses import residual_losses
from pinn.objective.objective import Objective
from pinn.optim import LevenbergMarquardt, Phase
from pinn.problems import Kovasznay, KovasznayViscosity
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution
from pinn.training.collocation import Collocation
from pinn.training.loss_weights import Balance
from pinn.training.solver import Solver

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
TWO = ["--trainer.devices", "2", "--trainer.accelerator", "cpu"]


def finish(folder, *command):
    """Run a command in a folder, its errors with its output."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    return done.returncode, done.stdout


def test_a_shipped_configuration_runs_on_two_processes_until_a_signal(tmp_path):
    stop = "[{class_path: stop_at.StopAt, init_args: {step: 13}}]"
    few = ["--model.phases", "[{optimizer: Adam, steps: 50}]", "--data.points", "{interior: 100}"]
    few += ["--data.method", "gauss", "--model.network.width", "24", "--data.held_out", "100"]
    call = ["-m", "pinn", "--config", ROOT / "configs" / "navier_stokes", *few, *TWO]
    code, said = finish(tmp_path, *call, "--allow_import", "stop_at", "--trainer.callbacks", stop)
    assert code == 128 + signal.SIGTERM, said
    assert not re.search("Warning|Tip|GPU|Seed|http", said)  # on standard error neither
    lines = said.splitlines()
    assert [line[:16] for line in lines if line.startswith("strategy")] == ["strategy  taylor"]
    for once in ("problem ", "plan      interior", "phases "):
        assert len([line for line in lines if line.startswith(once)]) == 1, once
    assert "100 points divided over 2 processes" in said
    assert len(re.findall("stopped by SIGTERM after step 20", said)) == 1, said
    assert re.search(r"continue with --resume: \S*python -m pinn --resume runs/navier_st", said)
    (run,) = tmp_path.glob("runs/navier_stokes/*")
    (kept,) = newest_first(run / "checkpoints")
    assert read(kept)["global_step"] == 20


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """All that ranks.py does, the last of which fails: code, output, folder, what was seen."""
    folder = tmp_path_factory.mktemp("ranks")
    phases, points = [Phase(9, lr=0.01, dtype="float64")], {"interior": 20, "boundary": 12}
    data = Collocation(points, resample=2, adapt=True, held_out=30)
    alone(folder / "alone", Kovasznay(), phases, data, weighting="ntk")
    code, said = finish(folder, ROOT / "tests" / "ranks.py", folder)

    def seen(part):
        assert (folder / f"{part}1.pt").is_file(), said
        return [torch.load(folder / f"{part}{rank}.pt") for rank in range(2)]

    return code, said, folder, seen


def alone(folder, problem, phases, data, resumed=None, **settings):
    """The solver of a run on one process."""
    quiet()
    torch.manual_seed(0)
    solver = Solver(problem, MLP(8, 2), phases, **settings)
    own = {"default_root_dir": folder, "plugins": [AtomicCheckpointIO()]}
    trainer = Trainer(**{**QUIET, **own, "callbacks": [Checkpoints(every=5)]})
    trainer.fit(solver, datamodule=data, ckpt_path=resumed)
    return solver


@pytest.fixture(scope="module")
def ranks(runs):
    """What each process saw: Adam in float64, Adam in float32, then L-BFGS in float64."""
    return runs[-1]("orders")


def test_a_run_ends_with_one_voice(runs):
    said = runs[1].split("run: orders")[1].split("run: system")[0].splitlines()
    for once in ("how good it is", "│ residual of momentum", "9 steps in", "errors are against"):
        assert len([line for line in said if line.startswith(once)]) == 1, once


def test_each_process_has_points_of_its_own(ranks):
    for region in ("interior", "boundary"):
        a, b = (set(map(tuple, rank["points"][region][0].tolist())) for rank in ranks)
        assert not a & b


def together(ranks):
    """The points of both processes, and the solution they started from."""
    points = {}
    for region in ("interior", "boundary"):
        parts = [rank["points"][region] for rank in ranks]
        normal = None if parts[0][1] is None else torch.cat([p[1] for p in parts])
        points[region] = Points(torch.cat([p[0] for p in parts]), normal)
    solution = Solution(Kovasznay(), MLP(8, 2)).double()
    solution.load_state_dict(ranks[0]["start"])
    solution.strategy = {"all": "taylor"}
    return points, solution


def test_gradients_are_those_of_one_process_on_all_points(ranks):
    points, solution = together(ranks)
    loss = sum(residual_losses(solution, points, plan_regions(solution)).values())
    loss.backward()
    for rank in ranks:
        torch.testing.assert_close(rank["loss"], loss.detach(), rtol=1e-12, atol=0)
        for name, parameter in solution.named_parameters():
            expected = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            scale = max(float(expected.abs().max()), 1.0)
            found = rank["grads"][name]
            torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12 * scale)


def test_a_line_search_in_another_precision_keeps_the_processes_together(ranks):
    first, second = (rank["end"] for rank in ranks)
    assert {w.dtype for w in first.values()} == {torch.float64}
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(ranks[0]["total"], ranks[1]["total"])
    assert float(ranks[0]["total"]) < float(ranks[0]["loss"])


def test_levenberg_marquardt_steps_are_those_of_one_process_on_all_points(runs):
    ranks = runs[-1]("system")
    points, solution = together(ranks)
    weights = dict.fromkeys(("momentum", "continuity", "boundary"), 1.0)
    system = LeastSquares(Objective(solution, plan_regions(solution)))
    system.place(points, weights)
    for trained in (solution.outer_parameters(), set(solution.state_dict())):
        for name, parameter in solution.named_parameters():
            parameter.requires_grad_(name in trained)
        optimizer = LevenbergMarquardt(system.parameters())
        optimizer.system = system
        optimizer.step()
        optimizer.step()
    first, second = (rank["end"] for rank in ranks)
    for name, expected in solution.state_dict().items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], expected, rtol=1e-10, atol=1e-10)
    for rank in ranks:
        assert rank["minimum"] == pytest.approx(optimizer.loss, rel=1e-8)


def test_processes_end_a_phase_at_the_same_step(runs):
    _, said, _, seen = runs
    first, second = seen("early")
    said = said.split("run: early")[1].split("run: slopes")[0]
    assert {**first["course"], "seconds": 0} == {**second["course"], "seconds": 0}
    assert all(torch.equal(first["end"][name], second["end"][name]) for name in first["end"])
    why = ["s, all of its 0.5 s", "below 1e+09", "below 1e+09", ""]
    lines = [line for line in said.splitlines() if line.startswith("phase ")]
    assert len(lines) == 4
    assert all(line.endswith(end) for line, end in zip(lines, why, strict=True))
    assert first["course"]["phase"] == 3


def test_a_loss_of_derivatives_alone_does_not_depend_on_the_last_bias(runs):
    first, second = (rank["end"] for rank in runs[-1]("slopes"))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_an_error_in_one_process_ends_all(runs):
    code, said, *_ = runs
    assert code != 0
    assert "the disk of the second process is full" in said.split("run: fails")[1]


@pytest.mark.parametrize("method", ["gradient_norm", "ntk"])
def test_weights_that_follow_and_adapted_points_agree_and_resume(runs, method):
    _, _, folder, seen = runs
    ranks = seen(f"{method}-whole")
    assert ranks[0]["weights"] == ranks[1]["weights"]
    assert all(torch.equal(w, ranks[1]["end"][n]) for n, w in ranks[0]["end"].items())

    # The first weights are those of one process at all points.
    points, solution = together([rank | {"points": rank["drawn"][0]} for rank in ranks])
    given = dict.fromkeys(("momentum", "continuity", "boundary"), 1.0)
    alone = Balance(method, given)
    alone.follow(Objective(solution, plan_regions(solution)), points, 0, 0, False)
    assert ranks[0]["weights"][0] == pytest.approx(alone.weights, rel=1e-10)

    # Each process chose points of its own, and goes on with them.
    path = folder / f"{method}-whole" / "checkpoints" / "step-0000005.ckpt"
    assert len(read(path)["Collocation"]["chosen"]) == 2
    for whole, part in zip(ranks, seen(f"{method}-part"), strict=True):
        assert torch.equal(part["drawn"][0]["interior"][0], whole["drawn"][5]["interior"][0])
        assert all(torch.equal(w, part["end"][n]) for n, w in whole["end"].items())
        assert part["weights"] == whole["weights"][5:]
    own = [set(map(tuple, rank["drawn"][2]["interior"][0].tolist())) for rank in ranks]
    assert not own[0] & own[1]


def test_processes_that_divide_a_quadrature_equal_one(runs):
    """Loss, gradient and products with J, where no number of points is even."""
    expected = answers()
    for found in runs[-1]("quadrature"):
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-12, atol=1e-13, msg=name)


def test_processes_that_divide_measured_points_equal_one(runs):
    """Where the other points are drawn by each process for itself."""
    for found in runs[-1]("sensors"):
        for name, value in sensors().items():
            torch.testing.assert_close(found[name], value, rtol=1e-12, atol=1e-13, msg=name)


@pytest.mark.parametrize("part", ["lbfgs", "viscosity"])
def test_optimisers_that_remember_go_on_with_the_same_bits(runs, part):
    whole, resumed = runs[-1](f"{part}-whole"), runs[-1](f"{part}-part")
    for ranks in (whole, resumed):
        assert all(torch.equal(w, ranks[1]["end"][n]) for n, w in ranks[0]["end"].items())
    assert all(torch.equal(w, resumed[0]["end"][n]) for n, w in whole[0]["end"].items())
    assert not all(torch.equal(w, whole[0]["start"][n]) for n, w in resumed[0]["start"].items())
    assert resumed[0]["course"]["step"] == 7


@pytest.mark.parametrize("resumed", [False, True])
def test_one_process_learns_the_coefficient_that_two_do(runs, resumed, tmp_path):
    """From the beginning, and from where two processes were; the points are the same."""
    _, _, folder, seen = runs
    path = folder / "viscosity-whole" / "checkpoints" / "step-0000005.ckpt"
    data = Collocation({"interior": 25}, "gauss", held_out=30)
    phases = [Phase(7, "LevenbergMarquardt")]
    one = alone(tmp_path, KovasznayViscosity(samples=9), phases, data, path if resumed else None)
    two = seen("viscosity-whole")[0]
    for name, value in one.solution.state_dict().items():
        torch.testing.assert_close(two["end"][name], value, rtol=1e-6, atol=1e-6, msg=name)
    assert one.estimate().keys() == two["estimates"].keys()
    for name, estimate in one.estimate().items():
        assert two["estimates"][name] == pytest.approx(vars(estimate), rel=1e-5)


def test_two_processes_go_on_with_what_one_began(runs):
    ranks, saved = runs[-1]("wider"), read(runs[2] / "alone/checkpoints/step-0000005.ckpt")
    assert ranks[0]["weights"] == ranks[1]["weights"]
    given = saved["pinn"]["weighting_state"]["factors"]
    assert ranks[0]["weights"][0] == pytest.approx(given)
    assert all(torch.equal(w, ranks[1]["end"][n]) for n, w in ranks[0]["end"].items())
    own = [set(map(tuple, rank["drawn"][0]["interior"][0].tolist())) for rank in ranks]
    assert [len(points) for points in own] == [20, 20]
    assert not own[0] & own[1]


def test_the_first_process_decides_for_all(runs):
    first, second = runs[-1]("choices")
    assert first["choice"] == second["choice"]
    assert len(first["choice"]["table"]) == 3
    assert first["error"] == "KeyError 'weights'"
    message = "RuntimeError the first process could not choose a strategy: KeyError"
    assert second["error"].startswith(message)
    assert first["alone"] == "taylor"
    assert first["apart"] == second["apart"]
    assert first["apart"][0] == "loop"
    assert "by count" in first["apart"][1]
    assert "2 processes train together" in first["apart"][1]


@pytest.mark.parametrize(
    ("case", "alone"),
    [(c, four_steps) for c in CASES]
    + [(c, sparse_steps) for c in SPARSE]
    + [("condensed", condensed_steps)],
)
def test_rows_of_two_processes_equal_those_of_one(runs, case, alone):
    (mine, losses, past), (other, *same) = (rank[case] for rank in runs[-1]("shares"))
    assert torch.equal(mine, other)
    assert [losses, past] == same
    theta, expected, _ = alone(case)
    assert losses == pytest.approx(expected, rel=1e-10)
    assert losses[-1] < 0.5 * losses[0]
    assert float((theta - mine).norm()) < 1e-10 * float(mine.norm())
