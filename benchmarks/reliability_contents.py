"""Checkpoints whose bytes are whole and whose contents are wrong, each by one hand-made change."""

from __future__ import annotations

import contextlib
import copy
import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from reliability_commands import complaint, done, prepared
from reliability_table import Row

import pinn
from pinn.callbacks import Checkpoints
from pinn.checkpoints.file import CheckpointError, read
from pinn.checkpoints.names import name_of, newest_first
from pinn.checkpoints.writing import write
from pinn.optim import Phase
from pinn.problems import Kovasznay

Contents = dict[str, Any]
# The steps that are changed: each in a phase of another optimiser.
ADAM, LBFGS, LM = 4, 8, 14
PHASES = [Phase(6, lr=1e-2), Phase(6, "LBFGS"), Phase(4, "LevenbergMarquardt")]
ANOTHER = object()
# What `trained` trains, for the command line.
CONFIG = """\
model:
  problem: {class_path: Kovasznay}
  network: {class_path: MLP, init_args: {width: 8, depth: 2}}
  phases:
  - {optimizer: Adam, steps: 6, lr: 1.0e-2}
  - {optimizer: LBFGS, steps: 6}
  - {optimizer: LevenbergMarquardt, steps: 4}
  weights: {boundary: 10.0}
  weighting: gradient_norm
  derivatives: taylor
  compile: false
data: {points: {interior: 36, boundary: 16}, resample: 2, adapt: true}
trainer: {accelerator: cpu, enable_progress_bar: false, logger: false}
checkpoints: {every: 1}
"""


class Wrong(NamedTuple):
    """One change.

    Args:
        key: the entry that the line has to name.
        change: makes it.
        step: of the checkpoint.
        loads: whether `pinn.load` has nothing to do with it, and a resumption alone refuses it.
    """

    key: str
    change: Callable[[Contents], None]
    step: int = ADAM
    loads: bool = False


def put(key: str, value: Any, step: int = ADAM, named: str = "", loads: bool = False) -> Wrong:
    """An entry replaced; `ANOTHER` removes it. Parts of the key that are numbers are indices."""

    def change(contents: Contents) -> None:
        *above, last = (int(k) if k.isdecimal() else k.replace("§", ".") for k in key.split("."))
        place: Any = contents
        for part in above:
            place = place[part]
        if value is ANOTHER:
            del place[last]
        else:
            place[last] = value(place[last]) if callable(value) else value

    return Wrong(named or key, change, step, loads)


def weight(value: Any) -> Wrong:
    """The first matrix of weights replaced."""

    def change(contents: Contents) -> None:
        name = "solution.networks.all.hidden.1.weight"
        contents["state_dict"][name] = value(contents["state_dict"][name])

    return Wrong("hidden.1.weight", change)


