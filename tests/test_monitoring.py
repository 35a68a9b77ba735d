"""What callbacks read of a run: the losses of the step and the scores of the validation."""

import lightning as L
import pytest
import torch
from lightning.pytorch import callbacks as theirs
from short import POINTS, fit, only, steps_in

import pinn
from pinn.assessment.scores import tags
from pinn.checkpoints.file import load
from pinn.networks import MLP
from pinn.objective.losses import residual_losses
from pinn.optim import Phase
from pinn.problems import Kovasznay, Poisson, TaylorGreen2D
from pinn.training.collocation import Collocation
from pinn.training.solver import Solver

PHASES = {
    "Adam": Phase(4, lr=1e-3),
    "LBFGS": Phase(4, "LBFGS", dtype="float64", options={"max_iter": 1}),
    "LevenbergMarquardt": Phase(4, "LevenbergMarquardt"),
}


class Diary(L.Callback):
    """The weights before and after every step, and what callbacks can read after it."""

    def __init__(self):
        self.before, self.after, self.seen, self.validated = [], [], [], []

    def on_train_batch_start(self, trainer, module, *args):
        self.before.append([p.detach().double().clone() for p in module.parameters()])

    def on_train_batch_end(self, trainer, module, *args):
        self.solver = module
        self.after.append([p.detach().double().clone() for p in module.parameters()])
        self.seen.append(dict(trainer.callback_metrics))

    def on_validation_end(self, trainer, module):
        self.validated.append((trainer.global_step, dict(trainer.callback_metrics)))


@pytest.mark.parametrize("optimizer", PHASES)
def test_the_losses_are_those_of_the_step(tmp_path, optimizer):
    """Held against those of a second solver in float64, at the weights that the step read last.

    Those are the ones before it, or with a line search the ones that it found.
    """
    diary = Diary()
    fit(tmp_path, PHASES[optimizer], callbacks=[diary], val_check_interval=2)
    solver = Solver(Poisson(), MLP(8, 2), [PHASES[optimizer]], derivatives="loop", compile=False)
    solver.double()
    data = Collocation(dict(POINTS))
    data.check(solver.problem)
    points = data.draw(solver.problem, 0, 0, next(solver.parameters()))
    assert len(diary.seen) == 4
    read = diary.after if optimizer == "LBFGS" else diary.before
    for weights, seen in zip(read, diary.seen, strict=True):
        for parameter, weight in zip(solver.parameters(), weights, strict=True):
            parameter.data.copy_(weight)
        losses = residual_losses(solver.solution, points, solver.plans)
        for name, loss in losses.items():
            assert float(seen[f"loss/{name}"]) == pytest.approx(loss.item(), rel=1e-4)
        assert float(seen["loss/total"]) == pytest.approx(sum(losses.values()).item(), rel=1e-4)
        assert isinstance(seen["loss/total"], torch.Tensor)
        assert not seen["loss/total"].requires_grad


@pytest.mark.parametrize("optimizer", PHASES)
def test_the_scores_are_there_at_a_validation_and_after_the_run(tmp_path, optimizer):
    diary = Diary()
    solution = fit(tmp_path, PHASES[optimizer], callbacks=[diary], val_check_interval=3)
    ((step, seen),) = diary.validated
    assert step == 3
    for tag in ("error/u", "residual/balance_rms", "residual/balance_max", "check/held_out_ratio"):
        assert isinstance(seen[tag], torch.Tensor)
    at = solution.problem.reference().at
    exact = solution.problem.reference().values["u"]
    error = (solution(at)["u"].double() - exact).norm() / exact.norm()
    after = diary.solver.trainer.callback_metrics["error/u"]
    assert float(after) == pytest.approx(float(error), rel=1e-4)
    assert float(after) != float(seen["error/u"])


@pytest.mark.parametrize("problem", [Poisson, Kovasznay, TaylorGreen2D])
def test_every_score_is_known_before_it_is_taken(train, problem):
    solver = Solver(problem(), MLP(6, 2), [Phase(1)], derivatives="taylor", compile=False)
    train(solver, val_check_interval=1)
    assert set(solver.scores) == set(tags(solver.solution, solver.reference))


# --- EarlyStopping


@pytest.mark.parametrize("monitor", ["loss/total", "error/u", "residual/balance_rms"])
def test_early_stopping_ends_the_run(tmp_path, capsys, monitor):
    """Nothing moves at a rate of nothing: the first value is the best one."""
    stop = theirs.EarlyStopping(monitor, patience=2)
    fit(tmp_path, Phase(50, "SGD", lr=1e-30), Phase(50), callbacks=[stop], val_check_interval=4)
    assert steps_in(only(tmp_path))[0] == 12
    out = capsys.readouterr().out
    assert f"ended after 12 steps: EarlyStopping saw {monitor} not fall in 2 validations" in out
    assert "to end only a phase, give it patience" in out
    assert "12 steps in" in out


def test_early_stopping_needs_no_interval(tmp_path):
    """A run of least squares would be over before the first validation."""
    stop = theirs.EarlyStopping("loss/total", stopping_threshold=1e9)
    fit(tmp_path, Phase(50, "LevenbergMarquardt"), callbacks=[stop])
    assert steps_in(only(tmp_path))[0] == 5
    seen = theirs.EarlyStopping("loss/total")
    fit(tmp_path / "short", Phase(3, lr=1e-3), callbacks=[seen])
    assert steps_in(only(tmp_path / "short"))[0] == 3
    assert torch.isfinite(seen.best_score)


