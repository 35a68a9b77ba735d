"""Continuing a run: to the last bit the run that was never stopped."""

import os
import signal

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers.logger import DummyLogger

from pinn.callbacks import Checkpoints
from pinn.callbacks.interrupt import Interrupt, InterruptedRunError
from pinn.checkpoints.file import CheckpointError, read
from pinn.checkpoints.names import newest_first
from pinn.networks import MLP
from pinn.objective.compilation import Compilation
from pinn.optim import Phase
from pinn.problems import Kovasznay
from pinn.runs.continuation import compare, compare_processes
from pinn.training.collocation import Collocation
from pinn.training.solver import Solver


def solver_of(phases, width=8, weights=None, strategy="taylor", reynolds=40.0, compile="auto"):
    torch.manual_seed(0)
    return Solver(Kovasznay(reynolds), MLP(width, 2), phases, weights, strategy, compile)


def equal(a, b):
    """Whether two collections of weights agree to the last bit."""
    assert a.keys() == b.keys()
    return all(torch.equal(a[name], b[name]) for name in a)


class Validations(L.Callback):
    """The steps at which the run was validated."""

    def __init__(self):
        self.steps = []

    def on_validation_end(self, trainer, pl_module):
        self.steps.append(trainer.global_step)


class Copies(Checkpoints):
    """Keeps every checkpoint."""

    def save(self, trainer, pl_module):
        trainer.save_checkpoint(self.folder(trainer) / f"step-{trainer.global_step}.ckpt")


# --- in one process, at every step


class Heavy(torch.optim.SGD):
    """An optimiser that no package knows of."""

    def __init__(self, params, lr):
        super().__init__(params, lr=lr, momentum=0.9)


FIRST_ORDER = [
    Phase(4, lr=0.01, schedule="cosine"),
    Phase(3, f"{__name__}.Heavy", lr=0.01),
    Phase(4, "LBFGS", dtype="float64", options={"max_iter": 5}),
]
SECOND_ORDER = [
    Phase(3, lr=0.01),
    Phase(4, "LevenbergMarquardt", train="output"),
    Phase(4, "LevenbergMarquardt"),
]


@pytest.mark.parametrize(
    ("phases", "resample", "compile", "steps"),
    [
        (FIRST_ORDER, 0, "auto", (2, 9)),
        (FIRST_ORDER, 1, False, (7,)),
        (FIRST_ORDER, 3, False, (1, 3, 4, 8, 10)),
        (SECOND_ORDER, 0, "auto", (3, 8)),
        (SECOND_ORDER, 5, False, (2, 5, 6)),
    ],
)
def test_resumed_at_any_step_the_run_ends_the_same(
    train, tmp_path, phases, resample, compile, steps
):
    settings = {"strategy": "auto" if compile else "taylor", "compile": compile}
    whole = solver_of(phases, **settings)
    straight = Validations()
    often = {"resample": resample, "val_check_interval": 3}
    train(whole, callbacks=[Copies(every=1), straight], **often)
    assert straight.steps == [3, 6, 9]
    for step in steps:
        part, validations = solver_of(phases, **settings), Validations()
        with torch.no_grad():  # the weights have to come from the checkpoint
            for p in part.parameters():
                p.fill_(7.0)
        path = tmp_path / "checkpoints" / f"step-{step}.ckpt"
        trainer = train(part, ckpt_path=path, callbacks=[validations], **often)
        assert trainer.global_step == 11
        assert equal(part.state_dict(), whole.state_dict()), step
        assert validations.steps == [s for s in straight.steps if s > step]


def test_a_read_checkpoint_says_what_is_trained(train, tmp_path):
    """Several processes are tied together by then, before the optimiser is made."""
    phases = [Phase(2, lr=0.01), Phase(2, lr=0.01, train="output"), Phase(2, lr=0.01)]
    train(solver_of(phases), callbacks=[Copies(every=1)])
    for step, whole in ((1, True), (3, False), (5, True)):
        part = solver_of(phases)
        part.on_load_checkpoint(read(tmp_path / "checkpoints" / f"step-{step}.ckpt"))
        trained = {n for n, p in part.solution.named_parameters() if p.requires_grad}
        assert trained == (part.free if whole else part.solution.outer_parameters())


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["recorded", "compiled"])
def test_a_resumed_run_keeps_its_mode_and_its_bits(train, tmp_path, mode):
    phases = [Phase(3, lr=0.01), Phase(2, "LBFGS", dtype="float64", options={"max_iter": 3})]
    whole, part = solver_of(phases), solver_of(phases)
    whole.compilation = Compilation(mode, "for the test")
    points = {"interior": 40, "boundary": 20}
    train(whole, callbacks=[Copies(every=1)], points=points)
    train(part, ckpt_path=tmp_path / "checkpoints" / "step-2.ckpt", points=points)
    assert part.compilation == whole.compilation
    assert part.objective.mode == mode
    assert not part.objective.recorder.setbacks
    assert part.objective.recorder.recordings
    assert equal(part.state_dict(), whole.state_dict())


