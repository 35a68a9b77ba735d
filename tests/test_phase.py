"""Phases: optimisers by name, schedules, budgets and targets."""

import math
import re

import pytest
import torch
from torch import nn

from pinn.optim import LevenbergMarquardt, Phase


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
    with pytest.raises(ValueError, match="train is 'last': expected all or output"):
        Phase(1, train="last")


def test_evaluations_of_a_step():
    assert Phase(10).evaluations == Phase(3, "LevenbergMarquardt").evaluations == 1
    assert Phase(4, "LBFGS", options={"max_iter": 8}).evaluations == 10


def test_cosine_goes_from_one_to_zero():
    phase = Phase(8, schedule="cosine")
    assert [phase.factor(s) for s in (0, 4, 8, 9)] == pytest.approx([1.0, 0.5, 0.0, 0.0])
    assert phase.factor(2) == pytest.approx((1 + math.cos(math.pi / 4)) / 2)
    assert Phase(8).factor(7) == 1.0


def test_a_phase_says_what_ends_it():
    assert str(Phase(200)) == "Adam 200 steps float32"
    phase = Phase(9, "LBFGS", seconds=60.0, error=1e-6, loss=1e-9, patience=5)
    ends = "9 steps or 60 s or error 1e-06 or loss 1e-09 or 5 steps in vain"
    assert str(phase) == f"LBFGS {ends} float64"


def test_precision():
    assert Phase(1).torch_dtype == torch.float32
    assert Phase(1, dtype="float64").torch_dtype == torch.float64


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "phase Adam: steps is 0: expected at least 1"),
        ({"steps": 2.5}, "phase Adam: steps is 2.5: expected a whole number"),
        ({}, "phase Adam has no budget: give it steps or seconds, such as steps: 1000"),
        ({"error": 1e-3, "loss": 1e-3, "patience": 3}, "phase Adam has no budget"),
        ({"seconds": 0.0}, "phase Adam: seconds is 0.0, expected a positive number"),
        ({"steps": 1, "error": -1e-3}, "phase Adam: error is -0.001, expected a positive number"),
        ({"steps": 1, "loss": math.nan}, "phase Adam: loss is nan, expected a positive number"),
        ({"steps": 1, "patience": 0}, "phase Adam: patience is 0: expected at least 1"),
        ({"seconds": 1.0, "schedule": "cosine"}, "schedule is cosine, which runs over its steps"),
        ({"steps": 1, "lr": 0.0}, "phase Adam: lr is 0.0, expected a positive number"),
        ({"steps": 1, "lr": math.nan}, "phase Adam: lr is nan"),
        ({"steps": 1, "lr": math.inf}, "phase Adam: lr is inf"),
        ({"steps": 1, "schedule": "cosin"}, "unknown schedule 'cosin': did you mean 'cosine'"),
        ({"steps": 1, "dtype": "float16"}, "phase dtype 'float16' is not float32 or float64"),
        ({"steps": 1, "optimizer": "Adamm"}, "unknown optimizer 'Adamm': did you mean 'Adam'"),
        ({"steps": 1, "optimizer": "Optimizer"}, "unknown optimizer 'Optimizer'"),
        ({"steps": 1, "optimizer": "lr_scheduler"}, "unknown optimizer 'lr_scheduler'"),
        ({"steps": 1, "options": {"beta": 1}}, "Adam has no option 'beta': did you mean 'betas'"),
    ],
)
def test_mistakes_are_answered_in_one_line(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        Phase(**settings)
    assert "\n" not in str(caught.value)
