"""Runs that torchrun has started: whose line is read first, what its report says, how to go on."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small import SMALL
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from pinn.base.error_file import record
from pinn.checkpoints.file import read
from pinn.checkpoints.names import newest_first
from pinn.cli import invocation
from pinn.cli.request import Request, complain

ROOT = Path(__file__).parents[1]
ENDLESS = SMALL.replace("steps: 4", "steps: 100000")
TOLD = {"TORCHELASTIC_RUN_ID": "1", "LOCAL_WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}
ONE_NODE = {**TOLD, "WORLD_SIZE": "2", "GROUP_RANK": "0"}
TWO_NODES = {
    **TOLD,
    "WORLD_SIZE": "4",
    "GROUP_RANK": "1",
    "MASTER_ADDR": "node0",
    "MASTER_PORT": "29500",
}
FAILS = """
import os
from pinn import Problem, Rectangle, on

class Fails(Problem):
    coordinates, unknowns, geometry = ("x", "y"), {"u": 1}, Rectangle()

    @on("interior")
    def balance(self, u, x):
        if os.environ["RANK"] == "1":
            raise KeyError("no such thing")
        return u - x
"""


def test_the_report_of_torchrun_has_the_line_of_a_process_and_no_traceback(tmp_path, monkeypatch):
    file = tmp_path / "error.json"
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(file))
    record("the first line is the cause")
    record("a later one is not")
    failure = ProcessFailure(local_rank=0, pid=1, exitcode=2, error_file=str(file))
    report = str(ChildFailedError("train.py", {0: failure}))
    assert "traceback : the first line is the cause\n" in report
    assert "later" not in report
    assert "Traceback" not in report


@pytest.mark.parametrize("rank", ["0", "1"])
def test_another_process_says_what_the_first_one_may_not_have(rank, monkeypatch, capsys):
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setattr("pinn.cli.request.MEANWHILE", 0.0)
    complain("it is wrong")
    complain("it is wrong here", anywhere=True)
    first = ["train.py: it is wrong", "train.py: it is wrong here"]
    other = ["train.py: rank 1: it is wrong here"]
    assert capsys.readouterr().err.splitlines() == (first if rank == "0" else other)


# --- the command that goes on


def advised(monkeypatch, variables, called, parent):
    """The words of the advice, for a process with these variables and this parent."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", called)
    monkeypatch.setattr(invocation, "parent_words", lambda: parent)
    monkeypatch.setattr(invocation, "command_of", lambda program: [program])
    return Request("fit", "small", [], []).advice(Path("a.ckpt"))


@pytest.mark.parametrize(
    ("start", "shown"),
    [
        (["/bin/python", "/bin/torchrun"], ["torchrun"]),
        (["/bin/python", "-m", "torch.distributed.run"], ["python", "-m", "torch.distributed.run"]),
    ],
)
@pytest.mark.parametrize("program", [["train.py"], ["-m", "pinn"]])
def test_the_advice_names_torchrun_as_it_was_called(start, shown, program, monkeypatch):
    words, own = ["--nproc-per-node", "2", *program], ["--config", "small", "--name", "two"]
    advice = advised(monkeypatch, ONE_NODE, ["anything.py", *own], [*start, *words, *own])
    end = [*words, "--resume", "a.ckpt"]
    assert advice == f"continue with --resume: {shlex.join([*shown, *end])}"


def test_the_advice_for_several_machines_says_that_each_has_its_number(monkeypatch):
    own = ["train.py", "--config", "small"]
    advice = advised(monkeypatch, TWO_NODES, own, [])
    start = "torchrun --nnodes 2 --node-rank 1 --master-addr node0 --master-port 29500"
    assert advice == (
        "continue with --resume, on every machine with its own --node-rank: "
        f"{start} --nproc-per-node 2 train.py --resume a.ckpt"
    )


@pytest.mark.parametrize(
    ("called", "shown"), [("train.py", "train.py"), ("/there/pinn", "--no-python /there/pinn")]
)
def test_where_no_command_line_can_be_read_torchrun_is_told_again(called, shown, monkeypatch):
    advice = advised(monkeypatch, ONE_NODE, [called, "--config", "small"], ["sh"])
    start = f"torchrun --standalone --nproc-per-node 2 {shown}"
    assert advice == f"continue with --resume: {start} --resume a.ckpt"


def test_the_advice_of_a_job_names_srun(monkeypatch):
    job = {"SLURM_NTASKS": "2", "SLURM_JOB_NAME": "train", "SLURM_PROCID": "0"}
    advice = advised(monkeypatch, job, ["train.py"], [])
    assert advice == "continue with --resume: srun python train.py --resume a.ckpt"


# --- torchrun itself


class Torchrun:
    """A run of two processes in a folder, all of whose output is kept."""

    def __init__(self, folder, *words):
        self.file, paths = folder / "said.txt", [str(ROOT), str(ROOT / "tests"), str(folder)]
        start = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
        with self.file.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, *start, str(ROOT / "train.py"), *words],
                cwd=folder,
                env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self):
        return self.file.read_text()

    def wait_for(self, text):
        """Until it says something, or ends."""
        end = time.monotonic() + 200
        while text not in self.said and self.process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)

    def code(self):
        try:
            return self.process.wait(200)
        finally:
            self.process.kill()


@pytest.mark.slow
def test_a_stopped_run_names_the_command_with_which_it_goes_on(tmp_path):
    (tmp_path / "small.yaml").write_text(ENDLESS)
    job = Torchrun(tmp_path, "--config", "small")
    job.wait_for("step 2/")
    job.process.send_signal(signal.SIGTERM)
    assert job.code() == 1, job.said  # of torchrun
    (told,) = re.findall(r"^train.py: stopped by SIGTERM after step \d+: (.*)$", job.said, re.M)
    assert job.said.index(told) < job.said.index("Traceback")  # of torchrun
    command = shlex.split(told.removeprefix("continue with --resume: "))
    assert command[1:6] == ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, "--trainer.max_steps", "60"],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "on each of 2 processes" in done.stdout
    (run,) = (tmp_path / "runs" / "small").iterdir()
    assert read(newest_first(run / "checkpoints")[0])["global_step"] == 60


@pytest.mark.slow
def test_ctrl_c_twice_ends_at_once_with_one_line(tmp_path):
    (tmp_path / "small.yaml").write_text(ENDLESS)
    job = Torchrun(tmp_path, "--config", "small")
    job.wait_for("step 2/")
    job.process.send_signal(signal.SIGINT)
    time.sleep(0.2)
    job.process.send_signal(signal.SIGINT)
    assert job.code() == 1, job.said
    lines = [line for line in job.said.splitlines() if line.startswith("train.py:")]
    assert len(lines) == 1, job.said
    assert re.match("train.py: stopped by SIGINT (after|in the step after) step", lines[0])


@pytest.mark.slow
def test_a_process_that_fails_alone_says_so_before_torchrun_does(tmp_path):
    (tmp_path / "fails.py").write_text(FAILS)
    known = "{class_path: Poisson, init_args: {wavenumber: 1}}"
    config = SMALL.replace(known, "fails.Fails").replace(", boundary: 16", "")
    (tmp_path / "small.yaml").write_text(config)
    job = Torchrun(tmp_path, "--config", "small", "--allow_import", "fails")
    assert job.code() == 1, job.said
    (line,) = [x for x in job.said.splitlines() if x.startswith("train.py: rank 1: ")]
    assert "KeyError: 'no such thing'" in line
    report = job.said[job.said.index("Root Cause") :]
    assert re.search("traceback : .*KeyError: 'no such thing'", report), job.said
