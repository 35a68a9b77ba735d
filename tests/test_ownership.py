"""A run is trained by one process at a time, and by nobody's ghost."""

import os
import shutil
import signal
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path

import lightning as L
import pytest
from short import fit, only

import pinn
from pinn.base.first_process import RANKS, is_first
from pinn.checkpoints.names import newest_first
from pinn.cli.main import main
from pinn.optim import Phase
from pinn.runs import ownership
from pinn.runs.folders import newest_checkpoint
from pinn.runs.ownership import LiveRunError, is_anothers, take


@contextmanager
def another(run, end=signal.SIGKILL, environment=None):
    """Another process that trains a run, killed at the end of the block or before; its number."""
    ready, done = os.pipe(), os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os.environ.update(environment or {})
        take(run)
        os.write(ready[1], b"1")
        os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    try:
        yield child
    finally:
        os.kill(child, end)
        os.waitpid(child, 0)
        for descriptor in (*ready, *done):
            os.close(descriptor)


def test_a_second_owner_is_refused_in_one_line_with_process_and_host(tmp_path):
    with another(tmp_path) as number:
        with pytest.raises(LiveRunError, match=f"process {number} on {os.uname().nodename}") as no:
            take(tmp_path)
        assert "\n" not in str(no.value)
    with ownership.ownership():
        take(tmp_path)  # a killed process owns nothing, whatever its file says
        assert ownership.owner(tmp_path)[0] == ownership.signature()
    assert not list(tmp_path.iterdir())


def test_a_child_of_the_owner_does_not_keep_the_run(tmp_path):
    with ownership.ownership():
        take(tmp_path)
        child = os.fork()
        if child == 0:
            signal.pause()
    try:
        with another(tmp_path) as number:
            assert ownership.owner(tmp_path)[0].startswith(f"process {number} ")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_to_look_at_a_run_does_not_give_it_away(tmp_path):
    """A process loses its POSIX locks on a file as soon as it closes it anywhere."""
    with ownership.ownership():
        take(tmp_path)
        looks = [lambda: is_anothers(tmp_path), lambda: ownership.owner(tmp_path)]
        for look in looks:
            look()
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            free = ownership.locked(tmp_path) is not None
            os._exit(free)
        assert os.waitpid(child, 0)[1] == 0


class Copy(L.Callback):
    """Copies the folder of its run, and lets another process ask for the run."""

    def __init__(self, target):
        self.target, self.others = target, []

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 2:
            shutil.copytree(trainer.run, self.target)
            assert (self.target / ownership.NAME).read_text()
            self.others.append(in_another_process(lambda: take(trainer.run)))


