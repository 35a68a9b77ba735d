"""The command line: what it prints, saves, runs again and resumes, and how it ends."""

import signal
import sys
from pathlib import Path

import pytest
import torch
import yaml
from small import SMALL

import pinn
from pinn.checkpoints.file import read
from pinn.cli.main import main

pytestmark = pytest.mark.usefixtures("folder")
HEAT = """\
from pathlib import Path
from typing import ClassVar
from pinn import Interval, Problem, laplacian, on

Path("imported").touch()

class Heat(Problem):
    coordinates = ("x",)
    unknowns: ClassVar = {"T": 1}

    def __init__(self, source: float = 1.0) -> None:
        super().__init__(Interval())
        self.source = source

    @on("interior")
    def balance(self, T):
        return laplacian(T) + self.source

    @on("left", "right")
    def ends(self, T):
        return T
"""


def ran(argv):
    """Run a command line; the folder of the new run, if it made one."""
    before = set(Path("runs").glob("*/*"))
    assert main(argv) == 0
    new = sorted(set(Path("runs").glob("*/*")) - before)
    return new[0] if new else None


def test_a_run_keeps_its_configuration_and_checkpoint(folder):
    run = ran(["--config", "small"])
    assert run.parent == Path("runs/small")
    assert (run / "checkpoints" / "step-0000004.ckpt").is_file()
    saved = (run / "config.yaml").read_text()
    assert str(folder) not in saved
    assert yaml.safe_load(saved)["model"]["network"]["init_args"]["width"] == 8


