"""The schedule of a run: what ends a phase, and that a resumed run goes the same way."""

import math
import time

import pytest
import torch
from test_resume import Copies, equal, solver_of

from pinn.callbacks import Announcement
from pinn.checkpoints.file import CheckpointError, read
from pinn.checkpoints.writing import write
from pinn.networks import MLP
from pinn.optim import Phase
from pinn.problems import LidDrivenCavity
from pinn.training.schedule import Schedule, saved_schedule
from pinn.training.solver import Solver

LINEAR = Phase(9, "LevenbergMarquardt", train="output")


def gone(phases, losses, stalls=(), seconds=0.0):
    """(phase, step, reason) of every phase that these losses, one per step, end."""
    schedule, ends = Schedule(phases, judged=True), []
    for step, loss in enumerate(losses, 1):
        schedule.clock -= seconds
        schedule.advance(torch.tensor(loss, dtype=torch.float64), step in stalls)
        if schedule.ended:
            ends.append((schedule.phase, step, schedule.ended))
            if schedule.is_done:
                break
            schedule.begin()
    return ends


# --- what ends a phase


def test_phases_end_by_their_steps_and_the_run_with_the_last():
    taken = "all of its steps are taken"
    assert gone([Phase(3), Phase(2)], [1.0] * 9) == [(0, 3, taken), (1, 5, taken)]


def test_a_loss_ends_a_phase_at_the_first_step_below_it():
    assert gone([Phase(9, loss=1e-2)], [1.0, 1e-2, 9e-3, 1.0]) == [
        (0, 3, "loss 9.0e-03 below 0.01")
    ]


def test_an_optimiser_that_is_stuck_ends_its_phase():
    assert gone([LINEAR, Phase(2)], [1.0] * 9, stalls={4})[0] == (
        0,
        4,
        "no step makes the loss smaller",
    )


def test_patience_counts_steps_without_a_fall_by_one_per_cent():
    slow = [1.0, 0.995, 0.991, 0.98, 0.979, 0.978, 0.977, 0.1]
    vain = "the loss has not fallen by 1% in 3 steps"
    assert gone([Phase(99, patience=3)], slow) == [(0, 7, vain)]
    creeping = [0.98**k for k in range(50)]
    assert gone([Phase(50, patience=3)], creeping) == [(0, 50, "all of its steps are taken")]
    # The loss of the phase before is not this one's, and neither is a loss that is no number.
    assert gone([Phase(1), Phase(9, patience=2)], [1e-9, 1.0, 0.5, math.nan, 0.5])[1][1] == 5


def test_seconds_end_a_phase():
    ends = gone([Phase(seconds=10.0), Phase(2)], [1.0] * 9, seconds=4.0)
    assert [end[:2] for end in ends] == [(0, 3), (1, 5)]
    assert ends[0][2].endswith("s, all of its 10 s")


def test_what_is_still_to_come():
    phases = [Phase(10), Phase(4, "LBFGS", options={"max_iter": 8}), Phase(3, "AdamW")]
    schedule = Schedule(phases, judged=False)
    assert schedule.last_step == 17
    assert schedule.lasts(2.0) == pytest.approx(2 * (10 + 40 + 3))
    schedule.most = 12
    assert schedule.lasts(2.0) == pytest.approx(2 * (10 + 20))
    for _ in range(5):
        schedule.advance(torch.tensor(1.0), stalled=False)
    assert schedule.lasts(2.0) == pytest.approx(2 * (5 + 20))
    schedule.most = math.inf
    schedule.end("loss", "enough")
    assert schedule.last_step == 12
    assert schedule.lasts(1.0) == pytest.approx(40 + 3)
    schedule.begin()
    assert (schedule.last_step, schedule.start) == (12, 5)


def test_seconds_bound_what_is_still_to_come():
    schedule = Schedule([Phase(100, seconds=30.0), Phase(seconds=5.0)], judged=False)
    assert schedule.last_step == math.inf
    assert schedule.lasts(0.1) == pytest.approx(10 + 5)
    assert schedule.lasts(1.0) == pytest.approx(30 + 5)
    schedule.most = 32
    assert schedule.lasts(1.0) == pytest.approx(30 + 2)


# --- in a run


def test_the_reason_is_one_line_when_a_phase_ends(train, capsys):
    phases = [Phase(60, "LevenbergMarquardt", error=0.1), Phase(2, lr=1e-9)]
    solver = solver_of(phases, width=16)
    trainer = train(solver, points={"interior": 60, "boundary": 40}, val_check_interval=1)
    first, second = capsys.readouterr().out.splitlines()
    steps = solver.schedule.start
    assert 1 < steps < 60
    line = f"phase 1   LevenbergMarquardt ended after {steps} steps: error "
    assert first.startswith(line)
    assert first.endswith(" below 0.1")
    assert second == "phase 2   Adam ended after 2 steps: all of its steps are taken"
    assert trainer.global_step == trainer.max_steps == steps + 2
    worst = max(solver.scores[f"error/{name}"] for name in ("u", "v"))
    assert worst < 0.1


