"""Recorded graphs and trusted strategies see whatever the Python reads."""

import contextvars
import ctypes
import os
import threading
import types
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from test_step import check, made
from torch import nn
from torch.nn.utils import parametrize

import pinn
from pinn.cache.key import read
from pinn.cache.reader import UnreadableError
from pinn.callbacks import FiniteLoss
from pinn.fields.field import Field
from pinn.fields.vector_calculus import laplacian
from pinn.geometry import Interval, Rectangle
from pinn.networks import MLP
from pinn.objective.compilation import Compilation
from pinn.optim import Phase
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.training.solver import Solver

GAIN = 1.0
TABLE = {"gain": [1.0]}
SETTINGS = types.ModuleType("settings")
SETTINGS.GAIN = 1.0


def raised(value, *, by=1.0):
    return value + by


@dataclass
class Material:
    density: float = 1.0
    layers: list = field(default_factory=lambda: [{"k": np.ones(3)}])


class Slotted:
    __slots__ = ("gain",)

    def __init__(self):
        self.gain = 1.0


class Reads(Problem):
    """∇²u = everything that Python can read."""

    coordinates = ("x", "y")
    unknowns = {"u": 1}
    geometry = Rectangle(x=(0, 1), y=(0, 1))
    scale = 1.0
    table = {"gain": 1.0}

    def __init__(self):
        super().__init__()
        self._target, self._flag = 1.0, False
        self.material, self.slotted = Material(), Slotted()
        self.array, self.texts = np.ones(2), ["a", ("b",)]
        self.hook = lambda value: value
        self.register_buffer("nu", torch.tensor(0.5))

    @property
    def level(self):
        return self._target + self.scale + self.table["gain"] + self.material.density

    def total(self):
        layers = float(self.material.layers[0]["k"].sum())
        found = self.level + layers + self.slotted.gain + float(self.array.sum())
        found += GAIN + TABLE["gain"][0] + SETTINGS.GAIN + raised(0.0) + len(self.texts[0])
        return self.hook(-found if self._flag else found)

    @on("interior")
    def balance(self, u: Field) -> Field:
        """ν ∇²u − total u."""
        return self.nu * laplacian(u) - self.total() * u


CHANGES = {
    "an underscored attribute": lambda p, m: setattr(p, "_target", 3.0),
    "an underscored flag": lambda p, m: setattr(p, "_flag", True),
    "a class attribute": lambda p, m: m.setattr(Reads, "scale", 3.0),
    "a table of the class": lambda p, m: m.setitem(Reads.table, "gain", 3.0),
    "a dataclass": lambda p, m: setattr(p.material, "density", 3.0),
    "an array deep inside": lambda p, m: p.material.layers[0]["k"].__setitem__(1, 5.0),
    "a slot": lambda p, m: setattr(p.slotted, "gain", 3.0),
    "an array in place": lambda p, m: p.array.__iadd__(1.0),
    "a list in place": lambda p, m: p.texts.__setitem__(0, "abc"),
    "a global": lambda p, m: m.setitem(globals(), "GAIN", 3.0),
    "a global's entry": lambda p, m: TABLE["gain"].__setitem__(0, 3.0),
    "a module's global": lambda p, m: m.setattr(SETTINGS, "GAIN", 3.0),
    "a default": lambda p, m: m.setattr(raised, "__kwdefaults__", {"by": 3.0}),
    "a function held": lambda p, m: setattr(p, "hook", lambda value: 2 * value),
    "a method of the class": lambda p, m: m.setattr(Reads, "total", lambda self: 7.0),
    "a method of the object": lambda p, m: setattr(p, "total", lambda: 7.0),
    "a buffer's data": lambda p, m: setattr(p.nu, "data", torch.tensor(2.0).double()),
    "a buffer behind its version": lambda p, m: p.nu.data.fill_(2.0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_recorded_step_sees(change, monkeypatch):
    monkeypatch.setitem(TABLE, "gain", [1.0])
    monkeypatch.setattr(Reads, "table", {"gain": 1.0})
    step, points = made(Reads(), points={"interior": 12}, mode="recorded", network=MLP(4, 1))
    before = step.gradient(points, step.given)[0]
    CHANGES[change](step.solution.problem, monkeypatch)
    check(step, points)
    assert not torch.equal(step.gradient(points, step.given)[0], before)


class Bent(nn.Module):
    def forward(self, x):
        return 2 * x


NETWORK = {
    "an activation": lambda net: net.__setitem__(1, nn.Sigmoid()),
    "the forward of a layer": lambda net: setattr(net[1], "forward", torch.sin),
    "a parametrization": lambda net: parametrize.register_parametrization(net[0], "weight", Bent()),
    "a hook": lambda net: net[0].register_forward_hook(lambda m, a, out: 2 * out),
    "a flag": lambda net: setattr(net[3], "_negative", True),
    "eval": lambda net: net.eval(),
    "a frozen layer": lambda net: net[0].requires_grad_(False),
}


class Flagged(nn.Module):
    def __init__(self):
        super().__init__()
        self._negative = False

    def forward(self, x):
        y = -x if self._negative else x
        return y if self.training else 3 * y


@pytest.mark.parametrize("change", NETWORK)
def test_a_recorded_step_sees_in_a_network(change):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1), Flagged())
    step, points = made(Reads(), points={"interior": 12}, mode="recorded", network=net)
    step.gradient(points, step.given)
    NETWORK[change](net)
    check(step, points)


