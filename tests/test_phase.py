"""Phases: optimisers by name, schedules, budgets and targets."""

import math
import re

import pytest
import torch
from torch import nn

from pinn.networks import MLP
from pinn.optim import LevenbergMarquardt, Phase, usual_phases
from pinn.problems import Kovasznay
from pinn.solution.solution import Solution


def parameters():
    return [nn.Parameter(torch.zeros(2))]


def test_an_optimizer_by_name():
    adam = Phase(10).build(parameters())
    assert type(adam) is torch.optim.Adam
    assert adam.param_groups[0]["lr"] == 1e-3
    other = Phase(10, "AdamW", lr=0.5, options={"weight_decay": 0.25}).build(parameters())
    assert type(other) is torch.optim.AdamW
    assert (other.param_groups[0]["lr"], other.param_groups[0]["weight_decay"]) == (0.5, 0.25)


def test_lbfgs_searches_its_line():
    lbfgs = Phase(10, "LBFGS", options={"max_iter": 7}).build(parameters()).param_groups[0]
    assert (lbfgs["line_search_fn"], lbfgs["lr"], lbfgs["max_iter"]) == ("strong_wolfe", 1.0, 7)
    assert Phase(1, "LBFGS").has_one_loss
    assert Phase(1, "LevenbergMarquardt").has_one_loss
    assert not Phase(1).has_one_loss


def test_levenberg_marquardt_is_a_phase_in_float64():
    phase = Phase(10, "LevenbergMarquardt", options={"damping": 0.5})
    assert phase.solves_system
    assert phase.dtype == Phase(1, "LBFGS").dtype == "float64"
    assert Phase(1).dtype == "float32"
    phase.rehearse()
    optimizer = phase.build([nn.Parameter(torch.zeros(2, dtype=torch.float64))])
    assert isinstance(optimizer, LevenbergMarquardt)
    assert optimizer.damping == 0.5
    with pytest.raises(ValueError, match=r"dtype is float32, .* use float64"):
        Phase(1, "LevenbergMarquardt", dtype="float32")


def test_what_a_phase_trains_is_all_or_the_output():
    assert Phase(1).train == "all"
    with pytest.raises(ValueError, match="train is 'last': known: all, output"):
        Phase(1, train="last")


def test_evaluations_of_a_step():
    assert Phase(10).evaluations == 1
    assert Phase(3, "LevenbergMarquardt").evaluations == 0  # it has residuals of its own
    assert Phase(4, "LBFGS", options={"max_iter": 8}).evaluations == 10


def test_cosine_goes_from_one_to_zero():
    phase = Phase(8, schedule="cosine")
    assert [phase.factor(s) for s in (0, 4, 8, 9)] == pytest.approx([1.0, 0.5, 0.0, 0.0])
    assert phase.factor(2) == pytest.approx((1 + math.cos(math.pi / 4)) / 2)
    assert Phase(8).factor(7) == 1.0


def test_a_phase_says_what_ends_it():
    assert str(Phase(200)) == "Adam 200 steps float32"
    phase = Phase(9, "LBFGS", seconds=60.0, error=1e-6, loss=1e-9, patience=5)
    ends = "9 steps or 60 s or error 1e-06 or loss 1e-09 or 5 steps without progress"
    assert str(phase) == f"LBFGS {ends} float64"


