"""Processes of one run: when one is gone, all know which, and end."""

import os
import signal
import subprocess
import sys
import time
import warnings
from contextlib import contextmanager
from pathlib import Path

import pytest
from small import SMALL

from pinn.base.presence import TICK, Loss, Presence, fate
from pinn.base.signals import program
from pinn.checkpoints.names import newest_first

ROOT = Path(__file__).parents[1]
HOST = "127.0.0.1"


def wait(what, seconds=20.0):
    """Until something is so."""
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.01)
    assert what()


@contextmanager
def forked(count, act):
    """Processes 1, 2, … that run `act(presence)` once all are connected, and that of process 0."""
    presence = Presence(0, dict, 0, lambda loss: None)
    _, port, token = presence.open()
    children = []
    reader, writer = os.pipe()
    for rank in range(1, count + 1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            children.append(os.fork())
        if children[-1] == 0:
            mine = Presence(rank, dict, 0, lambda loss: os._exit(7))
            mine.connect(HOST, port, token)
            mine.start()
            os.close(writer)
            os.read(reader, 1)  # nothing, once the last writer is closed
            act(mine)
            os._exit(0)
    presence.start()
    try:
        wait(lambda: sorted(presence.links.values()) == list(range(1, count + 1)))
        os.close(writer)
        os.close(reader)
        yield presence, children
    finally:
        presence.leave()
        presence.join()
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def stay(presence):
    presence.known.wait()
    os._exit(presence.loss.rank)


def test_the_first_one_that_is_killed_is_named_to_all():
    with forked(5, stay) as (presence, children):
        os.kill(children[2], signal.SIGKILL)
        assert presence.wait(20) == Loss(3, "was killed")
        for number, child in enumerate(children):
            if number != 2:  # they end because of it, one after the other, and are not named
                _, status = os.waitpid(child, 0)
                assert os.waitstatus_to_exitcode(status) == 3
        assert presence.loss.rank == 3
        children[:] = children[2:3]


def test_an_error_is_told_before_the_end():
    def fail(mine):
        if mine.rank == 2:
            mine.tell(Loss(2, "failed with OSError: the disk is full"))
        stay(mine)

    with forked(3, fail) as (presence, _):
        assert presence.wait(20) == Loss(2, "failed with OSError: the disk is full")


def test_who_is_done_is_not_lost():
    presence = Presence(0, dict, 0, lambda loss: None)
    _, port, token = presence.open()
    presence.start()
    mine = Presence(1, dict, 0, lambda loss: None)
    mine.connect(HOST, port, token)
    wait(lambda: list(presence.links.values()) == [1])
    mine.leave()
    wait(lambda: not presence.links)
    assert presence.loss is None
    presence.leave()
    presence.join()


def test_a_connection_that_is_closed_before_the_word_is_said_is_no_loss():
    """The watching thread may close it while `leave` is at its beginning."""

    def end(mine):
        mine.is_over = True
        mine.join()
        time.sleep(60)

    with forked(1, end) as (presence, _):
        wait(lambda: not presence.links)
        assert presence.loss is None


def test_the_end_of_the_first_one_ends_the_others_even_where_they_hang():
    done = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        first = os.fork()
    if first == 0:
        with forked(1, lambda mine: time.sleep(60)) as (_, children):
            os.write(done[1], str(children[0]).encode())
            time.sleep(60)
    other = int(os.read(done[0], 20))
    os.kill(first, signal.SIGKILL)
    os.waitpid(first, 0)
    wait(lambda: not alive(other), 30)


def alive(number):
    """Whether a process runs."""
    try:
        return Path(f"/proc/{number}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("defers", [False, True])
def test_a_signal_is_heard_where_the_main_thread_cannot_act_on_it(monkeypatch, defers):
    monkeypatch.setattr(program, "defers", defers)
    given_up = []
    presence = Presence(0, dict, 0, given_up.append)
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        presence.hear()
        presence.start()
        os.kill(os.getpid(), signal.SIGTERM)
        wait(lambda: presence.heard[0] == signal.SIGTERM)
        presence.heard = (signal.SIGTERM, 0.0)
        if defers:  # the step at work is completed first
            time.sleep(3 * TICK)
            assert not given_up
        else:
            wait(lambda: given_up)
            assert given_up[0] == Loss(0, "was stopped by SIGTERM", signal.SIGTERM)
    finally:
        presence.leave()
        presence.join()
        signal.signal(signal.SIGTERM, before)


def test_a_stranger_who_connects_is_dropped():
    presence = Presence(0, dict, 0, lambda loss: None)
    _, port, _ = presence.open()
    presence.start()
    stranger = Presence(1, dict, 0, lambda loss: None)
    stranger.connect(HOST, port, "guessed")
    (link,) = stranger.links
    assert link.recv(1) == b""
    assert presence.loss is None
    assert not presence.links
    for each in (presence, stranger):
        each.leave()
    presence.join()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (-9, ("was killed by SIGKILL", 0)),
        (3, ("ended with exit code 3", 0)),
        (130, ("was stopped by SIGINT", 2)),
        (None, ("does not answer", 0)),
    ],
)
def test_an_exit_code_is_said_in_words(code, expected):
    assert fate(code) == expected


