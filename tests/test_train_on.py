"""Continuing a run with its own settings, training on for more steps, and what cannot be."""

import shlex
import shutil
import sys
from pathlib import Path

import pytest
import torch
import yaml
from small import SMALL

import pinn
from pinn.checkpoints.file import CheckpointError, read
from pinn.cli.main import main

SETTLED = SMALL.replace("lr: 1.0e-2", "lr: 0.01, dtype: float64")
AUTO = ["--config", "small", "--resume", "auto"]


@pytest.fixture
def small(here):
    (here / "small.yaml").write_text(SETTLED)
    return here


def phases(*pairs, **more):
    """`--model.phases` of (optimiser, steps)."""
    made = [{"optimizer": optimizer, "steps": steps, **more} for optimizer, steps in pairs]
    return f"--model.phases={made}"


def newest(name="small"):
    return max(Path("runs", name).glob("*/checkpoints/*.ckpt"), key=lambda path: path.name)


def refused(capsys, *argv):
    capsys.readouterr()
    assert main(list(argv)) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    return line


# --- continue


def test_a_run_that_was_started_with_flags_continues_with_them(small, capsys):
    flags = ["--model.network.width", "5", "--data.points.interior=20", "--data.resample", "2"]
    assert main(["--config", "small", *flags]) == 0
    whole = read(newest())
    newest().unlink()
    assert main(["--config", "small", *flags, "--trainer.max_steps", "2"]) == 0
    capsys.readouterr()
    assert main(AUTO) == 0
    out = capsys.readouterr().out
    assert "--model.network.width, --data.points.interior, --data.resample" in out
    assert "the saved run has taken its trainer.max_steps, 2: it goes on" in out
    found = read(newest())
    assert found["global_step"] == 4
    assert found["pinn"]["network"] == whole["pinn"]["network"]
    assert all(torch.equal(w, whole["state_dict"][n]) for n, w in found["state_dict"].items())
    # And once more: what was given first is still known.
    assert main(AUTO) == 0
    assert "is finished after 4 steps" in capsys.readouterr().out


def test_a_flag_given_anew_wins(small, capsys):
    assert main(["--config=small", "--trainer.max_steps=2", "--model.weights={boundary: 2.0}"]) == 0
    assert main([*AUTO, "--model.weights", "{boundary: 3.0}", "--trainer.max_steps", "3"]) == 0
    assert "weights.boundary = 3.0, where the saved run had 2.0" in capsys.readouterr().out
    assert read(newest())["global_step"] == 3
    assert main([*AUTO, "--trainer.max_steps", "3"]) == 0
    assert "finished after 3 steps: its trainer.max_steps, 3, are taken" in capsys.readouterr().out
    assert "width = 9, where the saved run had 8" in refused(
        capsys, *AUTO, "--model.network.width=9"
    )


def test_a_checkpoint_alone_is_enough(small, capsys):
    flags = ["--model.network.width", "5", "--trainer.max_steps=2"]
    assert main(["--config", "small", *flags]) == 0
    Path("small.yaml").unlink()
    start = newest()
    assert main(["--resume", str(start)]) == 0
    assert read(newest())["global_step"] == 4
    assert main(["--resume", str(newest()), "--more_steps", "1"]) == 0
    assert read(newest())["global_step"] == 5
    saved = yaml.safe_load((start.parents[1] / "config.resume-2.yaml").read_text())
    assert saved["model"]["phases"][0]["steps"] == 5
    assert main(["--resume", str(newest())]) == 0
    assert "is finished after 5 steps" in capsys.readouterr().out


def test_the_printed_advice_works_as_printed(small, capsys):
    (small / "my_stop.py").write_text(Path(__file__).with_name("stop_at.py").read_text())
    callbacks = "[{class_path: my_stop.StopAt, init_args: {step: 2}}]"
    argv = ["--config=small", f"--trainer.callbacks={callbacks}", "--allow_import=my_stop"]
    assert main([*argv, "--model.network.width=5"]) == 143
    line = capsys.readouterr().err.strip()
    assert "stopped by SIGTERM after step 2: continue with --resume: " in line
    python, program, *rest = shlex.split(line.split("--resume: ")[1])
    assert program == sys.argv[0]
    assert Path(shutil.which(python)).samefile(sys.executable)
    assert main(rest) == 0
    assert read(newest())["global_step"] == 4
    sys.modules.pop("my_stop", None)


ADAM = "{optimizer: Adam, steps: 4, lr: 0.01, dtype: float64}"


