"""Networks and problems that hold something new at every call: right, and at a bounded cost."""

import warnings

import pytest
import torch
from torch import nn
from torch.autograd.functional import hessian, jacobian

import pinn
from pinn.cache.rechecks import NEW, recall
from pinn.checking.independence import CoupledPointsError
from pinn.fields.functions import sin
from pinn.fields.vector_calculus import laplacian
from pinn.geometry import Interval
from pinn.operators.differentiate import differentiate
from pinn.operators.divergence import Divergence
from pinn.physics.problem import Problem
from pinn.physics.residuals import on


class Growing(nn.Module):
    """A network that keeps a history, of one kind or another."""

    def __init__(self, kind, width=8, out=2):
        super().__init__()
        self.kind, self.history, self.table, self.calls = kind, [], {}, 0
        self.net = nn.Sequential(nn.Linear(out, width), nn.Tanh(), nn.Linear(width, out)).double()
        self.coupled = False

    def forward(self, x):
        self.calls += 1
        match self.kind:
            case "list":
                self.history.append("call")
            case "shapes":
                self.history.append(tuple(x.shape))
            case "dict":
                self.table[f"call {self.calls}"] = None
            case "hook":
                self.register_forward_hook(lambda *_: None)
        y = self.net(x)
        return y + y.mean(0) if self.coupled else y


def often(call):
    for _ in range(NEW + 1):
        call()


KINDS = ["list", "shapes", "dict", "hook"]


@pytest.mark.parametrize(
    ("kind", "what"),
    [(kind, "divergence") for kind in KINDS] + [("list", "laplacian"), ("hook", "laplacian")],
)
def test_a_function_that_is_ever_new_is_decided_on_a_few_times(kind, what):
    torch.manual_seed(0)
    f, x = Growing(kind), torch.rand(6, 2, dtype=torch.float64)
    div = Divergence()

    def value(of):
        if what == "divergence":
            return div(of, x)
        return laplacian(differentiate(of, x, order=2)).value[:, 0]

    with pytest.warns(UserWarning, match="reads something new at every call") as said:
        often(lambda: value(f))
    assert len(said) == 1
    before = f.calls
    for _ in range(6):
        found = value(f)
    assert f.calls - before <= 6 * 2 + 12  # an evaluation each, and checks after 1, 2, 4 uses
    J = torch.stack([jacobian(f.net, at) for at in x])
    right = J.diagonal(dim1=1, dim2=2).sum(-1)
    if what == "laplacian":
        H = torch.stack([hessian(lambda p: f.net(p)[0], at) for at in x])
        right = H.diagonal(dim1=1, dim2=2).sum(-1)
    torch.testing.assert_close(found, right.detach(), rtol=1e-12, atol=1e-12)


def test_points_that_begin_to_see_each_other_are_still_found():
    f, x, div = Growing("list"), torch.rand(6, 2, dtype=torch.float64), Divergence()
    with pytest.warns(UserWarning, match="reads something new"):
        often(lambda: div(f, x))
    f.coupled = True
    with pytest.raises(CoupledPointsError):
        often(lambda: div(f, x))


def test_what_is_used_again_is_not_ever_new():
    net, x = Growing("none"), torch.rand(4, 2, dtype=torch.float64)
    made = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for k in range(3 * NEW):  # two states in turn
            net.coupled = bool(k % 2)
            recall(net, x, True, (), made.append, safe=lambda: pytest.fail("it is not ever new"))
    assert made == [True, True]


class Heat(Problem):
    """u'' = −π² sin πx, by a problem that keeps a history."""

    coordinates, unknowns, geometry = ("x",), {"u": 1}, Interval()

    def __init__(self, is_growing):
        super().__init__()
        self.is_growing, self.history = is_growing, []

    @on("interior")
    def balance(self, u, x):
        if self.is_growing:
            self.history.append("call")
        return laplacian(u) + torch.pi**2 * sin(torch.pi * x)

    @on("boundary")
    def ends(self, u):
        return u


@pytest.mark.parametrize("where", ["problem", "network"])
def test_training_goes_on_by_python_and_says_so(where, tmp_path, capsys):
    torch.manual_seed(0)
    network = Growing("list" if where == "network" else "none", out=1)
    solution = pinn.fit(
        Heat(where == "problem"),
        network.float(),
        [pinn.Phase(12, "LevenbergMarquardt")],
        {"interior": 12, "boundary": 2},
        folder=tmp_path,
        enable_progress_bar=False,
    )
    told = capsys.readouterr().out
    assert told.count("what the Python reads is new each time") == 1
    found = solution(torch.tensor([[0.5]], dtype=torch.float64))["u"].item()
    assert found == pytest.approx(1.0, abs=2e-3)