def test_precision():
    assert Phase(1).torch_dtype == torch.float32
    assert Phase(1, dtype="float64").torch_dtype == torch.float64


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "phase Adam: steps is 0: expected at least 1"),
        ({"steps": 2.5}, "phase Adam: steps is 2.5: expected a whole number"),
        ({}, "phase Adam: it has no budget: give it steps or seconds, such as steps: 1000"),
        ({"error": 1e-3, "loss": 1e-3, "patience": 3}, "phase Adam: it has no budget"),
        ({"seconds": 0.0}, "phase Adam: seconds is 0.0, expected a positive number"),
        ({"steps": 1, "error": -1e-3}, "phase Adam: error is -0.001, expected a positive number"),
        ({"steps": 1, "loss": math.nan}, "phase Adam: loss is nan, expected a positive number"),
        ({"steps": 1, "patience": 0}, "phase Adam: patience is 0: expected at least 1"),
        ({"seconds": 1.0, "schedule": "cosine"}, "schedule is cosine, which runs over its steps"),
        ({"steps": 1, "lr": 0.0}, "phase Adam: lr is 0.0, expected a positive number"),
        ({"steps": 1, "lr": math.nan}, "phase Adam: lr is nan"),
        ({"steps": 1, "lr": math.inf}, "phase Adam: lr is inf"),
        (
            {"steps": 1, "schedule": "cosin"},
            "phase Adam: schedule is 'cosin': did you mean 'cosine'",
        ),
        (
            {"steps": 1, "dtype": "float16"},
            "phase Adam: dtype is 'float16': did you mean 'float64'? known: float32, float64",
        ),
        ({"steps": 1, "optimizer": "Adamm"}, "unknown optimizer 'Adamm': did you mean 'Adam'"),
        ({"steps": 1, "optimizer": "Optimizer"}, "unknown optimizer 'Optimizer'"),
        ({"steps": 1, "optimizer": "lr_scheduler"}, "unknown optimizer 'lr_scheduler'"),
        (
            {"steps": 1, "options": {"beta": 1}},
            "phase Adam: it has no option 'beta': did you mean 'betas'",
        ),
    ],
)
def test_mistakes_are_answered_in_one_line(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        Phase(**settings)
    assert "\n" not in str(caught.value)


# --- optimisers of other packages


class Signed(torch.optim.Optimizer):
    """w ← w − lr m,  m ← sign(β m + (1 − β) g): an optimiser with a state."""

    def __init__(self, params, lr=1e-2, beta=0.9):
        super().__init__(params, {"lr": lr, "beta": beta})

    @torch.no_grad()
    def step(self, closure=None):
        with torch.enable_grad():
            loss = closure()
        for group in self.param_groups:
            for p in group["params"]:
                m = self.state[p].setdefault("m", torch.zeros_like(p))
                m.lerp_(p.grad, 1 - group["beta"]).sign_()
                p.sub_(m, alpha=group["lr"])
        return loss


class Passing(torch.optim.Adam):
    """Hands on whatever it is given."""

    def __init__(self, params, **options):
        super().__init__(params, **options)


class Switched(Signed):
    """Takes no step before it is told that training begins."""

    training = False

    def train(self):
        self.training = True

    def step(self, closure=None):
        assert self.training
        return super().step(closure)


SIGNED = f"{__name__}.Signed"


def test_an_optimizer_by_its_path():
    phase = Phase(10, SIGNED, lr=0.5, options={"beta": 0.25})
    phase.rehearse()
    made = phase.build(parameters())
    assert type(made) is Signed
    assert (made.param_groups[0]["lr"], made.param_groups[0]["beta"]) == (0.5, 0.25)
    assert (phase.dtype, phase.has_one_loss, phase.solves_system) == ("float32", False, False)


def test_paths_of_those_that_need_none():
    lbfgs = Phase(3, "torch.optim.lbfgs.LBFGS")
    assert (lbfgs, lbfgs.evaluations) == (Phase(3, "LBFGS"), 25)
    assert Phase(3, "pinn.optim.LevenbergMarquardt") == Phase(3, "LevenbergMarquardt")


def test_options_that_are_handed_on():
    made = Phase(1, f"{__name__}.Passing", lr=0.5, options={"eps": 0.1}).build(parameters())
    assert (made.param_groups[0]["lr"], made.param_groups[0]["eps"]) == (0.5, 0.1)
    with pytest.raises(ValueError, match=r"option beta is 1: .*unexpected keyword argument 'beta'"):
        Phase(1, f"{__name__}.Passing", options={"beta": 1}).rehearse()


def test_training_begins_before_the_first_step():
    phase = Phase(1, f"{__name__}.Switched")
    phase.rehearse()
    assert phase.build(parameters()).training


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("not_here.Adam", "'not_here.Adam' cannot be imported (ModuleNotFoundError: No module"),
        (f"{__name__}.Singed", "did you mean 'Signed'? known: LevenbergMarquardt, Signed,"),
        (f"{__name__}.parameters", "parameters' is no subclass of torch.optim.Optimizer"),
        ("torch.nn.Linear", "'torch.nn.Linear' is no subclass of torch.optim.Optimizer"),
        ("torch.optim.Optimizer", "'torch.optim.Optimizer' is no subclass"),
        ("torch.optim.Adamm", "did you mean 'Adam'?"),
        ("torch.optim.Adam.", "cannot be imported"),
        ("Signed", "any other goes by its dotted path, such as package.Optimizer"),
    ],
)
def test_paths_that_lead_nowhere(name, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        Phase(1, name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (MLP(400, 1, spread=2.0), [("LevenbergMarquardt", "output")]),
        (MLP(4000, 1, spread=2.0), [("Adam", "all"), ("LBFGS", "all")]),
        ({"u": MLP(200, 1, spread=2.0), "p": MLP(16, 2)}, [("LevenbergMarquardt", "all")]),
        (MLP(24, 3), [("LevenbergMarquardt", "all")]),
        (
            nn.Sequential(nn.Linear(2, 9), nn.Tanh(), nn.Linear(9, 3)),
            [("LevenbergMarquardt", "all")],
        ),
        ({"u": MLP(48, 3), "p": MLP(24, 3)}, [("Adam", "all"), ("LBFGS", "all")]),
    ],
)
def test_the_usual_phases_follow_from_the_networks(network, expected):
    found = usual_phases(Solution(Kovasznay(), network))
    assert [(p.optimizer, p.train) for p in found] == expected
