"""The examples that train on exact divergences: a normalising flow and score matching."""

import importlib
import math
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from flow_ranks import trained

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture
def flows(monkeypatch):
    """The example of a flow as a module."""
    pytest.importorskip(
        "torchdiffeq", reason="torchdiffeq is not installed: pip install -e .[test]"
    )
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield importlib.import_module("normalising_flow")
    sys.modules.pop("normalising_flow", None)


def small(flows, d, steps=3, width=16):
    torch.manual_seed(0)
    return flows.Flow(flows.Velocity(d, width), steps).double()


def by_jacobian(flow, x):
    """log p(x) where the log-determinant is that of the whole map, by reverse mode."""

    def end(point):
        return flow.solve(flow.growth.velocity, point[None], (0.0, 1.0))[-1, 0]

    logs = []
    for point in x:
        J = torch.autograd.functional.jacobian(end, point)
        normal = -0.5 * (end(point).square() + math.log(2 * math.pi)).sum()
        logs.append(normal + torch.linalg.slogdet(J).logabsdet)
    return torch.stack(logs)


def test_the_likelihood_is_that_of_the_change_of_variables(flows):
    flow = small(flows, 3, steps=12)
    x = torch.randn(2, 3, dtype=torch.float64)
    torch.testing.assert_close(flow(x), by_jacobian(flow, x), rtol=1e-6, atol=1e-6)


def test_the_adjoint_has_the_gradient_of_the_solver(flows):
    x = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    gradients = []
    for steps in (20, None):
        flow = small(flows, 2, steps)
        loss = -flow(x).mean()
        gradients.append(torch.autograd.grad(loss, [x, *flow.parameters()]))
    for fixed, adjoint in zip(*gradients, strict=True):
        torch.testing.assert_close(adjoint, fixed, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize(("d", "iterations", "gain"), [(2, 25, 0.3), (64, 8, 0.5)])
def test_a_flow_learns_a_density_that_is_known(flows, d, iterations, gain):
    data, plane = flows.mixture(d)
    torch.manual_seed(1)
    flow = flows.Flow(flows.Velocity(d, 32), steps=3)
    before = flows.missing(flow, data, 256)
    flows.train(flow, data, iterations, batch=64)
    after = flows.missing(flow, data, 256)
    assert after < before - gain
    assert plane.shape == (d, 2)
    assert flow.sample(torch.randn(7, d)).shape == (2, 7, d)


def test_two_processes_train_as_one_does(flows, tmp_path):
    command = [sys.executable, str(Path(__file__).parent / "flow_ranks.py"), str(tmp_path)]
    started = [subprocess.Popen([*command, rank], stderr=subprocess.PIPE) for rank in "01"]
    said = [process.communicate(timeout=300)[1].decode() for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    (first, choice), (second, same) = (torch.load(tmp_path / f"{rank}.pt") for rank in "01")
    assert choice == same
    assert "2 processes train together" in choice["reason"]
    alone, _ = trained(flows)
    for name, weight in alone.items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], weight, rtol=1e-10, atol=1e-12)


@pytest.fixture
def scores(monkeypatch):
    """The example of score matching as a module."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    yield importlib.import_module("score_matching")
    sys.modules.pop("score_matching", None)


def test_a_score_is_learnt_from_samples(scores):
    torch.manual_seed(0)
    score, data = scores.network(64), scores.spiral(3)
    before = scores.error(score, data)
    scores.train(score, data, iterations=200, batch=256)
    after = scores.error(score, data)
    assert before > 0.9
    assert after < 0.6


@pytest.mark.pictures
def test_the_examples_draw(flows, scores, tmp_path):
    flow, (data, plane) = flows.Flow(flows.Velocity(2, 8), steps=2), flows.mixture(2)
    flows.draw(flow, data, plane, tmp_path / "flow.png")
    scores.draw(scores.network(8), scores.spiral(), tmp_path / "score.png")
    for name in ("flow", "score"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


PAGE = (EXAMPLES.parent / "docs" / "derivatives.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^(python|torchrun --\S+ 2) examples/(\w+)\.py(.*)$", PAGE, re.M)


@pytest.mark.pictures
@pytest.mark.parametrize(("start", "example", "options"), COMMANDS)
def test_a_command_of_the_page_runs(start, example, options, request, here, monkeypatch, capfd):
    module = request.getfixturevalue("scores" if example == "score_matching" else "flows")
    few = [*options.split(), "--iterations", "1"]
    if start == "python":
        monkeypatch.setattr(sys, "argv", [example, *few])
        module.main()
    else:
        command = [sys.executable, "-m", "torch.distributed.run", *start.split()[1:]]
        program = [str(EXAMPLES / f"{example}.py"), *few]
        result = subprocess.run([*command, *program], timeout=300, check=False)
        assert result.returncode == 0
    assert re.search(r"missing -?[\d.]+ nats|off by [\d.]+ %", capfd.readouterr().out)
    assert len(list(here.glob("*.png"))) == options.count("--picture")


def test_the_page_has_every_way_to_start():
    assert [(start[:6], example) for start, example, _ in COMMANDS] == [
        ("python", "normalising_flow"),
        ("python", "normalising_flow"),
        ("torchr", "normalising_flow"),
        ("python", "score_matching"),
    ]
