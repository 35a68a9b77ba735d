"""The command line: every mistake is one line and leaves nothing behind; everything else runs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from pinn.launch import main

TRAIN = Path(__file__).parents[1] / "train.py"
SMALL = """\
model:
  problem: {class_path: Poisson, init_args: {wavenumber: 1}}
  network: {class_path: MLP, init_args: {width: 8, depth: 2}}
  phases: [{optimizer: Adam, steps: 4, lr: 1.0e-2}]
data: {points: {interior: 32, boundary: 16}, held_out: 32}
trainer: {accelerator: cpu, val_check_interval: 2}
"""
FLOW = """\
model:
  problem: {class_path: LidDrivenCavity, init_args: {reynolds: 100.0}}
  network: {class_path: MLP, init_args: {width: 8, depth: 2}}
  phases: [{optimizer: Adam, steps: 4}]
data: {points: {interior: 32}, held_out: 32}
trainer: {accelerator: cpu, val_check_interval: 2}
"""
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


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with two small configurations, as the current one."""
    (tmp_path / "small.yaml").write_text(SMALL)
    (tmp_path / "flow.yaml").write_text(FLOW)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PINN_RUN_FOLDER", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    os.environ.pop("PINN_RUN_FOLDER", None)


def refused(capsys, argv, words):
    """Run a wrong command line: one line on standard error, nothing else anywhere."""
    before = {path for path in Path().rglob("*") if "__pycache__" not in path.parts}
    capsys.readouterr()
    assert main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1, captured.err
    assert captured.err.endswith("\n")
    assert len(captured.err) < 400
    for word in words:
        assert word in captured.err
    after = {path for path in Path().rglob("*") if "__pycache__" not in path.parts}
    assert after == before


def ran(argv):
    """Run a command line; the folder of the new run, if it made one."""
    before = set(Path("runs").glob("*/*"))
    assert main(argv) == 0
    new = sorted(set(Path("runs").glob("*/*")) - before)
    return new[0] if new else None


