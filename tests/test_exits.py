"""Values that leave torch, sizes that depend on values, buffers that are written: not recorded."""

import copy
import io
import pickle
import random
import re

import numpy as np
import pytest
import torch
from test_step import made, reference

import pinn
from pinn.geometry import Interval
from pinn.networks import MLP
from pinn.recording.recording import Recording
from pinn.recording.tape import RecordingError


def saved(value):
    torch.save(value, file := io.BytesIO())
    file.seek(0)
    return torch.load(file)


def assigned(value):
    other = torch.zeros_like(value)
    other.data = value
    return other


READ = {
    "tolist": lambda v: sum(v.tolist()),
    "numpy": lambda v: float(v.numpy().sum()),
    "numpy by force": lambda v: float(v.numpy(force=True).sum()),
    "asarray": lambda v: float(np.asarray(v).sum()),
    "a number of NumPy": lambda v: float(np.float64(v[0])),
    "from NumPy and back": lambda v: torch.from_numpy(np.cos(v.numpy())),
    "a list of tensors": lambda v: torch.tensor([v[0], v[1]]),
    "a nested list": lambda v: torch.as_tensor([[v[0]], [v[1]]]),
    "text": lambda v: float(str(v[0])[7:-1]),
    "saved": saved,
    "pickled": lambda v: pickle.loads(pickle.dumps(v)),
    "copied": copy.deepcopy,
    "dlpack": lambda v: torch.from_dlpack(np.from_dlpack(v)),
    "data": assigned,
    "apply": lambda v: v.clone().apply_(lambda x: x + 1),
    "item": lambda v: v[0].item(),
    "bool": lambda v: 1.0 if v[0] > 0 else 2.0,
    "places": lambda v: torch.tensor_split(torch.arange(9.0), v.argmax().reshape(1))[0].sum(),
}


@pytest.mark.parametrize("name", READ)
def test_a_value_that_leaves_torch_is_refused(name):
    def function(varying, fixed):
        return [fixed[0].sum() * READ[name](varying[0])]

    given = [torch.tensor([0.5, -1.5])], [torch.ones(2)]
    function(*given)
    with pytest.raises(RecordingError, match="reads values as plain numbers"):
        Recording(function, *given)


SIZES = {
    "mask": lambda v: v[v > 0].sum(),
    "bytes as a mask": lambda v: v[(v > 0).to(torch.uint8)].sum(),
    "masked_select": lambda v: v.masked_select(v > 0).sum(),
    "nonzero": lambda v: (v > 0).nonzero().sum(),
    "where": lambda v: v[torch.where(v > 0)].sum(),
    "length": lambda v: torch.ones(()) * len(v[v > 0]),
    "unique": lambda v: v.round().unique().sum(),
    "bincount": lambda v: v.abs().long().bincount().sum(),
    "repeat": lambda v: torch.ones(2).repeat_interleave(v.abs().long()).sum(),
    "sparse": lambda v: torch.relu(v).to_sparse().coalesce().values().sum(),
}


@pytest.mark.filterwarnings("ignore:.*uint8:UserWarning")
@pytest.mark.parametrize("place", ["varying", "fixed"])
@pytest.mark.parametrize("name", SIZES)
def test_a_size_that_depends_on_values_is_refused(name, place):
    def function(varying, fixed):
        return [SIZES[name](varying[0] if place == "varying" else fixed[0])]

    with pytest.raises(RecordingError, match="size of a tensor depends on values"):
        Recording(function, [torch.tensor([0.5, -1.5])], [torch.tensor([0.5, -1.5])])