# --- what nobody can look into


def test_what_cannot_be_looked_into_is_named_and_run_by_python():
    problem = Reads()
    problem.source = iter(n for n in range(1000))
    step, points = made(problem, points={"interior": 12}, mode="recorded", network=MLP(4, 1))
    step.gradient(points, step.given)
    assert len(step.told) == 1
    assert "problem.source is a builtins.generator" in step.told[0]
    step.told.clear()
    check(step, points)


def test_more_than_can_be_looked_at_is_said():
    with pytest.raises(UnreadableError, match="hold numbers in an array"):
        read([{k: str(k)} for k in range(60_000)])


# --- what is not seen


class Clock:
    """Reads what a key does not see: the attributes of a module that was installed."""

    def __call__(self):
        return getattr(torch, "tensors_of_this_test", 1.0)


@pytest.mark.parametrize("mode", ["recorded"])
def test_an_unseen_change_is_found_and_said(mode, monkeypatch):
    problem = Reads()
    problem.hook = lambda value: value * Clock()()
    step, points = made(problem, points={"interior": 12}, mode=mode, network=MLP(4, 1))
    step.gradient(points, step.given)
    monkeypatch.setattr(torch, "tensors_of_this_test", 3.0, raising=False)
    for _ in range(200):
        step.gradient(points, step.given)
    assert len(step.told) == 1
    assert "up to 1 evaluations before this one used old values" in step.told[0]
    step.told.clear()
    check(step, points)


def test_an_unseen_change_is_found_at_the_end(monkeypatch):
    problem = Reads()
    problem.hook = lambda value: value * Clock()()
    step, points = made(problem, points={"interior": 12}, mode="recorded", network=MLP(4, 1))
    for _ in range(10):
        step.gradient(points, step.given)
    step.recheck()
    assert step.told == []
    monkeypatch.setattr(torch, "tensors_of_this_test", 3.0, raising=False)
    for _ in range(3):
        step.gradient(points, step.given)
    step.recheck()
    assert len(step.told) == 1
    assert "up to 4 evaluations before this one used old values" in step.told[0]


# --- a run


class Level(Problem):
    """u = target."""

    coordinates, unknowns, geometry = ("x",), {"u": 1}, Interval()

    def __init__(self):
        super().__init__()
        self._target = 1.0

    @on("interior")
    def eq(self, u: Field) -> Field:
        """u − target."""
        return u - self._target


class Anneal(Callback):
    def on_train_batch_start(self, trainer, module, batch, index):
        if index == 4:
            module.solution.problem._target = 3.0


@pytest.mark.parametrize("optimizer", ["LevenbergMarquardt", "LBFGS"])
def test_a_coefficient_changed_while_training(optimizer, tmp_path):
    torch.manual_seed(0)
    solution = pinn.fit(
        Level(),
        MLP(width=6, depth=1, spread=2.0),
        points={"interior": 8},
        phases=[pinn.Phase(optimizer=optimizer, steps=10)],
        callbacks=[Anneal()],
        folder=tmp_path,
    )
    found = solution(torch.tensor([[0.5]], dtype=torch.float64))["u"]
    torch.testing.assert_close(found, torch.full_like(found, 3.0), rtol=1e-3, atol=0)


# --- strategies