STATE = "optimizer_states.0"
WRONG: dict[str, Wrong] = {
    "no weights": put("state_dict", ANOTHER),
    "weights are a list": put("state_dict", []),
    "a weight is a list": weight(lambda w: w.tolist()),
    "a weight has another shape": weight(lambda w: w[:-1]),
    "a weight has another precision": weight(lambda w: w.double()),
    "a weight is NaN": weight(lambda w: w * float("nan")),
    "no step": put("global_step", ANOTHER),
    "a negative step": put("global_step", -4),
    "a step that is a text": put("global_step", "4"),
    "another step than the schedule": put("global_step", 5, named="pinn.course.step"),
    "a phase before the first": put("pinn.course.phase", -1),
    "a phase after the last": put("pinn.course.phase", 3),
    "a phase that begins later": put("pinn.course.start", 5),
    "seconds that are NaN": put("pinn.course.seconds", float("nan")),
    "no schedule": put("pinn.course", ANOTHER, named="pinn.course.stage"),
    "an end without a cause": put("pinn.course.ended", "by hand", named="pinn.course.cause"),
    "no problem": put("pinn.problem", ANOTHER),
    "a problem without arguments": put("pinn.problem", {"class_path": "pinn.x"}),
    "a network that is a text": put("pinn.network", "MLP"),
    "no phases": put("pinn.phases", []),
    "a phase without steps": put("pinn.phases.0.steps", ANOTHER, named="pinn.phases"),
    "an unknown precision": put("pinn.dtype", "float16"),
    "a function as precision": put("pinn.dtype", "save"),
    "another precision than the weights": put("pinn.dtype", "float64", named="state_dict."),
    "a negative loss weight": put("pinn.weights.boundary", -1.0, named="pinn.weights"),
    "a factor that is NaN": put(
        "pinn.weighting_state.factors.boundary", float("nan"), named="pinn.weighting_state.factors"
    ),
    "a factor of no residual": put("pinn.weighting_state.factors", {"nobody": 1.0}),
    "another weighting": put("pinn.weighting_state.method", "ntk"),
    "scores that are texts": put("pinn.scores", {"error/u": "small"}),
    "an estimate without a value": put("pinn.estimates", {"nu": {"deviation": 1.0}}),
    "points without a seed": put("pinn.data.seed", ANOTHER, named="pinn.data"),
    "flags that are no flags": put("flags", ["rm"]),
    "no strategy": put("pinn.strategy", {}, loads=True),
    "an unknown strategy": put("pinn.strategy.all.strategy", "guess", loads=True),
    "an unknown mode": put("pinn.mode.name", "fast", loads=True),
    "no optimiser": put("optimizer_states", [], loads=True),
    "no state of the optimiser": put(f"{STATE}.state", {}, loads=True, named=f"{STATE}.state.0"),
    "no state for one parameter": put(f"{STATE}.state.2", ANOTHER, loads=True),
    "no second moment": put(
        f"{STATE}.state.0.exp_avg_sq", ANOTHER, loads=True, named=f"{STATE}.state.0"
    ),
    "a moment of another shape": put(f"{STATE}.state.1.exp_avg", torch.zeros(3), loads=True),
    "a moment that is NaN": put(f"{STATE}.state.1.exp_avg", lambda m: m * float("nan"), loads=True),
    "other steps of Adam": put(f"{STATE}.state.0.step", torch.tensor(99.0), loads=True),
    "no learning rate": put(f"{STATE}.param_groups.0.lr", ANOTHER, loads=True),
    "a negative learning rate": put(f"{STATE}.param_groups.0.initial_lr", -1e-2, loads=True),
    "parameters are missing": put(f"{STATE}.param_groups.0.params", [0, 1], loads=True),
    "no group": put(f"{STATE}.param_groups", [], loads=True),
    "no directions of L-BFGS": put(
        f"{STATE}.state.0.old_dirs", ANOTHER, LBFGS, f"{STATE}.state.0", True
    ),
    "a short direction of L-BFGS": put(
        f"{STATE}.state.0.d", torch.zeros(3, dtype=torch.float64), LBFGS, loads=True
    ),
    "no damping": put(f"{STATE}.state.0.damping", ANOTHER, LM, f"{STATE}.state.0", True),
    "a damping that is a text": put(f"{STATE}.state.0.damping", "1e-3", LM, loads=True),
    "a negative damping": put(f"{STATE}.state.0.damping", -1.0, LM, loads=True),
    "no loops": put("loops", ANOTHER, loads=True, named="loops.fit_loop"),
    "empty loops": put("loops.fit_loop", {}, loads=True),
    "loops that count other steps": put(
        "loops.fit_loop.epoch_loop§automatic_optimization§optim_progress.optimizer.step.total."
        "completed",
        9,
        loads=True,
        named="loops.fit_loop, steps",
    ),
    "no states of callbacks": put("callbacks", ANOTHER, loads=True),
    "a callback's state without its entry": put("callbacks.LowLossWarning", {}, loads=True),
    "a callback's state of another type": put("callbacks.LowLossWarning.warned", "no", loads=True),
    "schedulers of learning rates": put("lr_schedulers", [{}], loads=True),
    "no points that were chosen": put("Collocation", ANOTHER, loads=True),
    "points of another draw": put("Collocation.draw", 7, loads=True),
    "points out of range": put(
        "Collocation.chosen.0.interior", lambda chosen: chosen + 10**6, loads=True
    ),
    "too few points": put("Collocation.chosen.0.interior", lambda chosen: chosen[1:], loads=True),
}


