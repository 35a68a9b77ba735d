"""Progress: a bar on a terminal, lines elsewhere."""

import torch

from pinn.callbacks.progress import Bar, Lines, brief
from pinn.networks import MLP
from pinn.optim import Phase
from pinn.problems import Kovasznay
from pinn.solver import Solver

SIX = (Phase(6),)


def solver_of(phases=SIX):
    torch.manual_seed(0)
    return Solver(Kovasznay(), MLP(8, 2), list(phases))


def test_the_bar_counts_the_steps_of_the_run_and_shows_loss_and_error(train, capfd):
    solver, bar = solver_of(), Bar(refresh_rate=1)
    train(solver, callbacks=[bar], enable_progress_bar=True, val_check_interval=3)
    assert (bar.train_progress_bar.n, bar.train_progress_bar.total) == (6, 6)
    shown = "".join(capfd.readouterr())
    assert "6/6" in shown
    for name, value in brief(solver).items():
        assert f"{name}={value}" in shown


def test_new_errors_are_on_the_bar_at_once(train):
    seen = []

    class Spy(Bar):
        def on_validation_end(self, trainer, pl_module):
            super().on_validation_end(trainer, pl_module)
            seen.append(self.train_progress_bar.postfix)

    solver, bar = solver_of([Phase(3)]), Spy(refresh_rate=1000)
    train(solver, callbacks=[bar], enable_progress_bar=True, val_check_interval=3)
    assert f"error u={solver.scores['error/u']:.2%}" in seen[0]


def test_lines_are_seconds_apart(train, capsys):
    train(solver_of(), callbacks=[Lines(seconds=0.0)])
    *lines, end = capsys.readouterr().out.splitlines()
    assert end.startswith("phase 1 ")
    assert [line.split("  ")[0] for line in lines] == [f"step {n}/6" for n in range(1, 6)]
    assert all("  loss " in line for line in lines)
    train(solver_of(), callbacks=[Lines(seconds=1000.0)])
    assert len(capsys.readouterr().out.splitlines()) <= 2


def test_the_bar_ends_where_phases_end_early(train):
    solver, bar = solver_of([Phase(50, loss=1e9), Phase(2)]), Bar(refresh_rate=1)
    train(solver, callbacks=[bar], enable_progress_bar=True)
    assert (bar.train_progress_bar.n, bar.train_progress_bar.total) == (3, 3)


def test_without_a_number_of_steps_the_bar_and_the_lines_just_count(train, capsys):
    totals = []

    class Spy(Bar):
        def on_train_batch_end(self, trainer, pl_module, *args):
            super().on_train_batch_end(trainer, pl_module, *args)
            totals.append(self.train_progress_bar.total)

    phases = [Phase(seconds=1.0, loss=1e9), Phase(seconds=0.01)]
    train(solver_of(phases), callbacks=[Spy(refresh_rate=1)], enable_progress_bar=True)
    assert totals[0] is None
    capsys.readouterr()
    train(solver_of(phases), callbacks=[Lines(0.0)])
    assert capsys.readouterr().out.splitlines()[1].startswith("step 1  loss ")
