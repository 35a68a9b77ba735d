"""What TensorBoard shows after a run, read back from its files."""

import re
import time
from dataclasses import replace

import lightning as L
import pytest
import torch
from equations import Inverse
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import plugin_data_pb2

import pinn
from pinn.callbacks import Figures, Report, Scalars
from pinn.callbacks import pictures as panels
from pinn.callbacks.report import coefficient_lines
from pinn.cli.main import main
from pinn.networks import MLP
from pinn.optim import Phase
from pinn.problems import Kovasznay, KovasznayViscosity, LidDrivenCavity
from pinn.training.collocation import Collocation
from pinn.training.solver import Solver
from pinn.training.stopwatch import Stopwatch

pytestmark = pytest.mark.pictures
PHASES = [Phase(6, lr=0.01, schedule="cosine"), Phase(2, "LBFGS", dtype="float64")]
POINTS = {"interior": 32, "boundary": 16}
OFTEN = {"log_every_n_steps": 2, "val_check_interval": 4, "accelerator": "cpu"}


def read(folder):
    everything = {"scalars": 0, "images": 0, "tensors": 0}
    return EventAccumulator(str(folder), size_guidance=everything).Reload()


def steps(events, tag):
    return [event.step for event in events.Scalars(tag)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short run of Kovasznay flow from Python: its folder and its events."""
    base = tmp_path_factory.mktemp("run")
    pinn.fit(Kovasznay(), MLP(8, 2), PHASES, POINTS, folder=base, **OFTEN)
    (folder,) = base.glob("kovasznay/*")
    return folder, read(folder)


def test_every_group_of_curves(run):
    scalars = run[1].Tags()["scalars"]
    groups = {tag.split("/")[0] for tag in scalars}
    assert groups == {"loss", "residual", "error", "divergence", "check", "optim", "perf", "final"}
    assert {"check/held_out_ratio", "check/mass_balance"} <= set(scalars)
    assert {"optim/lr", "optim/phase", "optim/grad_norm", "perf/steps_per_second"} <= set(scalars)
    assert {"error/u", "error/v", "error/p", "divergence/rms", "divergence/max"} <= set(scalars)


def test_losses_and_residuals_have_the_names_of_the_methods(run):
    tags = run[1].Tags()["scalars"]
    names = {residual.name for residual in Kovasznay.residuals}
    assert {t for t in tags if t.startswith("loss/")} == {f"loss/{n}" for n in {*names, "total"}}
    assert {t for t in tags if t.startswith("residual/")} == {
        f"residual/{name}_{kind}" for name in names for kind in ("rms", "max")
    }


def test_the_steps_of_the_curves(run):
    events = run[1]
    assert steps(events, "loss/total") == steps(events, "perf/steps_per_second") == [2, 4, 6, 8]
    assert steps(events, "error/u") == [4, 8]
    assert [e.value for e in events.Scalars("optim/phase")] == [1, 1, 1, 2]
    rates = [event.value for event in events.Scalars("optim/lr")]
    assert rates == pytest.approx([0.01 * PHASES[0].factor(s) for s in (1, 3, 5)] + [1.0])
    assert all(event.value > 0 for event in events.Scalars("perf/steps_per_second"))


def test_pictures(run):
    events = run[1]
    images = events.Tags()["images"]
    assert {f"fields/{name}" for name in ("u", "v", "p")} <= set(images)
    for tag in images:
        shown = [image.step for image in events.Images(tag)]
        assert shown == [8]  # a run of a few seconds has the last ones alone
        assert events.Images(tag)[-1].encoded_image_string.startswith(b"\x89PNG")


def chart_tags(events):
    """The charts of the page `custom scalars`, and the tags that each shows."""
    content = events.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0]
    (category,) = layout_pb2.Layout.FromString(content).category
    tags = events.Tags()["scalars"]
    return {
        chart.title: {t for t in tags if any(re.match(r, t) for r in chart.multiline.tag)}
        for chart in category.chart
    }


def test_one_page_groups_the_curves_that_are_compared(run):
    charts = chart_tags(run[1])
    names = ("momentum", "continuity", "boundary")
    assert charts["loss terms"] == {f"loss/{n}" for n in (*names, "total")}
    assert charts["errors, relative L2"] == {"error/u", "error/v", "error/p"}
    maxima = charts["residuals off the training points, maximum"]
    assert maxima == {"divergence/max", *(f"residual/{n}_max" for n in names)}
    assert charts["phase"] == {"optim/phase"}  # there are two
    assert charts["checks"] == {t for t in run[1].Tags()["scalars"] if t.startswith("check/")}
    assert charts["checks"]
    assert set(charts) == {
        *("loss terms", "errors, relative L2", "phase", "checks"),
        "residuals off the training points, RMS",
        "residuals off the training points, maximum",
    }


def test_the_page_has_what_the_run_logs(train, tmp_path):
    logger = TensorBoardLogger(tmp_path)
    solver = Solver(Inverse(), MLP(8, 2), [Phase(2)], weighting="gradient_norm")
    train(solver, logger=logger, callbacks=[Scalars()], log_every_n_steps=1)
    charts = chart_tags(read(logger.log_dir))
    assert charts["coefficients"] == {"coefficient/k"}
    assert charts["weights of the loss terms"] == {f"weight/{n}" for n in solver.balance.weights}
    assert "phase" not in charts


def test_a_picture_that_cannot_be_drawn_does_not_end_a_run(train, tmp_path, monkeypatch, capsys):
    def broken(*args):
        raise OverflowError("too large\nto draw")

    monkeypatch.setattr(panels, "draw", broken)
    logger = TensorBoardLogger(tmp_path)
    solver = Solver(Kovasznay(), MLP(4, 1), [Phase(3)])
    train(solver, logger=logger, callbacks=[Figures(every=1)], val_check_interval=1)
    assert solver.schedule.step == 3
    said = [line for line in capsys.readouterr().out.splitlines() if "pictures" in line]
    assert said == ["pictures of step 1 are missing: too large to draw"]


def test_a_title_names_the_problem_and_its_numbers():
    assert panels.run_name(described(Kovasznay(reynolds=20.0))) == "Kovasznay (reynolds 20)"
    assert panels.run_name(described(Inverse())) == "Inverse"
    staged = described(LidDrivenCavity(reynolds=[100.0, 400.0]))
    staged.schedule.stage = 1
    assert panels.run_name(staged) == "LidDrivenCavity (reynolds 400)"


def described(problem):
    """A solver that can describe itself."""
    solver = Solver(problem, MLP(4, 1), [Phase(1)])
    solver.attach(Collocation(dict.fromkeys(problem.regions(), 4)))
    return solver


def test_the_vorticity_of_the_pictures_is_the_curl(train):
    solver = Solver(Kovasznay(), MLP(8, 2), [Phase(1)])
    train(solver)
    solver.double()
    figure = panels.figures_of(solver, 1)["vorticity"]
    drawn = torch.tensor(figure.axes[0].collections[0].get_array().data)
    inside = (slice(1, -1), slice(1, -1))
    at = solver.reference.at.unflatten(0, solver.reference.shape)[inside].reshape(-1, 2)
    h = 1e-5
    ends = [panels.predict(solver, at + h * step) for step in torch.eye(2)]
    starts = [panels.predict(solver, at - h * step) for step in torch.eye(2)]
    expected = (ends[0]["v"] - starts[0]["v"] - ends[1]["u"] + starts[1]["u"]) / (2 * h)
    torch.testing.assert_close(drawn.T[inside].flatten(), expected, rtol=1e-7, atol=1e-8)


def hparams(events):
    """What was asked for, from the record that the table of runs is made of."""
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    data = plugin_data_pb2.HParamsPluginData.FromString(content)
    return data.session_start_info.hparams


def test_the_table_of_runs_has_settings_and_final_errors(run):
    folder, events = run
    found = hparams(events)
    assert found["problem.init_args.reynolds"].number_value == 40.0
    assert found["phases.2.optimizer"].string_value == "LBFGS"
    assert found["network.init_args.width"].number_value == 8
    (final,) = events.Scalars("final/error/u")
    assert final.value == events.Scalars("error/u")[-1].value
    # No run of its own beside the curves, as `SummaryWriter.add_hparams` makes.
    assert not [path for path in folder.iterdir() if path.is_dir() and path.name != "checkpoints"]


def test_the_command_line_adds_its_configuration(here):
    argv = ["--config=poisson", "--model.network.width=8", "--data.held_out=20"]
    argv += ["--data.points={interior: 16, boundary: 8}", "--trainer.val_check_interval=2"]
    assert main([*argv, "--model.phases=[{optimizer: Adam, steps: 2}]"]) == 0
    (folder,) = here.glob("runs/poisson/*")
    events = read(folder)
    (tag,) = [tag for tag in events.Tags()["tensors"] if tag.startswith("config")]
    text = events.Tensors(tag)[0].tensor_proto.string_val[0].decode()
    assert "class_path: pinn.problems.Poisson" in text or "problems.poisson.Poisson" in text
    assert "width: 8" in text
    assert text.replace("    ", "").split() == (folder / "config.yaml").read_text().split()
    assert hparams(events)["network.init_args.width"].number_value == 8
    assert len(events.Scalars("final/error/u")) == 1


# --- what it costs


class Counted(TensorBoardLogger):
    """Remembers the steps at which something is written."""

    def __init__(self, folder):
        super().__init__(folder)
        self.written = []

    def log_metrics(self, metrics, step=None):
        self.written.append((step, sorted(metrics)[0].split("/")[0]))
        super().log_metrics(metrics, step)


def test_nothing_is_written_between_the_steps_that_are_logged(train, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("LightningModule.log costs a quarter of a millisecond at every step")

    monkeypatch.setattr(L.LightningModule, "log", refuse)
    monkeypatch.setattr(L.LightningModule, "log_dict", refuse)
    logger, second = Counted(tmp_path / "a"), Counted(tmp_path / "b")
    solver = Solver(Kovasznay(), MLP(8, 2), [Phase(25)])
    settings = {"log_every_n_steps": 10, "val_check_interval": 15}
    train(solver, logger=[logger, second], callbacks=[Scalars(), Report()], **settings)
    wanted = [(10, "loss"), (15, "check"), (20, "loss"), (25, "check"), (25, "final")]
    assert logger.written == wanted
    assert second.written == wanted


def test_the_last_validation_is_not_written_twice(train, tmp_path):
    logger = Counted(tmp_path)
    solver = Solver(Kovasznay(), MLP(8, 2), [Phase(6)])
    train(solver, logger=logger, callbacks=[Scalars(), Report()], val_check_interval=3)
    assert [s for s, group in logger.written if group == "check"] == [3, 6]


@pytest.mark.filterwarnings("ignore:.*log_every_n_steps")
def test_no_curves_at_all(train, tmp_path):
    logger = Counted(tmp_path)
    solver = Solver(Kovasznay(), MLP(8, 2), [Phase(3)])
    train(solver, logger=logger, callbacks=[Scalars()], log_every_n_steps=0)
    assert logger.written == []
    train(Solver(Kovasznay(), MLP(8, 2), [Phase(3)]), callbacks=[Scalars(), Report(), Figures()])


class Slow(L.Callback):
    """Validation and pictures that take their time."""

    def on_validation_batch_start(self, *args):
        time.sleep(0.3)

    def on_validation_end(self, *args):
        time.sleep(0.3)

    def on_train_end(self, *args):
        time.sleep(0.3)


def test_validation_and_pictures_do_not_count_as_training(train, tmp_path, capsys):
    logger = TensorBoardLogger(tmp_path)
    solver = Solver(Kovasznay(), MLP(8, 2), [Phase(12)])
    scalars, report = Scalars(), Report()
    settings = {"log_every_n_steps": 2, "val_check_interval": 3, "logger": logger}
    began = time.perf_counter()
    train(solver, callbacks=[Slow(), scalars, report], **settings)
    passed = time.perf_counter() - began
    slept = 4 * 0.6 + 0.3
    assert passed > slept
    assert 0 < solver.watch.seconds < passed - slept
    assert 0 < scalars.logged_seconds < passed - slept
    rate = 12 / solver.watch.seconds
    assert f"12 steps in {solver.watch.seconds:.0f} s, " in capsys.readouterr().out
    logged = [e.value for e in read(logger.log_dir).Scalars("perf/steps_per_second")]
    assert len(logged) == 6
    assert 6 / sum(1 / value for value in logged) == pytest.approx(rate, rel=0.5)


def test_a_stopwatch_counts_only_while_it_runs():
    watch = Stopwatch()
    time.sleep(0.02)
    assert watch.seconds == 0.0
    watch.start()
    time.sleep(0.02)
    watch.start()
    watch.stop()
    counted = watch.seconds
    time.sleep(0.02)
    watch.stop()
    assert watch.seconds == counted >= 0.02


# --- coefficients


def test_a_coefficient_has_a_curve(train, tmp_path):
    logger = TensorBoardLogger(tmp_path)
    solver = Solver(Inverse(), MLP(8, 2), [Phase(4, lr=0.1)])
    train(solver, logger=logger, callbacks=[Scalars()], log_every_n_steps=2)
    curve = read(logger.log_dir).Scalars("coefficient/k")
    assert [event.step for event in curve] == [2, 4]
    assert curve[-1].value == pytest.approx(solver.problem.k.item(), rel=1e-6)
    assert curve[0].value != curve[1].value


def test_a_run_ends_with_its_coefficients(train, tmp_path, capsys):
    logger = TensorBoardLogger(tmp_path)
    phases = [Phase(12, "LevenbergMarquardt", train="output")]
    solver = Solver(KovasznayViscosity(samples=60), MLP(40, 1, spread=2.0), phases)
    train(solver, points={"interior": 100}, logger=logger, callbacks=[Scalars(), Report()])
    found = solver.solution.estimates["nu"]
    assert f"\nnu {found}" in capsys.readouterr().out
    events = read(logger.log_dir)
    (value,), (half,) = events.Scalars("final/nu"), events.Scalars("final/nu_95")
    assert value.value == pytest.approx(solver.problem.nu.item(), rel=1e-6)
    assert half.value == pytest.approx(found.half_width, rel=1e-6)
    solver.solution.estimates = {"nu": replace(found, left=0.0)}
    assert coefficient_lines(solver) == [f"nu {found}"]
    solver.solution.estimates = {"nu": replace(found, left=found.half_width)}
    assert "still moving by" in coefficient_lines(solver)[0]
    solver.solution.estimates = {}
    assert coefficient_lines(solver) == [f"nu {solver.problem.nu.item():.6g}"]
