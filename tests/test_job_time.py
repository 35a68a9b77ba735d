"""A run in the slices of a queue: `max_time` is a job's, and every job gets on."""

import time
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, Timer
from short import fit, only, steps_in

from pinn.checkpoints.file import read
from pinn.checkpoints.names import newest_first
from pinn.cli.main import main
from pinn.optim import Phase

SLICE = "--trainer.max_time=00:00:00:00"  # of no time: set-up alone takes longer
PHASES = "--model.phases=[{optimizer: Adam, steps: 3, lr: 1.0e-3}, {optimizer: LBFGS, steps: 2}]"


def last():
    (run,) = Path("runs/small").iterdir()
    return newest_first(run / "checkpoints")[0]


def job(capsys, *options):
    """One job of a queue: its exit code, and what it says."""
    capsys.readouterr()
    code = main(["--config=small", *options])
    captured = capsys.readouterr()
    return code, captured.out


def test_a_queue_comes_to_the_end_with_the_same_weights(folder, capsys, monkeypatch):
    """One step a job, whatever the time; in two phases, of which one is by L-BFGS."""
    code, out = job(capsys, PHASES, SLICE)
    seen = [read(last())["global_step"]]
    while "is finished after" not in out:
        assert code == 0
        assert len(seen) < 9
        if seen[-1] < 5:
            assert f"ended after {seen[-1]} step" in out
            assert "max_time is over" in out
            assert "continue with --resume auto" in out
        code, out = job(capsys, PHASES, SLICE, "--resume=auto")
        seen.append(read(last())["global_step"])
    assert code == 0
    assert seen == [1, 2, 3, 4, 5, 5]
    by_queue = read(last())["state_dict"]
    Path("runs").rename("queue")
    assert job(capsys, PHASES)[0] == 0
    at_once = read(last())["state_dict"]
    assert all(torch.equal(at_once[name], by_queue[name]) for name in by_queue)


class Slow(L.Callback):
    """Steps that take long, as those of least squares do."""

    def on_train_batch_start(self, *args):
        time.sleep(0.3)


def test_the_time_counts_from_the_start_of_the_job(tmp_path, capsys):
    began = time.monotonic()
    fit(tmp_path, Phase(200), callbacks=[Slow()], max_time={"seconds": 1})
    taken = steps_in(only(tmp_path))[0]
    assert 1 <= taken <= 4
    assert time.monotonic() - began < 60
    assert f"ended after {taken} step" in capsys.readouterr().out


def test_at_least_so_many_steps_whatever_the_time(tmp_path):
    fit(tmp_path, Phase(9), max_time="00:00:00:00", min_steps=4)
    assert steps_in(only(tmp_path))[0] == 4


def test_the_seconds_of_a_phase_go_on_across_jobs(folder, capsys):
    """Two jobs of a step each; set-up is not the phase's."""
    phases = "--model.phases=[{optimizer: Adam, seconds: 1000, lr: 1.0e-3}]"
    job(capsys, phases, SLICE)
    first = read(last())["pinn"]["course"]["seconds"]
    job(capsys, phases, SLICE, "--resume=auto")
    second = read(last())["pinn"]["course"]["seconds"]
    assert 0 < first < second < 1000


def test_as_many_steps_as_are_saved(folder, capsys):
    assert job(capsys, "--trainer.max_steps=2")[0] == 0
    code, out = job(capsys, "--trainer.max_steps=2", "--resume=auto")
    assert code == 0
    assert "is finished after 2 steps: its trainer.max_steps, 2, are taken" in out
    assert job(capsys, "--trainer.max_steps=3", "--resume=auto")[0] == 0
    assert read(last())["global_step"] == 3


def test_a_timer_of_the_user_is_of_the_whole_run(folder, capsys):
    """Lightning's own counts on across jobs; a job that finds it used up says so."""
    timer = "--trainer.callbacks=[{class_path: Timer, init_args: {duration: '00:00:10:00'}}]"
    job(capsys, timer, "--trainer.max_steps=1")
    code, out = job(capsys, timer.replace("00:00:10:00", "00:00:00:00"), "--resume=auto")
    assert code == 0
    assert "is finished after 1 step: the time of Timer is over" in out
    assert job(capsys, timer, "--resume=auto")[0] == 0
    assert read(last())["global_step"] == 4


# --- EarlyStopping over several jobs


def stop(patience):
    return (
        "--trainer.callbacks=[{class_path: EarlyStopping, init_args: {monitor: loss/total, "
        f"patience: {patience}}}}}]"
    )


STILL = "--model.phases=[{optimizer: SGD, steps: 40, lr: 1.0e-30}]"


def test_what_early_stopping_has_counted_goes_on(folder, capsys):
    """Validated every second step; patience of three is used up at step 8, in whatever slices."""
    job(capsys, STILL, stop(3), "--trainer.max_steps=5")
    code, out = job(capsys, STILL, stop(3), "--resume=auto")
    assert code == 0
    assert "ended after 8 steps: EarlyStopping saw loss/total not fall in 3 validations" in out
    code, out = job(capsys, STILL, stop(3), "--resume=auto")
    assert code == 0
    assert "is finished after 8 steps: EarlyStopping of loss/total has ended it" in out
    assert read(last())["global_step"] == 8
    code, out = job(capsys, STILL, stop(5), "--resume=auto")
    assert "ended after 12 steps: EarlyStopping saw loss/total not fall in 5 validations" in out
    free = "--trainer.callbacks=null"  # else the run's own EarlyStopping still holds
    assert job(capsys, STILL, free, "--trainer.max_steps=13", "--resume=auto")[0] == 0
    assert read(last())["global_step"] == 13


def test_callbacks_in_yaml_are_those_of_python(folder, capsys, tmp_path):
    assert job(capsys, STILL, stop(2))[0] == 0
    assert read(last())["global_step"] == 6
    still = Phase(40, "SGD", lr=1e-30)
    watch = EarlyStopping("loss/total", patience=2)
    fit(tmp_path / "python", still, callbacks=[watch], val_check_interval=2)
    assert steps_in(only(tmp_path / "python"))[0] == 6


def test_two_clocks(tmp_path):
    with pytest.raises(ValueError, match="max_time is set"):
        fit(tmp_path, max_time="00:00:01:00", callbacks=[Timer("00:00:02:00")])