def test_a_saved_configuration_runs_again_under_its_name(folder):
    callbacks = "[{class_path: EarlyStopping, init_args: {monitor: loss/total, patience: 9}}]"
    argv = ["--config=small", f"--trainer.default_root_dir={folder}/elsewhere"]
    assert ran([*argv, f"--trainer.callbacks={callbacks}", "--trainer.plugins=[]"]) is None
    (first,) = Path("elsewhere/small").iterdir()
    saved = (first / "config.yaml").read_text()
    assert str(folder) not in saved
    assert main(["--config", str(first / "config.yaml")]) == 0
    (second,) = set(Path("elsewhere/small").iterdir()) - {first}
    assert (second / "config.yaml").read_text() == saved
    weights = [
        torch.load(run / "checkpoints" / "step-0000004.ckpt", weights_only=True)["state_dict"]
        for run in (first, second)
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_printed_configuration_runs_again(folder, capsys):
    override = "--model.problem.wavenumber 2 --seed_everything 7 --print_config"
    assert main(["--config", "small", *override.split()]) == 0
    printed = capsys.readouterr().out
    assert not Path("runs").exists()
    (folder / "printed.yaml").write_text(printed)
    run = ran(["--config", "printed"])
    saved = yaml.safe_load((run / "config.yaml").read_text())
    assert saved == yaml.safe_load(printed)
    assert saved["model"]["problem"]["init_args"] == {"wavenumber": 2}
    assert saved["seed_everything"] == 7


def test_every_key_can_be_set_on_the_command_line(folder, capsys):
    (folder / "phases.yaml").write_text("- {optimizer: SGD, steps: 3, lr: 1.0e-3}\n")
    argv = "--model.problem.reynolds 400 --model.network.width 9 --data.points.interior 40 "
    argv += '--model.phases phases.yaml --model.weights {"momentum":2.0} --trainer.max_steps=2'
    assert main(["--config", "flow", *argv.split(), "--print_config"]) == 0
    seen = yaml.safe_load(capsys.readouterr().out)
    assert seen["model"]["problem"]["init_args"]["reynolds"] == 400
    assert seen["model"]["network"]["init_args"]["width"] == 9
    assert seen["data"]["points"] == {"interior": 40}
    assert seen["model"]["phases"][0]["optimizer"] == "SGD"
    assert seen["model"]["weights"] == {"momentum": 2.0}
    assert seen["trainer"]["max_steps"] == 2


@pytest.mark.parametrize("form", ["value", "file", "configuration"])
def test_new_phases_inherit_nothing_from_old_ones(form, folder, capsys):
    (folder / "phases.yaml").write_text("- {optimizer: LBFGS, steps: 3}\n")
    (folder / "other.yaml").write_text("model: {phases: [{optimizer: LBFGS, steps: 3}]}\n")
    change = {
        "value": ["--model.phases", "[{optimizer: LBFGS, steps: 3}]"],
        "file": ["--model.phases=phases.yaml"],
        "configuration": ["--config", "other"],
    }
    assert main(["--config", "small", *change[form], "--print_config"]) == 0
    (phase,) = yaml.safe_load(capsys.readouterr().out)["model"]["phases"]
    assert (phase["optimizer"], phase["steps"], phase["lr"]) == ("LBFGS", 3, None)


def test_one_entry_of_the_points_leaves_the_others(capsys):
    assert main(["--config", "small", "--data.points.interior", "40", "--print_config"]) == 0
    seen = yaml.safe_load(capsys.readouterr().out)
    assert seen["data"]["points"] == {"interior": 40, "boundary": 16}


def test_a_later_configuration_overrides_an_earlier_one(folder, capsys):
    (folder / "wide.yaml").write_text("model: {network: {init_args: {width: 12}}}\n")
    assert main(["--config", "small", "--config", "wide", "--print_config"]) == 0
    seen = yaml.safe_load(capsys.readouterr().out)
    assert seen["model"]["network"]["init_args"]["width"] == 12
    assert seen["model"]["network"]["init_args"]["depth"] == 2


@pytest.mark.parametrize("argv", [["fit", "--help"], ["validate", "-h"]])
def test_help_lists_the_keys(argv, capsys):
    assert main(argv) == 0
    captured = capsys.readouterr()
    for name in ("--resume", "--init_from", "--allow_import", "--model.phases", "--data.method"):
        assert name in captured.out
    assert captured.err == ""


def test_help_on_a_class(capsys):
    assert main(["--config", "flow", "--model.problem.help", "LidDrivenCavity"]) == 0
    assert "reynolds" in capsys.readouterr().out


@pytest.mark.parametrize("configuration", [[], ["--config", "small"]])
def test_validate_prints_the_scores(configuration, checkpoint, capsys):
    scores = torch.load(checkpoint, weights_only=True)["pinn"]["scores"]
    capsys.readouterr()
    assert main(["validate", *configuration, "--ckpt_path", str(checkpoint)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert f"{scores['error/u']:.2e}" in captured.out


@pytest.mark.parametrize("strategy", ["taylor", "vmap", "loop"])
def test_validate_computes_derivatives_by_any_strategy(strategy, checkpoint):
    argv = ["validate", "--ckpt_path", str(checkpoint), "--model.derivatives", strategy]
    assert main(argv) == 0


def test_init_from_starts_from_saved_weights(checkpoint):
    argv = ["--config", "small", "--init_from", str(checkpoint), "--trainer.max_steps", "1"]
    run = ran([*argv, "--model.phases", "[{steps: 1, lr: 1.0e-30}]"])
    start, end = (
        torch.load(path, weights_only=True)["state_dict"]
        for path in (checkpoint, run / "checkpoints" / "step-0000001.ckpt")
    )
    assert all(torch.equal(start[name], end[name]) for name in start)


def test_resume_auto_continues_in_the_same_folder(checkpoint, capsys):
    assert ran(["--config", "small", "--resume", "auto"]) is None
    assert (checkpoint.parent / "step-0000004.ckpt").is_file()
    assert (checkpoint.parent.parent / "config.resume-1.yaml").is_file()
    assert main(["--config", "small", "--resume", "auto"]) == 0
    assert "is finished after 4 steps" in capsys.readouterr().out


def test_a_trial_run_leaves_nothing(folder, capsys):
    assert main(["--config", "small", "--trainer.fast_dev_run", "1"]) == 0
    assert not (folder / "runs").exists()


def test_another_logger_leaves_the_run_where_it_is(folder):
    logger = "{class_path: CSVLogger, init_args: {save_dir: logs, name: here, version: one}}"
    assert main(["--config", "small", "--trainer.logger", logger]) == 0
    (run,) = Path("runs/small").iterdir()
    files = {path.name for path in run.rglob("*")}
    assert files == {"config.yaml", "checkpoints", "step-0000004.ckpt"}
    table = Path("logs/here/one/metrics.csv")
    before = table.read_text().splitlines()
    longer = ["--resume", "auto", "--more_steps", "2"]
    assert main(["--config", "small", "--trainer.logger", logger, *longer]) == 0
    after = table.read_text().splitlines()
    assert after[: len(before)] == before
    assert len(after) > len(before)


def test_a_foreign_module_is_not_imported(folder, capsys):
    (folder / "hidden.py").write_text(HEAT)
    (folder / "my.yaml").write_text(SMALL.replace("Poisson", "hidden.Heat"))
    assert main(["--config", "my"]) == 2
    captured = capsys.readouterr()
    assert "'hidden.Heat'" in captured.err
    assert "--allow_import hidden" in captured.err
    assert not (folder / "imported").exists()


def test_an_allowed_module_is_imported_and_its_problem_solved(folder, capsys):
    (folder / "allowed_heat.py").write_text(HEAT)
    text = SMALL.replace("Poisson", "allowed_heat.Heat").replace("wavenumber: 1", "source: 2.0")
    (folder / "my.yaml").write_text(text.replace("boundary: 16", "left: 1, right: 1"))
    allow = ["--allow_import", "allowed_heat"]
    run = ran(["--config", "my", *allow])
    assert (folder / "imported").exists()
    capsys.readouterr()
    path = str(run / "checkpoints" / "step-0000004.ckpt")
    assert main(["validate", "--ckpt_path", path, *allow]) == 0
    assert "residual of balance" in capsys.readouterr().out


def test_a_loss_that_is_no_number_ends_with_code_1(capsys):
    phases = "[{optimizer: SGD, steps: 20, lr: 1.0e+30}]"
    assert main(["--config", "small", "--model.phases", phases]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "the loss is" in err


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_a_run_with_a_checkpoint(name, code, capsys):
    """Another process sends one in tests/test_sweep.py."""
    number = int(signal.Signals[name])
    stop = f"[{{class_path: stop_at.StopAt, init_args: {{step: 3, signum: {number}}}}}]"
    argv = ["--config", "small", "--allow_import", "stop_at", "--trainer.callbacks", stop]
    assert main(argv) == code
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert f"stopped by {name} after step 3" in err
    (newest,) = Path("runs").rglob("step-*.ckpt")
    assert newest.name == "step-0000003.ckpt"
    assert torch.load(newest, weights_only=True)["global_step"] == 3


def test_a_configuration_may_leave_its_phases_out(folder, capsys):
    text = (folder / "small.yaml").read_text()
    lines = [line for line in text.splitlines() if "phases" not in line]
    (folder / "short.yaml").write_text("\n".join(lines))
    assert main(["--config", "short", "--trainer.max_steps", "2"]) == 0
    assert (
        "phases    LevenbergMarquardt 200 steps or 10 steps without progress"
        in capsys.readouterr().out
    )
    assert main(["--config", "short", "--resume", "auto", "--trainer.max_steps", "3"]) == 0
    assert "at step 2" in capsys.readouterr().out


# --- an optimiser of another package

OPTIMIZER = """\
from pathlib import Path
from torch.optim import Adam

Path("imported").touch()

class Slower(Adam):
    def __init__(self, params, lr=1e-4):
        super().__init__(params, lr=lr)
"""
SLOWER = "[{optimizer: slower.Slower, steps: 4, lr: 0.01}]"


@pytest.fixture
def slower(folder):
    (folder / "slower.py").write_text(OPTIMIZER)
    yield folder
    sys.modules.pop("slower", None)


def test_a_foreign_optimizer_is_not_imported(slower, capsys):
    assert main(["--config", "small", "--model.phases", SLOWER]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "'slower.Slower' is not part of this program" in captured.err
    assert "--allow_import slower" in captured.err
    assert not (slower / "imported").exists()
    assert not Path("runs").exists()


def test_an_allowed_optimizer_trains_and_its_run_continues(slower, capsys):
    given = ["--config", "small", "--model.phases", SLOWER, "--checkpoints.every", "2"]
    run = ran([*given, "--allow_import", "slower"])
    adam = ran(["--config", "small", "--model.phases", SLOWER.replace("slower.Slower", "Adam")])
    end = run / "checkpoints" / "step-0000004.ckpt"
    saved = read(end)
    assert saved["pinn"]["phases"][0]["optimizer"] == "slower.Slower"
    same = read(adam / "checkpoints" / end.name)["state_dict"]
    assert all(torch.equal(same[name], weight) for name, weight in saved["state_dict"].items())

    end.unlink()
    path = str(run / "checkpoints" / "step-0000002.ckpt")
    assert main([*given, "--allow_import", "slower", "--resume", path]) == 0
    again = read(end)["state_dict"]
    assert all(torch.equal(again[name], weight) for name, weight in saved["state_dict"].items())


def test_a_checkpoint_imports_no_foreign_optimizer(slower, capsys):
    allow = ["--allow_import", "slower"]
    run = ran(["--config", "small", "--model.phases", SLOWER, *allow])
    path = run / "checkpoints" / "step-0000004.ckpt"
    sys.modules.pop("slower")
    (slower / "imported").unlink()
    capsys.readouterr()
    assert pinn.load(path).problem.wavenumber == 1
    assert main(["validate", "--ckpt_path", str(path)]) == 2
    assert "--allow_import slower" in capsys.readouterr().err
    assert not (slower / "imported").exists()
    assert main(["validate", "--ckpt_path", str(path), *allow]) == 0


def test_an_allowed_module_lends_no_optimizer_of_another(slower, capsys):
    (slower / "lender.py").write_text("from slower import Slower\n")
    given = ["--config", "small", "--model.phases", SLOWER.replace("slower.", "lender.")]
    assert main([*given, "--allow_import", "lender"]) == 2
    assert "'slower.Slower' is not part of this program" in capsys.readouterr().err
    sys.modules.pop("lender")
