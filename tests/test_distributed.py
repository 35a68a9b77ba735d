"""Two processes on the CPU: one loss, one set of weights, one voice."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pinn.callbacks.checkpoints import newest_first
from pinn.checkpoints.file import read
from pinn.geometry import Points
from pinn.networks import MLP
from pinn.objective.least_squares import LeastSquares
from pinn.objective.losses import residual_losses
from pinn.objective.objective import Objective
from pinn.optim import LevenbergMarquardt
from pinn.problems import Kovasznay
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution

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
        timeout=150,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("config", "options"),
    [
        ("navier_stokes", ["--data.method", "sobol", "--model.network.width", "24"]),
        # A loss of derivatives alone does not depend on the last bias.
        ("continuity", ["--model.weights", "{continuity: 1, initial: 0, inflow: 0}"]),
    ],
)
def test_the_shipped_configurations_run_on_two_processes(tmp_path, config, options):
    phases = "[{optimizer: Adam, steps: 45}, {optimizer: LBFGS, steps: 5, dtype: float64}]"
    points = "{interior: 200}"
    few = ["--model.phases", phases, "--data.points", points, "--data.held_out", "200"]
    code, said = finish(tmp_path, ROOT / "train.py", "--config", config, *few, *options, *TWO)
    assert code == 0, said
    lines = said.splitlines()
    assert [line[:16] for line in lines if line.startswith("strategy")] == ["strategy  taylor"]
    for once in (
        "problem ",
        "plan      interior",
        "phases ",
        "files: ",
        "50 steps in",
        "look at it: ",
    ):
        assert len([line for line in lines if line.startswith(once)]) == 1, once
    assert "200 points on each of 2 processes" in said
    (run,) = tmp_path.glob(f"runs/{config}/*")
    assert newest_first(run / "checkpoints")[0].name == "step-0000050.ckpt"


SCRIPT = """
import sys
import lightning as L
import torch
from lightning.pytorch.strategies import DDPStrategy
from pinn.callbacks import Keeper
from pinn.checkpoints.file import AtomicCheckpointIO
from pinn.training.collocation import Collocation
from pinn.networks import MLP
from pinn.optim import Phase
from pinn.problems import Kovasznay
from pinn.base.quiet import quiet
from pinn.training.solver import Solver

folder, fails = sys.argv[1], sys.argv[2] == "fails"

class Record(L.Callback):
    def on_train_start(self, trainer, solver):
        self.start = {n: p.detach().clone() for n, p in solver.solution.state_dict().items()}

    def on_before_optimizer_step(self, trainer, solver, optimizer):
        if trainer.global_step:
            return
        like = next(solver.parameters())
        points = solver.collocation.draw(solver.problem, 0, trainer.global_rank, like)
        self.first = {
            "start": self.start,
            "points": {name: (p.at, p.normal) for name, p in points.items()},
            "grads": {
                n: p.grad.clone()
                for n, p in solver.solution.named_parameters()
                if p.grad is not None
            },
            "loss": solver.terms["total"],
        }

    def on_train_batch_end(self, trainer, solver, *args):
        if fails and trainer.global_rank == 1 and trainer.global_step == 4:
            raise OSError("the disk of the second process is full")

    def on_train_end(self, trainer, solver):
        seen = self.first | {"end": solver.solution.state_dict(), "total": solver.terms["total"]}
        seen["course"] = solver.course.state()
        seen["minimum"] = getattr(trainer.optimizers[0], "loss", None)
        torch.save(seen, f"{folder}/rank{trainer.global_rank}.pt")

quiet()
torch.manual_seed(0)
phases = [
    Phase(2, lr=0.01, dtype="float64"),
    Phase(3, lr=0.01),
    Phase(4, "LBFGS", dtype="float64"),
]
if sys.argv[2] == "system":
    system = "LevenbergMarquardt"
    phases = [Phase(2, system, train="output"), Phase(2, system)]
if sys.argv[2] == "early":
    phases = [Phase(seconds=0.5), Phase(90, error=1e9), Phase(90, loss=1e9), Phase(9, patience=3)]
solver = Solver(Kovasznay(), MLP(8, 2), phases)
trainer = L.Trainer(
    accelerator="cpu",
    devices=2,
    strategy=DDPStrategy(process_group_backend="gloo"),
    logger=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    num_sanity_val_steps=0,
    check_val_every_n_epoch=None,
    val_check_interval=6,
    default_root_dir=folder,
    callbacks=[Record(), Keeper()],
    plugins=[AtomicCheckpointIO()],
)
points = {"interior": 20, "boundary": 12}
resample = 0 if phases[0].solves_system else 2
trainer.fit(solver, datamodule=Collocation(points, held_out=30, resample=resample))
"""


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What each process saw: Adam in float64, Adam in float32, then L-BFGS in float64."""
    folder = tmp_path_factory.mktemp("ranks")
    (folder / "script.py").write_text(SCRIPT)
    code, said = finish(folder, folder / "script.py", folder, "runs")
    assert code == 0, said
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(2)]


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


def test_levenberg_marquardt_steps_are_those_of_one_process_on_all_points(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    code, said = finish(tmp_path, tmp_path / "script.py", tmp_path, "system")
    assert code == 0, said
    ranks = [torch.load(tmp_path / f"rank{rank}.pt") for rank in range(2)]
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


def test_processes_end_a_phase_at_the_same_step(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    code, said = finish(tmp_path, tmp_path / "script.py", tmp_path, "early")
    assert code == 0, said
    first, second = (torch.load(tmp_path / f"rank{rank}.pt") for rank in range(2))
    assert {**first["course"], "seconds": 0} == {**second["course"], "seconds": 0}
    assert all(torch.equal(first["end"][name], second["end"][name]) for name in first["end"])
    why = ["s, of 0.5 s that it has", "below 1e+09", "below 1e+09", ""]
    lines = [line for line in said.splitlines() if line.startswith("phase ")]
    assert len(lines) == 4
    assert all(line.endswith(end) for line, end in zip(lines, why, strict=True))
    assert first["course"]["phase"] == 3


def test_an_error_in_one_process_ends_all(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    code, said = finish(tmp_path, tmp_path / "script.py", tmp_path, "fails")
    assert code != 0
    assert "the disk of the second process is full" in said


def test_a_signal_stops_both_processes_after_the_same_step(tmp_path):
    stop = "[{class_path: stop_at.StopAt, init_args: {step: 23}}]"
    few = ["--model.phases", "[{optimizer: Adam, steps: 50}]", "--data.points", "{interior: 50}"]
    few += ["--data.method", "sobol", "--model.network.width", "24"]
    call = [ROOT / "train.py", "--config", "navier_stokes", *few, *TWO]
    code, said = finish(tmp_path, *call, "--allow_import", "stop_at", "--trainer.callbacks", stop)
    assert code == 128 + signal.SIGTERM, said
    assert len(re.findall("stopped by SIGTERM after step 30", said)) == 1, said
    (run,) = tmp_path.glob("runs/navier_stokes/*")
    (kept,) = newest_first(run / "checkpoints")
    assert read(kept)["global_step"] == 30
