"""Without one of torch's private interfaces a run is slower or more careful, and never wrong."""

import threading
from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, Timer
from short import fit, only, steps_in
from torch import nn

import pinn
from pinn import MLP
from pinn.base import torch_adapter
from pinn.cache.tensor_contents import requires_grad
from pinn.cache.tracing import is_transformed
from pinn.callbacks.users_callbacks import waits_for_an_epoch
from pinn.cli.mistakes import explain
from pinn.optim import Phase
from pinn.problems import Poisson
from pinn.recording.recording import Recording
from pinn.recording.tape import RecordingError
from pinn.runs import saved_state
from pinn.training import lightning_adapter as lean

OFTEN = ("transform", "is_wrapped", "unwrapped", "modes", "saving_hooks")
ARITHMETIC = ("multiply", "add", "norms")


@pytest.fixture
def without(monkeypatch):
    """Takes interfaces away."""

    def take(*names):
        for name in names:
            monkeypatch.setitem(torch_adapter.INSIDE, name, None)

    return take


def test_this_torch_has_all_of_them():
    assert [name for name, it in torch_adapter.INSIDE.items() if it is None] == []
    assert torch_adapter.resolved("torch.not_here") is None


@pytest.mark.parametrize("name", torch_adapter.RECORDING)
def test_without_recording_steps_run_as_python(without, name):
    without(name)
    with pytest.raises(RecordingError, match="this version of torch has no"):
        Recording(lambda varying, fixed: [varying[0] * fixed[0]], [torch.ones(3)], [torch.ones(3)])


def test_without_the_compiler_steps_run_as_recorded(monkeypatch):
    import torch._inductor

    monkeypatch.delattr(torch._inductor, "compile")
    arguments = [torch.ones(3)], [torch.ones(3)]
    with pytest.raises(RecordingError, match="compile"):
        Recording(lambda varying, fixed: [varying[0] * fixed[0]], *arguments, compiled=True)
    assert Recording(lambda varying, fixed: [varying[0] * fixed[0]], *arguments).run


@pytest.mark.parametrize("name", OFTEN)
def test_tensors_that_stand_for_others_are_still_told(without, name):
    without(name)
    told = []

    def look(x):
        told.append((is_transformed(x), requires_grad(x)))
        return x.sum()

    torch.func.grad(look)(torch.zeros(3))
    torch_adapter.record(look, torch.zeros(3))
    assert [transformed for transformed, _ in told] == [True, True]
    assert told[0][1]  # a gradient that may reach a tensor is never denied


@pytest.mark.parametrize("name", ARITHMETIC)
def test_sums_over_many_tensors_are_the_same(without, name):
    tensors = [torch.tensor([1.0, -2.0]), torch.tensor([[3.0]])]

    def results():
        added = [t.clone() for t in tensors]
        torch_adapter.add(added, tensors)
        products = torch_adapter.multiply(tensors, torch.tensor(2.0))
        return [*added, *products, *torch_adapter.largest_entries(tensors)]

    before = results()
    without(name)
    assert all(map(torch.equal, before, results()))


def test_a_version_that_is_not_known_is_never_the_same():
    class Bare:
        pass

    bare = Bare()
    assert torch_adapter.version_of(bare) != torch_adapter.version_of(bare)
    tensor = torch.zeros(3)
    assert torch_adapter.version_of(tensor) == torch_adapter.version_of(tensor)


def test_a_module_without_tables_of_hooks_has_none():
    module = nn.Linear(1, 1)
    del module._forward_hooks
    module.register_forward_pre_hook(print)
    assert list(torch_adapter.hooks(module)) == [print]


@pytest.mark.parametrize("names", [OFTEN, ARITHMETIC, torch_adapter.RECORDING, ("flops",)])
def test_a_run_ends_with_the_same_weights(without, tmp_path, names):
    import pinn

    def weights():
        phases = [pinn.Phase(steps=3, lr=1e-2)]
        solution = pinn.fit(
            Poisson(), MLP(8, 1), phases, {"interior": 16}, derivatives="taylor", folder=tmp_path
        )
        return [p.detach().clone() for p in solution.parameters()]

    before = weights()
    without(*names)
    for own, other in zip(before, weights(), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-10, atol=1e-12)


# --- Lightning's


class Nothing:
    """A trainer whose loops say nothing."""

    val_check_interval = 4
    global_step = 8
    should_stop = False


def test_a_trainer_that_says_little_is_judged_by_its_steps():
    trainer = Nothing()
    assert lean.steps_begun(trainer) == 8
    assert lean.validates(trainer)
    trainer.global_step = 9
    assert not lean.validates(trainer)
    lean.bound(trainer, 10)
    assert not trainer.should_stop
    lean.bound(trainer, 9)
    assert trainer.should_stop


def test_weights_are_not_saved_where_nobody_says_that_a_step_is_whole():
    assert not lean.is_between_steps(Nothing())


def test_what_a_callback_does_not_say_has_its_default():
    timer = Timer("00:00:01:00")
    del timer._interval
    assert lean.setting(timer, "interval") is None
    assert waits_for_an_epoch(timer) == ""
    assert not lean.has_written(Nothing())


def test_a_checkpoint_without_counts_of_batches_is_saved():
    checkpoint = {"loops": {"fit_loop": {}}}
    lean.LeanModule().on_save_checkpoint(checkpoint)
    assert checkpoint == {"loops": {"fit_loop": {}}}


def test_counts_that_this_lightning_does_not_keep_are_not_compared(tmp_path, monkeypatch):
    assert lean.counted({"epoch_loop.batch_progress": 3}) == {}
    monkeypatch.setattr(saved_state, "counted", lambda loops: {})
    fit(tmp_path, Phase(3), max_steps=2)
    fit(tmp_path, Phase(3), resume="auto")
    assert steps_in(only(tmp_path))[0] == 3


def test_callbacks_of_others_are_left_as_they_are(tmp_path):
    given = [EarlyStopping("loss/total", patience=7), Timer("00:00:10:00")]
    pinn.fit(Poisson(), MLP(4, 1), [pinn.Phase(2)], folder=tmp_path, callbacks=given)
    for callback in given:
        assert not set(lean.EVERY_STEP) & set(vars(callback))
    assert given[0].patience == 7


# --- the parser's wording


def test_a_report_in_other_words_is_shown_as_it_is():
    assert explain("something is wrong\nwith that") == "something is wrong"
    assert explain(ValueError()) == "ValueError"


def test_without_the_list_of_its_watch_lightning_goes_on_watching(monkeypatch):
    name = "child-process-observer"
    watch, other = SimpleNamespace(name=name, _child_processes=[1]), SimpleNamespace(name=name)
    monkeypatch.setattr(threading, "enumerate", lambda: [watch, other])
    lean.let_children_die()
    assert watch._child_processes == []
    assert not hasattr(other, "_child_processes")
