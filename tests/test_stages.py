"""Stages: all phases for one coefficient after the other, each from the last one's weights."""

import re

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_resume import Copies, equal

import pinn
from pinn.assessment.scores import assess
from pinn.callbacks import Announcement
from pinn.checkpoints.file import CheckpointError, read
from pinn.cli.main import main
from pinn.networks import MLP
from pinn.optim import Phase
from pinn.problems import Beltrami3D, Kovasznay, LidDrivenCavity, TaylorGreen2D
from pinn.runs.continuation import compare
from pinn.training.schedule import Schedule
from pinn.training.solver import Solver

PHASES = [Phase(3, lr=0.01)]
NUMBERS = [100.0, 250.0, 400.0]


def solver_of(reynolds, phases=PHASES, problem=LidDrivenCavity):
    torch.manual_seed(0)
    return Solver(problem(reynolds), MLP(8, 2), list(phases))


def test_every_stage_goes_through_all_phases_from_the_weights_of_the_last(train):
    whole = solver_of([100.0, 400.0], [Phase(4, lr=0.01)])
    train(whole)
    first, second = solver_of(100.0, [Phase(4, lr=0.01)]), solver_of(400.0, [Phase(4, lr=0.01)])
    train(first)
    second.load_state_dict(first.state_dict())
    train(second)
    assert equal(whole.state_dict(), second.state_dict())
    assert not equal(whole.state_dict(), first.state_dict())
    assert whole.problem.reynolds == 400.0


@pytest.mark.parametrize("problem", [Kovasznay, LidDrivenCavity, TaylorGreen2D, Beltrami3D])
def test_a_stage_is_the_problem_with_its_number_alone(problem):
    staged, alone = problem([10.0, 400.0]), problem(400.0)
    assert staged.reynolds == 10.0
    staged.enter(1)
    assert staged.reynolds == 400.0
    there, expected = staged.reference(), alone.reference()
    assert there.source == expected.source
    for name, values in expected.values.items():
        torch.testing.assert_close(there.values[name], values, rtol=0, atol=0, equal_nan=True)
    if problem is Kovasznay:
        assert staged.decay == alone.decay


@pytest.mark.parametrize("mode", ["eager", "recorded"])
@pytest.mark.parametrize("problem", [Kovasznay, LidDrivenCavity])
def test_no_graph_of_the_old_number_is_used(train, mode, problem):
    solver = solver_of([20.0, 400.0], [Phase(2, dtype="float64")], problem)
    train(solver, max_steps=2)
    like = next(solver.parameters())
    points = solver.collocation.draw(solver.problem, 0, 0, like)
    solver.objective.mode = mode
    for stage, reynolds in enumerate((20.0, 400.0)):
        solver.schedule.stage = stage
        solver.enter_stage()
        alone = solver_of(reynolds, problem=problem).double()
        alone.load_state_dict(solver.state_dict())
        alone.solution.strategy = solver.solution.strategy
        for _ in range(2):
            given = points, solver.balance.weights
            found, expected = (s.objective.gradient(*given) for s in (solver, alone))
            torch.testing.assert_close(found[0], expected[0], rtol=1e-12, atol=0)
    assert bool(solver.objective.recorder.recordings) == (mode == "recorded")
    assert solver.objective.recorder.setbacks == []


def test_a_system_of_the_old_number_is_not_used(train):
    phases = [Phase(1, "LevenbergMarquardt", train="output")]
    solver, alone = (solver_of(r, phases, Kovasznay) for r in ([20.0, 400.0], 400.0))
    train(solver, max_steps=1)
    train(alone)
    solver.schedule.stage = 1
    solver.enter_stage()
    solver.load_state_dict(alone.state_dict())
    expected = alone.system.residuals()
    torch.testing.assert_close(solver.system.residuals(), expected, rtol=1e-12, atol=1e-12)


def test_each_stage_is_judged_by_its_own_reference(train, capsys):
    seen = {}

    class Look(Announcement):
        def on_validation_end(self, trainer, solver):
            seen[solver.problem.reynolds] = (solver.reference, dict(solver.scores))

    solver = solver_of(NUMBERS, [Phase(2), Phase(1)])
    assert train(solver, val_check_interval=1, callbacks=[Look()]).global_step == 9
    assert [number in seen for number in NUMBERS] == [True] * 3
    assert seen[100.0][0].source.endswith("Re = 100")
    assert seen[250.0][0] is None
    assert "error/u" not in seen[250.0][1]
    assert seen[400.0][0].source.endswith("Re = 400")
    points = solver.collocation.draw_held_out(solver.problem, next(solver.parameters()))
    there = LidDrivenCavity(400.0).reference()
    now = assess(solver.solution, there, points, solver.plans, terms=solver.terms)
    assert seen[400.0][1] == now
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("stage")]
    assert said == [f"stage {k}   of 3: reynolds {r:g}" for k, r in enumerate(NUMBERS, 1)]


