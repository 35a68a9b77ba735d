"""Every mistake is one line and code 2, and leaves nothing behind."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small import SMALL

from pinn.cli.annotations import HOMES
from pinn.cli.main import main
from pinn.cli.schema import SECTIONS, check
from pinn.cli.signatures import find, parameters, source
from pinn.cli.yaml_nodes import UsageError

pytestmark = pytest.mark.usefixtures("folder")


def refused(capsys, argv, words):
    """Run a wrong command line: one line on standard error, nothing else anywhere."""
    before = {path for path in Path().rglob("*") if "__pycache__" not in path.parts}
    capsys.readouterr()
    assert main(argv) == 2
    captured = capsys.readouterr()
    # Only what is said while the program loads.
    assert [line for line in captured.out.splitlines() if not line.endswith("…")] == []
    assert captured.err.count("\n") == 1, captured.err
    assert captured.err.endswith("\n")
    assert len(captured.err) < 400
    for word in words:
        assert word in captured.err
    after = {path for path in Path().rglob("*") if "__pycache__" not in path.parts}
    assert after == before


ON_THE_COMMAND_LINE = {
    "unknown key": (["--model.problem.reynold", "400"], ["'model.problem.reynold'", "'reynolds'"]),
    "unknown key of a network": (["--model.network.widht", "4"], ["widht", "'width'"]),
    "unknown key of the model": (["--model.problm", "x"], ["'model.problm'", "'problem'"]),
    "unknown key of the data": (["--data.metod", "lhs"], ["'data.metod'", "'method'"]),
    "unknown key of the trainer": (["--trainer.max_step", "5"], ["max_step", "'max_steps'"]),
    "unknown section": (["--modle.compile", "true"], ["'modle'", "'model'"]),
    "stray word": (["stray"], ["'stray'", "--KEY VALUE"]),
    "no value": (["--model.network"], ["--model.network", "needs a value"]),
    "key given twice": (["--data.resample", "1", "--data.resample", "2"], ["2 times"]),
    "text for a number": (["--model.problem.reynolds", "abc"], ["reynolds", "'abc'", "float"]),
    "fraction for a count": (["--model.network.width", "6.5"], ["width", "'6.5'", "int"]),
    "unknown problem": (["--model.problem", "LidDrivenCavty"], ["did you mean 'LidDrivenCavity'?"]),
    "unknown problem, dotted": (["--model.problem", "pinn.problems.Poison"], ["'Poisson'"]),
    "unknown module": (
        ["--model.problem", "pinn.physics.problem.poisson.Poisson"],
        ["pinn.physics.problem.p"],
    ),
    "unknown network": (["--model.network", "MLPP"], ["unknown class 'MLPP'", "'MLP'"]),
    "wrong class": (["--model.problem", "pinn.MLP"], ["pinn.MLP"]),
    "unknown callback": (["--trainer.callbacks", "EarlyStoping"], ["'EarlyStopping'"]),
    "forbidden class": (["--model.problem", "os.system"], ["'os.system'", "--allow_import os"]),
    "forbidden function": (
        ["--trainer.callbacks", "{class_path: LambdaCallback, init_args: {setup: os.abort}}"],
        ["'os.abort'", "--allow_import"],
    ),
    "forbidden by way of a trusted module": (
        ["--model.problem", "pinn.checkpoints.writing.os.system"],
        ["not part of this program"],
    ),
    "no module to allow": (["--allow_import", "not_here"], ["'not_here'", "no such module"]),
    "no name of a module": (["--allow_import", "not/here"], ["'not/here'", "no such module"]),
    "no accelerator": (["--trainer.accelerator", "gpuu"], ["'gpuu'", "did you mean 'gpu'?"]),
    "too many processes": (["--trainer.devices", "999"], ["999", "CPU cores"]),
    "no devices": (["--trainer.devices", "0"], ["devices", "0"]),
    "devices in words": (["--trainer.devices", "two"], ["'two'", "a number, or auto"]),
    "unknown distribution": (["--trainer.strategy", "dpd"], ["dpd"]),
    "negative Reynolds number": (
        ["--model.problem.reynolds", "-3"],
        ["reynolds", "-3", "positive"],
    ),
    "zero Reynolds number": (["--model.problem.reynolds", "0"], ["reynolds", "positive"]),
    "no number": (["--model.problem.reynolds", ".nan"], ["reynolds", "nan", "finite"]),
    "unknown residual": (["--model.weights", "{momentm: 1}"], ["'momentm'", "'momentum'"]),
    "negative weight": (["--model.weights", "{momentum: -1}"], ["momentum", "-1", "≥ 0"]),
    "weight that is no number": (["--model.weights", "{momentum: .nan}"], ["momentum", "nan"]),
    "weight in words": (["--model.weights", "{momentum: much}"], ["'much'", "float"]),
    "weights as a list": (["--model.weights", "[1]"], ["model.weights", "dict"]),
    "unknown region": (["--data.points", "{interor: 9}"], ["'interor'", "'interior'"]),
    "no points": (["--data.points.interior", "0"], ["interior", "0", "at least 1"]),
    "no held-out points": (["--data.held_out", "0"], ["held_out", "0"]),
    "unknown activation": (["--model.network.activation", "tan"], ["'tan'", "'tanh'"]),
    "no width": (["--model.network.width", "0"], ["width", "0"]),
    "no phases": (["--model.phases", "[]"], ["phases is empty"]),
    "phases as a number": (["--model.phases", "3"], ["model.phases", "'3'", "list"]),
    "phases of a missing file": (["--model.phases", "none.yaml"], ["none.yaml"]),
    "unknown optimiser": (["--model.phases", "[{optimizer: Adamm, steps: 1}]"], ["'Adam'"]),
    "forbidden optimiser": (
        ["--model.phases", "[{optimizer: os.system, steps: 1}]"],
        ["'os.system'", "not part of this program", "--allow_import os"],
    ),
    "forbidden optimiser by way of a trusted module": (
        ["--model.phases", "[{optimizer: pinn.checkpoints.writing.os.system, steps: 1}]"],
        ["'pinn.checkpoints.writing.os.system'", "no subclass of torch.optim.Optimizer"],
    ),
    "unknown optimiser, dotted": (
        ["--model.phases", "[{optimizer: torch.optim.Adamm, steps: 1}]"],
        ["'torch.optim.Adamm'", "did you mean 'Adam'?"],
    ),
    "base class for an optimiser": (["--model.phases", "[{optimizer: Optimizer, steps: 1}]"], []),
    "unknown option": (["--model.phases", "[{steps: 1, options: {beta: 1}}]"], ["'beta'", "betas"]),
    "wrong option": (["--model.phases", "[{steps: 1, options: {betas: 7}}]"], ["Adam", "betas"]),
    "unknown key of a phase": (["--model.phases", "[{step: 1}]"], ["model.phases.step", "'steps'"]),
    "phase without steps": (["--model.phases", "[{optimizer: Adam}]"], ["steps"]),
    "no steps": (["--model.phases", "[{steps: 0}]"], ["steps is 0"]),
    "negative steps": (["--model.phases", "[{steps: -5}]"], ["steps is -5"]),
    "negative rate": (["--model.phases", "[{steps: 1, lr: -1}]"], ["lr is -1"]),
    "rate that is no number": (["--model.phases", "[{steps: 1, lr: .nan}]"], ["lr is nan"]),
    "key twice in a value": (["--model.weights", "{momentum: 1, momentum: 2}"], ["twice"]),
    "clipping with L-BFGS": (
        ["--model.phases", "[{optimizer: LBFGS, steps: 1}]", "--trainer.gradient_clip_val", "1"],
        ["gradient_clip_val", "LBFGS"],
    ),
    "accumulation with L-BFGS": (
        ["--model.phases=[{optimizer: LBFGS, steps: 1}]", "--trainer.accumulate_grad_batches=2"],
        ["accumulate_grad_batches", "LBFGS"],
    ),
    "clipping with Levenberg–Marquardt": (
        [
            "--model.phases=[{optimizer: LevenbergMarquardt, steps: 1}]",
            "--trainer.gradient_clip_val=1",
        ],
        ["gradient_clip_val", "LevenbergMarquardt"],
    ),
    "Levenberg–Marquardt in float32": (
        ["--model.phases=[{optimizer: LevenbergMarquardt, steps: 1, dtype: float32}]"],
        ["LevenbergMarquardt", "float32", "float64"],
    ),
    "rate of Levenberg–Marquardt": (
        ["--model.phases=[{optimizer: LevenbergMarquardt, steps: 1, lr: 1}]"],
        ["lr is 1", "remove it"],
    ),
    "wrong damping": (
        ["--model.phases=[{optimizer: LevenbergMarquardt, steps: 1, options: {damping: -1}}]"],
        ["damping is -1", "positive"],
    ),
    "part of the network": (["--model.phases=[{steps: 1, train: last}]"], ["'last'", "output"]),
    "no spread": (["--model.network.spread=-1"], ["spread", "-1"]),
    "quadrature drawn anew": (
        ["--data.method=gauss", "--data.resample=5"],
        ["resample is 5", "gauss"],
    ),
    "16 bits with L-BFGS": (
        ["--model.phases=[{optimizer: LBFGS, steps: 1}]", "--trainer.precision=16-mixed"],
        ["trainer.precision"],
    ),
    "unknown precision": (["--trainer.precision", "33"], ["trainer.precision", "33"]),
    "unknown strategy": (["--model.derivatives", "vmapp"], ["'vmapp'", "did you mean 'vmap'?"]),
    "unknown sampling": (["--data.method", "sobl"], ["'sobl'", "did you mean 'sobol'?"]),
    "negative resampling": (["--data.resample", "-1"], ["resample", "-1"]),
    "negative max_steps": (["--trainer.max_steps=-5"], ["max_steps", "-5"]),
    "no max_steps": (["--trainer.max_steps=0"], ["max_steps", "0"]),
    "epochs": (["--trainer.max_epochs=3"], ["max_epochs", "max_steps"]),
    "never validate": (["--trainer.val_check_interval=0"], ["val_check_interval", "0"]),
    "never log": (["--trainer.log_every_n_steps=0"], ["log_every_n_steps", "0"]),
    "never save": (["--checkpoints.every", "0"], ["checkpoints", "0"]),
    "never draw": (["--pictures.every", "0"], ["pictures", "0"]),
    "no accumulation": (["--trainer.accumulate_grad_batches=0"], ["accumulate_grad_batches", "0"]),
    "negative clipping": (["--trainer.gradient_clip_val=-1"], ["gradient_clip_val", "-1"]),
    "processes that share memory": (["--trainer.strategy", "ddp_spawn"], ["'ddp_spawn'", "ddp"]),
    "missing argument": (
        ["--trainer.callbacks", "[{class_path: EarlyStopping}]"],
        ["trainer.callbacks.monitor", "needs a value"],
    ),
    "key beside a class": (
        ["--model.network", "{class_path: MLP, width: 3}"],
        ["model.network", "init_args"],
    ),
    "phase as a number": (["--model.phases", "[3]"], ["model.phases", "3"]),
    "section of a missing file": (["--data", "none.yaml"], ["data", "none.yaml"]),
    "random seed": (["--seed_everything", "true"], ["seed_everything is True"]),
    "seed of the points alone": (["--data.seed", "3"], ["data.seed", "set seed_everything"]),
    "negative seed": (["--seed_everything=-1"], ["seed_everything is -1"]),
    "no class to explain": (["--model.problem.help", "Foo"], ["unknown class 'Foo'"]),
    "seed in words": (["--seed_everything", "abc"], ["seed_everything", "'abc'", "whole number"]),
    "missing checkpoint to resume": (["--resume", "a.ckpt"], ["a.ckpt does not exist"]),
    "missing checkpoint of weights": (["--init_from", "a.ckpt"], ["a.ckpt does not exist"]),
    "both checkpoints": (["--resume", "auto", "--init_from", "a.ckpt"], ["one of them"]),
    "second configuration missing": (["--config", "flw"], ["'flw' does not exist"]),
}


@pytest.mark.parametrize("mistake", ON_THE_COMMAND_LINE)
def test_a_mistake_on_the_command_line_is_one_line(mistake, capsys):
    argv, words = ON_THE_COMMAND_LINE[mistake]
    refused(capsys, ["--config", "flow", *argv], words)


EARLY = [
    ["--model.netwrok.width", "4"],
    ["--model.network.width", "wide"],
    ["--model.problem", "Kovaznay"],
    ["--trainer.max_step", "3"],
    ["--trainer.callbacks", "{class_path: EarlyStopping, init_args: {monitr: loss/total}}"],
    ["--sweep", "model.network.width=8,wide"],
]


@pytest.mark.parametrize("argv", EARLY, ids=" ".join)
def test_names_and_types_are_told_before_torch_is_loaded(folder, argv):
    code = "import sys; from pinn.cli.main import main; main(sys.argv[1:]); print(*sys.modules)"
    command = [sys.executable, "-c", code, "--config", "flow", *argv]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert answer.stderr.startswith("train.py: ")
    assert not {"torch", "numpy", "lightning"} & set(answer.stdout.split())


def test_what_the_schema_names_is_there():
    for path in SECTIONS.values():
        assert parameters(find(path))[1]
    for homes in HOMES.values():
        assert all(source(home) for home in homes)


def test_a_class_of_ones_own_is_held_against_its_source(folder, capsys):
    (folder / "mine.py").write_text(
        "from pinn.problems import Poisson\n\n\nclass Bent(Poisson):\n"
        "    def __init__(self, bend: float = 1.0, **more):\n        super().__init__(**more)\n"
    )
    argv = ["--allow_import", "mine", "--model.problem", "mine.Bent", "--model.problem.bnd", "2"]
    refused(capsys, ["--config", "flow", *argv], ["'model.problem.bnd'", "'bend'", "wavenumber"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_one_line(capsys):
    argv = ["--config", "flow", "--trainer.accelerator", "gpu"]
    refused(capsys, argv, ["'gpu'", "use cpu"])


IN_THE_FILE = {
    "unknown section": (SMALL + "modl: {compile: true}\n", ["'modl'", "'model'"]),
    "unknown key": (SMALL.replace("held_out", "hold_out"), ["data.hold_out", "'held_out'"]),
    "unknown key of the trainer": (
        SMALL.replace("interval:", "intervl:"),
        ["'val_check_interval'"],
    ),
    "unknown argument": (SMALL.replace("wavenumber", "wavnumber"), ["'wavenumber'"]),
    "unknown class": (SMALL.replace("Poisson", "Poison"), ["did you mean 'Poisson'?"]),
    "no problem": (SMALL.replace("  problem:", "  #"), ["model.problem"]),
    "no network": (SMALL.replace("  network:", "  #"), ["model.network"]),
    "text for a number": (SMALL.replace("interior: 32", "interior: many"), ["'many'", "int"]),
    "wrong value": (SMALL.replace("wavenumber: 1", "wavenumber: -1"), ["wavenumber", "-1"]),
    "section as a number": (SMALL.split("data:")[0] + "data: 3\n", ["'data'", "'3'"]),
    "object": (SMALL + "seed_everything: !!python/object/apply:os.getpid []\n", ["line 9"]),
    "tag": (SMALL + "seed_everything: !seed 3\n", ["line 9", "!seed"]),
    "checkpoint path": (SMALL + "ckpt_path: a.ckpt\n", ["ckpt_path"]),
    "list": ("- 1\n", ["a list"]),
    "empty": ("", ["empty"]),
    "broken": ("model: {", ["line 1"]),
    "key twice": (SMALL + "data: {held_out: 3}\n", ["'data' twice"]),
}


@pytest.mark.parametrize("mistake", IN_THE_FILE)
def test_a_mistake_in_a_file_is_one_line(mistake, folder, capsys):
    text, words = IN_THE_FILE[mistake]
    (folder / "wrong.yaml").write_text(text)
    refused(capsys, ["--config", "wrong"], words)


@pytest.mark.parametrize("damage", ["empty", "truncated", "text", "weights alone", "missing"])
def test_an_unusable_checkpoint_is_one_line(damage, checkpoint, capsys):
    whole = checkpoint.read_bytes()
    bad = checkpoint.with_name("bad.ckpt")
    bad.write_bytes({"empty": b"", "text": b"no checkpoint"}.get(damage, whole[: len(whole) // 2]))
    if damage == "weights alone":
        torch.save({"weight": torch.zeros(3)}, bad)
    elif damage == "missing":
        bad.unlink()
    for argv in (
        ["--config", "small", "--resume", str(bad)],
        ["--config", "small", "--init_from", str(bad)],
        ["validate", "--ckpt_path", str(bad)],
        ["validate", "--config", "small", "--ckpt_path", str(bad)],
    ):
        refused(capsys, argv, ["bad.ckpt"])


def test_a_checkpoint_that_does_not_fit_is_one_line(checkpoint, capsys):
    wider = ["--model.network.width", "9"]
    path = str(checkpoint)
    refused(capsys, ["--config", "small", *wider, "--resume", path], ["width", "9", "8"])
    refused(capsys, ["--config", "small", *wider, "--init_from", path], ["does not fit"])
    refused(capsys, ["validate", "--config=small", *wider, "--ckpt_path", path], ["does not fit"])
    refused(capsys, ["--config", "flow", "--resume", path], ["Poisson", "LidDrivenCavity"])


def test_a_folder_in_place_of_a_checkpoint_is_answered_with_the_newest_in_it(checkpoint, capsys):
    for place in (checkpoint.parent, checkpoint.parent.parent):
        words = [f"{place} is a folder", str(checkpoint)]
        refused(capsys, ["--config", "small", "--resume", str(place)], words)
        refused(capsys, ["validate", "--ckpt_path", str(place)], words)


def test_options_that_need_each_other_are_no_mistake():
    options = "{momentum: 0.9, nesterov: true}"
    phases = f"[{{optimizer: SGD, steps: 2, options: {options}}}]"
    assert main(["--config", "small", "--model.phases", phases]) == 0


def test_a_cluster_says_that_it_is_one(capsys, monkeypatch):
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    monkeypatch.delenv("SLURM_NTASKS", raising=False)
    refused(capsys, ["--config", "small", "--trainer.num_nodes", "2"], ["num_nodes", "use 1"])
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    wrong = ["--trainer.num_nodes", "2", "--trainer.max_epochs", "1"]  # so that nothing waits
    refused(capsys, ["--config", "small", *wrong], ["max_epochs"])


def test_a_checkpoint_outside_a_run_is_not_resumed(checkpoint, folder, capsys):
    moved = checkpoint.rename(folder / "moved.ckpt")
    refused(capsys, ["--config", "small", "--resume", str(moved)], ["moved.ckpt", "--init_from"])


def test_an_occupied_runs_folder_is_one_line(folder, capsys):
    (folder / "runs").touch()
    refused(capsys, ["--config", "small"], ["runs/small", "Not a directory"])
    (folder / "runs").unlink()
    (folder / "runs").mkdir()
    (folder / "runs" / "small").touch()
    refused(capsys, ["--config", "small"], ["runs/small", "Not a directory"])


def test_too_little_memory_is_one_line_once_it_is_known(capsys):
    argv = ["--config", "flow", "--data.points.interior", "300", "--model.memory", "1e-9"]
    assert main(argv) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "memory is 1e-09 GiB, one point takes" in said
    assert said.endswith("raise it\n")


def test_matrices_that_do_not_fit_are_one_line(capsys):
    phase = "{optimizer: LevenbergMarquardt, steps: 1, options: {memory: 1e-6}}"
    assert main(["--config", "flow", f"--model.phases=[{phase}]"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "GB for" in said
    assert "fewer points" in said


OWN = """
from collections.abc import Callable
from typing import Annotated, Literal

