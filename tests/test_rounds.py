"""Runs that are given an accuracy: they reach it, say how far they are, and resume at any step."""

import re
import signal

import pytest
import torch
from stop_at import StopAt
from test_distributed import TWO, finish
from test_resume_cli import equal

import pinn
from pinn import laplacian, mean
from pinn.checkpoints.file import read
from pinn.checkpoints.names import newest_first
from pinn.cli.main import main
from pinn.geometry import Interval, Rectangle
from pinn.networks import Patches, Polynomials
from pinn.networks.layout import Layout
from pinn.networks.transfer import Local, refine
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.problems import Kovasznay, Poisson
from pinn.training import rounds
from pinn.training.rounds import HELD
from pinn.training.solver import Solver

ACCURACY = """\
model:
  problem: {class_path: Poisson, init_args: {wavenumber: 1}}
  accuracy: 1.0e-6
trainer: {accelerator: cpu}
"""


def solve(folder, problem=None, accuracy=1e-6, **settings):
    settings = {"enable_progress_bar": False, "accelerator": "cpu", **settings}
    return pinn.fit(problem or Poisson(), accuracy=accuracy, folder=folder, **settings)


def newest(folder):
    """The newest checkpoint of the one run in a folder."""
    (checkpoints,) = folder.rglob("checkpoints")
    return read(newest_first(checkpoints)[0])


def errors(solution):
    """Component → relative L2 error, that of pressure up to a constant."""
    reference = solution.problem.judged_by()
    judged = slice(None) if reference.judged is None else reference.judged
    found = solution.at(reference.at[judged])
    result = {}
    for name, values in reference.values.items():
        value, exact = torch.as_tensor(found[name]), values[judged]
        if name == "p":
            value, exact = value - value.mean(), exact - exact.mean()
        result[name] = float((value - exact).norm() / exact.norm())
    return result


# --- from coarse to fine


def test_a_round_that_does_not_fit_after_all_is_given_up(tmp_path, capfd, monkeypatch):
    """Memory may be taken by others between the decision and the step."""
    from pinn.objective.chunks import InsufficientMemoryError
    from pinn.optim import LevenbergMarquardt

    step = LevenbergMarquardt.step

    def short(self, closure=None):
        if sum(p.numel() for p in self.parameters) > 200:
            closure()
            raise InsufficientMemoryError("LevenbergMarquardt needs 20 GB and has 10 GB")
        return step(self, closure)

    monkeypatch.setattr(LevenbergMarquardt, "step", short)
    solution = solve(tmp_path, accuracy=1e-9)
    told = capfd.readouterr().out
    assert "no finer patches fit into the memory" in told
    assert "the error asked for, 1e-09, is not reached" in told
    assert errors(solution)["u"] < 1e-1
    assert solution.networks["all"].output.weight.numel() <= 200
    assert newest(tmp_path)["pinn"]["rounds"]["next"] is None


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_refinement_keeps_the_function(dimensions):
    axes = dict(list({"x": (0, 1), "y": (-1, 2), "z": (0, 0.5)}.items())[:dimensions])
    geometry = {1: Interval, 2: Rectangle, 3: pinn.Box}[dimensions](**axes)
    network = Patches({"x": 3}, Polynomials(3)).double()
    network.build(geometry, 2)
    network.double()
    torch.manual_seed(0)
    with torch.no_grad():
        network.output.weight.copy_(torch.randn_like(network.output.weight))
    lower, upper = map(torch.tensor, (geometry.lower, geometry.upper))
    at = lower + (upper - lower) * torch.rand(500, dimensions, dtype=torch.float64)
    values = patch_values(network, at)
    layout = Layout(geometry.lower, geometry.upper, network.layout.cuts)
    for axis in range(dimensions):
        layout.halve(1, axis)
    refine(network, layout, Polynomials(5))
    inside = patch_values(network, at)
    parents = [0, 1, 2] + [1] * dimensions
    for patch, parent in enumerate(parents):
        torch.testing.assert_close(inside[patch], values[parent], rtol=0, atol=1e-8)


def patch_values(network, at):
    """The polynomials of single patches at points, wherever these lie."""
    local = Local(network)
    return [local.values(at, patch) for patch in range(len(network.layout))]