def test_a_file_that_was_edited_since_is_read(small):
    assert main(["--config", "small", "--model.network.width", "5"]) == 0
    longer = SETTLED.replace(ADAM, f"{ADAM}, {{optimizer: LBFGS, steps: 1}}")
    assert longer != SETTLED
    (small / "small.yaml").write_text(longer)
    assert main(AUTO) == 0
    assert read(newest())["global_step"] == 5


def test_a_finished_run_is_no_run_with_other_coefficients(small, capsys):
    assert main(["--config", "small"]) == 0
    capsys.readouterr()
    assert main([*AUTO, "--model.problem.wavenumber=2"]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert (
        "a finished run cannot be trained with problem.wavenumber = 2, where the saved run had 1"
        in line
    )


# --- jobs under a name


def test_jobs_under_a_name_continue_their_own_run(small, capsys):
    first = ["--config", "small", "--name", "a", "--resume", "auto"]
    second = ["--config=small", "--name=b", "--resume=auto", "--model.problem.wavenumber=2"]
    for argv in (first, second):
        assert main([*argv, "--trainer.max_steps", "2"]) == 0
        assert "a new run begins" in capsys.readouterr().out
    runs = small / "runs" / "small"
    for argv, name, wave in ((first, "a", 1), (second, "b", 2)):
        assert main(argv) == 0
        saved = read(runs / name / "checkpoints" / "step-0000004.ckpt")
        assert saved["pinn"]["problem"]["init_args"]["wavenumber"] == wave
    assert sorted(run.name for run in runs.iterdir()) == ["a", "b"]
    capsys.readouterr()
    assert main(first) == 0
    assert "is finished after 4 steps" in capsys.readouterr().out


def test_a_job_that_was_killed_before_its_first_checkpoint_blocks_no_other(small, capsys):
    folder = small / "runs" / "small" / "a"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    assert main(["--config", "small", "--name", "a"]) == 2
    assert "add --resume auto" in capsys.readouterr().err
    assert main(["--config", "small", "--name", "a", "--resume", "auto"]) == 0
    assert (folder / "checkpoints" / "step-0000004.ckpt").is_file()
    assert (folder.with_name("a_2") / "notes.txt").read_text() == "mine"


def test_a_name_and_a_checkpoint_are_told_apart(small, capsys):
    assert main(["--config", "small", "--name", "a", "--resume", "some.ckpt"]) == 2
    assert "remove --name" in capsys.readouterr().err


# --- train on


@pytest.mark.parametrize(
    ("optimizer", "way"),
    [("Adam", "phases"), ("LBFGS", "more_steps"), ("LevenbergMarquardt", "more_steps")],
)
def test_six_and_three_steps_are_nine(small, optimizer, way, capsys):
    few = {"options": {"max_iter": 3}} if optimizer == "LBFGS" else {}
    six, nine = (phases((optimizer, steps), **few) for steps in (6, 9))
    assert main(["--config", "small", nine]) == 0
    whole = read(newest())
    newest().unlink()
    assert main(["--config", "small", six]) == 0
    more = {"more_steps": ["--more_steps", "3"], "phases": [nine]}
    capsys.readouterr()
    assert main([*AUTO, *more[way]]) == 0
    assert "phases.0.steps = 9, where the saved run had 6" in capsys.readouterr().out
    found = read(newest())
    assert found["global_step"] == 9
    assert all(torch.equal(w, whole["state_dict"][n]) for n, w in found["state_dict"].items())
    assert main(AUTO) == 0
    assert "is finished after 9 steps" in capsys.readouterr().out


def test_a_cosine_goes_on_as_if_it_had_been_longer(small, capsys):
    cosine = {"lr": 0.01, "schedule": "cosine"}
    assert main(["--config", "small", phases(("SGD", 4), **cosine)]) == 0
    assert main([*AUTO, "--more_steps", "4"]) == 0
    assert "the cosine now runs over 8 steps" in capsys.readouterr().out
    (group,) = read(newest())["optimizer_states"][0]["param_groups"]
    assert group["lr"] == pytest.approx(0.01 * pinn.Phase(8, schedule="cosine").factor(7))


def test_a_phase_is_appended(small):
    assert main(["--config", "small"]) == 0
    assert main([*AUTO, f"--model.phases=[{ADAM}, {{optimizer: LBFGS, steps: 2}}]"]) == 0
    assert read(newest())["pinn"]["course"]["phase"] == 1
    assert main([*AUTO, "--more_steps", "1"]) == 0
    assert read(newest())["global_step"] == 7


def test_more_steps_of_a_phase_that_ended_for_another_reason(small, capsys):
    for end, words in (
        ({"patience": 2, "lr": 1e-12}, "has not fallen by 1% in 2 steps"),
        ({"loss": 1e9}, "below 1e+09"),
    ):
        assert main(["--config", "small", phases(("Adam", 9), **end)]) == 0
        capsys.readouterr()
        assert main([*AUTO, "--more_steps", "5"]) == 0
        out = capsys.readouterr().out
        assert words in out.splitlines()[-2]
        assert out.splitlines()[-1].startswith("more steps do not change that")


def test_a_target_put_farther_away_goes_on(small):
    assert main(["--config", "small", phases(("Adam", 6), loss=1e9)]) == 0
    assert read(newest())["global_step"] == 1
    assert main([*AUTO, phases(("Adam", 6), loss=1e-9)]) == 0
    assert read(newest())["global_step"] == 6


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([*AUTO, phases(("Adam", 3), lr=0.01, dtype="float64")], ["steps = 3", "has taken 4"]),
        ([*AUTO, phases(("LBFGS", 9))], ["phases.0.optimizer = LBFGS", "had Adam"]),
        ([*AUTO, "--model.phases=[]"], ["phases"]),
        ([*AUTO, "--more_steps", "0"], ["--more_steps", "'0'"]),
        ([*AUTO, "--more_steps", "2.5"], ["--more_steps", "'2.5'"]),
        ([*AUTO, "--more_steps", "-3"], ["--more_steps", "'-3'"]),
        ([*AUTO, "--more_steps"], ["--more_steps", "needs a value"]),
        ([*AUTO, "--more_steps=3", "--more_steps=4"], ["2 times"]),
        ([*AUTO, "--more_steps=3", phases(("Adam", 9))], ["give one of them"]),
        (["--config", "small", "--more_steps", "3"], ["add --resume"]),
        (["--resume", "auto"], ["add --config NAME"]),
        (["--resume", "nothing.ckpt"], ["nothing.ckpt does not exist"]),
        (["--config", "small", "--resum", "auto"], ["'resum'", "'resume'"]),
        (["--config", "small", "--resume=auto", "--more_step=1"], ["'more_step'", "'more_steps'"]),
    ],
)
def test_what_cannot_be_continued_is_one_line(argv, words, stepped, capsys):
    line = refused(capsys, *argv)
    assert all(word in line for word in words), line


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    folder = tmp_path_factory.mktemp("four")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "small.yaml").write_text(SETTLED)
        assert main(["--config", "small"]) == 0
    return folder


