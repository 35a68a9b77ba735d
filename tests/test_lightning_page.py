"""Every row of the page on Lightning is tried: what it says works, and what it refuses."""

import inspect
import re
from pathlib import Path

import lightning as L
import pytest
import torch
from lightning.pytorch import callbacks as theirs
from lightning.pytorch.loggers import CSVLogger
from lightning.pytorch.plugins import MixedPrecision
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies import DDPStrategy
from short import fit, only, steps_in

from pinn.callbacks.progress import Bar
from pinn.checkpoints.file import read
from pinn.cli.main import main
from pinn.optim import Phase
from pinn.runs.requirements import check_trainer
from pinn.runs.trainer import make_trainer
from pinn.training.schedule import Schedule

PAGE = (Path(__file__).parents[1] / "docs" / "lightning.md").read_text(encoding="utf-8")
SECTIONS = dict(part.split("\n", 1) for part in PAGE.split("\n## ")[1:])
ROW = re.compile(r"^\| `(\w+)` \| (\w+) \|", re.MULTILINE)
SETTINGS = dict(ROW.findall(SECTIONS["Settings of the trainer"]))
CALLBACKS = dict(ROW.findall(SECTIONS["Callbacks"]))
LM = Phase(3, "LevenbergMarquardt")
SGD = Phase(3, "SGD", lr=1e-4)


class Witness(L.Callback):
    """What a run did: trainer, steps, weights after each step, validations, switches of torch."""

    def __init__(self):
        self.weights, self.validated, self.sane, self.switches = [], [], 0, {}
        self.rates = []

    def on_train_batch_start(self, trainer, module, *args):
        if not self.weights:
            self.weights = [flat(module)]
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])
        self.switches = {
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "benchmark": torch.backends.cudnn.benchmark,
            "anomaly": torch.is_anomaly_enabled(),
        }

    def on_train_batch_end(self, trainer, module, *args):
        self.trainer = trainer
        self.weights.append(flat(module))

    def on_sanity_check_start(self, trainer, module):
        self.sane += 1

    def on_validation_end(self, trainer, module):
        self.validated.append(trainer.global_step)


def flat(module):
    """All weights in one."""
    return torch.cat([p.detach().double().reshape(-1) for p in module.parameters()])


def run(folder, *phases, callbacks=(), **settings):
    """A run without curves and pictures; what it did, and its solution.

    Whatever is set, the last step is kept, unless that is switched off by name.
    """
    witness = Witness()
    settings = {"logger": False, "val_check_interval": 100, **settings}
    solution = fit(folder, *phases, callbacks=[*callbacks, witness], **settings)
    if (
        folder
        and witness.weights
        and not settings.keys() & {"fast_dev_run", "enable_checkpointing"}
    ):
        kept = [step for path in folder.glob("*/*") for step in steps_in(path)]
        assert witness.trainer.global_step in kept
    return witness, solution


def refused(folder, words, *phases, **settings):
    """A line that has these words, before anything is left behind."""
    with pytest.raises((ValueError, TypeError), match=words) as raised:
        run(folder, *phases, **settings)
    assert "\n" not in str(raised.value)
    assert not folder.exists() or not list(folder.iterdir())


def table(folder):
    """The rows of the one CSV file of a folder, empty cells left out."""
    (file,) = folder.rglob("metrics.csv")
    head, *rows = [line.split(",") for line in file.read_text().splitlines()]
    return [{k: float(v) for k, v in zip(head, row, strict=True) if v} for row in rows]


# --- settings


def accelerator(at, out):
    witness, _ = run(at / "a", accelerator="cpu")
    assert witness.trainer.strategy.root_device.type == "cpu"
    refused(at / "b", "accelerator 'gpuu' does not exist", accelerator="gpuu")


def processes(**settings):
    return make_trainer({"accelerator": "cpu", **settings}, [], Schedule([LM], False))


def strategy(at, out):
    assert isinstance(processes(strategy="ddp", devices=2).strategy, DDPStrategy)
    refused(at, "how derivatives are computed is set by derivatives", strategy="taylor")