def run_of_two(folder, text):
    """A run of two processes in a folder, once it has printed a text; the numbers of both."""
    (folder / "two.yaml").write_text(SMALL.replace("steps: 4", "steps: 9000"))
    words = ["--config", "two", "--trainer.devices", "2", "--checkpoints.every", "1"]
    process = subprocess.Popen(
        [sys.executable, "-u", str(ROOT / "train.py"), *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if text:
        assert any(text in line for line in process.stdout)
    wait(lambda: children_of(process.pid), 120)
    time.sleep(0.3)  # until the first process knows the number of the second one
    return process, children_of(process.pid)[0]


def children_of(number):
    """The processes that a process has started."""
    listed = Path(f"/proc/{number}/task/{number}/children").read_text()
    return [int(child) for child in listed.split()]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux tells")
@pytest.mark.parametrize(
    ("text", "killed", "signum", "code", "words"),
    [
        ("", 1, signal.SIGKILL, 1, "rank 1 of 2 was killed by SIGKILL before the first step"),
        ("step 2/", 1, signal.SIGKILL, 1, "rank 1 of 2 was killed by SIGKILL after step "),
        ("step 2/", 0, signal.SIGKILL, -9, "rank 0 of 2 was killed after step "),
    ],
)
def test_the_line_of_two_processes_names_the_one_that_is_gone(
    tmp_path, text, killed, signum, code, words
):
    process, other = run_of_two(tmp_path, text)
    os.kill(other if killed else process.pid, signum)
    _, said = process.communicate(timeout=120)
    wait(lambda: not alive(other))
    assert process.returncode == code, said
    assert said.count("\n") == 1, said
    line = said
    assert f"train.py: {words}" in line
    if text:
        newest = newest_first(next(tmp_path.glob("runs/two/*/checkpoints")))[0]
        assert "continue with --resume: " in line
        assert newest.name in line
    else:
        assert not (tmp_path / "runs").exists()


TWICE = """
import os
import time
import lightning as L
import pinn
from pinn.base.presence import TICK
from pinn.base.processes import rank
from pinn.optim import Phase
from pinn.problems import Poisson

class Look(L.Callback):
    def on_train_end(self, trainer, solver):
        time.sleep(4 * TICK)
        # In one piece: both processes write to one pipe.
        line = f"rank {rank()} has taken {trainer.global_step} lost {trainer.presence.loss}"
        os.write(1, f"\\n{line}\\n".encode())

for steps in (2, 3):
    pinn.fit(
        Poisson(), pinn.MLP(8, 2), [Phase(steps)], {"interior": 16, "boundary": 8}, folder="runs",
        accelerator="cpu", devices=2, strategy="ddp", derivatives="taylor", compile=False,
        callbacks=[Look()],
    )
"""


@pytest.mark.slow
def test_a_script_may_train_on_two_processes_twice(tmp_path):
    """The second process keeps its parent: else it would take the first one for dead."""
    (tmp_path / "twice.py").write_text(TWICE)
    done = subprocess.run(
        [sys.executable, "twice.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    said = sorted(line for line in done.stdout.splitlines() if "has taken" in line)
    assert said == [f"rank {r} has taken {n} lost None" for r in (0, 1) for n in (2, 3)]
    kept = [newest_first(folder)[0].stem for folder in tmp_path.glob("runs/*/*/checkpoints")]
    assert sorted(kept) == ["step-0000002", "step-0000003"]