def test_what_is_the_same_at_every_call_is_recorded():
    """Masks and numbers of constants, places that values give, and masks that keep the size."""

    def function(varying, fixed):
        v, constant = varying[0], torch.linspace(-1, 1, 4)
        factor = (
            sum(constant.tolist()) + float(constant.numpy().max()) + len(constant[constant > 0])
        )
        some = v[constant > 0].sum() + v.masked_select(constant < 0).prod()
        return [
            factor * some + v[v.argsort()][0],
            torch.where(v > 0, v, 0),
            v.masked_fill(v > 0, 3),
        ]

    recording = Recording(function, [torch.rand(4)], [torch.rand(4)])
    for _ in range(5):
        varying, fixed = [torch.randn(4)], [torch.randn(4)]
        values = recording(varying, recording.prepared(fixed))
        for a, b in zip(values, function(varying, fixed), strict=True):
            assert torch.equal(a, b)


@torch.library.custom_op("pinn_tests::squared", mutates_args=())
def squared(x: torch.Tensor) -> torch.Tensor:
    """x² by NumPy."""
    return torch.from_numpy(np.square(x.numpy()))


def test_an_operation_of_ones_own_may_use_numpy_inside():
    recording = Recording(lambda v, f: [squared(v[0]) + f[0]], [torch.rand(3)], [torch.rand(3)])
    varying, fixed = [torch.rand(3)], [torch.rand(3)]
    values = recording(varying, recording.prepared(fixed))
    assert torch.equal(values[0], varying[0] ** 2 + fixed[0])


# --- a run


class Given(pinn.Problem):
    """What a function makes of u."""

    coordinates, unknowns, geometry = ("x",), {"u": 1}, Interval()

    def __init__(self, form):
        super().__init__()
        self.form = form
        self.register_buffer("kept", torch.zeros((), dtype=torch.float64))

    @pinn.on("interior")
    def equation(self, u, x):
        return self.form(self, u.value, x.value)


def caught(problem, u, x):
    try:
        return u * float(u.detach()[0])
    except RuntimeError:
        return u


def written(problem, u, x):
    problem.kept.mul_(0.9).add_(0.1 * u.detach().mean())
    return u - problem.kept - 1


def replaced(problem, u, x):
    problem.kept = 0.9 * problem.kept + 0.1 * u.detach().mean()
    return u - problem.kept - 1


class Backward(torch.autograd.Function):
    """x², whose backward goes through NumPy, where only a comparison shows it."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * torch.from_numpy(2 * x.detach().numpy())


REFUSED = {
    "mask": (lambda p, u, x: u + u[u > 0].sum(), "residual 'equation' .*size of a tensor depends"),
    "a refusal that is caught": (caught, "reads values as plain numbers"),
    "written": (written, "writes to a buffer or parameter"),
    "replaced": (replaced, r"kept is replaced while residuals are evaluated"),
    "random": (lambda p, u, x: u + torch.rand_like(u), "differ .* random numbers are drawn"),
    "random by NumPy": (lambda p, u, x: u * np.random.rand(), "its numbers differ from those of"),
    "random by Python": (lambda p, u, x: u * random.random(), "its numbers differ from those of"),
    "backward": (lambda p, u, x: Backward.apply(u + x), "its numbers differ from those of"),
}


def steps(step, points, count=6):
    """Steps against reverse mode; the numbers that a problem keeps go on with each evaluation."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(count):
        kept, state = step.solution.problem.kept.clone(), torch.get_rng_state()
        python, numbers = random.getstate(), np.random.get_state()
        losses, gradients = step.gradient(points, step.given)
        after = step.solution.problem.kept
        step.solution.problem.kept = kept
        torch.set_rng_state(state)
        random.setstate(python)
        np.random.set_state(numbers)
        _, terms, expected = reference(step, points)
        torch.testing.assert_close(losses, torch.stack(list(terms.values())))
        torch.testing.assert_close(gradients, list(expected))
        assert torch.equal(step.solution.problem.kept, after)
        with torch.no_grad():
            for p in step.parameters():
                p.add_(0.3 * torch.randn(p.shape, generator=generator, dtype=p.dtype))


