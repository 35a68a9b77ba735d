"""SIGINT and SIGTERM outside of steps: one line, 130 or 143, whatever is at work."""

import os
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
from short import fit, only, steps_in
from stop_in import StopIn

from pinn.base.presence import Loss
from pinn.base.signals import program
from pinn.callbacks import interrupt as interrupt_module
from pinn.callbacks.interrupt import Interrupt
from pinn.checkpoints.file import read
from pinn.checkpoints.names import newest_first
from pinn.cli.main import main
from pinn.optim import Phase
from pinn.runs.ranks import stopped

ROOT = Path(__file__).parents[1]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
# A hook, the step in it, and the step that is saved; -1 where no folder is left.
STAGES = [
    ("setup", 0, -1),
    ("on_fit_start", 0, -1),
    ("on_train_start", 0, -1),
    ("on_before_zero_grad", 0, -1),
    ("on_before_zero_grad", 1, 2),
    ("on_validation_start", 2, 3),
    ("on_train_epoch_end", 4, 4),
    ("on_train_end", 4, 4),
    ("on_save_checkpoint", 4, 4),
    ("teardown", 4, 4),
    ("on_fit_end", 4, 4),
]


@pytest.fixture(autouse=True)
def usual():
    """Python's own handler, also where the tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("signum", "hook", "step", "saved"),
    [
        *((signal.SIGINT, *stage) for stage in STAGES),
        *((signal.SIGTERM, *stage) for stage in (STAGES[0], *STAGES[3:5])),
    ],
)
def test_a_script_ends_in_the_usual_way_with_its_last_step_saved(
    tmp_path, signum, hook, step, saved
):
    before = [signal.getsignal(each) for each in CODES]
    ends = KeyboardInterrupt if signum == signal.SIGINT else SystemExit
    settings = {"val_check_interval": 2, "callbacks": [StopIn(hook, step, signum)]}
    with pytest.raises(ends) as raised:
        fit(tmp_path, Phase(4, lr=1e-3), **settings)
    if ends is SystemExit:
        assert raised.value.code == 143
    assert [signal.getsignal(each) for each in CODES] == before
    if saved < 0:
        assert not list(tmp_path.rglob("*"))
    else:
        assert steps_in(only(tmp_path))[0] == saved


def ended(argv, capfd):
    """The exit code and the error lines of a command in a process of its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        program.listen()
        code = 99
        try:
            code = main(argv)
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), capfd.readouterr().err.splitlines()


@pytest.mark.parametrize(("hook", "step", "saved"), STAGES)
def test_a_command_ends_with_one_line_at_every_stage(folder, capfd, hook, step, saved):
    signum = signal.SIGINT if hook.endswith("start") else signal.SIGTERM
    stop = f"[{{class_path: stop_in.StopIn, init_args: {{hook: {hook}, step: {step}, "
    stop += f"signum: {int(signum)}}}}}]"
    argv = ["--config", "small", "--allow_import", "stop_in", "--trainer.callbacks", stop]
    code, lines = ended(argv, capfd)
    assert code == CODES[signum], lines
    (line,) = lines
    assert line.startswith(f"train.py: stopped by {signum.name}")
    assert (f"step-000000{saved}.ckpt" in line) == (saved > 0)
    assert (folder / "runs").exists() == (saved > 0)


def test_a_second_signal_ends_a_step_that_does_not_end(folder, capfd):
    (folder / "endless.py").write_text(
        "import os, signal, time\n"
        "import lightning as L\n"
        "class Endless(L.Callback):\n"
        "    def on_before_zero_grad(self, trainer, *args):\n"
        "        if trainer.global_step == 2:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "            time.sleep(60)\n"
    )
    argv = ["--config", "small", "--allow_import", "endless", "--checkpoints.every", "1"]
    code, (line,) = ended([*argv, "--trainer.callbacks", "[endless.Endless]"], capfd)
    assert code == 130
    assert "stopped by SIGINT in the step after step 2: continue with --resume: " in line
    assert "step-0000002.ckpt" in line


TWICE = """\
import os, signal
import lightning as L
from pinn.checkpoints import writing
from pinn.cli import exit_codes

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)

class Twice(L.Callback):
    def __init__(self, place: str):
        self.is_stopped = False
        module, name = {
            "before": (writing, "seal"), "after": (writing, "flush_folder"),
            "said": (exit_codes, "complain"),
        }[place]
        do = getattr(module, name)

        def then(*args):
            do(*args)
            if self.is_stopped:
                interrupt()

        setattr(module, name, then)

    def on_train_batch_end(self, trainer, *args):
        if trainer.global_step == 3:
            self.is_stopped = True
            interrupt()
"""


@pytest.mark.parametrize(("place", "newest"), [("before", 2), ("after", 3), ("said", 3)])
def test_a_second_signal_while_the_first_is_answered(folder, capfd, monkeypatch, place, newest):
    (folder / "twice.py").write_text(TWICE)
    monkeypatch.syspath_prepend(str(folder))
    callback = f"[{{class_path: twice.Twice, init_args: {{place: {place}}}}}]"
    argv = ["--config=small", "--allow_import=twice", f"--trainer.callbacks={callback}"]
    code, lines = ended([*argv, "--checkpoints.every=2"], capfd)
    assert code == 130
    (line,) = lines
    assert "stopped by SIGINT" in line
    assert f"step-000000{newest}.ckpt" in line
    (run,) = Path("runs/small").iterdir()
    assert steps_in(run)[0] == newest
    assert [read(file)["global_step"] for file in newest_first(run / "checkpoints")] == steps_in(
        run
    )


def hears(process):
    """Whether a process has a handler of its own for SIGTERM."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = int(re.findall(r"SigCgt:\s*(\w+)", status)[0], 16)
    return caught >> (signal.SIGTERM - 1) & 1


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells")
@pytest.mark.parametrize("delay", [0.0, 0.3])
@pytest.mark.parametrize("signum", CODES)
def test_a_command_answers_as_soon_as_python_runs_it(folder, signum, delay):
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), "--config", "small"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not hears(process):
        time.sleep(0.002)
    time.sleep(delay)
    process.send_signal(signum)
    _, said = process.communicate(timeout=60)
    assert process.returncode == CODES[signum], said
    assert said == f"train.py: stopped by {signum.name} before the first step\n"
    assert not (folder / "runs").exists()


def test_a_process_that_a_signal_ends_tells_the_others_which(monkeypatch):
    monkeypatch.setattr(program, "signum", int(signal.SIGTERM))
    assert stopped(1) == Loss(1, "was stopped by SIGTERM", signal.SIGTERM)
    monkeypatch.setattr(program, "signum", 0)
    assert stopped(1) == Loss(1, "was stopped")


@pytest.mark.parametrize("signum", CODES)
def test_a_signal_while_the_others_are_asked_at_the_end_is_not_lost(monkeypatch, signum):
    interrupt, trainer = Interrupt(), SimpleNamespace(global_step=4)
    interrupt.trainer = trainer
    monkeypatch.setattr(program, "listens", False)

    def ask(received):
        os.kill(os.getpid(), signum)  # this process has said that it was told nothing
        return [received]

    before = {each: signal.signal(each, interrupt.receive) for each in CODES}
    monkeypatch.setattr(interrupt_module, "gathered", ask)
    try:
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            interrupt.on_fit_end(trainer, None)
        assert interrupt.received == signum  # it waited until the others were asked
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
