"""Sweeps: one process, one folder and one row for each run; names and checks of single runs."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, list_session_groups
from tensorboard.plugins.hparams.backend_context import Context

from pinn.checkpoints.file import read
from pinn.cli.configuration import run_name
from pinn.cli.main import main
from pinn.cli.request import parse
from pinn.cli.sweep import forwarded
from pinn.cli.sweep_members import members
from pinn.cli.yaml_nodes import UsageError

pytestmark = pytest.mark.usefixtures("folder")
TRAIN = Path(__file__).parents[1] / "train.py"
LATE = """\
from typing import ClassVar
from pinn import Interval, Problem, laplacian, on

class Late(Problem):
    coordinates = ("x",)
    unknowns: ClassVar = {"T": 1}

    def __init__(self, most: int = 1000) -> None:
        super().__init__(Interval())
        self.most = most

    @on("interior")
    def balance(self, T, x):
        if len(x.value) > self.most:
            raise ValueError("too many points")
        return laplacian(T) + self.most / 1000

    @on("left", "right")
    def ends(self, T):
        return T

    def exact(self, at):
        x = at[:, 0]
        return {"T": self.most / 2000 * x * (1 - x)}
"""


@pytest.fixture
def late(folder):
    """A problem that may raise at the points of the first step, which the dry run does not see."""
    (folder / "late.py").write_text(LATE)
    text = (folder / "small.yaml").read_text().replace("Poisson", "late.Late")
    text = text.replace("wavenumber: 1", "most: 1000").replace("interior: 32, boundary", "interior")
    (folder / "late.yaml").write_text(text.replace("interior: 16", "interior: 600"))
    yield ["--config", "late", "--allow_import", "late"]
    sys.modules.pop("late", None)


def rows(folder):
    """The table of a sweep."""
    with (folder / "sweep.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def hparams_page(folder):
    """What TensorBoard's page of hyperparameters shows: a row of settings and metrics per run."""
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(folder))
    context = Context(TBContext(data_provider=provider, multiplexer=multiplexer))
    asked, everything = RequestContext(), api_pb2.ListSessionGroupsRequest(slice_size=100)
    metadata = context.hparams_metadata(asked, "")
    page = context.experiment_from_metadata(
        asked, "", True, metadata, context.hparams_from_data_provider(asked, "", 0)
    )
    everything.allowed_statuses.extend(api_pb2.Status.values())
    for metric in page.metric_infos:
        everything.col_params.add(metric=metric.name)
    groups = list_session_groups.Handler(asked, context, "", everything).run().session_groups
    return [
        (dict(group.hparams), {m.name.tag: m.value for m in group.metric_values})
        for group in groups
    ], {info.name for info in page.hparam_infos}


