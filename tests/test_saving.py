"""Checkpoint files: whole or not there, and refused when they are damaged."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from golden_runs import GOLDEN

import pinn
from pinn.checkpoints.file import CheckpointError, read
from pinn.checkpoints.migrations import FORMAT
from pinn.checkpoints.writing import AtomicCheckpointIO

COUNTED = torch.arange(5000.0, dtype=torch.float64)


@pytest.fixture
def good(tmp_path):
    """A file of the right form, with a known array in it."""
    path = tmp_path / "good.ckpt"
    contents = read(GOLDEN / f"kovasznay_{FORMAT}.ckpt")
    contents["state_dict"]["solution.w"] = COUNTED
    AtomicCheckpointIO().save_checkpoint(contents, path)
    return path


# --- files that are not what they should be


def cut(path):
    path.write_bytes(path.read_bytes()[:-2000])


def flip(path):
    data = bytearray(path.read_bytes())
    data[data.index(COUNTED[700:704].numpy().tobytes())] ^= 1
    path.write_bytes(data)


def pickled_code(path):
    class Run:
        def __reduce__(self):
            return os.system, ("echo executed",)

    torch.save({"pinn": Run()}, path)


DAMAGED = "is damaged, or it is not a checkpoint"
CHANGED = "is damaged: its bytes do not fit the hash at its end"
FOREIGN = "was not written by this program"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(b""), DAMAGED),
        (lambda path: path.write_text("steps: 100\n"), DAMAGED),
        (cut, DAMAGED),
        (flip, CHANGED),
        (pickled_code, DAMAGED),
        (lambda path: torch.save({"weight": torch.zeros(2)}, path), FOREIGN),
        (lambda path: torch.save([1, 2], path), FOREIGN),
        (lambda path: torch.save({"pinn": 3}, path), FOREIGN),
        (lambda path: torch.save({"pinn": {}}, path), "has format None, this version reads"),
        (lambda path: torch.save({"pinn": {"format": 99}}, path), "has format 99, this version"),
        (lambda path: path.unlink(), "does not exist"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_unusable_files_are_refused_in_one_line(good, capfd, spoil, message):
    assert read(good)["pinn"]["format"] == FORMAT
    spoil(good)
    with pytest.raises(CheckpointError, match=message) as caught:
        pinn.load(good)
    assert "\n" not in str(caught.value)
    assert str(good) in str(caught.value)
    assert "executed" not in capfd.readouterr().out


def test_every_flipped_bit_in_the_weights_is_noticed(good):
    whole = good.read_bytes()
    first = whole.index(COUNTED[1:4].numpy().tobytes())
    for index in range(first, first + 8 * 4990, 999):
        data = bytearray(whole)
        data[index] ^= 1 << (index % 8)
        good.write_bytes(data)
        with pytest.raises(CheckpointError, match=CHANGED):
            read(good)


# --- writing them


def test_a_failing_save_leaves_the_old_file_and_nothing_else(good, monkeypatch, capsys):
    old = good.read_bytes()

    def full(contents, file):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    AtomicCheckpointIO().save_checkpoint({"pinn": {"format": 1}}, good)
    line = f"warning   {good} is not written: no space is left on its disk: the next save tries"
    assert capsys.readouterr().out.startswith(line)
    assert good.read_bytes() == old
    assert list(good.parent.iterdir()) == [good]


KILLED = """
import os, random, signal, sys, time
from pathlib import Path
import torch
from pinn.callbacks.checkpointing import KEPT
from pinn.checkpoints.names import newest_first
from pinn.checkpoints.file import read
from pinn.checkpoints.writing import AtomicCheckpointIO

def save_for_ever(folder, first):
    step = first
    while True:
        step += 1
        contents["global_step"] = contents["pinn"]["course"]["step"] = step
        contents["state_dict"] = {"w": torch.full((400_000,), float(step), dtype=torch.float64)}
        AtomicCheckpointIO().save_checkpoint(contents, folder / f"step-{step:07d}.ckpt")
        for old in newest_first(folder)[KEPT:]:
            old.unlink()

folder, last, torn = Path(sys.argv[1]), 0, 0
contents = read(sys.argv[2])
contents["pinn"]["course"].update(start=0, fell=0)
random.seed(0)
for attempt in range(12):
    child = os.fork()
    if not child:
        save_for_ever(folder, last)
    time.sleep(random.uniform(0.02, 0.2))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    torn += len(list(folder.glob(".step-*")))
    for stale in folder.glob(".step-*"):
        stale.unlink()
    found = newest_first(folder)
    if not found:
        continue
    contents = read(found[0])
    step = contents["global_step"]
    assert step >= last and bool((contents["state_dict"]["w"] == step).all()), found
    last = step
assert last > 12, last
print("torn", torn)
"""


def test_whenever_it_is_killed_the_newest_checkpoint_loads(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), GOLDEN / f"kovasznay_{FORMAT}.ckpt"],
        env={
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(Path(pinn.__file__).parents[1]),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # Some of the kills did hit a file half written.
    assert int(done.stdout.split()[-1]) >= 1
