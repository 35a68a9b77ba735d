"""What is said before it takes seconds, and what ends a run."""

import builtins
import io
import re
import shlex
import subprocess
import sys

import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from rich.console import Console
from rich.table import Table

import pinn
from pinn.base.console import Activity, command_of, show
from pinn.callbacks import Announcement, Figures, Report
from pinn.callbacks import pictures as panels
from pinn.callbacks.report import score_table, spent
from pinn.cli import main as start
from pinn.networks import MLP
from pinn.objective.compilation import Compilation
from pinn.objective.graphs import Recorder
from pinn.optim import Phase
from pinn.problems import Kovasznay, Poisson
from pinn.training.solver import Solver


@pytest.fixture
def before(monkeypatch, capsys):
    """Wraps a function to note all that had been printed when it was called first."""
    noted = {}

    def wrap(owner, name):
        original = getattr(owner, name)

        def spy(*args, **kwargs):
            noted.setdefault(name, capsys.readouterr().out)
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, spy)

    return wrap, noted


def test_loading_is_said_before_it_is_done(monkeypatch, capsys):
    order = []
    original = builtins.__import__

    def spy(name, *args, **kwargs):
        if name in ("torch", "pinn.training.lightning_adapter"):  # which loads Lightning
            order.append((name, capsys.readouterr().out))
        return original(name, *args, **kwargs)

    request = start.Request("fit", "poisson", ["configs/poisson.yaml"], [])
    monkeypatch.setattr(builtins, "__import__", spy)
    start.greet(request)
    monkeypatch.undo()
    told = f"pinn {pinn.__version__} · poisson · loading torch …\n"
    assert order[0] == ("torch", told)
    assert ("pinn.training.lightning_adapter", "loading Lightning …\n") in order
    assert capsys.readouterr().out == "building the problem …\n"


@pytest.mark.parametrize("asked", ["--print_config", "--help", "--model.problem.help"])
def test_a_configuration_and_help_are_printed_alone(capsys, asked):
    start.greet(start.Request("fit", "poisson", [], [asked]))
    assert capsys.readouterr().out == ""


def test_other_processes_are_silent(monkeypatch, capsys):
    monkeypatch.setenv("LOCAL_RANK", "1")
    start.greet(start.Request("fit", "poisson", [], []))
    assert capsys.readouterr().out == ""


def test_what_takes_seconds_is_said_before_it_begins(train, tmp_path, before, capsys):
    wrap, noted = before
    wrap(Solver, "choose_strategies")
    wrap(Recorder, "record")
    wrap(Solver, "assess")
    wrap(panels, "draw")
    phases = [Phase(2, "LevenbergMarquardt", train="output")]
    solver = Solver(Poisson(), MLP(8, 1, spread=2.0), phases)
    callbacks = [Announcement(), Figures(), Report()]
    train(solver, callbacks=callbacks, logger=TensorBoardLogger(tmp_path), val_check_interval=1)
    assert noted["choose_strategies"] == "choosing how to differentiate …\n"
    assert noted["record"].splitlines()[-1] == "recording the first step …"
    assert noted["assess"] == "checking the solution …\n"
    assert noted["draw"] == "drawing the fields …\n"


def test_the_first_step_is_said_once_for_each_kind_of_phase(train, capsys):
    phases = [Phase(1, "LevenbergMarquardt"), Phase(2, "LevenbergMarquardt"), Phase(1)]
    train(Solver(Kovasznay(), MLP(4, 1), phases, compile=False), callbacks=[Announcement()])
    assert "first step" not in capsys.readouterr().out
    solver, announce = Solver(Kovasznay(), MLP(4, 1), phases), Announcement()
    solver.compilation = Compilation("compiled", "asked for")
    for index, ended in ((0, ""), (0, "x"), (1, ""), (1, "x"), (2, "")):
        solver.schedule.phase, solver.schedule.ended = index, ended
        announce.on_train_batch_start(None, solver)
    assert capsys.readouterr().out.splitlines() == [
        "recording the first step …",
        "compiling the first step, some 20 s for each of 2 regions …",
    ]


def test_what_was_quick_is_not_said_again(capsys):
    activity = Activity("looking")
    for lasted, said in ((None, True), (0.1, False), (10.0, True)):
        activity.lasted = activity.lasted if lasted is None else lasted
        with activity:
            assert (capsys.readouterr().out == "looking …\n") == said


# --- the end


def test_tensorboard_is_advised_only_where_something_was_written_for_it(train, tmp_path, capsys):
    def run(logger):
        train(Solver(Kovasznay(), MLP(4, 1), [Phase(1)]), callbacks=[Report()], logger=logger)
        return capsys.readouterr().out

    assert "--logdir" not in run(False)
    assert "--logdir" not in run(CSVLogger(tmp_path))
    logger = TensorBoardLogger(tmp_path / "a b")
    assert run(logger).endswith(f" --logdir {shlex.quote(logger.log_dir)}\n")


def test_the_command_that_is_printed_works():
    argv = [*command_of("tensorboard"), "--version"]
    found = subprocess.run(argv, capture_output=True, text=True, timeout=100)
    assert found.returncode == 0, found.stderr
    assert re.match(r"\d+\.\d+", found.stdout)


def test_without_a_script_the_module_is_called(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    assert command_of("tensorboard") == [sys.executable, "-m", "tensorboard.main"]


def rows(scores):
    console = Console(width=100, file=io.StringIO())
    console.print(score_table(scores))
    lines = console.file.getvalue().splitlines()
    return [re.split("[│┃]", line)[1:-1] for line in lines if line[0] in "│┃"]


def test_the_table_has_errors_first_and_numbers_at_the_right():
    scores = {"residual/momentum_rms": 1e-3, "residual/momentum_max": 2e-2}
    head, _ = rows(scores)
    assert [cell.strip() for cell in head] == ["quantity", "RMS", "maximum"]
    scores |= {"error/u": 3.7e-4, "error/u_everywhere": 1.4e-3, "error/p": float("nan")}
    head, u, p, residual = rows(scores)
    assert [c.strip() for c in head[1:]] == ["relative L2", "everywhere", "RMS", "maximum"]
    assert u[0].strip() == "error of u"
    assert [c.strip() for c in u[1:]] == ["3.70e-04", "1.40e-03", "", ""]
    assert [c.strip() for c in p[1:]] == ["nan", "", "", ""]
    assert [c.strip() for c in residual[1:]] == ["", "", "1.00e-03", "2.00e-02"]
    assert all(cell.endswith(" ") and not cell.endswith("  ") for cell in (u[1], residual[3]))


def test_the_seconds_add_up():
    assert spent(15, 30.0, 48.2) == (
        "15 steps in 30 s, 2.0 s each; 18 s more for set-up, validation and pictures"
    )
    assert spent(1, 0.0, 1.0).startswith("1 step in 0 s")
    pace = "3000 steps in 30 s, 100.0 steps per second; 0 s more"
    assert spent(3000, 30.0, 30.4).startswith(pace)
    assert spent(1, 0.0, 1.0).startswith("1 step in 0 s")


def test_numbers_of_a_table_are_whole_in_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    table = Table()
    for number in range(6):
        table.add_column(f"error of u{number}")
    table.add_row(*["1.23e-04"] * 6)
    show(table)
    assert capsys.readouterr().out.count("1.23e-04") == 6