from pinn import MLP


class Odd(MLP):
    def __init__(
        self,
        anything: object = None,
        f: Callable[[float], float] | None = None,
        several: set[int] | None = None,
        yes: Literal[True, "auto"] = True,
        pair: tuple[str, int] = ("a", 1),
        z: complex = 1j,
        low: Literal[-1, 1.5] = -1,
        marked: Annotated[float, "positive"] = 1.0,
        raw: bytes = b"",
        count: int = 1,
    ) -> None:
        super().__init__(4, 1)
"""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("anything", "x"),
        ("f", "math.sin"),
        ("several", [1, 2]),
        ("yes", True),
        ("yes", "auto"),
        ("pair", ["a", 1]),
        ("z", "1+2j"),
        ("low", -1),
        ("low", 1.5),
        ("marked", 0.5),
        ("raw", "abc"),
        ("count", 3),
    ],
)
def test_what_an_annotation_allows_is_never_refused(tmp_path, monkeypatch, name, value):
    source = tmp_path / f"odd_{tmp_path.name}.py".replace("-", "_")
    source.write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    network = {"class_path": f"{source.stem}.Odd", "init_args": {name: value}}
    check({"model": {"network": network}}, [source.stem], complete=False)


@pytest.mark.parametrize(
    ("name", "value"), [("yes", "maybe"), ("low", 7), ("pair", 3), ("count", "many")]
)
def test_what_an_annotation_excludes_is_told_early(tmp_path, monkeypatch, name, value):
    source = tmp_path / f"odd_{tmp_path.name}.py".replace("-", "_")
    source.write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    network = {"class_path": f"{source.stem}.Odd", "init_args": {name: value}}
    with pytest.raises(UsageError, match=f"model.network.{name} is "):
        check({"model": {"network": network}}, [source.stem], complete=False)