@pytest.mark.parametrize("name", REFUSED)
def test_a_residual_that_cannot_be_recorded_runs_as_python_with_a_line(name):
    form, words = REFUSED[name]
    step, points = made(Given(form), MLP(8, 2), points={"interior": 32}, mode="recorded")
    steps(step, points)
    assert len(step.told) == 1
    assert step.told[0].startswith("compile   no recorded step: ")
    assert re.search(words, step.told[0]), step.told[0]


def test_a_residual_that_writes_to_what_it_made_is_recorded():
    def form(problem, u, x):
        values = torch.zeros_like(u)
        values += u
        values[0] = 2 * u[1]
        return values * x

    step, points = made(Given(form), MLP(8, 2), points={"interior": 32}, mode="recorded")
    steps(step, points)
    assert step.told == []
    assert all(held.uses == 6 for held in step.recorder.recordings.values())


def test_a_replay_that_fails_is_said_once_and_never_tried_again(monkeypatch):
    step, points = made(Given(lambda p, u, x: u * x), MLP(8, 2), points={"interior": 32})
    step.mode = "recorded"
    steps(step, points, 1)
    (held,) = step.recorder.recordings.values()
    tried = []

    def fails(*arguments):
        tried.append(arguments)
        raise RuntimeError("shape mismatch\nin detail")

    held.recording.run = fails
    steps(step, points, 3)
    assert len(tried) == 1
    assert step.told == [
        "compile   a recorded step failed, steps run as Python from now on: RuntimeError: shape "
        "mismatch"
    ]


def test_too_little_memory_is_not_taken_for_a_graph_that_fails():
    step, points = made(Given(lambda p, u, x: u * x), MLP(8, 2), points={"interior": 32})
    step.mode = "recorded"
    steps(step, points, 1)
    (held,) = step.recorder.recordings.values()
    held.recording.run = lambda *_: torch.empty(2**50)
    with pytest.raises(RuntimeError, match="memory"):
        step.gradient(points, step.given)
    assert step.told == []


class Hidden:
    """Reads what a key does not see, and only at some of the points."""

    def __call__(self, values):
        there = getattr(torch, "tensors_of_this_test", None)
        return values if there is None else torch.where(there(values), 2 * values, values)


@pytest.mark.parametrize("place", range(4))
def test_a_change_at_any_chunk_is_found(place, monkeypatch):
    """The check would see the same chunk each time if it counted the uses of all of them."""
    hidden = Hidden()
    problem = Given(lambda p, u, x: u * hidden(x))
    step, points = made(problem, MLP(8, 2), points={"interior": 256}, mode="recorded")
    monkeypatch.setattr(step, "chunk_size", lambda region, points: 64)
    step.gradient(points, step.given)
    assert len(step.chunks) == 4
    known = step.chunks[place].points.at[:, 0]
    monkeypatch.setattr(
        torch, "tensors_of_this_test", lambda x: torch.isin(x, known), raising=False
    )
    for _ in range(3):
        step.gradient(points, step.given)
    assert len(step.told) == 1
    assert "a recorded step no longer gives the numbers of the Python" in step.told[0]


def test_a_counter_counts_evaluations_alone():
    """Each recording would be one evaluation more; after a few a line says that none is made."""

    def form(problem, u, x):
        problem.count = getattr(problem, "count", 0) + 1
        return u * (1 + problem.count)

    step, points = made(Given(form), MLP(8, 2), points={"interior": 32}, mode="recorded")
    step.solution.problem.count = 0
    for k in range(8):
        losses, _ = step.gradient(points, step.given)
        assert step.solution.problem.count == k + 1
    problem = step.solution.problem
    problem.count -= 1
    _, terms, _ = reference(step, points)
    torch.testing.assert_close(losses, torch.stack(list(terms.values())))
    assert len(step.told) == 1
    assert "what the Python reads is new each time" in step.told[0]


@pytest.mark.parametrize("form", [written, replaced])
def test_a_running_mean_knows_nothing_of_the_dry_run(form):
    step, _ = made(Given(form), MLP(8, 2), points={"interior": 32})
    assert step.solution.problem.kept == 0