def test_a_sweep_has_a_folder_and_a_row_for_each_run_and_goes_on_after_one_that_fails(
    late, folder, capfd
):
    assert main([*late, "--sweep", "model.problem.most=500,1000,2000"]) == 1
    captured = capfd.readouterr()
    first, second = captured.err.strip().splitlines()
    assert "too many points" in first
    assert "run 1 of 3, most 500, has failed; going on" in second
    (sweep,) = (folder / "runs" / "late").iterdir()
    assert sweep.name.endswith("_sweep")
    names = ["most=1000", "most=2000"]
    assert sorted(path.name for path in sweep.iterdir()) == [*names, "sweep.csv"]
    failed, *table = rows(sweep)
    assert [row["state"] for row in (failed, *table)] == ["failed", "done", "done"]
    assert [row["folder"] for row in table] == names
    printed = captured.out.split("the runs of the sweep")[1]
    assert "failed" in printed
    for row in table:
        saved = read(sweep / row["folder"] / "checkpoints" / "step-0000004.ckpt")["pinn"]
        assert saved["problem"]["init_args"]["most"] == int(row["model.problem.most"])
        assert float(row["error/T"]) == pytest.approx(saved["scores"]["error/T"], rel=1e-12)
        assert f"{float(row['error/T']):.2e}" in printed
    assert table[0]["error/T"] != table[1]["error/T"]
    # The HParams page compares them by the key that was swept.
    shown, columns = hparams_page(sweep)
    assert [name for name in columns if "most" in name] == ["model.problem.most"]
    found = {
        settings["model.problem.most"].number_value: metrics["final/error/T"]
        for settings, metrics in shown
    }
    assert found == {
        float(row["model.problem.most"]): pytest.approx(float(row["error/T"]), rel=1e-6)
        for row in table
    }
    # A run is the one that would have been made alone; its configuration keeps its name.
    assert main([*late, "--model.problem.most=2000", "--name", "two"]) == 0
    alone = read(folder / "runs/late/two/checkpoints/step-0000004.ckpt")["pinn"]["scores"]
    assert float(table[1]["error/T"]) == alone["error/T"]
    assert run_name(sweep / "most=2000" / "config.yaml") == "late"


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        (["model.problem.wavenumbr=1,2"], ["wavenumbr", "did you mean 'wavenumber'?"]),
        (["model.problem.wavenumber=1,two"], ["model.problem.wavenumber", "'two'"]),
        (["model.network.width=8,0"], ["width"]),
        (["trainer.max_steps=2,-7"], ["max_steps", "-7"]),
        (["model.network.class_path=MLP,MPL"], ["MPL", "MLP"]),
        (["data.points.interrior=2,3"], ["interrior", "interior"]),
    ],
)
def test_a_wrong_key_or_value_is_refused_before_anything_trains(folder, capfd, sweep, words):
    argv = ["--config", "small", *(word for text in sweep for word in ("--sweep", text))]
    assert main(argv) == 2
    captured = capfd.readouterr()
    assert captured.err.count("\n") == 1
    assert all(word in captured.err for word in words), captured.err
    assert "run 1 of" not in captured.out
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--sweep", "model.problem.wavenumber"], ["expected KEY=A,B"]),
        (["--sweep", "problem.wavenumber=1,2"], ["unknown key 'problem.wavenumber'"]),
        (["--sweep", "model.problem.wavenumber=1,,2"], ["a value is empty"]),
        (["--sweep", "model.problem.wavenumber=1,1"], ["1 is there twice"]),
        (["--sweep", "data.held_out=8,9", "--sweep", "data.held_out=10"], ["given 2 times"]),
        (["--sweep", "data.held_out=8,9", "--data.held_out", "9"], ["given 2 times"]),
        (["--sweep", "data.held_out=8,9", "--check"], ["--check", "remove --sweep"]),
        (["--name", "a/b"], ["--name is 'a/b'", "one folder"]),
        (["--name", ".."], ["--name is '..'"]),
        (["--name", ""], ["--name is ''"]),
        (["--name", "a", "--name", "b"], ["given 2 times"]),
        (["--check=3"], ["--check takes no value"]),
        (["--chek"], ["did you mean 'check'?"]),
    ],
)
def test_a_wrong_option_is_answered_before_torch(argv, words):
    with pytest.raises(UsageError) as caught:
        parse(["--config", "small", *argv])
    assert all(word in str(caught.value) for word in words), caught.value


def test_combinations_and_their_folders():
    sweep = [("model.network.width", ["8", "16"]), ("a.width", ["1"]), ("a.b", ["[1, 2]", "[1,2]"])]
    given = ["--config=small", "--sweep=x=1", "--name=n", "--data.seed=3"]
    found = members(given, sweep)
    assert [m.folder for m in found] == [
        "network.width=8,a.width=1,b=_1,_2_",
        "network.width=8,a.width=1,b=_1,2_",
        "network.width=16,a.width=1,b=_1,_2_",
        "network.width=16,a.width=1,b=_1,2_",
    ]
    assert found[1].argv == [
        *["--config=small", "--data.seed=3"],
        *["--model.network.width=8", "--a.width=1", "--a.b=[1,2]"],
    ]
    same = members([], [("a", ["x y", "x/y"])])
    assert [m.folder for m in same] == ["a=x_y", "a=x_y_2"]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_passed_on_to_the_run(signum):
    class Process:
        told = []

        def send_signal(self, signum):
            self.told.append(signum)

    before = signal.getsignal(signum)
    with forwarded([Process()]) as received:
        signal.raise_signal(signum)
    assert received == Process.told == [signum]
    assert signal.getsignal(signum) is before