def test_an_error_is_judged_at_validations_alone(train):
    solver = solver_of([Phase(7, lr=1e-9, error=1e9)])
    assert train(solver, val_check_interval=3).global_step == 3
    assert train(solver_of([Phase(7, error=1e9)]), val_check_interval=9).global_step == 7


def test_the_time_of_the_trainer_is_over(train, capsys):
    settings = {"max_time": {"milliseconds": 300}, "callbacks": [Announcement()]}
    trainer = train(solver_of([Phase(10**6)], compile=False), **settings)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"run       ended after {trainer.global_step} steps: the time of Timer is over"
    train(solver_of([Phase(2)]), max_time="00:00:10:00", callbacks=[Announcement()])
    assert "max_time" not in capsys.readouterr().out


def test_a_stalled_optimiser_ends_the_run(train):
    solver = solver_of([Phase(200, "LevenbergMarquardt", train="output")])
    trainer = train(solver, points={"interior": 5, "boundary": 2})
    assert trainer.global_step < 200
    assert trainer.optimizers[0].stalled
    assert solver.schedule.ended == "no step makes the loss smaller"


def test_a_run_without_steps_ends_by_its_seconds(train, capsys):
    solver = solver_of([Phase(seconds=0.3), Phase(3)])
    trainer = train(solver)
    assert trainer.global_step == solver.schedule.start + 3
    assert "s, all of its 0.3 s" in capsys.readouterr().out


def test_cosine_counts_from_the_beginning_of_its_phase(train):
    solver = solver_of([Phase(9, loss=1e9), Phase(4, lr=1.0, schedule="cosine")])
    train(solver, max_steps=3)
    assert solver.schedule.start == 1
    rate = solver.trainer.optimizers[0].param_groups[0]["lr"]
    assert rate == pytest.approx((1 + math.cos(math.pi / 4)) / 2)


def test_an_error_without_a_reference_is_refused():
    phases = [Phase(9), Phase(9, "LBFGS", error=1e-3)]
    with pytest.raises(ValueError, match=r"phase 2 \(LBFGS\): error is 0.001, but no reference"):
        Solver(LidDrivenCavity(250.0), MLP(8, 2), phases)
    Solver(LidDrivenCavity(400.0), MLP(8, 2), phases)


# --- resumed


EARLY = [
    Phase(9, lr=0.01, loss=1e9),
    Phase(9, "AdamW", lr=0.01, schedule="cosine", error=1e9),
    Phase(50, "LevenbergMarquardt", patience=3, train="output"),
    Phase(9, lr=0.01, error=1e9),
]


def test_resumed_at_any_step_phases_end_where_they_did(train, tmp_path, capsys):
    settings = {"points": {"interior": 9, "boundary": 6}, "val_check_interval": 3}
    whole = solver_of(EARLY, compile=False)
    last = train(whole, callbacks=[Copies(every=1)], **settings).global_step
    said = capsys.readouterr().out.splitlines()
    assert [line.split(" ended")[1].split(":")[0] for line in said[:2]] == [
        " after 1 step",
        " after 2 steps",
    ]
    assert "has not fallen" in said[2]
    assert last == 3 * (whole.schedule.start // 3 + 1) < 40
    stuck = whole.schedule.start
    for step in (1, 2, stuck, last):
        part = solver_of(EARLY, compile=False)
        path = tmp_path / "checkpoints" / f"step-{step}.ckpt"
        assert train(part, ckpt_path=path, **settings).global_step == last
        assert equal(part.state_dict(), whole.state_dict()), step
        ours, theirs = part.schedule.state(), whole.schedule.state()
        assert ours.pop("seconds") > theirs.pop("seconds") - 60
        assert ours == theirs


def test_seconds_before_a_resumption_count(train, tmp_path):
    phases = [Phase(4, seconds=1000.0), Phase(2)]
    train(solver_of(phases), callbacks=[Copies(every=1)])
    path = tmp_path / "checkpoints" / "step-2.ckpt"
    contents = read(path)
    assert 0 < contents["pinn"]["course"]["seconds"] < 1000
    contents["pinn"]["course"]["seconds"] = 999.9999
    write(contents, path)
    time.sleep(0.001)  # the time between the two does not
    part = solver_of(phases)
    assert train(part, ckpt_path=path).global_step == 3 + 2


def test_a_finished_run_goes_on_with_another_phase(train, tmp_path):
    first = [Phase(9, loss=1e9)]
    train(solver_of(first), callbacks=[Copies(every=1)])
    longer = solver_of([*first, Phase(2)])
    path = tmp_path / "checkpoints" / "step-1.ckpt"
    assert train(longer, ckpt_path=path).global_step == 3
    done = solver_of(first)
    assert train(done, ckpt_path=path).global_step == 1


def test_a_solver_that_trains_again_begins_with_its_first_phase(train):
    solver = solver_of([Phase(2), Phase(3)])
    for _ in range(2):
        assert train(solver).global_step == 5
        assert solver.schedule.state()["phase"] == 1


def test_a_checkpoint_of_an_earlier_version_is_refused():
    with pytest.raises(CheckpointError, match="earlier version: start from its weights with"):
        saved_schedule({"phase": 0})
