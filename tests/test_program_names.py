"""The program by its names: `train.py`, `python -m pinn`, and the script of an installation."""

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from pinn.cli import configuration
from pinn.cli.main import main
from pinn.cli.request import Request, parse

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
((NAME, PLACE),) = PROJECT["scripts"].items()


def script(folder):
    """What an installation writes for the program."""
    module, function = PLACE.split(":")
    text = f"import sys\nfrom {module} import {function}\nsys.exit({function}())\n"
    (folder / NAME).write_text(text)
    return folder / NAME


@pytest.mark.parametrize("start", ["train.py", "module", "script"])
def test_every_name_finds_the_configurations_from_any_folder(start, tmp_path):
    words = {
        "train.py": [ROOT / "train.py"],
        "module": ["-m", "pinn"],
        "script": [script(tmp_path)],
    }
    done = subprocess.run(
        [sys.executable, *words[start], "--config", "navier_stoke"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "did you mean 'navier_stokes'?" in done.stderr
    assert "kovasznay" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_script_is_the_program():
    module, function = PLACE.split(":")
    assert NAME == "pinn"
    assert callable(getattr(import_module(module), function))


@pytest.mark.parametrize(
    ("called", "words"),
    [
        ("train.py", "python train.py"),
        (str(ROOT / "pinn" / "__main__.py"), "python -m pinn"),
        ("/there/bin/pinn", "/there/bin/pinn"),
    ],
)
def test_a_stopped_run_names_the_program_that_it_was_started_with(called, words, monkeypatch):
    monkeypatch.setattr(sys, "argv", [called])
    advice = Request("fit", "small", [], []).advice(Path("a.ckpt"))
    told = advice.removeprefix("continue with --resume: ").split()
    assert Path(told[0]).name == Path(words.split()[0]).name
    assert told[1:] == [*words.split()[1:], "--resume", "a.ckpt"]


def test_without_the_configurations_the_line_says_where_they_are(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(configuration, "home", lambda: tmp_path / "configs")
    assert main(["--config", "kovasznay"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'kovasznay' does not exist, there are none here" in line
    assert "configs/ of its repository, which an installed package does not have" in line
    (tmp_path / "own.yaml").write_text("trainer: {max_steps: 1}\n")
    assert parse(["--config", "own"]).name == "own"
