"""Checkpoints: whole or not there, plain data, and equal to what was trained."""

import os
import re
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import pinn
import pinn.solver
from pinn.callbacks import FiniteGuard, Keeper, NonFiniteError
from pinn.callbacks.keeper import newest_first
from pinn.checkpoint import AtomicCheckpointIO, CheckpointError, read
from pinn.geometry import Rectangle
from pinn.networks import MLP
from pinn.operators import div, grad, laplacian
from pinn.optim import Phase
from pinn.problem import Problem
from pinn.problems import Kovasznay, LidDrivenCavity
from pinn.residuals import on
from pinn.solver import Solver

HERE = __name__.split(".")[0]
ADAM, LBFGS = Phase(4), Phase(2, "LBFGS", dtype="float64", options={"max_iter": 4})


class Decay(Problem):
    """∇²u = c u with a coefficient that is learnt."""

    coordinates = ("x", "y")
    unknowns = {"u": 1}
    geometry = Rectangle()

    def __init__(self, guess=1.0):
        super().__init__()
        self.rate = nn.Parameter(torch.tensor(guess))

    @on("interior")
    def balance(self, u):
        return laplacian(u) - self.rate * u


def solver_of(problem=None, network=None, phases=(ADAM, LBFGS), **settings):
    torch.manual_seed(0)
    network = MLP(8, 2) if network is None else network
    return Solver(problem or Kovasznay(), network, list(phases), **settings)


@pytest.fixture
def saved(train, tmp_path):
    """A function that trains a solver and returns where it was saved."""

    def run(solver, **settings):
        path = tmp_path / "end.ckpt"
        train(solver, **settings).save_checkpoint(path)
        return path

    return run


@pytest.fixture
def good(tmp_path):
    """A small file of the right form."""
    path = tmp_path / "good.ckpt"
    contents = {"pinn": {"format": 1}, "state_dict": {"w": torch.arange(5000.0)}}
    AtomicCheckpointIO().save_checkpoint(contents, path)
    return path


# --- what is in them


def plain(value, where=""):
    """Walk the contents; everything has to be a number, text, tensor, list or mapping."""
    if isinstance(value, dict):
        assert type(value) in (dict, OrderedDict), where
        for key, item in value.items():
            assert type(key) in (str, int), f"{where}.{key}"
            plain(item, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        assert type(value) in (list, tuple), where
        for index, item in enumerate(value):
            plain(item, f"{where}.{index}")
    else:
        assert type(value) in (bool, int, float, str, type(None), Tensor), f"{where}: {type(value)}"


@pytest.mark.parametrize("phases", [(ADAM,), (ADAM, LBFGS)])
def test_only_plain_data_is_saved(saved, phases):
    path = saved(solver_of(phases=phases), callbacks=[Keeper(), FiniteGuard()])
    contents = torch.load(path, weights_only=True)
    plain(contents)
    entry = contents["pinn"]
    assert entry["format"] == 1
    assert entry["problem"]["class_path"] == "pinn.problems.kovasznay.Kovasznay"
    assert entry["problem"]["init_args"] == {"reynolds": 40.0, "gauge": "zero_mean"}
    assert entry["network"]["init_args"]["width"] == 8
    assert entry["phase"] == len(phases) - 1
    assert entry["dtype"] == phases[-1].dtype
    assert entry["strategy"]["all"]["strategy"] == "taylor"
    assert entry["data"]["points"] == {"interior": 16, "boundary": 16}
    assert [p["optimizer"] for p in entry["phases"]] == [p.optimizer for p in phases]


# --- loading them


@pytest.mark.parametrize("strategy", ["taylor", "vmap", "loop"])
@pytest.mark.parametrize("case", [Kovasznay, LidDrivenCavity])
def test_a_loaded_solution_is_the_trained_one_to_the_last_bit(saved, case, strategy):
    solver = solver_of(case(), strategy=strategy)
    found = pinn.load(saved(solver))
    ours = solver.solution.eval()
    assert found.strategy == ours.strategy == {"all": strategy}
    assert not found.training
    at = torch.rand(20, 2, dtype=torch.float64)
    for name, value in ours(at).items():
        assert torch.equal(found(at)[name], value)
    (a, _), (b, _) = ours.fields(at), found.fields(at)
    for read_off in (
        lambda f: f["u"],
        lambda f: grad(f["p"]),
        lambda f: grad(f["u"]),
        lambda f: div(f["u"]),
        lambda f: laplacian(f["u"]),
    ):
        assert torch.equal(read_off(a).value, read_off(b).value)


@pytest.mark.parametrize("gauge", ["zero_mean", "pin", "free"])
def test_the_gauge_is_loaded(saved, gauge):
    solver = solver_of(LidDrivenCavity(reynolds=250.0, gauge=gauge), phases=[Phase(3)])
    found = pinn.load(saved(solver))
    assert found.problem.gauges == {"p": gauge}
    assert found.problem.reynolds == 250.0
    at = torch.rand(9, 2)
    assert found(at)["p"].dtype == torch.float32
    assert torch.equal(found(at)["p"], solver.solution(at)["p"])


def test_one_network_per_unknown_is_loaded(saved):
    solver = solver_of(network={"u": MLP(8, 2), "p": MLP(5, 1)})
    found = pinn.load(saved(solver))
    at = torch.rand(9, 2, dtype=torch.float64)
    for name in ("u", "p"):
        assert torch.equal(found(at)[name], solver.solution(at)[name])


def test_a_problem_of_ones_own_needs_permission(saved):
    solver = solver_of(Decay(guess=0.5))
    path = saved(solver)
    with pytest.raises(ValueError, match=re.escape(f"--allow_import {HERE}")):
        pinn.load(path)
    found = pinn.load(path, allow_import=[HERE])
    assert isinstance(found.problem, Decay)
    assert found.problem.rate.item() == solver.problem.rate.item() != 0.5
    given = pinn.load(path, problem=Decay())
    assert given.problem.rate.item() == solver.problem.rate.item()


def test_a_network_of_another_kind_has_to_be_given(saved):
    network = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3))
    solver = solver_of(network=network)
    path = saved(solver)
    with pytest.raises(CheckpointError, match="does not hold its network's recipe: pass network="):
        pinn.load(path)
    again = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3))
    at = torch.rand(9, 2, dtype=torch.float64)
    assert torch.equal(pinn.load(path, network=again)(at)["u"], solver.solution(at)["u"])


