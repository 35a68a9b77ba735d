"""Progress: a bar on a terminal, lines elsewhere; the loss beside the errors of the same step."""

import os
import re
import shutil

import pytest
import torch

from pinn.callbacks import progress
from pinn.callbacks.progress import Bar, Lines, Track, clock, progress_bar
from pinn.networks import MLP
from pinn.objective.losses import residual_losses
from pinn.optim import Phase
from pinn.problems import Kovasznay
from pinn.training.solver import Solver

SIX = (Phase(6),)


def solver_of(phases=SIX):
    torch.manual_seed(0)
    return Solver(Kovasznay(), MLP(8, 2), list(phases))


@pytest.fixture
def drawn(monkeypatch):
    """Every picture of the bar, drawn as soon as there is something new, on a wide terminal."""
    monkeypatch.setattr(progress, "APART", 0.0)
    monkeypatch.setenv("COLUMNS", "200")
    lines = []

    class Spy(Bar):
        def draw(self, trainer, solver):
            super().draw(trainer, solver)
            lines.append(self.train_progress_bar.desc)

    return Spy(), lines


def errors(solver):
    return " ".join(f"{n} {solver.scores[f'error/{n}']:.1e}" for n in ("u", "v", "p"))


def test_the_bar_moves_at_every_step_of_a_short_phase_however_fast(train, monkeypatch, drawn):
    bar, lines = drawn
    monkeypatch.setattr(progress, "APART", 1e9)
    train(solver_of([Phase(4), Phase(2)]), callbacks=[bar], enable_progress_bar=True)
    steps = [re.match(r"phase (\d/2) (\d)/6 ", line).groups() for line in lines]
    assert list(dict.fromkeys(steps)) == [
        *[("1/2", str(n)) for n in range(5)],
        *[("2/2", str(n)) for n in (5, 6)],
    ]
    assert "█" * 8 + "░" * 4 in lines[4]


def test_the_end_of_a_phase_is_drawn_however_fast_it_was(train, monkeypatch, drawn):
    bar, lines = drawn
    monkeypatch.setattr(progress, "APART", 1e9)
    monkeypatch.setattr(progress, "FEW", 1)
    train(solver_of([Phase(4), Phase(2)]), callbacks=[bar], enable_progress_bar=True)
    assert [line.split()[2] for line in lines[1:]] == ["4/6", "6/6", "6/6"]


def test_the_bar_is_there_on_a_terminal_of_unknown_width(train, monkeypatch, capsys):
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((0, 0)))
    train(solver_of([Phase(2)]), callbacks=[Bar()], enable_progress_bar=True)
    assert "phase 1/1 2/2 " in capsys.readouterr().out


def test_errors_stand_beside_the_loss_of_the_same_step(train, drawn):
    losses = {}

    class Losses(Lines):
        def on_train_batch_end(self, trainer, pl_module, *args):
            losses[trainer.global_step] = f"{float(pl_module.terms['total']):.2e}"

    bar, lines = drawn
    solver = solver_of([Phase(5)])
    settings = {"enable_progress_bar": True, "val_check_interval": 3}
    train(solver, callbacks=[Losses(), bar], **settings)
    at_three = f"loss {losses[3]}  error {errors(solver)}"
    assert [at_three in line for line in lines if " 3/5 " in line] == [False, True]
    later = next(line for line in lines if " 4/5 " in line)
    expected = f"loss {losses[4]}  (at step 3: loss {losses[3]} error {errors(solver)})"
    assert later.endswith(expected)
    assert losses[3] != losses[4]


