"""The checkpoints that a run keeps, and the guard against a loss that is no number."""

import pytest
import torch

import pinn
from pinn.callbacks import Checkpoints, FiniteLoss, NonFiniteError
from pinn.checkpoints.file import read
from pinn.checkpoints.names import newest_first
from pinn.networks import MLP
from pinn.objective.objective import Objective
from pinn.optim import Phase
from pinn.problems import Kovasznay
from pinn.training.solver import Solver

ADAM, LBFGS = Phase(4), Phase(2, "LBFGS", dtype="float64", options={"max_iter": 4})


def solver_of(problem=None, network=None, phases=(ADAM, LBFGS), **settings):
    torch.manual_seed(0)
    network = MLP(8, 2) if network is None else network
    settings = {"compile": False, **settings}  # auto evaluates a few times to decide
    return Solver(problem or Kovasznay(), network, list(phases), **settings)


def steps_in(folder):
    return [int(path.stem.removeprefix("step-")) for path in newest_first(folder / "checkpoints")]


def test_the_two_newest_are_kept(train, tmp_path):
    stale = tmp_path / "checkpoints" / ".step-0000002.ckpt.part123"
    stale.parent.mkdir()
    stale.write_bytes(b"of a process that was killed")
    train(solver_of(phases=[Phase(17)]), callbacks=[Checkpoints(every=3)])
    assert steps_in(tmp_path) == [17, 15]
    assert {path.name for path in stale.parent.iterdir()} == {
        "step-0000015.ckpt",
        "step-0000017.ckpt",
    }


def test_a_period_of_less_than_one_step():
    with pytest.raises(ValueError, match="checkpoints every 0 steps: expected at least 1"):
        Checkpoints(every=0)


# --- a loss that is no number


@pytest.fixture
def poison(monkeypatch):
    """A function that makes one residual NaN in one step."""
    gradient = Objective.gradient

    def at(step, name="momentum", value=float("nan")):
        calls = []

        def poisoned(self, points, weights):
            calls.append(1)
            losses, slopes = gradient(self, points, weights)
            if len(calls) == step:
                losses[self.order.index(name)] *= value
                slopes = [slope * value for slope in slopes]
            return losses, slopes

        monkeypatch.setattr(Objective, "gradient", poisoned)

    return at


@pytest.mark.parametrize(
    ("step", "value"),
    [(1, float("nan")), (10, float("inf")), (11, float("nan")), (23, float("inf"))],
)
def test_a_loss_that_is_no_number_stops_the_run(train, tmp_path, poison, step, value):
    poison(step, value=value)
    solver = solver_of(phases=[Phase(60)])
    message = rf"the loss is {value} at step {step} \(Adam\): it comes from momentum: lower"
    with pytest.raises(NonFiniteError, match=message):
        train(solver, callbacks=[FiniteLoss(), Checkpoints(every=2)])
    assert solver.global_step - step < 10
    kept = newest_first(tmp_path / "checkpoints")
    assert steps_in(tmp_path)[:1] == ([(step - 1) // 2 * 2] if step > 2 else [])
    for path in kept:
        at = torch.rand(3, 2)
        assert torch.isfinite(pinn.load(path)(at)["u"]).all()


def test_a_loss_that_is_no_number_in_the_last_steps_is_found_too(train, tmp_path, poison):
    poison(13)
    with pytest.raises(NonFiniteError, match="at step 13"):
        train(solver_of(phases=[Phase(15)]), callbacks=[FiniteLoss(), Checkpoints(every=4)])
    assert steps_in(tmp_path) == [12, 8]


# --- errors


def test_an_error_between_steps_saves_what_is_done(train, tmp_path):
    class Fail(pinn.callbacks.Scalars):
        def on_train_batch_end(self, trainer, *args):
            if trainer.global_step == 7:
                raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        train(solver_of(phases=[Phase(20)]), callbacks=[Fail(), Checkpoints(every=5)])
    assert steps_in(tmp_path) == [7, 5]


def test_an_error_in_validation_saves_what_is_done(train, tmp_path):
    class Fail(pinn.callbacks.Scalars):
        def on_validation_end(self, *args):
            raise OSError("disk full")

    callbacks = [Fail(), Checkpoints(9)]
    with pytest.raises(OSError, match="disk full"):
        train(solver_of(phases=[Phase(20)]), callbacks=callbacks, val_check_interval=7)
    assert steps_in(tmp_path) == [7]


def test_an_error_before_the_first_step_saves_nothing(train, tmp_path):
    with pytest.raises(ValueError, match="gradient_clip_val cannot be used with LBFGS"):
        train(solver_of(), callbacks=[Checkpoints()], gradient_clip_val=1.0)
    assert not list(tmp_path.iterdir())


def test_an_error_inside_a_step_saves_no_half_done_step(train, tmp_path, monkeypatch):
    gradient, calls = Objective.gradient, []

    def interrupted(self, points, weights):
        calls.append(1)
        if len(calls) == 8:  # in the third step's line search
            raise MemoryError("no memory")
        return gradient(self, points, weights)

    monkeypatch.setattr(Objective, "gradient", interrupted)
    phases = [Phase(9, "LBFGS", dtype="float64", options={"max_iter": 2})]
    with pytest.raises(MemoryError):
        train(solver_of(phases=phases), callbacks=[Checkpoints(every=1)])
    (newest, *_) = newest_first(tmp_path / "checkpoints")
    progress = read(newest)["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]
    assert progress["ready"] == progress["completed"] == read(newest)["global_step"]
