"""What a checkpoint holds, plain data, and that it loads equal to what was trained."""

import re
from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

import pinn
from pinn.callbacks import Checkpoints, FiniteLoss
from pinn.checkpoints.file import CheckpointError, restore_weights
from pinn.checkpoints.migrations import FORMAT
from pinn.checkpoints.writing import write
from pinn.fields.vector_calculus import div, grad, laplacian
from pinn.geometry import Rectangle
from pinn.networks import MLP
from pinn.optim import Phase
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.problems import Kovasznay, LidDrivenCavity, Poisson
from pinn.solution.solution import Solution
from pinn.training.solver import Solver

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
    path = saved(solver_of(phases=phases), callbacks=[Checkpoints(), FiniteLoss()])
    contents = torch.load(path, weights_only=True)
    plain(contents)
    entry = contents["pinn"]
    assert entry["format"] == FORMAT
    assert entry["problem"]["class_path"] == "pinn.problems.kovasznay.Kovasznay"
    given = {"reynolds": 40.0, "gauge": "zero_mean", "ranges": None}
    assert entry["problem"]["init_args"] == given
    assert entry["network"]["init_args"]["width"] == 8
    assert entry["course"]["phase"] == len(phases) - 1
    assert entry["dtype"] == phases[-1].dtype
    assert entry["strategy"]["all"]["strategy"] == "taylor"
    assert entry["data"]["points"] == {"interior": 16, "boundary": 16}
    assert [p["optimizer"] for p in entry["phases"]] == [p.optimizer for p in phases]


# --- loading them


@pytest.mark.parametrize(
    ("case", "strategy"),
    [(Kovasznay, "taylor"), (Kovasznay, "vmap"), (Kovasznay, "loop"), (LidDrivenCavity, "taylor")],
)
def test_a_loaded_solution_is_the_trained_one_to_the_last_bit(saved, case, strategy):
    solver = solver_of(case(), derivatives=strategy)
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


@pytest.mark.parametrize("gauge", ["zero_mean", "pin"])
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
    with pytest.raises(
        CheckpointError, match="does not hold the arguments of its network: pass network="
    ):
        pinn.load(path)
    again = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 3))
    at = torch.rand(9, 2, dtype=torch.float64)
    assert torch.equal(pinn.load(path, network=again)(at)["u"], solver.solution(at)["u"])


def test_weights_that_do_not_fit(saved):
    path = saved(solver_of())
    message = (
        r"does not fit \w+: networks\.all\.\S+ has shape \(8, 2\) in the checkpoint and "
        r"\(9, 2\) here"
    )
    with pytest.raises(CheckpointError, match=message):
        pinn.load(path, network=MLP(9, 2))
    message = r"\(8, 8\) is not in the checkpoint: it is of another problem or network"
    with pytest.raises(CheckpointError, match=message):
        pinn.load(path, network=MLP(8, 3))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_named(saved, bad):
    path = saved(solver_of())
    contents = torch.load(path, weights_only=True)
    name = next(n for n, w in contents["state_dict"].items() if w.numel() == 16)
    contents["state_dict"][name].flatten()[0] = bad
    write(contents, path)  # a run writes no such file
    message = rf"{path.name}: \d+ of the 16 numbers of networks\.all\.\S+ are NaN or infinite"
    with pytest.raises(CheckpointError, match=message):
        pinn.load(path)


def test_a_mask_with_infinities_is_no_weight_that_diverged():
    class Masked(nn.Module):
        def __init__(self, fill):
            super().__init__()
            self.net = nn.Linear(2, 1)
            self.register_buffer("mask", torch.full((3,), fill))

        def forward(self, x):
            return self.net(x)

    first, second = (Solution(Poisson(), Masked(fill)) for fill in (-torch.inf, 0.0))
    state = {f"solution.{name}": value for name, value in first.state_dict().items()}
    restore_weights(second, state, "file.ckpt")
    assert all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))