def test_a_signal_stops_the_run_and_the_sweep(folder):
    signum = signal.SIGTERM
    argv = ["--config", "small", "--model.phases=[{optimizer: Adam, steps: 1000000}]"]
    argv += ["--checkpoints.every=1", "--trainer.val_check_interval=1000000"]
    argv += ["--trainer.logger=false"]
    command = [sys.executable, TRAIN, *argv, "--sweep", "seed_everything=1,2", "--name", "s"]
    environment = {**os.environ, "PYTHONPATH": str(TRAIN.parent)}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    first = folder / "runs/small/s/seed_everything=1"
    until = time.monotonic() + 100
    while not any(first.glob("checkpoints/*.ckpt")) and time.monotonic() < until:
        time.sleep(0.1)
    process.send_signal(signum)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + signum
    assert "--resume" in told
    assert "0 runs are done" in told
    assert [row["state"] for row in rows(first.parent)] == ["stopped", "not run"]


# --- names


def test_a_named_run_lies_in_its_folder_and_is_the_newest(folder, capsys):
    assert main(["--config", "small", "--trainer.max_steps", "2"]) == 0
    time.sleep(1.1)
    assert main(["--config", "small", "--name", "a", "--trainer.max_steps", "2"]) == 0
    run = folder / "runs" / "small" / "a"
    assert (run / "config.yaml").is_file()
    assert run_name(run / "config.yaml") == "small"
    capsys.readouterr()
    assert main(["--config", "small", "--name", "a"]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "runs/small/a exists already" in told
    assert main(["--config", "small", "--resume", "auto", "--trainer.max_steps=4"]) == 0
    assert (run / "checkpoints" / "step-0000004.ckpt").is_file()


# --- checks


def test_a_check_takes_steps_of_every_phase_and_leaves_nothing(folder, capsys):
    before = sorted(folder.rglob("*"))
    phases = "[{optimizer: Adam, steps: 4000}, {optimizer: LBFGS, steps: 30}]"
    callbacks = "[{class_path: ModelCheckpoint, init_args: {monitor: loss/total}}]"
    argv = ["--config", "small", "--check", f"--model.phases={phases}"]
    assert main([*argv, f"--trainer.callbacks={callbacks}"]) == 0
    assert sorted(folder.rglob("*")) == before
    out = capsys.readouterr().out
    assert "plan      interior: balance read value ∂x ∂y ∇²; 32 points" in out
    assert "pace      phase 1 Adam: " in out
    assert "pace      phase 2 LBFGS: " in out
    assert "memory    " in out
    assert "estimate  4030 steps in about " in out
    assert "for 2016 validations" in out


def test_the_estimate_of_a_check_has_all_stages_and_the_limits_of_the_run(folder, capsys):
    argv = ["--config", "flow", "--check", "--model.problem.reynolds=[100, 400]"]
    assert main([*argv, "--trainer.val_check_interval=5"]) == 0
    assert "estimate  8 steps in about " in capsys.readouterr().out
    assert main([*argv, "--trainer.max_steps=6"]) == 0
    assert "estimate  6 steps in about " in capsys.readouterr().out
    phases = "[{optimizer: Adam, steps: 9}, {optimizer: LBFGS, steps: 3}]"
    assert main([*argv, "--trainer.max_steps=2", f"--model.phases={phases}"]) == 0
    assert "estimate  2 steps in about " in capsys.readouterr().out


def test_a_check_of_what_cannot_run_is_refused(late, folder, capsys):
    before = {path for path in folder.rglob("*") if "__pycache__" not in path.parts}
    assert main([*late, "--check", "--model.problem.most=500"]) == 1
    told = capsys.readouterr().err
    assert "too many points" in told
    after = {path for path in folder.rglob("*") if "__pycache__" not in path.parts}
    assert after == before
