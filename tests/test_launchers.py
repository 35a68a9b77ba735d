"""Processes that torchrun or SLURM has started: their numbers are taken, or refused if others."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies import DDPStrategy, StrategyRegistry
from small import SMALL

from pinn.checkpoints.file import read
from pinn.checkpoints.names import newest_first
from pinn.cli.main import main
from pinn.optim import Phase
from pinn.runs import launchers, ranks
from pinn.runs.launchers import Launch
from pinn.runs.requirements import check_trainer
from pinn.runs.trainer import make_trainer
from pinn.training.schedule import Schedule

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "many_processes.md").read_text(encoding="utf-8")
TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "1",
    "LOCAL_WORLD_SIZE": "2",
    "WORLD_SIZE": "4",
    "RANK": "0",
    "LOCAL_RANK": "0",
    "GROUP_RANK": "0",
    "MASTER_ADDR": "127.0.0.1",
}
SLURM = {
    "SLURM_NTASKS": "4",
    "SLURM_NTASKS_PER_NODE": "2",
    "SLURM_NNODES": "2",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
    "SLURM_NODELIST": "127.0.0.1",
    "SLURM_JOB_ID": "4242",
    "SLURM_JOB_NAME": "train",
}


@pytest.fixture(params=["torchrun", "SLURM"])
def started(request, monkeypatch):
    """The environment of the first of four processes on two nodes."""
    variables = {"torchrun": TORCHRUN, "SLURM": SLURM}[request.param]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return request.param


def trainer_of(**settings):
    schedule = Schedule([Phase(1)], False)
    return make_trainer({"accelerator": "cpu", "logger": False, **settings}, [], schedule)


def test_the_numbers_of_a_launcher_are_taken(started):
    assert launchers.launch() == Launch(started, 2, 2)
    check_trainer({})
    trainer = trainer_of()
    assert (trainer.num_devices, trainer.num_nodes, trainer.world_size) == (2, 2, 4)
    check_trainer({"devices": 2, "num_nodes": 2})
    assert trainer_of(devices=2, num_nodes=2).world_size == 4


@pytest.mark.parametrize("own", [{"devices": 1}, {"devices": 2, "num_nodes": 3}, {"devices": "4"}])
def test_other_numbers_are_refused(started, own):
    line = rf"devices is .* but {started} has started processes for 2 and 2: leave"
    with pytest.raises(ValueError, match=line):
        check_trainer(own)


def test_no_job_is_put_into_the_queue_again(monkeypatch):
    assert launchers.with_environment(["mine"]) == ["mine"]
    for name, value in SLURM.items():
        monkeypatch.setenv(name, value)
    (added,) = launchers.with_environment([])
    assert not added.auto_requeue
    theirs = LightningEnvironment()
    assert launchers.with_environment([theirs]) == [theirs]
    monkeypatch.setenv("SLURM_JOB_NAME", "interactive")  # where a run starts its processes itself
    assert launchers.launch() is None


@pytest.mark.parametrize("how", ["spawn", "fork"])
def test_processes_that_share_memory_are_refused(how):
    with pytest.raises(ValueError, match=r"forked or spawned .* start a script, with strategy ddp"):
        trainer_of(devices=2, strategy=DDPStrategy(start_method=how))
    assert trainer_of(devices=2, strategy=DDPStrategy()).world_size == 2


def test_only_ddp_is_let_through():
    let = {name for name in StrategyRegistry if is_let_through(name)}
    assert {name for name in let if not name.startswith("ddp")} <= {"single_device"}
    assert "ddp" in let
    assert not any(re.search("spawn|fork|notebook|fsdp|deepspeed", name) for name in let)


@pytest.mark.parametrize("name", ["FSDPStrategy", "DeepSpeedStrategy", "ModelParallelStrategy"])
def test_a_class_in_a_configuration_is_refused_by_its_name(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(SMALL)
    path = f"{{class_path: lightning.pytorch.strategies.{name}}}"
    assert main(["--config", "small", "--trainer.strategy", path, "--trainer.devices", "2"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"train.py: trainer.strategy is '{name}': every process needs all of")
    assert said.endswith("use ddp\n")


def test_one_device_for_two_processes_is_refused():
    with pytest.raises(ValueError, match=r"is 'single_device', and devices is 2: use ddp"):
        check_trainer({"strategy": "single_device", "devices": 2})
    check_trainer({"strategy": "single_device", "devices": 1})
    check_trainer({"strategy": "single_device"})


def test_what_a_process_has_otherwise_is_named():
    one = dict(ranks.leaves({"phases": [{"steps": 4, "lr": float("nan")}], "code": "a"}))
    other = dict(ranks.leaves({"phases": [{"steps": 30, "lr": float("nan")}], "code": "a"}))
    assert ranks.unlike([one, one]) == ""
    assert ranks.unlike([one, one, other]) == ("rank 2 has phases.0.steps = 30, and rank 0 has 4")
    assert (
        ranks.unlike([one, {**one, "more": "1"}]) == "rank 1 has more = 1, and rank 0 has nothing"
    )


@pytest.mark.slow
def test_processes_with_different_settings_are_refused_in_one_line(tmp_path):
    port = {"MASTER_PORT": free_port(), "TORCHELASTIC_RUN_ID": "1", "LOCAL_WORLD_SIZE": "1"}
    port |= {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "LOCAL_RANK": "0"}
    tasks, words = [], []
    for rank, steps in enumerate(("steps: 4", "steps: 30")):
        (tmp_path / f"small{rank}.yaml").write_text(SMALL.replace("steps: 4", steps))
        tasks.append({**port, "RANK": str(rank), "GROUP_RANK": str(rank)})
        words.append([ROOT / "train.py", "--config", f"small{rank}"])
    job = Job(tmp_path, words, tasks)
    assert 1 in job.codes(), job.said
    (line,) = [line for line in job.said.splitlines() if line.startswith("train.py:")]
    assert "rank 1 has phases.0.steps = 30, and rank 0 has 4" in line


def is_let_through(name):
    try:
        check_trainer({"strategy": name})
    except ValueError:
        return False
    return True


# --- the commands of the page


def commands(word):
    """The commands of the page that hold a word, each as its words after the program."""
    blocks = re.findall(r"^```bash\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if word in line]
    return [shlex.split(line)[1:] for line in lines if not line.startswith("#")]


class Job:
    """Processes that run commands in a folder, all of whose output is kept."""

    def __init__(self, folder, commands, variables=None):
        paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        own = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
        self.files = [folder / f"said{number}.txt" for number in range(len(commands))]
        self.processes = []
        for command, file, each in zip(
            commands, self.files, variables or [{}] * len(commands), strict=True
        ):
            with file.open("w") as output:
                self.processes.append(
                    subprocess.Popen(
                        [sys.executable, *map(str, command)],
                        cwd=folder,
                        env=own | each,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                    )
                )

    @property
    def said(self):
        return "".join(file.read_text() for file in self.files)

    def codes(self):
        try:
            return [process.wait(300) for process in self.processes]
        finally:
            for process in self.processes:
                process.kill()


def adapted(words, **other):
    """A command of the page for a small configuration, found beside `train.py` of the project."""
    known = {"poisson": "small", "train.py": str(ROOT / "train.py"), **other}
    known |= dict.fromkeys(("python", "--kill-on-bad-exit=1"), "")  # of srun
    return [known.get(word, word) for word in words if known.get(word, word)]


def free_port():
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return str(place.getsockname()[1])


def voices(said):
    """How often the run says what it says once."""
    return [said.count(line) for line in ("loading torch", "\nproblem  ", "\nphases  ", "\nfiles:")]


@pytest.mark.slow
def test_torchrun_on_one_machine_and_then_on_two(tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL)
    (one,), (two,) = commands("--standalone"), commands("--nnodes")
    run = ["-m", "torch.distributed.run"]
    job = Job(tmp_path, [[*run, *adapted(one)]])
    assert job.codes() == [0], job.said
    assert voices(job.said) == [1, 1, 1, 1], job.said
    assert "32 points on each of 2 processes" in job.said

    port, more = free_port(), ["--more_steps", "3"]
    words = adapted(two, node0="127.0.0.1", **{"29500": port})
    words[words.index("--nproc-per-node") + 1] = "1"
    at = words.index("--node-rank") + 1
    nodes = [[*run, *words[:at], str(node), *words[at + 1 :], *more] for node in range(2)]
    job = Job(tmp_path, nodes)
    assert job.codes() == [0, 0], job.said
    assert voices(job.said) == [1, 1, 1, 1], job.said
    assert "resuming runs/small/two/checkpoints/step-0000004.ckpt at step 4" in job.said
    assert [path.name for path in (tmp_path / "runs" / "small").iterdir()] == ["two"]
    assert read(newest_first(tmp_path / "runs/small/two/checkpoints")[0])["global_step"] == 7
    assert "Traceback" not in job.said


@pytest.mark.slow
def test_a_job_of_slurm_stops_at_a_signal_to_all(tmp_path):
    (tmp_path / "small.yaml").write_text(SMALL.replace("steps: 4", "steps: 100000"))
    (words,) = commands("srun ")
    one = {**SLURM, "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1"}
    port = {"MASTER_PORT": free_port()}
    tasks = [{**one, **port, "SLURM_PROCID": str(n), "SLURM_NODEID": str(n)} for n in range(2)]
    job = Job(tmp_path, [adapted(words)] * 2, tasks)
    end = time.monotonic() + 120
    while "step 1/" not in job.said and time.monotonic() < end and not job.processes[0].poll():
        time.sleep(0.05)
    for process in job.processes:
        process.send_signal(signal.SIGTERM)
    assert sorted(job.codes()) == [0, 143], job.said  # srun ends with the highest
    assert len(re.findall("stopped by SIGTERM after step", job.said)) == 1, job.said
    assert "Traceback" not in job.said
    assert voices(job.said) == [1, 1, 1, 0]
    assert newest_first(tmp_path / "runs/small/two/checkpoints")