def test_the_schedule_continues(train, tmp_path):
    phases = [Phase(10, lr=1.0, schedule="cosine")]
    train(solver_of(phases), callbacks=[Copies(every=1)])
    rates = [
        read(tmp_path / "checkpoints" / f"step-{s}.ckpt")["optimizer_states"][0]["param_groups"][0]
        for s in range(1, 11)
    ]
    first = [group["lr"] for group in rates]
    path = tmp_path / "checkpoints" / "step-4.ckpt"
    train(solver_of(phases), ckpt_path=path, callbacks=[Copies(every=1)])
    again = read(tmp_path / "checkpoints" / "step-7.ckpt")["optimizer_states"][0]["param_groups"][0]
    assert again["lr"] == first[6] < first[3] < first[0] == 1.0


def test_a_signal_stops_after_the_step_and_saves_it(train, tmp_path):
    class Term(L.Callback):
        def on_before_zero_grad(self, trainer, *args):
            if trainer.global_step == 5:
                os.kill(os.getpid(), signal.SIGTERM)

    phases = [Phase(20)]
    with pytest.raises(InterruptedRunError, match="stopped by SIGTERM after step 6") as caught:
        train(solver_of(phases), callbacks=[Term(), Interrupt(), Checkpoints(every=4)])
    assert caught.value.signum == signal.SIGTERM
    assert [p.name for p in newest_first(tmp_path / "checkpoints")] == [
        "step-0000006.ckpt",
        "step-0000004.ckpt",
    ]
    whole, part = solver_of(phases), solver_of(phases)
    train(whole)
    train(part, ckpt_path=tmp_path / "checkpoints" / "step-0000006.ckpt")
    assert equal(part.state_dict(), whole.state_dict())


# --- what must be the same, and what may differ


def described(solver, points=None):
    solver.attach(Collocation(points or {"interior": 10, "boundary": 5}))
    strategy = {"all": {"strategy": "taylor", "reason": ""}}
    return solver.describe() | {"course": {"stage": 0, "phase": 0}, "strategy": strategy}


def test_what_may_differ_is_announced():
    phases = [Phase(5), Phase(5, "LBFGS", dtype="float64")]
    saved = described(solver_of(phases))
    same = solver_of(phases)
    described(same)
    assert compare(same, saved) == []

    other = solver_of([phases[0], Phase(50)], weights={"momentum": 2.0}, reynolds=80.0)
    described(other, {"interior": 99, "boundary": 5})
    assert compare(other, saved) == [
        "resuming with problem.reynolds = 80.0, where the saved run had 40.0",
        "resuming with weights.momentum = 2.0, where the saved run had 1.0",
        "resuming with data.points.interior = 99, where the saved run had 10",
    ]
    longer = solver_of([Phase(6), phases[1]])
    described(longer)
    steps = "resuming with phases.0.steps = 6, where the saved run had 5"
    assert compare(longer, saved) == [steps]
    slow = solver_of(phases, strategy="loop")
    described(slow)
    assert compare(slow, saved) == ["resuming with the saved run's strategy taylor, not loop"]


@pytest.mark.parametrize(
    ("now", "method", "change"),
    [
        (1, "sobol", "1, where the saved run had 2: a step has 0.5 times as many points"),
        (6, "lhs", "6, where the saved run had 2: a step has 3 times as many points"),
        (1, "gauss", "1, where the saved run had 2: the points are divided anew"),
    ],
)
def test_another_number_of_processes_is_announced(now, method, change):
    saved, data = {"Collocation": {"processes": 2}}, {"method": method}
    assert compare_processes(now, saved, data) == [f"resuming with processes = {change}"]
    assert compare_processes(2, saved, data) == compare_processes(now, {}, data) == []


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: solver_of([Phase(5)], width=9), "network.width = 9, where the saved run had 8"),
        (lambda: solver_of([Phase(6, "SGD")]), "phases.0.optimizer = SGD, where the saved run had"),
        (lambda: solver_of([Phase(5, lr=0.1)]), "phases.0.lr = 0.1, where the saved run had None"),
    ],
)
def test_what_must_be_the_same_is_refused(other, message):
    saved = described(solver_of([Phase(5)]))
    solver = other()
    described(solver)
    with pytest.raises(CheckpointError, match="the checkpoint does not fit this run: " + message):
        compare(solver, saved)


def test_fewer_phases_than_the_checkpoint_has_begun(train, tmp_path):
    train(solver_of([Phase(2), Phase(2)]), callbacks=[Copies(every=3)])
    with pytest.raises(CheckpointError, match="is in phase 2, the run has 1"):
        train(solver_of([Phase(9)]), ckpt_path=tmp_path / "checkpoints" / "step-3.ckpt")


class Numbers(DummyLogger):
    """The numbers of the steps that callbacks of Lightning log at."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def log_metrics(self, metrics, step=None):
        if "lr-Adam" in metrics:
            self.steps.append(step)


def test_a_resumed_run_counts_on_for_the_loggers_of_lightning(train, tmp_path):
    def run(steps, resumed=None):
        logger = Numbers()
        kept = [] if resumed else [Copies(every=2)]
        train(
            solver_of([Phase(steps, lr=1e-3)]),
            logger=logger,
            log_every_n_steps=1,
            callbacks=[LearningRateMonitor("step"), *kept],
            ckpt_path=resumed,
        )
        return logger.steps

    assert run(6) == [0, 1, 2, 3, 4, 5]
    assert run(6, next(tmp_path.rglob("step-4.ckpt"))) == [4, 5]
