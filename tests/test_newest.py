"""Which checkpoint is the newest: by numbers and not by text, and what is said of broken ones."""

import shutil

import pytest
from golden_runs import GOLDEN
from short import fit, only, steps_in

from pinn.callbacks import Checkpoints
from pinn.checkpoints.file import CheckpointError, UnsealedError, read
from pinn.checkpoints.migrations import FORMAT
from pinn.checkpoints.names import name_of, newest_first, step_of
from pinn.checkpoints.writing import write
from pinn.optim import Phase
from pinn.runs.folders import newest_checkpoint

TODAY = GOLDEN / f"kovasznay_{FORMAT}.ckpt"


def run_with(base, name, *steps):
    """A run with checkpoints of these steps."""
    folder = base / "problem" / name / "checkpoints"
    folder.mkdir(parents=True)
    for step in steps:
        shutil.copy(TODAY, folder / name_of(step))
    return folder


# --- numbers


def test_steps_of_eight_digits_are_later(tmp_path):
    folder = run_with(tmp_path, "2026-01-01_00-00-00", 9_999_999, 10_000_100, 10_000_000, 3)
    for name in ("step-best.ckpt", "step-0000005-v1.ckpt", "last.ckpt"):
        (folder / name).touch()
    assert [step_of(p) for p in newest_first(folder)] == [10_000_100, 10_000_000, 9_999_999, 3]
    assert step_of(newest_checkpoint(tmp_path, "problem")) == 10_000_100
    with pytest.raises(CheckpointError, match=r"is a folder: give .*/step-10000100\.ckpt"):
        read(folder)


def late(path, shift):
    """Move a checkpoint of Adam's first phase by many steps."""
    contents = read(path)
    contents["global_step"] += shift
    course, loops = contents["pinn"]["course"], contents["loops"]["fit_loop"]
    course.update({name: course[name] + shift for name in ("start", "fell", "step")})
    for counts in (loops["epoch_loop.batch_progress"][kind] for kind in ("total", "current")):
        counts.update({name: count + shift for name, count in counts.items()})
    optimizer = loops["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]
    for kind in ("total", "current"):
        step = optimizer["step"][kind]
        step.update({name: count + shift for name, count in step.items()})
    target = path.with_name(name_of(contents["global_step"]))
    write(contents, target)
    path.unlink()
    return target


def test_a_run_keeps_the_newest_across_ten_million_steps(tmp_path):
    fit(tmp_path, Phase(6), callbacks=[Checkpoints(every=2)], max_steps=3)
    run = only(tmp_path)
    for old in newest_first(run / "checkpoints")[1:]:
        old.unlink()
    late(newest_first(run / "checkpoints")[0], 9_999_996)
    fit(tmp_path, Phase(6), callbacks=[Checkpoints(every=1)], max_steps=10_000_001, resume="auto")
    assert steps_in(run) == [10_000_001, 10_000_000]
    fit(tmp_path, Phase(6), callbacks=[Checkpoints(every=1)], resume="auto")
    assert steps_in(run) == [10_000_002, 10_000_001]


def test_the_tenth_run_of_a_second_is_later_than_the_ninth(tmp_path):
    stamp = "2026-01-01_00-00-00"
    for name in (stamp, *(f"{stamp}_{n}" for n in range(2, 12))):
        run_with(tmp_path, name, 1)
    run_with(tmp_path, "2025-12-31_23-59-59_99", 1)
    assert newest_checkpoint(tmp_path, "problem").parts[-3] == f"{stamp}_11"


# --- what is passed over


def spoiled(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_broken_newest_checkpoint_is_named_with_the_reason_and_the_one_used(tmp_path, capsys):
    folder = run_with(tmp_path, "2026-01-01_00-00-00", 5, 6, 7)
    spoiled(folder / name_of(7))
    contents = read(folder / name_of(6))
    contents["pinn"]["course"]["phase"] = -1
    write(contents, folder / name_of(6))
    assert newest_checkpoint(tmp_path, "problem") == folder / name_of(5)
    first, second = capsys.readouterr().out.splitlines()
    for line, step, reason in ((first, 7, "is damaged"), (second, 6, "pinn.course.phase is -1")):
        assert line.startswith(f"warning   {folder / name_of(step)} ")
        assert reason in line
        assert line.endswith(f"; {folder / name_of(5)} is used in its place")


def test_a_good_checkpoint_of_an_older_run_takes_its_place_and_is_named(tmp_path, capsys):
    older = run_with(tmp_path, "2026-01-01_00-00-00", 5)
    spoiled(run_with(tmp_path, "2026-01-02_00-00-00", 1) / name_of(1))
    assert newest_checkpoint(tmp_path, "problem") == older / name_of(5)
    assert capsys.readouterr().out.endswith(f"; {older / name_of(5)} is used in its place\n")
    spoiled(older / name_of(5))
    assert newest_checkpoint(tmp_path, "problem") is None
    lines = capsys.readouterr().out.splitlines()
    assert [line.endswith("; there is no other") for line in lines] == [True] * 2


def test_an_old_run_is_not_begun_anew_in_silence(tmp_path):
    folder = run_with(tmp_path, "2026-01-01_00-00-00", 5)
    shutil.copy(GOLDEN / "kovasznay_2.ckpt", folder / name_of(6))
    with pytest.raises(UnsealedError, match="add --trust_old"):
        newest_checkpoint(tmp_path, "problem")
