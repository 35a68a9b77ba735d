"""A disk that is full: said in our words, without a traceback, and training goes on."""

import copy
import errno
import os
import sys
import threading
from pathlib import Path

import pytest
from lightning.pytorch.loggers import CSVLogger
from short import fit, only, steps_in
from small import SMALL

from pinn.callbacks import Checkpoints
from pinn.callbacks.event_files import EventFiles, silence_threads
from pinn.callbacks.user_loggers import guard
from pinn.checkpoints import writing
from pinn.checkpoints.names import newest_first
from pinn.checkpoints.writing import AtomicCheckpointIO
from pinn.cli.main import main
from pinn.optim import Phase

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
try:
    from reliability_disk import STEPS, complaints, run_on, small_disk
finally:
    sys.path.remove(str(BENCHMARKS))


@pytest.mark.parametrize("freed", [13, STEPS + 1])
def test_a_real_disk_that_fills_up(tmp_path, freed):
    with small_disk(tmp_path / "disk") as mounted:
        if not mounted:
            pytest.skip("only the superuser can mount a small file system")
        code, said = run_on(tmp_path / "disk", freed)
        assert complaints(code, said, freed <= STEPS, tmp_path / "disk") == [], said


@pytest.fixture
def full(monkeypatch):
    """A function that lets files of certain steps find no space, in the middle of torch's writing.

    It works where nothing can be mounted.
    """
    save = writing.torch.save

    def from_step(first, last=10**9):
        class File:
            def __init__(self, file):
                self.file = file

            def write(self, data):
                self.file.write(memoryview(data)[:100])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            def flush(self):
                pass

        def saved(contents, file):
            fits = not first <= contents["global_step"] <= last
            save(contents, file if fits else File(file))

        monkeypatch.setattr(writing.torch, "save", saved)

    return from_step


def test_the_next_save_tries_again(tmp_path, full, capsys):
    full(3, 4)
    fit(tmp_path, Phase(8), callbacks=[Checkpoints(every=1)])
    run = only(tmp_path)
    said = capsys.readouterr().out
    assert said.count("is not written: no space is left on its disk: the next save tries") == 2
    assert "is in no checkpoint" not in said
    assert steps_in(run) == [8, 7]
    assert not list((run / "checkpoints").glob(".*"))


def test_the_end_of_a_run_says_which_checkpoint_there_is(tmp_path, full, capsys):
    full(3)
    fit(tmp_path, Phase(4), callbacks=[Checkpoints(every=1)])
    run = only(tmp_path)
    newest = newest_first(run / "checkpoints")[0]
    line = f"warning   the last step, 4, is in no checkpoint: the newest is {newest}"
    assert capsys.readouterr().out.splitlines()[-1] == line
    full(1)
    fit(tmp_path / "b", Phase(2))
    line = capsys.readouterr().out.splitlines()[-1]
    assert line == f"warning   the last step, 2, is in no checkpoint: there is none in {last(line)}"


def last(line):
    return line.rpartition(" ")[2]


def test_the_command_line_ends_with_1(folder, full, capsys):
    (folder / "small.yaml").write_text(SMALL)
    full(2)
    assert main(["--config", "small", "--trainer.max_steps", "2"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("train.py: the last step, 2, is in no checkpoint: there is none")
    assert "PINN_TRACEBACK" not in line


def test_what_is_there_is_kept_while_the_new_one_is_missing(tmp_path, full):
    full(1)
    kept, writer = tmp_path / "kept.ckpt", AtomicCheckpointIO()
    kept.touch()
    writer.save_checkpoint({"global_step": 5}, tmp_path / "new.ckpt")
    writer.remove_checkpoint(kept)  # as a ModelCheckpoint does after it has saved
    assert kept.exists()
    writer.save_checkpoint({"global_step": 0}, tmp_path / "new.ckpt")
    writer.remove_checkpoint(kept)
    assert not kept.exists()


def test_another_error_than_the_systems_is_raised(tmp_path):
    with pytest.raises(AttributeError, match="Can't"):
        AtomicCheckpointIO().save_checkpoint({"a": lambda: None}, tmp_path / "a.ckpt")


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside a logger of the user"])
def test_curves_end_with_one_line_and_without_a_traceback(tmp_path, capsys, monkeypatch, beside):
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)
    if beside:
        guard(CSVLogger(tmp_path))
    curves = EventFiles(tmp_path / "run", None)
    curves.experiment.add_scalar("a", 1.0, 0)

    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    made = curves.writer.make().file_writer.event_writer
    thread = made._async_writer._worker
    monkeypatch.setattr(thread._record_writer, "write", refuse)
    for step in range(5):
        curves.log_metrics({"a": 1.0}, step)
        thread.join(0.2)
    curves.log_hyperparams({"width": 3}, {"a": 1.0})
    curves.finalize("success")
    out, err = capsys.readouterr()
    assert out == f"warning   curves in {tmp_path / 'run'} end here: no space is left on its disk\n"
    assert err == ""


def test_errors_of_other_threads_are_shown_as_ever(monkeypatch):
    shown = []
    monkeypatch.setattr(threading, "excepthook", lambda args: shown.append(args.exc_type))
    silence_threads()
    silence_threads()
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    assert shown == [ZeroDivisionError]


def test_the_writer_of_curves_can_be_copied(tmp_path):
    """Averaged weights copy the solver, and with it the trainer and its loggers."""
    logger = EventFiles(tmp_path / "run", None)
    assert logger.experiment is not None
    assert copy.deepcopy(logger.experiment).folder == logger.experiment.folder
