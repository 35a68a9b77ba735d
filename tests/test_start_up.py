"""From the start of the program to its first step: what is loaded, and what is left for later."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pinn.base.later import Later, StandIn, Unloaded, later

TRAIN = Path(__file__).parents[1] / "train.py"
# Of packages that a run may need: what draws, compiles, searches, or scores something else.
LATER = (
    *("matplotlib", "PIL", "sympy", "pandas", "scipy"),
    *("torch._dynamo", "torch._inductor", "torch.onnx", "torch.distributed.tensor"),
    *("torchmetrics.functional", "torchmetrics.classification", "tensorboard.plugins.projector"),
)
SEEN = """
import json, sys
import lightning as L

class Modules(L.Callback):
    def on_train_batch_start(self, trainer, solver, *_):
        with open("at_first.json", "w") as file:
            json.dump(sorted(sys.modules), file)

    def teardown(self, trainer, solver, stage):
        with open("at_last.json", "w") as file:
            json.dump(sorted(sys.modules), file)
"""


def python(code, folder, *words):
    done = subprocess.run(
        [sys.executable, *(["-c", code] if code else [str(TRAIN)]), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_step_needs_neither_pictures_nor_the_compiler(tmp_path):
    (tmp_path / "seen.py").write_text(SEEN)
    callback = '[{"class_path": "seen.Modules"}]'
    few = ["--data.points.interior=64", "--data.points.boundary=16", "--data.held_out=64"]
    run = ["--config=poisson", "--model.network.init_args.width=20", "--trainer.max_steps=1"]
    python("", tmp_path, *run, *few, "--allow_import=seen", f"--trainer.callbacks={callback}")
    first, last = (json.loads((tmp_path / f"at_{w}.json").read_text()) for w in ("first", "last"))
    assert {"torch", "lightning", "pinn.training.solver"} <= set(first)
    assert set(LATER) & set(first) == set()
    assert "matplotlib" in last  # the pictures are drawn, in the same process
    assert list(tmp_path.glob("runs/poisson/*/checkpoints/step-*.ckpt"))


def test_what_was_left_for_later_is_whole_when_it_is_asked_for(tmp_path):
    code = """
import sys
import pinn.training.lightning_adapter
assert "torch._dynamo" not in sys.modules
import torch, lightning, torchmetrics
from lightning.fabric.wrappers import OptimizedModule, _unwrap_compiled
layer = torch.nn.Linear(1, 1)
assert not isinstance(layer, OptimizedModule)
assert torchmetrics.Metric is torchmetrics.metric.Metric
assert isinstance(torchmetrics.MeanMetric(), torchmetrics.Metric)
assert issubclass(torchmetrics.MeanMetric, lightning.pytorch.core.module.Metric)
mean = torchmetrics.classification.BinaryAccuracy()
mean.update(torch.ones(3), torch.ones(3, dtype=int))
figure, axes = mean.plot()
from matplotlib.axes import Axes
assert isinstance(axes, Axes)
x = torch.ones(2, requires_grad=True)
(slope,) = torch.autograd.grad(2 * x, x, torch.ones(2))
assert slope.tolist() == [2, 2]
try:
    torch.autograd.grad(2 * x, x, torch.ones(3))
except RuntimeError as error:
    assert "Mismatch in shape" in str(error)
assert torch._dynamo.is_compiling() is False
assert sys.modules["torch._dynamo"] is torch._dynamo
compiled = torch.compile(layer, backend="eager")
assert isinstance(compiled, OptimizedModule)
assert compiled(torch.ones(1, 1)).shape == (1, 1)
assert torch.fx.experimental.symbolic_shapes.ShapeEnv().create_unbacked_symint() is not None
"""
    python(code, tmp_path)


def test_a_version_that_asks_for_more_is_loaded_as_ever(tmp_path):
    code = """
import sys
from pinn.base import later
later.StandIn.of = None
del later.StandIn.of
import pinn.training.lightning_adapter
import lightning, torchmetrics
assert "torch._dynamo.eval_frame" in sys.modules
assert type(torchmetrics) is type(sys)
assert lightning.Trainer(logger=False, accelerator="cpu").max_steps == -1
"""
    python(code, tmp_path)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A module that says when it runs."""
    (tmp_path / "slow_one.py").write_text("runs = globals().get('runs', 0) + 1\nname = 'whole'\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "slow_one"
    sys.modules.pop("slow_one", None)


def test_a_module_runs_when_something_is_read_that_it_does_not_have(package):
    module = later(package, known=3)
    import slow_one

    assert slow_one is module
    assert slow_one.known == 3
    assert not hasattr(slow_one, "not_in_its_text")
    assert type(module) is Later
    assert slow_one.name == "whole"
    assert type(module) is not Later
    assert Later.run(module).runs == 1
    with pytest.raises(AttributeError):
        _ = slow_one.not_in_its_text


def test_a_module_that_fails_is_tried_again(package, tmp_path):
    (tmp_path / "slow_one.py").write_text("name = 1 / 0\n")
    module = later(package)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            _ = module.name
    with pytest.raises(ModuleNotFoundError, match="not_there_at_all"):
        later("not_there_at_all")


def test_a_class_that_is_not_loaded_has_no_instances(package):
    fraction = StandIn.of("slow_one", "Number")
    assert not isinstance(3, fraction)
    later(package, Number=int)
    assert isinstance(3, fraction)
    assert not isinstance("3", fraction)


def test_what_is_not_known_of_a_module_is_imported(package):
    module = Unloaded(package, known=1)
    assert module.known == 1
    assert package not in sys.modules
    assert module.name == "whole"


def test_freed_memory_is_used_again(tmp_path):
    code = """
import resource, sys, torch
from pinn.base.heap import keep_freed_memory

def pages(times):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.ones(2**23, dtype=torch.float64)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = pages(20)
kept = keep_freed_memory()
pages(20)  # places for all of them
print(int(not kept or pages(20) < before / 10))
"""
    assert python(code, tmp_path).split() == ["1"]
