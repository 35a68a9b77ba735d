"""A run that was refused leaves no folder; one that began leaves no empty file."""

import sys
from pathlib import Path

import pytest
import yaml
from test_sweep import LATE

import pinn
from pinn import MLP, Phase
from pinn.callbacks import Checkpoints
from pinn.cli.main import main
from pinn.problems import Poisson

pytestmark = pytest.mark.usefixtures("folder")


def files(folder):
    return {path for path in folder.rglob("*") if "__pycache__" not in path.parts}


@pytest.mark.parametrize(
    "argv",
    [
        ["--model.problem.wavenumber", "abc"],
        ["--model.network.width", "-3"],
        ["--trainer.max_stepz", "3"],
        ["--trainer.max_epochs", "3"],
        ["--trainer.callbacks=[{class_path: EarlyStoping}]"],
        ["--trainer.callbacks=[{class_path: EarlyStopping, init_args: {monitor: nothing}}]"],
        ["--trainer.logger={class_path: CSVLoger}"],
        ["--model.phases=[{optimizer: Adamm, steps: 3}]"],
        ["--model.weights.nothing=3"],
        ["--data.points.nowhere=3"],
        ["--init_from", "nothing.ckpt"],
    ],
)
def test_a_refused_run_leaves_nothing(folder, argv):
    before = files(folder)
    assert main(["--config", "small", *argv]) == 2
    assert files(folder) == before


def test_what_raises_in_the_first_step_leaves_nothing(folder, capsys):
    (folder / "late.py").write_text(LATE)
    text = (folder / "small.yaml").read_text().replace("Poisson", "late.Late")
    text = text.replace("wavenumber: 1", "most: 500")
    (folder / "late.yaml").write_text(text.replace("interior: 32, boundary: 16", "interior: 600"))
    before = files(folder)
    assert main(["--config", "late", "--allow_import", "late"]) == 1
    assert "too many points" in capsys.readouterr().err
    assert files(folder) == before
    (folder / "runs" / "other").mkdir(parents=True)  # what was there stays
    assert main(["--config", "late", "--allow_import", "late", "--name", "a"]) == 1
    assert files(folder) == before | {folder / "runs", folder / "runs" / "other"}
    sys.modules.pop("late", None)


def test_from_python_too(folder, monkeypatch):
    def spoil(*_):
        raise RuntimeError("spoilt")

    monkeypatch.setattr(pinn.training.solver.Solver, "training_step", spoil)
    before = files(folder)
    with pytest.raises(RuntimeError, match="spoilt"):
        pinn.fit(Poisson(), MLP(4, 1), [Phase(2)], accelerator="cpu")
    assert files(folder) == before


def test_a_run_that_fails_later_keeps_what_it_has(folder, monkeypatch):
    original = pinn.training.solver.Solver.training_step

    def spoil(self, *args):
        if self.global_step == 2:
            raise RuntimeError("spoilt")
        return original(self, *args)

    monkeypatch.setattr(pinn.training.solver.Solver, "training_step", spoil)
    with pytest.raises(RuntimeError, match="spoilt"):
        pinn.fit(Poisson(), MLP(4, 1), [Phase(4)], accelerator="cpu", callbacks=Checkpoints(1))
    assert list(folder.glob("runs/poisson/*/checkpoints/step-0000002.ckpt"))


@pytest.mark.parametrize("autolog", ["true", "false"])
def test_settings_are_never_an_empty_file(folder, autolog):
    argv = ["--config", "small", f"--trainer.enable_autolog_hparams={autolog}"]
    assert main([*argv, "--trainer.log_every_n_steps=1"]) == 0
    (run,) = Path("runs/small").iterdir()
    assert yaml.safe_load((run / "hparams.yaml").read_text())["network.init_args.width"] == 8


def test_without_tensorboard_there_are_no_curves_and_no_advice(folder, monkeypatch, capsys):
    find = __import__("importlib.util").util.find_spec
    hidden = ("tensorboard", "tensorboardX")
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *a: None if name in hidden else find(name, *a)
    )
    assert main(["--config", "small"]) == 0
    out = capsys.readouterr().out
    assert "tensorboard is not installed" in out
    assert "--logdir" not in out
    (run,) = Path("runs/small").iterdir()
    assert sorted(path.name for path in run.iterdir()) == ["checkpoints", "config.yaml"]


def test_another_logger_brings_no_advice(folder, capsys):
    logger = "{class_path: CSVLogger, init_args: {save_dir: logs}}"
    assert main(["--config", "small", f"--trainer.logger={logger}"]) == 0
    assert "tensorboard" not in capsys.readouterr().out