ON_THE_COMMAND_LINE = {
    "unknown key": (["--model.problem.reynold", "400"], ["'model.problem.reynold'", "'reynolds'"]),
    "unknown key of a network": (["--model.network.widht", "4"], ["widht", "'width'"]),
    "unknown key of the model": (["--model.problm", "x"], ["'model.problm'", "'problem'"]),
    "unknown key of the data": (["--data.metod", "lhs"], ["'data.metod'", "'method'"]),
    "unknown key of the trainer": (["--trainer.max_step", "5"], ["max_step", "'max_steps'"]),
    "unknown section": (["--modle.strategy", "vmap"], ["'modle'", "'model'"]),
    "stray word": (["stray"], ["'stray'", "--KEY VALUE"]),
    "no value": (["--model.network"], ["--model.network", "needs a value"]),
    "key given twice": (["--data.resample", "1", "--data.resample", "2"], ["2 times"]),
    "text for a number": (["--model.problem.reynolds", "abc"], ["reynolds", "'abc'", "float"]),
    "fraction for a count": (["--model.network.width", "6.5"], ["width", "'6.5'", "int"]),
    "unknown problem": (["--model.problem", "LidDrivenCavty"], ["did you mean 'LidDrivenCavity'?"]),
    "unknown problem, dotted": (["--model.problem", "pinn.problems.Poison"], ["'Poisson'"]),
    "unknown module": (["--model.problem", "pinn.problem.poisson.Poisson"], ["pinn.problem.p"]),
    "unknown network": (["--model.network", "MLPP"], ["unknown class 'MLPP'", "'MLP'"]),
    "wrong class": (["--model.problem", "pinn.MLP"], ["pinn.MLP"]),
    "unknown callback": (["--trainer.callbacks", "EarlyStoping"], ["'EarlyStopping'"]),
    "forbidden class": (["--model.problem", "os.system"], ["'os.system'", "--allow_import os"]),
    "forbidden function": (
        ["--trainer.callbacks", "{class_path: LambdaCallback, init_args: {setup: os.abort}}"],
        ["'os.abort'", "--allow_import"],
    ),
    "forbidden by way of a trusted module": (
        ["--model.problem", "pinn.checkpoint.os.system"],
        ["not part of this program"],
    ),
    "no module to allow": (["--allow_import", "not_here"], ["'not_here'", "no such module"]),
    "no name of a module": (["--allow_import", "not/here"], ["'not/here'", "no such module"]),
    "no accelerator": (["--trainer.accelerator", "gpuu"], ["'gpuu'", "did you mean 'gpu'?"]),
    "too many processes": (["--trainer.devices", "999"], ["999", "CPU cores"]),
    "no devices": (["--trainer.devices", "0"], ["devices", "0"]),
    "devices in words": (["--trainer.devices", "two"], ["'two'", "a number, or auto"]),
    "unknown distribution": (["--trainer.strategy", "dpd"], ["dpd"]),
    "negative Reynolds number": (
        ["--model.problem.reynolds", "-3"],
        ["reynolds", "-3", "positive"],
    ),
    "zero Reynolds number": (["--model.problem.reynolds", "0"], ["reynolds", "positive"]),
    "no number": (["--model.problem.reynolds", ".nan"], ["reynolds", "nan", "positive"]),
    "unknown residual": (["--model.weights", "{momentm: 1}"], ["'momentm'", "'momentum'"]),
    "negative weight": (["--model.weights", "{momentum: -1}"], ["momentum", "-1", "≥ 0"]),
    "weight that is no number": (["--model.weights", "{momentum: .nan}"], ["momentum", "nan"]),
    "weight in words": (["--model.weights", "{momentum: much}"], ["'much'", "float"]),
    "weights as a list": (["--model.weights", "[1]"], ["model.weights", "dict"]),
    "unknown region": (["--data.points", "{interor: 9}"], ["'interor'", "'interior'"]),
    "no points": (["--data.points.interior", "0"], ["interior", "0", "at least 1"]),
    "no held-out points": (["--data.held_out", "0"], ["held_out", "0"]),
    "unknown activation": (["--model.network.activation", "tan"], ["'tan'", "'tanh'"]),
    "no width": (["--model.network.width", "0"], ["width", "0"]),
    "no phases": (["--model.phases", "[]"], ["phases is empty"]),
    "phases as a number": (["--model.phases", "3"], ["model.phases", "'3'", "list"]),
    "phases of a missing file": (["--model.phases", "none.yaml"], ["none.yaml"]),
    "unknown optimiser": (["--model.phases", "[{optimizer: Adamm, steps: 1}]"], ["'Adam'"]),
    "base class for an optimiser": (["--model.phases", "[{optimizer: Optimizer, steps: 1}]"], []),
    "unknown option": (["--model.phases", "[{steps: 1, options: {beta: 1}}]"], ["'beta'", "betas"]),
    "wrong option": (["--model.phases", "[{steps: 1, options: {betas: 7}}]"], ["Adam", "betas"]),
    "unknown key of a phase": (["--model.phases", "[{step: 1}]"], ["model.phases.step", "'steps'"]),
    "phase without steps": (["--model.phases", "[{optimizer: Adam}]"], ["steps"]),
    "no steps": (["--model.phases", "[{steps: 0}]"], ["steps is 0"]),
    "negative steps": (["--model.phases", "[{steps: -5}]"], ["steps is -5"]),
    "negative rate": (["--model.phases", "[{steps: 1, lr: -1}]"], ["lr is -1"]),
    "rate that is no number": (["--model.phases", "[{steps: 1, lr: .nan}]"], ["lr is nan"]),
    "key twice in a value": (["--model.weights", "{momentum: 1, momentum: 2}"], ["twice"]),
    "clipping with L-BFGS": (
        ["--model.phases", "[{optimizer: LBFGS, steps: 1}]", "--trainer.gradient_clip_val", "1"],
        ["gradient_clip_val", "LBFGS"],
    ),
    "accumulation with L-BFGS": (
        ["--model.phases=[{optimizer: LBFGS, steps: 1}]", "--trainer.accumulate_grad_batches=2"],
        ["accumulate_grad_batches", "LBFGS"],
    ),
    "16 bits with L-BFGS": (
        ["--model.phases=[{optimizer: LBFGS, steps: 1}]", "--trainer.precision=16-mixed"],
        ["trainer.precision"],
    ),
    "unknown precision": (["--trainer.precision", "33"], ["trainer.precision", "33"]),
    "unknown strategy": (["--model.strategy", "vmapp"], ["'vmapp'", "did you mean 'vmap'?"]),
    "unknown sampling": (["--data.method", "sobl"], ["'sobl'", "did you mean 'sobol'?"]),
    "negative resampling": (["--data.resample", "-1"], ["resample", "-1"]),
    "negative max_steps": (["--trainer.max_steps=-5"], ["max_steps", "-5"]),
    "no max_steps": (["--trainer.max_steps=0"], ["max_steps", "0"]),
    "epochs": (["--trainer.max_epochs=3"], ["max_epochs", "max_steps"]),
    "never validate": (["--trainer.val_check_interval=0"], ["val_check_interval", "0"]),
    "never log": (["--trainer.log_every_n_steps=0"], ["log_every_n_steps", "0"]),
    "never save": (["--checkpoints.every", "0"], ["checkpoints", "0"]),
    "never draw": (["--pictures.every", "0"], ["pictures", "0"]),
    "seed in words": (["--seed_everything", "abc"], ["seed_everything", "'abc'", "int"]),
    "nothing to resume": (["--resume", "auto"], ["--resume auto", "'flow'"]),
    "missing checkpoint to resume": (["--resume", "a.ckpt"], ["a.ckpt does not exist"]),
    "missing checkpoint of weights": (["--init_from", "a.ckpt"], ["a.ckpt does not exist"]),
    "both checkpoints": (["--resume", "auto", "--init_from", "a.ckpt"], ["one of them"]),
    "second configuration missing": (["--config", "flw"], ["'flw' does not exist"]),
}