class Straight(torch.autograd.Function):
    """tanh with a backward of its own, which a forward pass does not see."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.tanh(x)

    @staticmethod
    def backward(ctx, g):
        return g * torch.sigmoid(ctx.saved_tensors[0])


class Act(nn.Module):
    def __init__(self, straight=True):
        super().__init__()
        self._straight = straight
        self.options = {"straight": [straight]}

    def forward(self, x):
        on = self._straight and self.options["straight"][0]
        return Straight.apply(x) if on else torch.tanh(x)


SWITCH = {"straight": False}


def switched(x):
    return Straight.apply(x) if SWITCH["straight"] else torch.tanh(x)


class Switched(nn.Module):
    forward = staticmethod(switched)


def replaced(net):
    net[1] = Act()


def flipped(net):
    net[1]._straight = True


def nested_flag(net):
    net[1].options["straight"][0] = True


def global_flag(net):
    SWITCH["straight"] = True


def method(net):
    net[1].forward = Straight.apply


SWITCHES = [
    (nn.Tanh, replaced),
    (lambda: Act(False), lambda net: (nested_flag(net), flipped(net))),
    (Switched, global_flag),
    (nn.Tanh, method),
]


@pytest.mark.parametrize(("start", "change"), SWITCHES)
@pytest.mark.parametrize("what", ["laplacian", "divergence", "taylor", "solution"])
def test_trust_does_not_outlive_a_change(start, change, what, monkeypatch):
    monkeypatch.setitem(SWITCH, "straight", False)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 8), start(), nn.Linear(8, 3)).double()
    x = torch.rand(20, 3, dtype=torch.float64)
    div = pinn.Divergence("taylor" if what == "taylor" else "rule")

    def found(f):
        if what == "laplacian":
            return pinn.laplacian(pinn.differentiate(f, x, order=2, strategy="rule")).value
        return div(f, x)

    if what == "solution":
        step, points = made(Reads(), points={"interior": 12}, network=Two(net))
        step.gradient(points, step.given)
        change(net)
        step.gradient(points, step.given)
        assert step.solution.strategy == {"all": "loop"}
        assert len(step.told) == 1
        return
    found(net)
    change(net)
    if what == "taylor":
        with pytest.raises(ValueError, match="custom backward"):
            found(net)
    else:
        fresh = nn.Sequential(*net)
        torch.testing.assert_close(found(net), found(fresh), rtol=1e-12, atol=1e-12)


class Two(nn.Module):
    """Of two coordinates and one unknown."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(torch.cat([x, x[..., :1]], -1))[..., :1]


def test_a_run_ends_with_a_look_at_the_python(train, monkeypatch, capsys):
    class Late(Callback):
        def on_train_batch_start(self, trainer, module, batch, index):
            if index == 9:
                monkeypatch.setattr(torch, "tensors_of_this_test", 3.0, raising=False)

    problem = Reads()
    problem.hook = lambda value: value * Clock()()
    phases = [Phase(10, "SGD", lr=1e-6)]
    solver = Solver(problem, MLP(4, 1), phases, derivatives="taylor", compile="auto")
    solver.compilation = Compilation("recorded", "asked for by this test")
    train(solver, points={"interior": 12}, callbacks=[FiniteLoss(), Late()])
    assert "used old values" in capsys.readouterr().out


def changed_holders():
    space = types.SimpleNamespace(a=types.SimpleNamespace(k=1.0))
    yield space, lambda: setattr(space.a, "k", 3.0)
    table = {"k": 1.0}
    yield types.MappingProxyType(table), lambda: table.update(k=3.0)
    memory = bytearray(b"12")
    yield memoryview(memory), lambda: memory.__setitem__(0, 3)
    number = ctypes.c_double(1.0)
    yield number, lambda: setattr(number, "value", 3.0)
    own = threading.local()
    own.k = 1.0
    yield own, lambda: setattr(own, "k", 3.0)
    context = contextvars.ContextVar("context", default=1.0)
    yield context, lambda: context.set(3.0)


def test_what_holders_of_values_hold_is_read():
    for holder, change in changed_holders():
        first = read(holder)
        assert read(holder) == first
        change()
        assert read(holder) != first, type(holder)


def test_the_environment_and_torchs_flags_are_read(monkeypatch):
    monkeypatch.setenv("GAIN", "1.0")

    def gain():
        return float(os.environ["GAIN"])

    first = read(gain)
    monkeypatch.setenv("GAIN", "3.0")
    assert read(gain) != first
    first = read(gain)
    torch.use_deterministic_algorithms(True)
    try:
        assert read(gain) != first
    finally:
        torch.use_deterministic_algorithms(False)
    assert read(gain) == first