def test_one_polynomial_stays_one():
    """Where all patches have the same polynomial, their windows do not matter."""
    network = Patches(None, Polynomials(6)).double()
    network.build(Rectangle(x=(0, 1), y=(0, 2)), 1)
    network.double()
    torch.manual_seed(1)
    with torch.no_grad():
        network.output.weight.copy_(torch.randn_like(network.output.weight))
    at = torch.rand(400, 2, dtype=torch.float64)
    before, layout = network(at), network.layout
    finer = Layout(layout.lower, layout.upper)
    for patch, axis in ((0, 0), (1, 1), (0, 1), (2, 0)):
        finer.halve(patch, axis)
    refine(network, finer, Polynomials(8))
    torch.testing.assert_close(network(at), before, rtol=0, atol=1e-11)


# --- a run


@pytest.mark.parametrize("problem", [Poisson, Kovasznay])
def test_an_accuracy_is_reached_and_estimated(problem, tmp_path, capsys):
    solution = solve(tmp_path, problem())
    said = capsys.readouterr().out
    true = max(errors(solution).values())
    assert true < 1e-6
    (told,) = [line for line in said.splitlines() if line.startswith("estimated relative error")]
    last = newest(tmp_path)["pinn"]["rounds"]["outcomes"][-1]
    assert last["decision"] == "done"
    assert max(last["errors"].values()) < 1e-6
    assert max(last["errors"].values()) > true / 10
    assert all(f"{name} {error:.0e}" in told for name, error in last["errors"].items())
    assert "not solved" not in said
    (checkpoint,) = tmp_path.rglob("*.ckpt")
    at = torch.rand(20, 2, dtype=torch.float64)
    assert torch.equal(pinn.load(checkpoint)(at)["u"], solution(at)["u"])


@pytest.mark.parametrize("part", [HELD, 0.0])
def test_a_run_goes_on_from_every_step_to_the_same_bits(part, tmp_path, monkeypatch):
    """Also from a step at which a decision is not yet carried out, or damping was made less."""
    monkeypatch.setattr(rounds, "HELD", part)
    goal = {"problem": Kovasznay(), "accuracy": 1e-3}
    solve(tmp_path / "whole", **goal)
    whole = newest(tmp_path / "whole")
    steps, pending, eased = whole["global_step"], [], []
    assert steps >= 3
    for step in range(1, steps):
        folder = tmp_path / str(step)
        solve(folder, max_steps=step, **goal)
        kept = newest(folder)["pinn"]["rounds"]
        pending.append(kept["next"] is not None)
        eased.append(kept["eased"])
        solve(folder, resume="auto", **goal)
        again = newest(folder)
        assert again["global_step"] == steps
        assert equal(again["state_dict"], whole["state_dict"]), step
        outcomes = [saved["pinn"]["rounds"]["outcomes"] for saved in (again, whole)]
        assert outcomes[0] == outcomes[1]
    assert any(pending)
    assert not all(pending)
    assert any(eased) is (part == 0)


def test_an_interrupted_run_goes_on_to_the_same_bits(tmp_path):
    goal = {"problem": Kovasznay(), "accuracy": 1e-2}
    solve(tmp_path / "whole", **goal)
    with pytest.raises(KeyboardInterrupt, match="step 2"):
        solve(tmp_path / "part", callbacks=[StopAt(2, signal.SIGINT)], **goal)
    assert newest(tmp_path / "part")["global_step"] == 2
    solve(tmp_path / "part", resume="auto", **goal)
    whole, again = (newest(tmp_path / name) for name in ("whole", "part"))
    assert equal(again["state_dict"], whole["state_dict"])


def test_slices_of_no_time_get_on(tmp_path):
    goal = {"problem": Kovasznay(), "accuracy": 1e-2, "resume": "auto"}
    reached = []
    for _ in range(3):
        solve(tmp_path, max_time="00:00:00:00", **goal)
        reached.append(newest(tmp_path)["global_step"])
    assert reached == [1, 2, 3]