@pytest.mark.parametrize("mistake", ON_THE_COMMAND_LINE)
def test_a_mistake_on_the_command_line_is_one_line(mistake, capsys):
    argv, words = ON_THE_COMMAND_LINE[mistake]
    refused(capsys, ["--config", "flow", *argv], words)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_one_line(capsys):
    argv = ["--config", "flow", "--trainer.accelerator", "gpu"]
    refused(capsys, argv, ["'gpu'", "use cpu"])


IN_THE_FILE = {
    "unknown section": (SMALL + "modl: {strategy: vmap}\n", ["'modl'", "'model'"]),
    "unknown key": (SMALL.replace("held_out", "hold_out"), ["data.hold_out", "'held_out'"]),
    "unknown key of the trainer": (SMALL + "  log_ever: 1\n", ["twice"]),
    "unknown argument": (SMALL.replace("wavenumber", "wavnumber"), ["'wavenumber'"]),
    "unknown class": (SMALL.replace("Poisson", "Poison"), ["did you mean 'Poisson'?"]),
    "no problem": (SMALL.replace("  problem:", "  #"), ["model.problem"]),
    "no network": (SMALL.replace("  network:", "  #"), ["model.network"]),
    "text for a number": (SMALL.replace("interior: 32", "interior: many"), ["'many'", "int"]),
    "wrong value": (SMALL.replace("wavenumber: 1", "wavenumber: -1"), ["wavenumber", "-1"]),
    "section as a number": (SMALL.split("data:")[0] + "data: 3\n", ["'data'", "'3'"]),
    "object": (SMALL + "seed_everything: !!python/object/apply:os.getpid []\n", ["line 7"]),
    "tag": (SMALL + "seed_everything: !seed 3\n", ["line 7", "!seed"]),
    "checkpoint path": (SMALL + "ckpt_path: a.ckpt\n", ["ckpt_path"]),
    "list": ("- 1\n", ["a list"]),
    "empty": ("", ["empty"]),
    "broken": ("model: {", ["line 1"]),
    "key twice": (SMALL + "data: {held_out: 3}\n", ["'data' twice"]),
}


@pytest.mark.parametrize("mistake", IN_THE_FILE)
def test_a_mistake_in_a_file_is_one_line(mistake, folder, capsys):
    text, words = IN_THE_FILE[mistake]
    if "log_ever" in text:
        text = SMALL.replace("val_check_interval: 2", "val_check_intervl: 2")
        words = ["trainer.val_check_intervl", "'val_check_interval'"]
    (folder / "wrong.yaml").write_text(text)
    refused(capsys, ["--config", "wrong"], words)


@pytest.fixture
def checkpoint(folder):
    """A checkpoint of two steps."""
    run = ran(["--config", "small", "--trainer.max_steps", "2"])
    return run / "checkpoints" / "step-0000002.ckpt"