LBFGS = Phase(2, "LBFGS", options={"max_iter": 3})


@pytest.mark.parametrize(
    ("problem", "second", "steps"),
    [
        (LidDrivenCavity, LBFGS, (1, 3, 4, 5, 8)),
        (Kovasznay, Phase(2, "LevenbergMarquardt", train="output"), (7,)),
    ],
)
def test_resumed_in_any_stage_the_run_ends_the_same(train, tmp_path, problem, second, steps):
    phases = [Phase(2, lr=0.01), second]
    whole = solver_of([100.0, 400.0], phases, problem)
    train(whole, callbacks=[Copies(every=1)])
    for step in steps:
        part = solver_of([100.0, 400.0], phases, problem)
        path = tmp_path / "checkpoints" / f"step-{step}.ckpt"
        saved = read(path)["pinn"]
        assert saved["course"]["stage"] == (step > 4)
        assert saved["problem"]["init_args"]["reynolds"] == [100.0, 400.0]
        assert train(part, ckpt_path=path).global_step == 8
        assert equal(part.state_dict(), whole.state_dict()), step
        assert part.problem.reynolds == 400.0


def test_a_loaded_solution_is_that_of_its_stage(train, tmp_path):
    solver = solver_of([100.0, 400.0], [Phase(2, dtype="float64")])
    train(solver, callbacks=[Copies(every=1)])
    at = torch.rand(9, 2, dtype=torch.float64)
    found = pinn.load(tmp_path / "checkpoints" / "step-4.ckpt")
    assert found.problem.reynolds == 400.0
    assert torch.equal(found(at)["p"], solver.solution(at)["p"])
    assert pinn.load(tmp_path / "checkpoints" / "step-2.ckpt").problem.reynolds == 100.0


def test_what_is_still_to_come():
    schedule = Schedule([Phase(3), Phase(2)], True, [{"a": 1.0}, {"a": 2.0}])
    assert schedule.last_step == 10
    assert schedule.lasts(1.0) == 10
    schedule.stage, schedule.phase, schedule.step, schedule.start = 1, 0, 6, 5
    assert schedule.last_step == 10
    assert schedule.lasts(1.0) == 4


def test_a_run_that_resumes_with_fewer_stages_or_other_phases(train, tmp_path):
    phases = [Phase(3), Phase(1, lr=0.1)]
    solver = solver_of([100.0, 400.0], phases)
    train(solver, callbacks=[Copies(every=1)], max_steps=5)
    path = tmp_path / "checkpoints" / "step-5.ckpt"
    with pytest.raises(CheckpointError, match="is in stage 2, the run has 1"):
        train(solver_of(100.0, phases), ckpt_path=path)
    other = solver_of([100.0, 400.0], [phases[0], Phase(9, lr=0.1)])
    other.attach(solver.collocation)
    with pytest.raises(CheckpointError, match=r"phases\.1\.steps = 9, where the saved run had 1"):
        compare(other, read(path)["pinn"])


def test_from_the_command_line(folder, capsys):
    argv = ["--config", "flow", "--trainer.log_every_n_steps", "2"]
    assert main([*argv, "--model.problem.reynolds", "[100, 400]"]) == 0
    said = capsys.readouterr().out
    assert "8 steps in" in said
    assert "Re = 400" in said
    (run,) = (folder / "runs" / "flow").iterdir()
    curve = EventAccumulator(str(run)).Reload().Scalars("coefficient/reynolds")
    assert [(e.step, e.value) for e in curve] == [(2, 100), (4, 100), (6, 400), (8, 400)]
    assert re.search(r"reynolds:\n\s+- 100.0\n\s+- 400.0", (run / "config.yaml").read_text())


@pytest.mark.parametrize(
    ("reynolds", "message"),
    [
        ("[]", "reynolds is an empty list: give at least one value"),
        ("[100, -4]", "reynolds is -4.0: it must be a positive, finite number"),
    ],
)
def test_a_list_that_cannot_be_is_one_line(folder, capsys, reynolds, message):
    assert main(["--config", "flow", "--model.problem.reynolds", reynolds]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