@pytest.fixture
def stepped(four, monkeypatch):
    monkeypatch.chdir(four)


def test_a_run_without_its_configuration_is_one_line(stepped, capsys):
    run = newest().parents[1]
    (run / "config.yaml").rename(run / "kept.yaml")
    try:
        line = refused(capsys, "--resume", str(newest()))
    finally:
        (run / "kept.yaml").rename(run / "config.yaml")
    assert "has no config.yaml: add --config NAME" in line


# --- the first of several jobs, and Python


def test_the_first_job_of_a_queue_begins_the_run(small, capsys):
    assert main(AUTO) == 0
    assert "no checkpoint of 'small' below runs/small: a new run begins" in capsys.readouterr().out
    assert read(newest())["global_step"] == 4
    assert main(AUTO) == 0
    assert "is finished after 4 steps" in capsys.readouterr().out
    Path("small.yaml").rename("other.yaml")
    line = refused(capsys, "--config", "other", "--resume", "auto", "--more_steps", "3")
    assert "no checkpoint of 'other'" in line


@pytest.mark.parametrize("way", ["auto", "file"])
def test_python_trains_on_as_if_the_phase_had_been_longer(here, way, capsys):
    def weights(steps, folder, **settings):
        phases = [pinn.Phase(steps, lr=0.01, dtype="float64")]
        points = {"interior": 20, "boundary": 8}
        settings = {"compile": False, "derivatives": "taylor", "accelerator": "cpu", **settings}
        found = pinn.fit(
            pinn.problems.Poisson(), pinn.MLP(6, 1), phases, points, folder=folder, **settings
        )
        return torch.cat([p.detach().flatten() for p in found.parameters()])

    whole = weights(5, "whole")
    weights(3, "parts", resume="auto")
    assert "a new run begins" in capsys.readouterr().out
    (run,) = Path("parts/poisson").iterdir()
    resume = "auto" if way == "auto" else max(run.glob("checkpoints/*.ckpt"))
    assert torch.equal(weights(5, "parts", resume=resume), whole)
    assert list(Path("parts/poisson").iterdir()) == [run]
    # A run that is over gives its solution, in its own precision.
    assert torch.equal(weights(5, "parts", resume="auto"), whole)
    with pytest.raises(CheckpointError, match=r"has taken 5 of them"):
        weights(4, "parts", resume="auto")
    with pytest.raises(ValueError, match=r"give one of them"):
        weights(4, "parts", resume="auto", init_from="a.ckpt")
