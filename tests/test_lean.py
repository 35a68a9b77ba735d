"""What no run needs of Lightning's work at every step is left out; what a user asks for is not."""

from collections import Counter

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import LambdaCallback
from lightning.pytorch.profilers import SimpleProfiler

from pinn.networks import MLP
from pinn.optim import Phase
from pinn.problems import Poisson
from pinn.training.lightning_adapter import EVERY_STEP, NoProfiler
from pinn.training.solver import Solver

STEPS = 6


def solver_of(**phase):
    torch.manual_seed(0)
    return Solver(
        Poisson(), MLP(8, 2), [Phase(STEPS, **phase)], derivatives="taylor", compile=False
    )


class Recorder(L.Callback):
    """A callback that uses every hook of a step."""

    def __init__(self):
        self.seen = Counter()

    def __getattribute__(self, name):
        if name in EVERY_STEP:
            return lambda *args, **kwargs: self.seen.update([name])
        return super().__getattribute__(name)


class Both(L.Callback):
    def __init__(self):
        self.seen = Counter()

    def on_after_backward(self, *args):
        self.seen["on_after_backward"] += 1

    def on_before_optimizer_step(self, *args):
        self.seen["on_before_optimizer_step"] += 1


class Inherited(Both):
    """Has its hooks from a class between itself and Lightning's."""


def test_hooks_that_do_something_are_called_at_every_step(train):
    inherited, given, recorder = Inherited(), Counter(), Recorder()
    by_argument = LambdaCallback(
        on_before_zero_grad=lambda *_: given.update(["zero"]),
        on_train_batch_end=lambda *_: given.update(["end"]),
    )
    train(solver_of(), callbacks=[inherited, by_argument, recorder])
    assert inherited.seen == {"on_after_backward": STEPS, "on_before_optimizer_step": STEPS}
    assert given == {"zero": STEPS, "end": STEPS}
    assert recorder.seen == dict.fromkeys(EVERY_STEP, STEPS)


def test_every_hook_of_a_step_is_known(train):
    """Hooks of callbacks that Lightning calls once per step: a new one would cost without use."""
    names = [name for name in dir(L.Callback) if name.startswith("on_")]
    seen = Counter()
    everything = LambdaCallback(
        **{name: lambda *_, name=name, **__: seen.update([name]) for name in names}
    )
    train(solver_of(), callbacks=[everything])
    assert {name for name, times in seen.items() if times == STEPS} == set(EVERY_STEP)


def test_a_profiler_that_was_asked_for_stays(train):
    trainer = train(solver_of(), profiler="simple")
    assert isinstance(trainer.profiler, SimpleProfiler)
    assert len(trainer.profiler.recorded_durations["run_training_batch"]) == STEPS
    assert isinstance(train(solver_of()).profiler, NoProfiler)


def test_gradients_start_anew_at_every_step_and_add_up_where_that_is_asked_for(train):
    """Points are fixed and the rate is 0: every gradient is the same, and so is a mean of two."""
    found = []
    for together in (1, 2):
        norms = []
        watch = LambdaCallback(
            on_before_optimizer_step=lambda trainer, module, optimizer, norms=norms: norms.append(
                float(sum(p.grad.square().sum() for p in module.parameters()))
            )
        )
        solver = solver_of(optimizer="SGD", lr=1e-30, dtype="float64")
        train(solver, callbacks=[watch], accumulate_grad_batches=together)
        found += norms
    assert len(found) == 2 * STEPS
    assert found == pytest.approx([found[0]] * len(found), rel=1e-12)