def test_the_loss_of_least_squares_is_the_one_that_the_step_has_led_to(train, drawn):
    bar, lines = drawn
    solver = Solver(Kovasznay(), MLP(30, 1, spread=2.0), [Phase(2, "LevenbergMarquardt")])
    train(solver, callbacks=[bar], enable_progress_bar=True, val_check_interval=2)
    points = solver.collocation.draw(solver.problem, 0, 0, next(solver.parameters()))
    with torch.no_grad():
        losses = residual_losses(solver.solution, points, solver.plans)
    total = float(sum(losses.values()))
    assert f"loss {total:.2e}  error {errors(solver)}" in lines[-1]
    assert float(solver.terms["total"]) > 1.5 * total  # that before the step


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_the_bar_fits_the_terminal(train, drawn, monkeypatch, columns):
    bar, lines = drawn
    monkeypatch.setenv("COLUMNS", str(columns))
    assert shutil.get_terminal_size().columns == columns
    solver = solver_of([Phase(3)])
    train(solver, callbacks=[bar], enable_progress_bar=True, val_check_interval=3)
    assert max(map(len, lines)) < columns
    assert ("loss " in lines[-1]) == (columns > 40)
    worst = max(("u", "v", "p"), key=lambda n: solver.scores[f"error/{n}"])
    assert (f"{worst} {solver.scores[f'error/{worst}']:.1e}" in lines[-1]) == (columns > 40)


def test_the_bar_ends_where_phases_end_early(train, drawn):
    bar, lines = drawn
    solver = solver_of([Phase(50, loss=1e9), Phase(2)])
    train(solver, callbacks=[bar], enable_progress_bar=True)
    assert (bar.train_progress_bar.n, bar.train_progress_bar.total) == (3, 3)
    assert "phase 2/2 3/3 " in lines[-1]


# --- lines


def test_lines_say_what_the_bar_says(train, capsys):
    solver = solver_of()
    train(solver, callbacks=[Lines(seconds=0.0)], val_check_interval=3)
    *lines, end = capsys.readouterr().out.splitlines()
    assert end.startswith("phase 1   Adam ended")
    assert [line.split("  ")[:2] for line in lines] == [
        ["phase 1/1", f"step {n}/6"] for n in range(1, 6)
    ]
    assert all("  loss " in line for line in lines)
    assert [" error u " in line for line in lines] == [False, False, True, False, False]
    assert [bool(re.search(r"  left \d:\d\d$", line)) for line in lines] == [False] + 4 * [True]


def test_lines_are_seconds_apart(train, capsys):
    train(solver_of(), callbacks=[Lines(seconds=1000.0)])
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_without_a_number_of_steps_the_bar_and_the_lines_just_count(train, capsys, drawn):
    bar, lines = drawn
    phases = [Phase(seconds=1.0, loss=1e9), Phase(seconds=0.01)]
    train(solver_of(phases), callbacks=[bar], enable_progress_bar=True)
    assert re.match(r"phase 1/2 1 0:\d\d  loss ", lines[1])
    capsys.readouterr()
    train(solver_of(phases), callbacks=[Lines(0.0)])
    assert "phase 1/2  step 1  loss " in capsys.readouterr().out


def test_a_terminal_that_cannot_redraw_gets_lines(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setitem(os.environ, "TERM", "xterm")
    assert isinstance(progress_bar(), Bar)
    monkeypatch.setitem(os.environ, "TERM", "dumb")
    assert isinstance(progress_bar(), Lines)


def test_the_time_left_is_that_of_the_phase_by_the_pace_of_its_last_steps(train):
    found = []

    class Spy(Lines):
        def on_train_batch_end(self, trainer, pl_module, *args):
            super().on_train_batch_end(trainer, pl_module, *args)
            track = Track()
            track.lasted.extend([100.0, 2.0, 2.0])
            found.append(track.left(pl_module, trainer))

    train(solver_of([Phase(4), Phase(3)]), callbacks=[Spy()])
    first = [f"left 0:0{n} in this phase" for n in (6, 4, 2, 0)]
    assert found == [*first, "left 0:04", "left 0:02", "left 0:00"]
    assert [clock(s) for s in (0, 5.2, 760, 3723)] == ["0:00", "0:05", "12:40", "1:02:03"]