def trained(folder: Path, **more: Any) -> pinn.Solution:
    """The run whose checkpoints are changed, or its continuation."""
    with contextlib.redirect_stdout(io.StringIO()):
        return pinn.fit(
            Kovasznay(),
            pinn.MLP(8, 2),
            PHASES,
            {"interior": 36, "boundary": 16},
            {"boundary": 10.0},
            resample=2,
            adapt=True,
            weighting="gradient_norm",
            derivatives="taylor",
            compile=False,
            accelerator="cpu",
            logger=False,
            folder=folder,
            callbacks=[Checkpoints(every=1)],
            **more,
        )


def good_ones(folder: Path) -> dict[int, Path]:
    """The checkpoints of the steps that are to be changed, copied as they come."""
    kept: dict[int, Path] = {}
    resume = None
    for step in (ADAM, LBFGS, LM):
        trained(folder, max_steps=step, resume=resume)
        (run,) = folder.glob("kovasznay/*")
        (resume, *_) = newest_first(run / "checkpoints")
        kept[step] = folder / f"good-{step}.ckpt"
        shutil.copy(resume, kept[step])
    return kept


def changed(case: Wrong, good: dict[int, Path], target: Path) -> None:
    """Write the checkpoint of a case, sealed like every other."""
    contents = copy.deepcopy(read(good[case.step]))
    case.change(contents)
    write(contents, target)


def refusal(call: Callable[[], object]) -> str:
    """The line of the refusal; empty where there was none.

    Any other error than a refusal is raised.
    """
    try:
        call()
    except CheckpointError as error:
        return str(error)
    return ""


def is_right(line: str, case: Wrong, target: Path) -> bool:
    """Whether a line is one, and names the file and the key."""
    return "\n" not in line and str(target) in line and case.key in line


def answers(case: Wrong, good: dict[int, Path], folder: Path) -> tuple[str, str]:
    """What `pinn.load` and a resumption say to a case: empty where they take it."""
    (run,) = folder.glob("kovasznay/*")
    target = run / "checkpoints" / name_of(case.step)
    changed(case, good, target)
    loaded = refusal(lambda: pinn.load(target))
    return loaded, refusal(lambda: trained(folder, resume=target))


def wrong_contents(short: bool, folder: Path) -> Iterator[Row]:
    """Every case, by `pinn.load` and by a resumption."""
    good = good_ones(folder)
    cases = dict(list(WRONG.items())[:: 6 if short else 1])
    (run,) = folder.glob("kovasznay/*")
    bad, loads = [], []
    for name, case in cases.items():
        target = run / "checkpoints" / name_of(case.step)
        loaded, resumed = answers(case, good, folder)
        if not is_right(resumed, case, target):
            bad.append(f"{name}: {' '.join(resumed.split()) or 'accepted'}")
        if not case.loads and not is_right(loaded, case, target):
            loads.append(f"{name}: {' '.join(loaded.split()) or 'accepted'}")
    asked = {} if short else dict(list(WRONG.items())[::10])
    read_too = {name: case for name, case in asked.items() if not case.loads}
    bad += [w for name, case in asked.items() if (w := command(name, case, good, folder, True))]
    loads += [
        w for name, case in read_too.items() if (w := command(name, case, good, folder, False))
    ]
    promised = "refused in one line with file and key"
    for what, wrong, tried, anew in (
        ("resumed", bad, len(cases), len(asked)),
        ("read", loads, sum(not case.loads for case in cases.values()), len(read_too)),
    ):
        note = wrong[0] if wrong else ""
        tried += anew
        yield Row(f"wrong contents, {what}", tried, tried - len(wrong), promised, note, anew)


def command(name: str, case: Wrong, good: dict[int, Path], folder: Path, resumes: bool) -> str:
    """What is wrong with the answer of the command line to a case; empty if nothing is."""
    here = prepared(folder / f"{name} {resumes}", CONFIG)
    run = here / "runs" / "small" / "one"
    target = run / "checkpoints" / name_of(case.step)
    target.parent.mkdir(parents=True)
    shutil.copy(here / "small.yaml", run / "config.yaml")
    changed(case, good, target)
    argv = ["--config", "small", "--resume"] if resumes else ["validate", "--ckpt_path"]
    code = done([*argv, str(target.relative_to(here))], here / "log", anew=True)
    words = complaint(here / "log", code, (1, 2), case.key)
    return f"{name}: {words}" if words else ""
