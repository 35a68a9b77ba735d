"""Loggers: each has the scalars, the settings and, where it can, the pictures of a run.

Checkpoints stay in the folder of the run, whatever the loggers are.
"""

import re
from pathlib import Path

import pytest
import yaml
from lightning.pytorch.loggers import CSVLogger, MLFlowLogger, TensorBoardLogger, WandbLogger
from matplotlib.image import imread
from short import fit, only, steps_in
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from pinn.cli.main import main
from pinn.optim import Phase

PAGE = (Path(__file__).parents[1] / "docs" / "lightning.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\w+Logger)` \| (\w+) \| (\w+) \| (\w+) \|$", PAGE, re.MULTILINE)
PHASES = [Phase(2, lr=1e-3), Phase(2, "LevenbergMarquardt")]
WIDTH = "network.init_args.width"
# Both packages use what Python or their own parts call deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def tensorboard(at):
    logger = TensorBoardLogger(at, name="own", version="here")

    def found():
        limits = {"scalars": 0, "images": 0}
        events = EventAccumulator(logger.log_dir, size_guidance=limits).Reload()
        losses = {e.step: e.value for e in events.Scalars("loss/total")}
        final = events.Scalars("final/error/u")[-1].value
        settings = yaml.safe_load((Path(logger.log_dir) / "hparams.yaml").read_text())
        return losses, final, settings, len(events.Images("fields/u"))

    return logger, found


def csv(at):
    logger = CSVLogger(at)

    def found():
        head, *rows = (Path(logger.log_dir) / "metrics.csv").read_text().splitlines()
        rows = [dict(zip(head.split(","), row.split(","), strict=True)) for row in rows]
        losses = {int(r["step"]): float(r["loss/total"]) for r in rows if r["loss/total"]}
        final = float(rows[-1]["final/error/u"])
        settings = yaml.safe_load((Path(logger.log_dir) / "hparams.yaml").read_text())
        return losses, final, settings, 0

    return logger, found


def wandb(at):
    logger = WandbLogger(save_dir=at, offline=True, project="tests")

    def found():
        import wandb

        run = logger.experiment
        summary, settings = dict(run.summary), dict(run.config)
        wandb.finish()
        pictures = [path for path in at.rglob("*.png") if "fields" in str(path)]
        assert all(min(imread(path).shape[:2]) > 300 for path in pictures)
        losses = {summary["trainer/global_step"]: summary["loss/total"]}
        return losses, summary["final/error/u"], settings, len(pictures)

    return logger, found


def mlflow(at):
    logger = MLFlowLogger("tests", tracking_uri=f"file:{at / 'ml'}")

    def found():
        client, run = logger.experiment, logger.run_id
        data = client.get_run(run).data
        losses = {m.step: m.value for m in client.get_metric_history(run, "loss/total")}
        pictures = list(at.rglob("u-*.png"))
        assert all(min(imread(path).shape[:2]) > 300 for path in pictures)
        assert client.get_run(run).info.status == "FINISHED"
        return losses, data.metrics["final/error/u"], data.params, len(pictures)

    return logger, found