def devices(at, out):
    trainer = processes(devices=2)  # tests/test_distributed.py runs two
    assert isinstance(trainer.strategy, DDPStrategy)
    assert trainer.world_size == 2
    for value in (0, -1, "-1", [0], [0, 0]):
        refused(at, "number of processes ≥ 1", devices=value)


def num_nodes(at, out):
    refused(at, "num_nodes is 2, but this is not a cluster", num_nodes=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MASTER_ADDR", "127.0.0.1")
        check_trainer({"num_nodes": 2})
        assert processes(devices=2, num_nodes=2).world_size == 4


def fast_dev_run(at, out):
    witness, _ = run(at / "a", Phase(9), fast_dev_run=2, logger=True)
    assert witness.trainer.global_step == 2
    assert not list(at.iterdir())
    for value in (-1, 2.5, "yes"):
        refused(at, "fast_dev_run is", fast_dev_run=value)


def max_steps(at, out):
    for value, steps in ((3, 3), (1e3, 4), (-1, 4)):
        run(at / str(value), Phase(2), Phase(2, "LBFGS"), max_steps=value)
        assert steps_in(only(at / str(value)))[0] == steps


def min_steps(at, out):
    stop = theirs.EarlyStopping("loss/total", stopping_threshold=1e9)
    run(at / "a", Phase(9), callbacks=[stop], min_steps=4, val_check_interval=1)
    assert steps_in(only(at / "a"))[0] == 4
    refused(at / "b", "min_steps is 9, and the phases have 4 steps", min_steps=9)


def max_time(at, out):
    run(at / "a", LM, max_time={"seconds": 0})  # tests/test_job_time.py goes on from there
    assert steps_in(only(at / "a")) == [1]
    for value in (5, {"hours": -1}, {"second": 1}, "an hour"):
        refused(at / "b", "max_time is .*: expected days:hours", max_time=value)


def limit_val_batches(at, out):
    assert run(at / "a", limit_val_batches=0, val_check_interval=1)[0].validated == []
    assert run(at / "b", limit_val_batches=1, val_check_interval=2)[0].validated == [2, 4]
    refused(at / "c", "limit_val_batches is 3", limit_val_batches=3)


def val_check_interval(at, out):
    assert run(at / "a", Phase(5), val_check_interval=2.0)[0].validated == [2, 4]
    assert run(at / "b", LM, val_check_interval=3)[0].validated == [3]


def num_sanity_val_steps(at, out):
    witness, _ = run(at / "a", num_sanity_val_steps=1)
    assert (witness.sane, witness.validated) == (1, [0])
    assert run(at / "b")[0].sane == 0
    refused(at / "c", "num_sanity_val_steps is -3", num_sanity_val_steps=-3)


def log_every_n_steps(at, out):
    run(at / "a", Phase(5), logger=CSVLogger(at / "csv"), log_every_n_steps=2)
    assert [row["step"] for row in table(at / "csv") if "loss/total" in row] == [2, 4]


def enable_checkpointing(at, out):
    run(at, LM, enable_checkpointing=False)
    assert not list(at.rglob("*.ckpt"))
    assert "error of u" in out()


def enable_progress_bar(at, out):
    shown = run(at / "a", enable_progress_bar=True)[0].trainer.callbacks
    assert any(isinstance(callback, Bar) for callback in shown)
    out()
    hidden = run(at / "b", enable_progress_bar=False)[0].trainer.callbacks
    assert not any(isinstance(callback, theirs.ProgressBar) for callback in hidden)
    assert "step 1/4" in out()


def enable_model_summary(at, out):
    run(at / "a", enable_model_summary=True)
    assert "Trainable params" in out()
    run(at / "b")
    assert "Trainable params" not in out()


def accumulate_grad_batches(at, out):
    twice, _ = run(at / "a", SGD, accumulate_grad_batches=2)
    assert "evaluates the same points" in out()
    once, _ = run(at / "b", SGD)
    assert torch.allclose(twice.weights[-1], once.weights[-1], rtol=1e-6)
    assert steps_in(only(at / "a")) == [3]
    refused(at / "c", "cannot be used with LevenbergMarquardt", LM, accumulate_grad_batches=2)


def gradient_clip_val(at, out):
    weights = run(at / "a", Phase(1, "SGD", lr=1.0), gradient_clip_val=0.1)[0].weights
    assert float((weights[1] - weights[0]).norm()) == pytest.approx(0.1, rel=1e-4)
    refused(at / "b", "cannot be used with LevenbergMarquardt", LM, gradient_clip_val=1.0)
    refused(at / "b", "gradient_clip_val is '1'", gradient_clip_val="1")


def gradient_clip_algorithm(at, out):
    clip = {"gradient_clip_val": 0.1, "gradient_clip_algorithm": "value"}
    weights = run(at, Phase(1, "SGD", lr=1.0), **clip)[0].weights
    assert float((weights[1] - weights[0]).abs().max()) == pytest.approx(0.1, rel=1e-4)
    assert float((weights[1] - weights[0]).norm()) > 0.15


def deterministic(at, out):
    for phase in (SGD, LM):
        assert run(at / phase.optimizer, phase, deterministic=True)[0].switches["deterministic"]
    refused(at / "b", "deterministic is 'always'", deterministic="always")


def benchmark(at, out):
    assert run(at, benchmark=True)[0].switches["benchmark"]


def inference_mode(at, out):
    for value in (True, False):
        trainer = processes(inference_mode=value)
        assert trainer.validate_loop.inference_mode == value
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(at)
        run(None, LM)
        (path,) = at.rglob("*.ckpt")
        out()
        for value in ("true", "false"):
            options = [f"--ckpt_path={path}", f"--trainer.inference_mode={value}"]
            assert main(["validate", *options]) == 0
    said = out()
    assert said.count("error of u") == 2
    first, second = re.findall(r"error of u .*", said)
    assert first == second


def use_distributed_sampler(at, out):
    one, other = (run(at / str(v), use_distributed_sampler=v)[0].weights for v in (False, True))
    assert torch.equal(one[-1], other[-1])


def profiler(at, out):
    run(at / "a", LM, profiler="simple")
    said = out()
    assert said.count("FIT Profiler Report") == 1
    assert "run_training_batch" in said
    run(at / "b", profiler="pytorch")
    assert "Self CPU time total" in out()
    assert list(at.glob("b/*/*/*.pt.trace.json"))
    refused(at / "c", "profiler is 'simpel': did you mean 'simple'", profiler="simpel")
    refused(at / "c", "profiler is 3: expected one of simple", profiler=3)


def detect_anomaly(at, out):
    for phase in (SGD, Phase(2, "LevenbergMarquardt")):
        looked, plain = (
            run(at / f"{phase.optimizer} {v}", phase, detect_anomaly=v)[0] for v in (True, False)
        )
        assert looked.switches["anomaly"]
        assert torch.equal(looked.weights[-1], plain.weights[-1])


def plugins(at, out):
    run(at / "a", plugins=[LightningEnvironment()])
    assert steps_in(only(at / "a")) == [4]
    refused(at / "b", "plugins has MixedPrecision", plugins=MixedPrecision("bf16-mixed", "cpu"))
    refused(at / "b", "plugins is 'amp'", plugins="amp")


def default_root_dir(at, out):
    run(None, default_root_dir=at / "here")
    assert steps_in(only(at / "here")) == [4]


def enable_autolog_hparams(at, out):
    for value in (True, False):
        logger = CSVLogger(at / str(value))
        run(at / "runs", logger=logger, enable_autolog_hparams=value)
        assert (Path(logger.log_dir) / "hparams.yaml").exists() == value


def logger(at, out):
    run(at / "a", logger=False)
    assert not list(at.rglob("events*"))
    run(at / "b", logger=[CSVLogger(at / "one"), CSVLogger(at / "two")])
    assert table(at / "one") == table(at / "two")
    for value in ("tensorboard", 3, [True]):
        refused(at / "c", "logger is .*: expected true, false", logger=value)


def callbacks(at, out):
    witness, _ = run(at, LM)
    kinds = [type(callback).__name__ for callback in witness.trainer.callbacks]
    assert {"FiniteLoss", "Scalars", "Report", "Figures", "Checkpoints", "Witness"} <= set(kinds)


@pytest.fixture
def said(capsys):
    """A function that returns what was said since it was called last."""
    yield lambda: capsys.readouterr().out
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark = False


@pytest.mark.parametrize("name", [name for name, what in SETTINGS.items() if what == "works"])
def test_a_setting_that_works(tmp_path, said, name):
    globals()[name](tmp_path, said)


VALUES = {"barebones": "true", "sync_batchnorm": "true", "precision": "64-true"}


@pytest.mark.parametrize("name", [name for name, what in SETTINGS.items() if what == "refused"])
def test_a_setting_that_is_refused_on_the_command_line(folder, capsys, name):
    """tests/test_trainer_settings.py has the same from Python."""
    assert main(["--config=small", f"--trainer.{name}={VALUES.get(name, '1')}"]) == 2
    error = capsys.readouterr().err
    assert f"trainer.{name} is" in error
    assert error.count("\n") == 1
    assert not Path("runs").exists()


def test_objects_and_words_on_the_command_line(folder, capsys):
    """What is an object in Python is a class in a configuration."""
    options = ["--config=small", "--trainer.max_steps=2", "--trainer.logger=false"]
    for setting, words in {
        "--trainer.profiler=SimpleProfiler": "FIT Profiler Report",
        "--trainer.callbacks=ModelSummary": "Trainable params",
        "--trainer.callbacks+=LambdaCallback": "2 steps in",
    }.items():
        assert main([*options, setting]) == 0
        assert words in capsys.readouterr().out
    for setting, words in {
        "--trainer.strategy=ddq": "trainer.strategy is 'ddq': expected auto, or ddp",
        "--trainer.profiler=simpel": "trainer.profiler is 'simpel': did you mean 'simple'",
        "--trainer.callbacks=DeviceStat": "unknown class 'DeviceStat'",
        "--trainer.devices=-1": "trainer.devices is -1: on the CPU",
        "--trainer.min_steps=9": "min_steps is 9",
    }.items():
        assert main(["--config=small", setting]) == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1


def test_every_setting_of_the_trainer_has_a_row():
    flags = set(inspect.signature(L.Trainer.__init__).parameters) - {"self"}
    assert set(SETTINGS) <= flags
    new = flags - set(SETTINGS)
    if new and not L.__version__.startswith("2.6."):
        pytest.skip(f"Lightning {L.__version__} has settings that nobody has looked at: {new}")
    assert not new


# --- callbacks


def early_stopping(at, out):
    stop = theirs.EarlyStopping("residual/balance_rms", stopping_threshold=1e9)
    run(at, Phase(30, "LevenbergMarquardt"), callbacks=[stop], val_check_interval=None)
    assert steps_in(only(at)) == [3]


def model_checkpoint(at, out):
    best = theirs.ModelCheckpoint(monitor="loss/total", every_n_train_steps=1, filename="best")
    last = theirs.ModelCheckpoint(every_n_train_steps=2, save_last=True)
    witness, _ = run(at, LM, callbacks=[best, last])
    files = {path.name for path in (only(at) / "checkpoints").iterdir()}
    assert files == {"best.ckpt", "epoch=0-step=2.ckpt", "last.ckpt", "step-0000003.ckpt"}
    saved = read(best.best_model_path)
    assert saved["global_step"] == witness.trainer.global_step  # by least squares it only falls


def learning_rate_monitor(at, out):
    phases = [Phase(3, lr=0.1, schedule="cosine"), Phase(2, "LBFGS", lr=0.5)]
    monitor = theirs.LearningRateMonitor("step", log_momentum=True, log_weight_decay=True)
    settings = {"logger": CSVLogger(at / "csv"), "log_every_n_steps": 1}
    witness, _ = run(at / "a", *phases, callbacks=[monitor], **settings)
    found = {r["step"]: r for r in table(at / "csv") if "lr-Adam" in r or "lr-LBFGS" in r}
    right = [0.1 * phases[0].factor(step) for step in range(3)]
    assert [found[step]["lr-Adam"] for step in range(3)] == pytest.approx(right)
    assert [found[step].get("lr-LBFGS") for step in range(2, 5)] == [None, 0.5, 0.5]
    assert witness.rates == pytest.approx([*right, 0.5, 0.5])
    assert found[4]["lr-LBFGS-weight_decay"] == 0.0
    epoch = theirs.LearningRateMonitor("epoch")
    refused(at / "b", "logging_interval epoch", callbacks=[epoch], logger=True)
    refused(at / "b", "logger is False.*LearningRateMonitor", callbacks=[monitor])


def progress_bar(bar):
    def check(at, out):
        witness, _ = run(at, LM, callbacks=[bar()])
        shown = [c for c in witness.trainer.callbacks if isinstance(c, theirs.ProgressBar)]
        assert [type(c) for c in shown] == [bar]
        loss = float(witness.trainer.callback_metrics["loss/total"])
        assert shown[0].get_metrics(witness.trainer, None)["loss"] == loss
        refused(at / "b", "enable_progress_bar", callbacks=[bar()], enable_progress_bar=False)

    return check


def device_stats_monitor(at, out):
    monitor = theirs.DeviceStatsMonitor()
    settings = {"callbacks": [monitor], "logger": CSVLogger(at / "csv"), "log_every_n_steps": 1}
    try:
        import psutil  # noqa: F401
    except ImportError:
        refused(at / "a", "pip install psutil", **settings)
    else:
        run(at / "a", **settings)
        assert any("cpu_percent" in key for row in table(at / "csv") for key in row)
    settings["callbacks"] = [theirs.DeviceStatsMonitor(cpu_stats=False)]
    refused(at / "b", "cpu_stats false", **settings)


def timer(at, out):
    run(at / "a", Phase(300), callbacks=[theirs.Timer("00:00:00:01")])
    assert steps_in(only(at / "a"))[0] < 300
    assert "the time of Timer is over" in out()
    run(at / "b", callbacks=[theirs.Timer("00:00:00:00")])
    assert "ended before its first step: the time of Timer is over" in out()
    epoch = theirs.Timer("00:00:00:01", interval="epoch")
    refused(at / "c", "interval epoch", callbacks=[epoch])


def averaging(average, weights):
    """The averages by the formula, of the weights that a witness before the callback saw."""

    def check(at, out):
        for phase in (SGD, LM):
            folder, seen = at / phase.optimizer, Witness()
            _, solution = run(folder, phase, callbacks=[seen, average()])
            wanted = weights(seen.weights[1:])
            found = torch.cat([p.detach().double().reshape(-1) for p in solution.parameters()])
            assert torch.allclose(found, wanted, rtol=1e-5, atol=1e-7)
            assert not torch.allclose(found, seen.weights[-1], rtol=1e-5, atol=1e-7)
            saved = read(next((only(folder) / "checkpoints").iterdir()))["state_dict"]
            kept = torch.cat([w.double().reshape(-1) for n, w in saved.items() if "weight" in n])
            own = [w for n, w in solution.state_dict().items() if "weight" in n]
            assert torch.equal(kept, torch.cat([w.double().reshape(-1) for w in own]))
            shown = float(seen.trainer.callback_metrics["error/u"])
            exact = solution.problem.reference()
            error = solution(exact.at)["u"].double() - exact.values["u"]
            assert shown == pytest.approx(float(error.norm() / exact.values["u"].norm()), rel=1e-3)

    return check


def summary(callback):
    def check(at, out):
        run(at, callbacks=[callback()])
        assert "Trainable params" in out()

    return check


def on_exception_checkpoint(at, out):
    class Fail(L.Callback):
        def on_train_batch_end(self, trainer, *args):
            if trainer.global_step == 2:
                raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        run(at / "a", callbacks=[theirs.OnExceptionCheckpoint(at / "b"), Fail()])
    (kept,) = (at / "b").iterdir()
    assert read(kept)["global_step"] == 2


def lambda_callback(at, out):
    steps = []
    hook = theirs.LambdaCallback(on_train_batch_end=lambda *args: steps.append(1))
    run(at, LM, callbacks=[hook])
    assert len(steps) == 3


def own_callback(at, out):
    """All hooks of a step are called, by least squares too."""
    for phase in (SGD, LM):
        seen = []
        hooks = [name for name in dir(L.Callback) if re.match("on_(train_b|before|after)", name)]

        def noting(name, seen=seen):
            return lambda *args: seen.append(name)

        made = type("Own", (L.Callback,), {name: noting(name) for name in hooks})()
        run(at / phase.optimizer, phase, callbacks=[made])
        assert set(seen) == set(hooks)
        assert seen.count("on_train_batch_end") == 3


def own_checkpoint(at, out):
    class Mine(theirs.Checkpoint):
        def on_train_end(self, trainer, module):
            trainer.save_checkpoint(at / "mine.ckpt")

    run(at / "a", LM, callbacks=[Mine()])
    assert read(at / "mine.ckpt")["global_step"] == 3
    assert steps_in(only(at / "a")) == [3]


def own_bar(at, out):
    class Mine(theirs.ProgressBar):
        pass

    witness, _ = run(at, callbacks=[Mine()])
    bars = [c for c in witness.trainer.callbacks if isinstance(c, theirs.ProgressBar)]
    assert [type(bar) for bar in bars] == [Mine]
    assert "step 1/4" not in out()


def spike_detection(at, out):
    for phase in (SGD, LM):
        run(at / phase.optimizer, phase, callbacks=[theirs.SpikeDetection()])
        assert steps_in(only(at / phase.optimizer)) == [3]


def throughput_monitor(at, out):
    monitor = theirs.ThroughputMonitor(batch_size_fn=lambda batch: 24, window_size=2)
    run(at, callbacks=[monitor], logger=CSVLogger(at / "csv"), log_every_n_steps=1)
    assert [r["train/samples"] for r in table(at / "csv") if "train/samples" in r][-1] == 96


WORKING = {
    "EarlyStopping": early_stopping,
    "ModelCheckpoint": model_checkpoint,
    "LearningRateMonitor": learning_rate_monitor,
    "TQDMProgressBar": progress_bar(theirs.TQDMProgressBar),
    "RichProgressBar": progress_bar(theirs.RichProgressBar),
    "DeviceStatsMonitor": device_stats_monitor,
    "Timer": timer,
    "WeightAveraging": averaging(theirs.WeightAveraging, lambda w: torch.stack(w).mean(0)),
    "EMAWeightAveraging": averaging(
        lambda: theirs.EMAWeightAveraging(decay=0.5), lambda w: w[0] / 4 + w[1] / 4 + w[2] / 2
    ),
    "ModelSummary": summary(theirs.ModelSummary),
    "RichModelSummary": summary(theirs.RichModelSummary),
    "OnExceptionCheckpoint": on_exception_checkpoint,
    "LambdaCallback": lambda_callback,
    "Callback": own_callback,
    "Checkpoint": own_checkpoint,
    "ProgressBar": own_bar,
    "SpikeDetection": spike_detection,
    "ThroughputMonitor": throughput_monitor,
}


class Freeze(theirs.BaseFinetuning):
    def freeze_before_training(self, pl_module): ...

    def finetune_function(self, pl_module, epoch, optimizer): ...


UNWANTED = {
    "StochasticWeightAveraging": lambda: theirs.StochasticWeightAveraging(1e-2),
    "GradientAccumulationScheduler": lambda: theirs.GradientAccumulationScheduler({0: 2}),
    "LearningRateFinder": theirs.LearningRateFinder,
    "BatchSizeFinder": theirs.BatchSizeFinder,
    "ModelPruning": lambda: theirs.ModelPruning("l1_unstructured"),
    "BackboneFinetuning": theirs.BackboneFinetuning,
    "BaseFinetuning": Freeze,
    "BasePredictionWriter": theirs.BasePredictionWriter,
}


@pytest.mark.parametrize("name", WORKING)
def test_a_callback_that_works(tmp_path, said, name):
    WORKING[name](tmp_path, said)


@pytest.mark.parametrize("name", UNWANTED)
def test_a_callback_that_is_refused(tmp_path, name):
    made = UNWANTED[name]()
    refused(tmp_path, f"callback {type(made).__name__} ", callbacks=[made])


def test_every_callback_of_lightning_has_a_row():
    assert {name for name, what in CALLBACKS.items() if what == "works"} == set(WORKING)
    assert {name for name, what in CALLBACKS.items() if what == "refused"} == set(UNWANTED)
    new = set(theirs.__all__) - set(CALLBACKS)
    if new and not L.__version__.startswith("2.6."):
        pytest.skip(f"Lightning {L.__version__} has callbacks that nobody has looked at: {new}")
    assert not new
    assert set(CALLBACKS) <= set(theirs.__all__)