def in_another_process(do):
    """The name of the error that a function raises in a new process; `none` without one."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        said = "none"
        try:
            do()
        except BaseException as error:
            said = type(error).__name__
        os.write(writer, said.encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with open(reader) as said:
        return said.read()


@pytest.mark.skipif(not ownership.OFD, reason="locks belong to the process here")
def test_a_run_stays_its_owners_when_its_folder_is_copied(tmp_path):
    copy = Copy(tmp_path / "copy")
    fit(tmp_path / "runs", callbacks=[copy])
    assert copy.others == ["LiveRunError"]
    assert in_another_process(lambda: take(only(tmp_path / "runs"))) == "none"


@pytest.mark.parametrize("command", [0, 1 << 20])
def test_a_system_without_locks_of_open_files_has_those_of_processes(
    tmp_path, monkeypatch, command
):
    monkeypatch.setattr(ownership, "OFD", command)
    with ownership.ownership():
        take(tmp_path)
        assert in_another_process(lambda: take(tmp_path)) == "LiveRunError"
        monkeypatch.undo()  # a process of the usual kind sees the other kind of lock
        assert in_another_process(lambda: take(tmp_path)) == "LiveRunError"
    assert in_another_process(lambda: take(tmp_path)) == "none"


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux tells")
def test_the_lock_is_closed_before_its_folder_is_removed(tmp_path, monkeypatch):
    """What is open there when it is removed stays as `.nfs…` on a network file system."""

    class Fail(L.Callback):
        def on_train_start(self, *_):
            raise OSError("no")

    removed, remove = [], shutil.rmtree

    def watched(folder, *args, **kwargs):
        files = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.exists()]
        removed.append([file for file in files if file.startswith(str(folder))])
        remove(folder, *args, **kwargs)

    monkeypatch.setattr(shutil, "rmtree", watched)
    with pytest.raises(OSError, match="no"):
        fit(tmp_path, callbacks=[Fail()])
    assert removed == [[]]


def test_another_thread_is_refused_and_the_same_one_is_not(tmp_path):
    said = []

    def attempt():
        try:
            take(tmp_path)
        except LiveRunError as error:
            said.append(str(error))

    with ownership.ownership():
        take(tmp_path)
        take(tmp_path)
        thread = threading.Thread(target=attempt)
        thread.start()
        thread.join()
    assert "another thread of this process" in said[0]


def test_processes_of_one_job_are_no_strangers(tmp_path, monkeypatch):
    with another(tmp_path):
        assert is_anothers(tmp_path)
        monkeypatch.setenv(ownership.OWNER, ownership.owner(tmp_path)[0])
        assert not is_anothers(tmp_path)
    monkeypatch.delenv(ownership.OWNER)
    assert not is_anothers(tmp_path)
    launched = {"SLURM_JOB_ID": "17", "SLURM_STEP_ID": "0"}
    with another(tmp_path, environment=launched):
        assert is_anothers(tmp_path)
        for name, value in launched.items():
            monkeypatch.setenv(name, value)
        assert not is_anothers(tmp_path)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two finished runs of four steps in the folder `runs`, the older one first."""
    base = tmp_path_factory.mktemp("two")
    for _ in range(2):
        fit(base)
    return sorted((base / "poisson").iterdir(), key=lambda run: run.name)


def test_resume_passes_over_live_runs_and_says_so(two, capsys):
    older, newer = two
    base = older.parents[1]
    with another(newer) as number, ownership.ownership():
        capsys.readouterr()
        assert newest_checkpoint(base, "poisson").parents[1] == older
        assert f"passed over: {newer} is being trained by process {number} on" in (
            capsys.readouterr().out
        )
        with pytest.raises(LiveRunError, match="is being trained"):
            newest_checkpoint(base, "poisson", newer.name)
    with ownership.ownership():
        assert newest_checkpoint(base, "poisson").parents[1] == newer


def test_fit_refuses_a_live_run_and_readers_are_welcome(two):
    run = two[0]
    newest = newest_first(run / "checkpoints")[0]
    with another(run):
        with pytest.raises(LiveRunError, match="is being trained by process"):
            fit(run.parents[1], Phase(6, lr=1e-3), resume=newest)
        assert pinn.load(newest).problem.coordinates
    fit(run.parents[1], Phase(6, lr=1e-3), resume=newest)
    assert newest_first(run / "checkpoints")[0].stem.endswith("6")
    assert not (run / ownership.NAME).exists()


def test_a_run_without_a_checkpoint_is_not_moved_from_under_its_process(folder, capsys):
    run = folder / "runs" / "small" / "mine"
    (run / "checkpoints").mkdir(parents=True)
    with another(run) as number:
        assert main(["--config", "small", "--name", "mine", "--resume", "auto"]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert f"is being trained by process {number} on" in line
        assert run.is_dir()


def test_where_nothing_can_be_locked_a_run_says_so_and_goes_on(tmp_path, monkeypatch, capsys):
    def unable(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(ownership, "lock", unable)
    fit(tmp_path)
    assert "cannot be locked (Function not implemented)" in capsys.readouterr().out
    assert newest_first(only(tmp_path) / "checkpoints")


@pytest.mark.parametrize(
    ("told", "first"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "2", "LOCAL_RANK": "0"}, False),  # of torchrun, on a second machine
        ({"LOCAL_RANK": "1"}, False),  # of Lightning
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, False),
        ({"SLURM_PROCID": "3"}, False),
        ({"SLURM_PROCID": "0", "LOCAL_RANK": "1"}, False),  # of Lightning, within a job
    ],
)
def test_launchers_tell_the_first_process(monkeypatch, told, first):
    for name in ("NODE_RANK", *RANKS):
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert is_first() == first
