"""Ordinary modules as networks: from a configuration, into a checkpoint and back."""

import sys
from pathlib import Path

import pytest
import torch
from small import SMALL
from torch import nn

import pinn
from pinn.checkpoints.file import read
from pinn.cli.main import main

NETS = """\
from collections.abc import Callable

import torch
from torch import nn


class Siren(nn.Module):
    def __init__(self, width: int = 6, outputs: int = 1, act: Callable = torch.sin):
        super().__init__()
        self.inner, self.outer = nn.Linear(2, width), nn.Linear(width, outputs)
        self.act = act

    def forward(self, x):
        return self.outer(self.act(self.inner(x)))


class Around(nn.Module):
    def __init__(self, inner: nn.Module, scale=2.0):
        super().__init__()
        self.inner, self.scale = inner, scale

    def forward(self, x):
        return self.scale * self.inner(x)
"""
LINEAR = "{{class_path: torch.nn.Linear, init_args: {{in_features: {}, out_features: {}}}}}"
LAYERS = f"[{LINEAR.format(2, 7)}, {{class_path: torch.nn.Tanh}}, {LINEAR.format(7, 1)}]"
SEQUENTIAL = f"{{class_path: torch.nn.Sequential, init_args: {{args: {LAYERS}}}}}"
SIREN = "{class_path: nets.Siren, init_args: {width: 5}}"
ALLOW = ["--allow_import", "nets"]
AT = torch.rand(5, 2)


@pytest.fixture
def nets(here, monkeypatch):
    """A folder with a configuration and `nets.py` beside it, below the current one."""
    monkeypatch.delitem(sys.modules, "nets", raising=False)
    (here / "own").mkdir()
    (here / "own" / "nets.py").write_text(NETS)
    yield here / "own"
    sys.modules.pop("nets", None)


def configured(folder, network):
    text = SMALL.replace("{class_path: MLP, init_args: {width: 8, depth: 2}}", network)
    assert network in text
    (folder / "my.yaml").write_text(text)
    return ["--config", "own/my.yaml", "--trainer.max_steps=1"]


def newest():
    return str(max(Path("runs").glob("*/*/checkpoints/*.ckpt")))


CASES = {
    "own class": SIREN,
    "layers": LAYERS,
    "one per unknown": f"{{u: {SIREN}}}",
    "nested": f"{{class_path: nets.Around, init_args: {{inner: {SEQUENTIAL}}}}}",
}


@pytest.mark.parametrize("case", CASES)
def test_a_module_goes_from_a_configuration_to_a_solution_and_back(nets, case, capsys):
    argv = configured(nets, CASES[case])
    assert main([*argv, *ALLOW]) == 0
    path = newest()
    scores = read(path)["pinn"]["scores"]
    found = pinn.load(path, allow_import="nets")
    assert found(AT)["u"].shape == (5,)
    weights = read(path)["state_dict"]
    own = found.state_dict()
    assert all(torch.equal(own[n.removeprefix("solution.")], w) for n, w in weights.items())
    capsys.readouterr()
    assert main(["validate", "--ckpt_path", path, *ALLOW]) == 0
    assert f"{scores['error/u']:.2e}" in capsys.readouterr().out
    assert main(["--resume", path, "--trainer.max_steps=2", *ALLOW]) == 0
    assert read(newest())["global_step"] == 2


def test_a_module_is_not_imported_without_permission(nets, capsys):
    # A name that no other test of this process has permitted.
    (nets / "nets.py").rename(nets / "strange.py")
    argv = configured(nets, SIREN.replace("nets", "strange"))
    assert main(argv) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'strange.Siren' is not part of this program" in line
    assert "--allow_import strange" in line
    assert "strange" not in sys.modules
    assert not Path("runs").exists()


def test_a_module_in_the_working_folder_is_found(nets):
    (nets / "nets.py").rename(nets.parent / "nets.py")
    assert main([*configured(nets, SIREN), *ALLOW]) == 0


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (LAYERS.replace("in_features: 2", "in_features: 3"), ["2 coordinates (x, y)", "Stack"]),
        (SIREN.replace("width: 5", "outputs: 2"), ["2 outputs", "need 1"]),
        (SIREN.replace("width", "widht"), ["network.widht'", "did you mean 'width'"]),
        (SIREN.replace("Siren", "Sirene"), ["class 'nets.Sirene': did you mean 'Siren'"]),
        ("{class_path: torch.nn.Sequential}", ["torch.nn.Sequential needs its layers"]),
        ("{class_path: torch.nn.Sequential, init_args: {args: 3}}", ["needs its layers"]),
        ("{class_path: Poisson}", ["Poisson"]),
        (f"{{v: {SIREN}}}", ["['v']", "['u']"]),
        ("[]", ["Stack"]),
    ],
)
def test_a_wrong_module_is_one_line_before_the_run(nets, network, words, capsys):
    assert main([*configured(nets, network), *ALLOW]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert all(word in line for word in words), line
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model.network.init_args.widht", "3"], "'model.network.widht': did you mean 'width'"),
        (["--model.network.width", "abc"], "model.network.width is 'abc': expected int"),
        (["--model.network.class_path", "nets.Sirn"], "class 'nets.Sirn': did you mean 'Siren'"),
    ],
)
def test_a_wrong_argument_of_a_module_on_the_command_line(nets, words, message, capsys):
    assert main([*configured(nets, SIREN), *ALLOW, *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_list_of_layers_goes_from_python(tmp_path):
    layers = [nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1)]
    settings = {"points": {"interior": 8, "boundary": 8}, "folder": tmp_path, "compile": False}
    phases = [pinn.Phase(1, lr=1e-3)]
    found = pinn.fit(pinn.problems.Poisson(), layers, phases, **settings)
    assert found(AT)["u"].shape == (5,)
    with pytest.raises(ValueError, match=r"network is the class Siren: give an object of it"):
        pinn.fit(pinn.problems.Poisson(), type("Siren", (nn.Module,), {}), phases, **settings)
    with pytest.raises(ValueError, match=r"gives a tuple at 3 points"):
        pinn.fit(pinn.problems.Poisson(), Pair(), phases, **settings)


class Pair(nn.Module):
    def forward(self, x):
        return x, x
