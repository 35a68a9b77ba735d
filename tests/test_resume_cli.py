"""Continuing a run from the command line, in its folder and after a SIGTERM."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pinn.checkpoints.file import read
from pinn.checkpoints.names import newest_first
from pinn.cli.main import main

TRAIN = Path(__file__).resolve().parents[1] / "train.py"


def equal(a, b):
    """Whether two collections of weights agree to the last bit."""
    assert a.keys() == b.keys()
    return all(torch.equal(a[name], b[name]) for name in a)


# --- in this process


SMALL = [
    "--config=navier_stokes",
    "--model.network.width=8",
    "--model.network.depth=2",
    "--data.points={interior: 40, lid: 10, walls: 30}",
    "--data.method=sobol",
    "--data.held_out=50",
    "--data.resample=7",
    "--trainer.val_check_interval=20",
    "--trainer.log_every_n_steps=10",
    "--checkpoints.every=20",
    "--pictures.every=1000",
]
KOVASZNAY = "--model.problem.class_path"
SIXTY = "--model.phases=[{optimizer: Adam, steps: 60, lr: 0.003, schedule: cosine}]"


@pytest.fixture(scope="module")
def sixty(tmp_path_factory):
    """A run of sixty steps."""
    here = tmp_path_factory.mktemp("sixty")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        patch.setattr(sys, "argv", [str(TRAIN)])
        assert main([*SMALL, SIXTY]) == 0
    return here


@pytest.fixture
def started(sixty, tmp_path, monkeypatch):
    """That run, as if it had died between steps 40 and 60."""
    shutil.copytree(sixty, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(TRAIN)])
    (folder,) = tmp_path.glob("runs/navier_stokes/*")
    newest_first(folder / "checkpoints")[0].rename(tmp_path / "end.ckpt")
    return folder


def scalar_steps(folder):
    """tag → steps, as TensorBoard shows them."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
    return {tag: [e.step for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_the_command_line_continues_a_run_in_its_folder(started, tmp_path, capsys):
    capsys.readouterr()
    assert main([*SMALL, SIXTY, "--resume", "auto"]) == 0
    out = capsys.readouterr().out
    assert "resuming runs/navier_stokes/" in out
    assert "step-0000040.ckpt at step 40" in out
    assert list(tmp_path.glob("runs/*/*")) == [started]
    end = read(started / "checkpoints" / "step-0000060.ckpt")["state_dict"]
    assert equal(end, read(tmp_path / "end.ckpt")["state_dict"])
    assert (started / "config.resume-1.yaml").is_file()

    steps = scalar_steps(started)
    assert steps["loss/total"] == [10, 20, 30, 40, 50, 60]
    assert steps["error/u"] == [20, 40, 60]
    twice = {tag: s for tag, s in steps.items() if max(Counter(s).values()) > 1}
    assert not twice


def test_a_finished_run_says_so(started, tmp_path, capsys):
    (tmp_path / "end.ckpt").rename(started / "checkpoints" / "step-0000060.ckpt")
    capsys.readouterr()
    assert main([*SMALL, SIXTY, "--resume", "auto"]) == 0
    (line,) = (t for t in capsys.readouterr().out.splitlines() if not t.endswith("…"))
    assert line.endswith("step-0000060.ckpt is finished after 60 steps: all of its steps are taken")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("--model.network.width=9", "network.width = 9, where the saved run had 8"),
        (f"{KOVASZNAY}=Kovasznay", "problem = pinn.problems.kovasznay.Kovasznay"),
        (SIXTY.replace("0.003", "0.004"), "phases.0.lr = 0.004, where the saved run had 0.003"),
        (SIXTY.replace("60", "30"), "phases.0.steps = 30, but the run has taken 40 of them"),
    ],
)
def test_what_does_not_fit_is_one_line(started, capsys, change, message):
    options = [o for o in [*SMALL, SIXTY] if o.split("=")[0] != change.split("=")[0]]
    if change.startswith(KOVASZNAY):  # which has no lid and other walls
        options = [o for o in options if not o.startswith("--data.points")]
        options += ["--model.problem.init_args={}", "--model.weights={}", "--data.points={}"]
    capsys.readouterr()
    assert main([*options, change, "--resume", "auto"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "does not fit this run: " + message in line


def test_another_reynolds_number_is_announced(started, capsys):
    capsys.readouterr()
    assert main([*SMALL, SIXTY, "--resume", "auto", "--model.problem.reynolds=400"]) == 0
    out = capsys.readouterr().out
    assert "resuming with problem.reynolds = 400.0, where the saved run had 100.0" in out


def test_init_from_takes_the_weights_and_nothing_else(started, tmp_path, capsys):
    path = str(tmp_path / "end.ckpt")
    short = SIXTY.replace("60", "3").replace("0.003", "1.0e-12")
    assert main([*SMALL, short, "--init_from", path]) == 0
    (other,) = set(tmp_path.glob("runs/navier_stokes/*")) - {started}
    found = read(newest_first(other / "checkpoints")[0])
    assert found["global_step"] == 3
    for name, weight in read(path)["state_dict"].items():
        torch.testing.assert_close(found["state_dict"][name], weight, rtol=1e-5, atol=1e-9)


# --- the shipped configuration, stopped by SIGTERM


PHASES = [
    {"optimizer": "Adam", "steps": 20, "lr": 0.003, "schedule": "cosine"},
    {"optimizer": "LBFGS", "steps": 20, "dtype": "float64", "options": {"max_iter": 5}},
    {"optimizer": "LevenbergMarquardt", "steps": 6, "train": "output"},
]


def shipped(*options):
    """The shipped configuration with fewer points and units."""
    argv = ["--config", "navier_stokes", "--data.resample", "7", "--checkpoints.every", "1000"]
    argv += ["--data.method", "sobol", "--model.network.width", "12", "--data.held_out", "50"]
    argv += ["--data.points", "{interior: 60, lid: 10, walls: 20}"]
    argv += ["--model.phases", json.dumps(PHASES)]
    argv += ["--trainer.val_check_interval", "10", "--trainer.log_every_n_steps", "15"]
    # Two runs are compared: what they would decide by the clock is settled.
    return [*argv, "--model.derivatives", "taylor", "--model.compile", "false", *options]


def train_py(folder, *options):
    """It in a process of its own: the code, and the output; nothing else is said."""
    done = subprocess.run(
        [sys.executable, str(TRAIN), *shipped(*options)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stderr == ""
    assert not any(word in done.stdout for word in ("Tip", "GPU", "Seed", "http"))
    return done.returncode, done.stdout


def newest(folder):
    (run,) = folder.glob("runs/navier_stokes/*")
    return newest_first(run / "checkpoints")[0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", [str(TRAIN)])
        assert main(shipped()) == 0
    return folder


@pytest.fixture
def trained(tmp_path, monkeypatch, capfd):
    """A function that trains in this process as `train_py` does in another one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(TRAIN)])

    def run(folder, *options):
        code = main(shipped(*options))
        return code, "".join(capfd.readouterr())

    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "alone"),
    [(12, False), (32, True), (43, False)],
    ids=["adam", "lbfgs, in a process of its own", "levenberg-marquardt"],
)
def test_stopped_by_sigterm_and_resumed_it_ends_bitwise_the_same(
    whole, tmp_path, trained, step, alone
):
    stop = json.dumps([{"class_path": "stop_at.StopAt", "init_args": {"step": step}}])
    code, said = trained(tmp_path, "--allow_import", "stop_at", "--trainer.callbacks", stop)
    assert code == 128 + signal.SIGTERM, said
    assert f"stopped by SIGTERM after step {step}: continue with --resume" in said
    assert newest(tmp_path).name == f"step-{step:07d}.ckpt"
    folder = newest(tmp_path).parent.parent

    # Its callback is continued with, and is a class that needs permission.
    code, said = (train_py if alone else trained)(
        tmp_path, "--resume", "auto", "--allow_import", "stop_at"
    )
    assert code == 0, said
    assert f"at step {step}" in said
    assert newest(tmp_path).parent.parent == folder
    ours, theirs = read(newest(tmp_path)), read(newest(whole))
    assert ours["global_step"] == theirs["global_step"] == 46
    assert ours["pinn"]["course"]["phase"] == len(PHASES) - 1
    assert equal(ours["state_dict"], theirs["state_dict"])
    steps = scalar_steps(folder)
    assert steps == scalar_steps(newest(whole).parent.parent)
    assert steps["error/u"] == [10, 20, 30, 40, 46]
    assert steps["loss/total"] == [15, 30, 45]