def test_weights_that_do_not_fit(saved):
    path = saved(solver_of())
    message = r"does not fit: networks\.all\.\S+ is \(8, 2\) in the checkpoint and \(9, 2\) here"
    with pytest.raises(CheckpointError, match=message):
        pinn.load(path, network=MLP(9, 2))
    with pytest.raises(CheckpointError, match=r"does not fit: .* None"):
        pinn.load(path, network=MLP(8, 3))


# --- files that are not what they should be


def cut(path):
    path.write_bytes(path.read_bytes()[:-2000])


def flip(path):
    data = bytearray(path.read_bytes())
    data[data.index(torch.arange(700.0, 704.0).numpy().tobytes())] ^= 1
    path.write_bytes(data)


def pickled_code(path):
    class Run:
        def __reduce__(self):
            return os.system, ("echo executed",)

    torch.save({"pinn": Run()}, path)


DAMAGED = "is damaged or no checkpoint"
FOREIGN = "was not written by this program"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(b""), DAMAGED),
        (lambda path: path.write_text("steps: 100\n"), DAMAGED),
        (cut, DAMAGED),
        (flip, DAMAGED),
        (pickled_code, DAMAGED),
        (lambda path: torch.save({"weight": torch.zeros(2)}, path), FOREIGN),
        (lambda path: torch.save([1, 2], path), FOREIGN),
        (lambda path: torch.save({"pinn": 3}, path), FOREIGN),
        (lambda path: torch.save({"pinn": {}}, path), "has format None, this version reads"),
        (lambda path: torch.save({"pinn": {"format": 2}}, path), "has format 2, this version"),
        (lambda path: path.unlink(), "does not exist"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_unusable_files_are_refused_in_one_line(good, capfd, spoil, message):
    assert read(good)["pinn"] == {"format": 1}
    spoil(good)
    with pytest.raises(CheckpointError, match=message) as caught:
        pinn.load(good)
    assert "\n" not in str(caught.value)
    assert str(good) in str(caught.value)
    assert "executed" not in capfd.readouterr().out


def test_every_flipped_bit_in_the_weights_is_noticed(good):
    whole = good.read_bytes()
    first = whole.index(torch.arange(1.0, 4.0).numpy().tobytes())
    for index in range(first, first + 4 * 4990, 499):
        data = bytearray(whole)
        data[index] ^= 1 << (index % 8)
        good.write_bytes(data)
        with pytest.raises(CheckpointError, match=DAMAGED):
            read(good)


# --- writing them


def test_a_failing_save_leaves_the_old_file_and_nothing_else(good, monkeypatch):
    old = good.read_bytes()

    def full(contents, file):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        AtomicCheckpointIO().save_checkpoint({"pinn": {"format": 1}}, good)
    assert good.read_bytes() == old
    assert list(good.parent.iterdir()) == [good]


KILLED = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from pinn.callbacks.keeper import KEPT, newest_first
from pinn.checkpoint import AtomicCheckpointIO, read

def save_for_ever(folder, first):
    step = first
    while True:
        step += 1
        weights = torch.full((400_000,), float(step))
        contents = {"pinn": {"format": 1}, "global_step": step, "state_dict": {"w": weights}}
        AtomicCheckpointIO().save_checkpoint(contents, folder / f"step-{step:07d}.ckpt")
        for old in newest_first(folder)[KEPT:]:
            old.unlink()

folder, last, torn = Path(sys.argv[1]), 0, 0
random.seed(0)
for attempt in range(12):
    child = os.fork()
    if not child:
        save_for_ever(folder, last)
    time.sleep(random.uniform(0.02, 0.2))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    torn += len(list(folder.glob(".step-*")))
    for stale in folder.glob(".step-*"):
        stale.unlink()
    found = newest_first(folder)
    if not found:
        continue
    contents = read(found[0])
    step = contents["global_step"]
    assert step >= last and bool((contents["state_dict"]["w"] == step).all()), found
    last = step
assert last > 12, last
print("torn", torn)
"""


def test_whenever_it_is_killed_the_newest_checkpoint_loads(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(Path(pinn.__file__).parents[1]),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # Some of the kills did hit a file half written.
    assert int(done.stdout.split()[-1]) >= 1


# --- Keeper


def steps_in(folder):
    return [int(path.stem.removeprefix("step-")) for path in newest_first(folder / "checkpoints")]


def test_the_two_newest_are_kept(train, tmp_path):
    stale = tmp_path / "checkpoints" / ".step-0000002.ckpt.part123"
    stale.parent.mkdir()
    stale.write_bytes(b"of a process that was killed")
    train(solver_of(phases=[Phase(17)]), callbacks=[Keeper(every=3)])
    assert steps_in(tmp_path) == [17, 15]
    assert {path.name for path in stale.parent.iterdir()} == {
        "step-0000015.ckpt",
        "step-0000017.ckpt",
    }


def test_a_period_of_less_than_one_step():
    with pytest.raises(ValueError, match="checkpoints every 0 steps: expected at least 1"):
        Keeper(every=0)


@pytest.fixture
def poison(monkeypatch):
    """A function that makes one residual NaN in one step."""
    losses = pinn.solver.residual_losses

    def at(step, name="momentum", value=float("nan")):
        calls = []

        def poisoned(*args):
            calls.append(1)
            found = losses(*args)
            if len(calls) == step:
                found[name] = found[name] * value
            return found

        monkeypatch.setattr(pinn.solver, "residual_losses", poisoned)

    return at


@pytest.mark.parametrize("step", [1, 10, 11, 23])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_the_run(train, tmp_path, poison, step, value):
    poison(step, value=value)
    solver = solver_of(phases=[Phase(60)])
    message = rf"the loss is {value} at step {step} \(Adam\), from momentum: lower"
    with pytest.raises(NonFiniteError, match=message):
        train(solver, callbacks=[FiniteGuard(), Keeper(every=2)])
    assert solver.global_step - step < 10
    kept = newest_first(tmp_path / "checkpoints")
    assert steps_in(tmp_path)[:1] == ([(step - 1) // 2 * 2] if step > 2 else [])
    for path in kept:
        at = torch.rand(3, 2)
        assert torch.isfinite(pinn.load(path)(at)["u"]).all()


def test_a_loss_that_is_no_number_in_the_last_steps_is_found_too(train, tmp_path, poison):
    poison(13)
    with pytest.raises(NonFiniteError, match="at step 13"):
        train(solver_of(phases=[Phase(15)]), callbacks=[FiniteGuard(), Keeper(every=4)])
    assert steps_in(tmp_path) == [12, 8]


def test_an_error_between_steps_saves_what_is_done(train, tmp_path):
    class Fail(pinn.callbacks.Scalars):
        def on_train_batch_end(self, trainer, *args):
            if trainer.global_step == 7:
                raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        train(solver_of(phases=[Phase(20)]), callbacks=[Fail(), Keeper(every=5)])
    assert steps_in(tmp_path) == [7, 5]


def test_an_error_in_validation_saves_what_is_done(train, tmp_path):
    class Fail(pinn.callbacks.Scalars):
        def on_validation_end(self, *args):
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        train(solver_of(phases=[Phase(20)]), callbacks=[Fail(), Keeper(9)], val_check_interval=7)
    assert steps_in(tmp_path) == [7]


def test_an_error_before_the_first_step_saves_nothing(train, tmp_path):
    with pytest.raises(ValueError, match="gradient_clip_val does not go with LBFGS"):
        train(solver_of(), callbacks=[Keeper()], gradient_clip_val=1.0)
    assert not list(tmp_path.iterdir())


def test_an_error_inside_a_step_saves_no_half_done_step(train, tmp_path, monkeypatch):
    losses, calls = pinn.solver.residual_losses, []

    def interrupted(*args):
        calls.append(1)
        if len(calls) == 8:  # in the third step's line search
            raise MemoryError("no memory")
        return losses(*args)

    monkeypatch.setattr(pinn.solver, "residual_losses", interrupted)
    phases = [Phase(9, "LBFGS", dtype="float64", options={"max_iter": 2})]
    with pytest.raises(MemoryError):
        train(solver_of(phases=phases), callbacks=[Keeper(every=1)])
    (newest, *_) = newest_first(tmp_path / "checkpoints")
    progress = read(newest)["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]
    assert progress["ready"] == progress["completed"] == read(newest)["global_step"]