MADE = {
    "TensorBoardLogger": tensorboard,
    "CSVLogger": csv,
    "WandbLogger": wandb,
    "MLFlowLogger": mlflow,
}


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No network, and nothing beside the folder of the test."""
    for name, value in {
        "WANDB_MODE": "offline",
        "WANDB_SILENT": "true",
        "WANDB_DIR": str(tmp_path),
        "MLFLOW_ALLOW_FILE_STORE": "true",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


@pytest.mark.pictures
@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", MADE)
def test_a_logger_has_what_the_page_says(tmp_path, capsys, name):
    """Two at once; the second one, a CSV file, is what the first is held against."""
    (says,) = [row[1:] for row in ROWS if row[0] == name]
    logger, found = MADE[name](tmp_path / "logs")
    second, table = csv(tmp_path / "second")
    solution = fit(tmp_path / "runs", *PHASES, logger=[logger, second], log_every_n_steps=2)
    run = only(tmp_path / "runs")
    assert steps_in(run) == [4]
    assert {path.suffix for path in run.rglob("*") if path.is_file()} == {".ckpt"}
    assert not list((tmp_path / "logs").rglob("*.ckpt"))
    losses, final, settings, pictures = found()
    right, _, asked, _ = table()
    assert sorted(right) == [2, 4]
    assert losses.items() <= {s: pytest.approx(v, rel=1e-6) for s, v in right.items()}.items()
    assert max(losses) == 4
    reference = solution.problem.reference()
    wrong = solution(reference.at)["u"] - reference.values["u"]
    assert final == pytest.approx(float(wrong.norm() / reference.values["u"].norm()), rel=1e-6)
    assert int(settings[WIDTH]) == asked[WIDTH] == 8
    assert settings["phases.2.optimizer"] == "LevenbergMarquardt"
    assert says == ("yes", "yes", "yes" if pictures else "no")
    assert pictures in (0, 1)
    assert f"files: {run}" in capsys.readouterr().out


def test_every_logger_of_lightning_has_a_row():
    from lightning.pytorch import loggers

    assert {row[0] for row in ROWS} == set(loggers.__all__) - {"Logger"}


def test_curves_of_an_earlier_run_are_not_overwritten(tmp_path):
    logger = CSVLogger(tmp_path / "logs", version="a")
    settings = {"log_every_n_steps": 1, "folder": tmp_path / "runs"}
    fit(logger=logger, **settings)
    table = Path(logger.log_dir) / "metrics.csv"
    before = table.read_text()
    with pytest.raises(ValueError, match=r"CSVLogger would overwrite .*metrics.csv: give it ano"):
        fit(logger=CSVLogger(tmp_path / "logs", version="a"), **settings)
    assert table.read_text() == before
    assert len(list((tmp_path / "runs").glob("*/*"))) == 1
    fit(logger=logger, **settings)
    assert table.read_text().startswith(before)


# --- on the command line


def test_loggers_by_name(folder):
    loggers = "[{class_path: CSVLogger, init_args: {save_dir: logs}}, {class_path: "
    loggers += "TensorBoardLogger, init_args: {save_dir: board}}]"
    assert main(["--config=small", f"--trainer.logger={loggers}"]) == 0
    (run,) = Path("runs/small").iterdir()
    assert {path.name for path in run.iterdir()} == {"checkpoints", "config.yaml"}
    assert steps_in(run)[0] == 4
    assert list(Path("logs").rglob("metrics.csv"))
    assert list(Path("board").rglob("events*"))
    assert main(["--config=small", "--trainer.logger=false", "--resume=auto"]) == 0


def test_none_and_the_usual_one(folder):
    for value in ("false", "true"):
        options = [f"--trainer.logger={value}", f"--trainer.default_root_dir={value}"]
        assert main(["--config=small", "--trainer.max_steps=1", *options]) == 0
        assert bool(list(Path(value).rglob("events*"))) == (value == "true")
        assert list(Path(value).rglob("*.ckpt"))


MISTAKES = {
    "a slip": (["--trainer.logger=CSVLoger"], "unknown class 'CSVLoger'.*'CSVLogger'"),
    "a slip in a key": (
        ["--trainer.logger=CSVLogger", "--trainer.logger.save_dri=logs"],
        "save_dri.*'save_dir'",
    ),
    "no logger": (["--trainer.logger=EarlyStopping"], "'EarlyStopping' is no Logger"),
    "a number": (["--trainer.logger=3"], "trainer.logger"),
    "what is not installed": (["--trainer.logger=CometLogger"], "comet-ml"),
    "where it would write": (["--trainer.logger=CSVLogger"], "save_dir"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(folder, capsys, case):
    options, words = MISTAKES[case]
    assert main(["--config=small", *options]) == 2
    line = capsys.readouterr().err
    assert re.search(words, line), line
    assert line.count("\n") == 1
    assert not Path("runs").exists()