def test_a_run_nobody_watches_validates_as_seldom_as_before(tmp_path):
    class Plain(L.Callback):
        def on_train_start(self, trainer, module):
            self.every = trainer.val_check_interval

    plain = Plain()
    fit(tmp_path, callbacks=[plain, theirs.Timer(), theirs.LearningRateMonitor()])
    assert plain.every == 200


class Prune(L.Callback):
    """As Optuna's: reads its metric at validations, and may end the trial."""

    def __init__(self, monitor, at):
        self.monitor, self.at, self.reported = monitor, at, []

    def on_validation_end(self, trainer, module):
        if trainer.sanity_checking:
            return
        self.reported.append(trainer.callback_metrics.get(self.monitor).item())
        if trainer.global_step == self.at:
            raise RuntimeError("trial was pruned")


def test_a_sweep_prunes_a_run_and_what_was_done_is_saved(tmp_path):
    prune = Prune("error/u", at=6)
    with pytest.raises(RuntimeError, match="pruned"):
        fit(tmp_path, Phase(20, lr=1e-2), callbacks=[prune], val_check_interval=3)
    assert steps_in(only(tmp_path)) == [6]
    assert len(prune.reported) == 2
    assert all(0 < value < 10 for value in prune.reported)


# --- ModelCheckpoint


@pytest.mark.parametrize("monitor", ["loss/total", "error/u"])
def test_the_best_weights_are_kept_beside_the_newest(tmp_path, monitor):
    best = theirs.ModelCheckpoint(monitor=monitor, filename="best")
    diary = Diary()
    phase = Phase(12, lr=0.1)  # which overshoots
    fit(tmp_path, phase, callbacks=[best, diary], val_check_interval=1)
    run = only(tmp_path)
    assert best.best_model_path == str(run / "checkpoints" / "best.ckpt")
    assert steps_in(run) == [12]
    values = {step: float(seen[monitor]) for step, seen in diary.validated}
    step = min(values, key=values.get)
    assert float(best.best_model_score) == values[step]
    found = load(best.best_model_path)
    if monitor == "error/u":
        reference = found.problem.reference()
        exact = reference.values["u"]
        error = (found(reference.at)["u"].double() - exact).norm() / exact.norm()
        assert float(error) == pytest.approx(values[step], rel=1e-4)


def test_checkpoints_every_few_steps(tmp_path):
    every = theirs.ModelCheckpoint(every_n_train_steps=3, save_top_k=-1, filename="{step}")
    by_loss = theirs.ModelCheckpoint(monitor="loss/total", every_n_train_steps=2, filename="low")
    fit(tmp_path, Phase(7, lr=1e-3), callbacks=[every, by_loss])
    names = {path.name for path in (only(tmp_path) / "checkpoints").iterdir()}
    assert names == {"step=3.ckpt", "step=6.ckpt", "low.ckpt", "step-0000007.ckpt"}


# --- what is refused


WRONG = {
    "near miss": (theirs.EarlyStopping("loss/totl"), "did you mean 'loss/total'"),
    "no such unknown": (theirs.EarlyStopping("error/v"), "did you mean 'error/u'"),
    "of another framework": (theirs.EarlyStopping("val_loss"), "known: loss/total"),
    "a checkpoint's": (theirs.ModelCheckpoint(monitor="residual/balance"), "balance_rms"),
    "an epoch's end": (
        theirs.EarlyStopping("loss/total", check_on_train_epoch_end=True),
        "a run is one epoch",
    ),
    "every other epoch": (theirs.ModelCheckpoint(every_n_epochs=2), "a run is one epoch"),
    "an old value": (
        theirs.ModelCheckpoint(monitor="error/u", every_n_train_steps=2),
        "measured at validations",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_nobody_measures(tmp_path, case):
    callback, words = WRONG[case]
    with pytest.raises(ValueError, match=words) as raised:
        fit(tmp_path, callbacks=[callback], val_check_interval=1)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("settings", [{"limit_val_batches": 0}, {"val_check_interval": 5}])
def test_a_callback_that_would_never_look(tmp_path, settings):
    with pytest.raises(ValueError, match=f"looks at validations.*{next(iter(settings))}"):
        fit(tmp_path, callbacks=[theirs.EarlyStopping("loss/total")], **settings)
    assert not list(tmp_path.iterdir())


def test_what_a_callback_of_the_user_measures_can_be_monitored(tmp_path):
    class Measure(L.Callback):
        def on_validation_end(self, trainer, module):
            trainer.callback_metrics["mine"] = torch.tensor(1.0)

    stop = theirs.EarlyStopping("mine", patience=1)
    fit(tmp_path, Phase(9), callbacks=[Measure(), stop], val_check_interval=2)
    assert steps_in(only(tmp_path))[0] == 4


def test_a_least_squares_run_by_default_can_be_watched(tmp_path):
    diary = Diary()
    pinn.fit(
        Poisson(),
        MLP(60, 1, spread=2.0),
        points={"interior": 100, "boundary": 40},
        method="gauss",
        folder=tmp_path,
        accelerator="cpu",
        max_steps=3,
        callbacks=[diary, theirs.EarlyStopping("error/u")],
    )
    errors = [float(seen["error/u"]) for _, seen in diary.validated]
    assert [step for step, _ in diary.validated] == [1, 2, 3]
    assert errors[-1] < 0.3 * errors[0]