@pytest.mark.slow
def test_two_processes_come_to_the_same_solution(here):
    (here / "a.yaml").write_text(ACCURACY)
    values = []
    for folder, options in (("one", []), ("two", TWO)):
        call = ["-m", "pinn", "--config", "a.yaml", "--trainer.default_root_dir", folder]
        code, said = finish(here, *call, *options)
        assert code == 0, said
        solution = pinn.load(next((here / folder).rglob("*.ckpt")))
        generator = torch.Generator().manual_seed(0)
        values.append(solution(torch.rand(500, 2, generator=generator, dtype=torch.float64))["u"])
    torch.testing.assert_close(*values, rtol=0, atol=1e-10)


class Impossible(Problem):
    """u' = 1  with  u = 0 at both ends."""

    coordinates, unknowns, geometry = ("x",), {"u": 1}, Interval(x=(0, 1))

    @on("interior")
    def slope(self, u):
        return pinn.partial(u, "x") - 1

    @on("boundary")
    def ends(self, u):
        return u


def test_what_has_no_solution_is_not_solved(tmp_path, capsys):
    solve(tmp_path, Impossible(), max_steps=6)
    assert "not solved: the estimated error is" in capsys.readouterr().out


def test_too_few_steps_are_no_solution(tmp_path, capsys):
    solve(tmp_path, max_steps=1)
    said = capsys.readouterr().out
    assert "not solved: the run ended before an error could be estimated: give more steps" in said


def test_a_round_that_does_not_fit_is_not_begun(tmp_path, capsys):
    solution = solve(tmp_path, Kovasznay(), accuracy=1e-12, memory=0.01)
    said = capsys.readouterr().out
    assert "no finer patches fit into the memory" in said
    assert max(errors(solution).values()) < 0.1


def test_memory_for_one_round_alone_tells_no_error(tmp_path, capsys):
    solve(tmp_path, memory=1e-6)
    said = capsys.readouterr().out
    assert "before an error could be estimated: give more memory" in said
    assert "no finer patches fit into the memory" in said


# --- what is asked for


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--model.accuracy=0", "model.accuracy is 0.*expected a number between"),
        ("--model.accuracy=2", "model.accuracy is 2.*expected a number between"),
        ("--model.accuracy=nan", "model.accuracy is nan: expected a finite number"),
        ("--model.accuracy=-1e-3", "model.accuracy is -0.001.*expected a number between"),
        ("--model.accuracy=good", "accuracy"),
        ("--model.network=MLP", "model.network is given, which it finds by itself"),
        ("--model.phases=[{steps: 4}]", "model.phases is given, which it finds by itself"),
        ("--model.weighting=ntk", "model.weighting is given, which it finds by itself"),
        ("--data.points={interior: 40}", "data.points is given, and model.accuracy chooses"),
        ("--data.resample=4", "data.resample is given, and model.accuracy chooses"),
    ],
)
def test_settings_that_contradict_it_are_one_line(here, capsys, option, message):
    (here / "a.yaml").write_text(ACCURACY)
    assert main(["--config", "a", option]) != 0
    said = [line for line in capsys.readouterr().err.splitlines() if line.strip()]
    assert len(said) == 1, said
    assert re.search(message, said[0]), said
    assert "Traceback" not in said[0]
    assert not (here / "runs").exists()


def test_neither_a_network_nor_an_accuracy(here, capsys):
    (here / "a.yaml").write_text(ACCURACY.replace("  accuracy: 1.0e-6\n", ""))
    assert main(["--config", "a"]) != 0
    assert "model.network is missing: give one, or model.accuracy" in capsys.readouterr().err


def test_a_list_of_coefficients_is_refused():
    with pytest.raises(ValueError, match="the problem has 2 stages: give the last values alone"):
        Solver(Kovasznay([20.0, 40.0]), accuracy=1e-3)


class Balanced(Problem):
    """A problem with a mean over the domain."""

    coordinates = ("x",)
    unknowns = {"u": 1}

    def __init__(self):
        super().__init__(Interval(x=(0.0, 1.0)))

    @on("interior")
    def balance(self, u):
        return laplacian(u) - mean(u)

    @on("boundary")
    def ends(self, u, x):
        return u - x


def test_a_mean_in_a_residual_is_refused():
    with pytest.raises(ValueError, match="'balance' reads all points of 'interior'"):
        Solver(Balanced(), accuracy=1e-3)