@pytest.mark.parametrize("damage", ["empty", "truncated", "text", "weights alone", "missing"])
def test_an_unusable_checkpoint_is_one_line(damage, checkpoint, capsys):
    whole = checkpoint.read_bytes()
    bad = checkpoint.with_name("bad.ckpt")
    bad.write_bytes({"empty": b"", "text": b"no checkpoint"}.get(damage, whole[: len(whole) // 2]))
    if damage == "weights alone":
        torch.save({"weight": torch.zeros(3)}, bad)
    elif damage == "missing":
        bad.unlink()
    for argv in (
        ["--config", "small", "--resume", str(bad)],
        ["--config", "small", "--init_from", str(bad)],
        ["validate", "--ckpt_path", str(bad)],
        ["validate", "--config", "small", "--ckpt_path", str(bad)],
    ):
        refused(capsys, argv, ["bad.ckpt"])


def test_a_checkpoint_that_does_not_fit_is_one_line(checkpoint, capsys):
    wider = ["--model.network.width", "9"]
    path = str(checkpoint)
    refused(capsys, ["--config", "small", *wider, "--resume", path], ["width", "9", "8"])
    refused(capsys, ["--config", "small", *wider, "--init_from", path], ["does not fit"])
    refused(capsys, ["validate", "--config=small", *wider, "--ckpt_path", path], ["does not fit"])
    refused(capsys, ["--config", "flow", "--resume", path], ["Poisson", "LidDrivenCavity"])


def test_a_checkpoint_outside_a_run_is_not_resumed(checkpoint, folder, capsys):
    moved = checkpoint.rename(folder / "moved.ckpt")
    refused(capsys, ["--config", "small", "--resume", str(moved)], ["moved.ckpt", "--init_from"])


def test_an_occupied_runs_folder_is_one_line(folder, capsys):
    (folder / "runs").touch()
    refused(capsys, ["--config", "small"], ["runs/small", "Not a directory"])
    (folder / "runs").unlink()
    (folder / "runs").mkdir()
    (folder / "runs" / "small").touch()
    refused(capsys, ["--config", "small"], ["runs/small", "Not a directory"])


def test_a_run_keeps_its_configuration_and_checkpoint(folder):
    run = ran(["--config", "small"])
    assert run.parent == Path("runs/small")
    assert (run / "checkpoints" / "step-0000004.ckpt").is_file()
    saved = (run / "config.yaml").read_text()
    assert str(folder) not in saved
    assert yaml.safe_load(saved)["model"]["network"]["init_args"]["width"] == 8


def test_a_saved_configuration_runs_again_under_its_name(folder):
    callbacks = "[{class_path: EarlyStopping, init_args: {monitor: x, strict: false}}]"
    first = ran(
        [
            "--config=small",
            f"--trainer.default_root_dir={folder}/elsewhere",
            f"--trainer.callbacks={callbacks}",
            "--trainer.plugins=[]",
        ]
    )
    assert first is None
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
    override = ["--model.problem.wavenumber", "2", "--seed_everything", "7"]
    assert main(["--config", "small", *override, "--print_config"]) == 0
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
    argv = ["--model.problem.reynolds", "400", "--model.network.width", "9"]
    argv += ["--data.points.interior", "40", "--model.phases", "phases.yaml"]
    argv += ["--model.weights", '{"momentum": 2.0}', "--trainer.max_steps=2"]
    assert main(["--config", "flow", *argv, "--print_config"]) == 0
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
    argv = ["validate", "--ckpt_path", str(checkpoint), "--model.strategy", strategy]
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
    assert "is finished: 4 of 4 steps" in capsys.readouterr().out


def test_a_foreign_module_is_not_imported(folder, capsys):
    (folder / "hidden.py").write_text(HEAT)
    (folder / "my.yaml").write_text(SMALL.replace("Poisson", "hidden.Heat"))
    words = ["'hidden.Heat'", "--allow_import hidden"]
    refused(capsys, ["--config", "my"], words)
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


def start(*argv):
    """The program in a process of its own."""
    return subprocess.Popen(
        [sys.executable, TRAIN, *argv],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_a_run_says_nothing_on_standard_error():
    process = start("--config", "small")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    assert "step 4/4" in out
    assert not any(word in out for word in ("Tip", "GPU", "Seed", "http"))


@pytest.mark.slow
def test_two_processes_speak_with_one_voice():
    process = start("--config", "small", "--trainer.devices", "2")
    out, err = process.communicate(timeout=240)
    assert (process.returncode, err) == (0, "")
    assert out.count("step 4/4") == 1
    assert len(list(Path("runs/small").iterdir())) == 1


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_signal_ends_a_run_with_a_checkpoint(name, code, capsys):
    process = start("--config", "small", "--model.phases", "[{steps: 1000000}]")
    deadline = time.monotonic() + 120
    while not list(Path("runs").rglob("step-*.ckpt")) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.Signals[name])
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err.count("\n") == 1
    assert f"stopped by {name} after step" in err
    last = err.split("after step ")[1].split(":")[0]
    (newest,) = Path("runs").rglob(f"step-{int(last):07d}.ckpt")
    assert torch.load(newest, weights_only=True)["global_step"] == int(last)
