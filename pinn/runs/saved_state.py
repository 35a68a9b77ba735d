"""The state of a run in a checkpoint, held against the run that would continue it.

What is missing or does not fit would begin anew in silence, as an optimiser without its moments.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn

from pinn.checkpoints.contents import (
    AVERAGED,
    RUN,
    check,
    is_count,
    is_number,
    is_weight,
    shown,
    wrong,
)
from pinn.checkpoints.file import fitting_weights
from pinn.derivatives.evaluate import STRATEGIES
from pinn.objective.chunks import CACHE
from pinn.training.adaptive_points import CANDIDATES
from pinn.training.lightning_adapter import counted
from pinn.training.solver import Solver

Finding = tuple[str, str, str]  # the key, what is there, and what was expected


def check_run(path: Path, contents: Mapping[str, Any], solver: Solver, trainer: Any) -> None:
    """Refuse a checkpoint that does not hold all that the run needs to go on as it would have.

    Raises:
        CheckpointError: the line names the file, the key and what was expected.
    """
    check(path, contents, RUN)
    for key in {"state_dict", AVERAGED} & contents.keys():
        fitting_weights(solver.solution, contents[key], path)
    for finding in findings(contents, solver, trainer):
        raise wrong(path, *finding)


def findings(contents: Mapping[str, Any], solver: Solver, trainer: Any) -> Iterator[Finding]:
    """What is wrong."""
    saved, step = contents["pinn"], contents["global_step"]
    names = sorted(solver.solution.networks)
    if sorted(saved["strategy"]) != names:
        yield "pinn.strategy", shown(list(saved["strategy"])), f"one for each of {', '.join(names)}"
    for name, choice in saved["strategy"].items():
        if choice["strategy"] not in STRATEGIES:
            expected = f"one of {', '.join(STRATEGIES)}"
            yield f"pinn.strategy.{name}.strategy", shown(choice["strategy"]), expected
    if saved["mode"] is not None and saved["mode"]["name"] not in CACHE:
        yield "pinn.mode.name", shown(saved["mode"]["name"]), f"one of {', '.join(CACHE)}"
    then, now = counted(contents["loops"]["fit_loop"]), counted(trainer.fit_loop.state_dict())
    for name in now:  # those that this version of Lightning has
        value = then.get(name)
        if value != step if name == "steps" else not (is_count(value) and value >= step):
            expected = f"{'' if name == 'steps' else 'at least '}{step}, the global_step"
            yield f"loops.fit_loop, {name}", shown(value), expected
    yield from callbacks(contents, trainer)
    yield from points(contents, solver)
    yield from optimizer(contents, solver)


def callbacks(contents: Mapping[str, Any], trainer: Any) -> Iterator[Finding]:
    """What the state of a callback of this package lacks, or of one of the same Lightning."""
    states, same = contents["callbacks"], contents["pytorch-lightning_version"] == L.__version__
    known = ("pinn", "lightning") if same else ("pinn",)
    for callback in trainer.callbacks:
        mine = type(callback).__module__.partition(".")[0] in known
        if not mine or callback.state_key not in states:
            continue
        key, state = f"callbacks.{callback.state_key}", states[callback.state_key]
        now = callback.state_dict()
        if told := lacking(state, now):
            yield key, told, ", ".join(now)
            continue
        for name, value in now.items():
            if isinstance(value, bool | dict) and not isinstance(state[name], type(value)):
                yield f"{key}.{name}", shown(state[name]), f"a {type(value).__name__}"


def points(contents: Mapping[str, Any], solver: Solver) -> Iterator[Finding]:
    """What is wrong with the points that were chosen last."""
    saved, step = contents["pinn"], contents["global_step"]
    data, chosen = saved["data"], contents.get("Collocation")
    if not data["adapt"] or step <= data["resample"]:
        return
    draws = ((step - 1) // data["resample"], step // data["resample"])
    keys = ("settings", "draw", "chosen")
    if not isinstance(chosen, Mapping) or not all(key in chosen for key in keys):
        yield "Collocation", shown(chosen), ", ".join(keys)
        return
    if chosen["settings"] != data:
        yield "Collocation.settings", shown(chosen["settings"]), "those of pinn.data"
    if chosen["draw"] not in draws:
        yield "Collocation.draw", shown(chosen["draw"]), f"{draws[0]}, that of the global_step"
    if not isinstance(chosen["chosen"], list) or not chosen["chosen"]:
        yield "Collocation.chosen", shown(chosen["chosen"]), "a list with one entry per process"
        return
    measured = solver.problem.geometry.is_measured
    for rank, each in enumerate(chosen["chosen"]):
        for region, count in data["points"].items():
            value = each.get(region) if isinstance(each, Mapping) else None
            if not (measured(region) or is_choice(value, count)):
                expected = f"{count} numbers below {CANDIDATES * count}, in order"
                yield f"Collocation.chosen.{rank}.{region}", shown(value), expected


def is_choice(value: Any, count: int) -> bool:
    """Whether these are so many of the candidates, in order, none of them twice."""
    if not isinstance(value, Tensor) or value.dtype != torch.int64 or value.shape != (count,):
        return False
    in_range = bool((value >= 0).all()) and bool((value < CANDIDATES * count).all())
    return in_range and bool((value.diff() > 0).all())


def optimizer(contents: Mapping[str, Any], solver: Solver) -> Iterator[Finding]:
    """What is wrong with the state of the optimiser: it is compared with that after one step."""
    saved, state = contents["pinn"], contents["optimizer_states"][0]
    phase = solver.schedule.phases[saved["course"]["phase"]]
    names, dtype = solver.free, getattr(torch, saved["dtype"])
    if phase.train == "output":
        names = names & solver.solution.outer_parameters()
    weights = [p for n, p in solver.solution.named_parameters() if n in names]
    copies = [nn.Parameter(torch.ones(w.shape, dtype=dtype)) for w in weights]
    like = phase.begun_with(copies).state_dict()
    yield from group(state["param_groups"], like["param_groups"][0], saved["versions"])
    taken = saved["course"]["step"] - saved["course"]["start"]
    counts = type(phase.build(copies)).__module__.startswith(("torch.optim", "pinn"))
    for index, wanted in like["state"].items() if taken else ():
        key, found = f"optimizer_states.0.state.{index}", state["state"].get(index)
        if told := lacking(found, wanted):
            yield key, told, ", ".join(wanted)
            continue
        for name, value in wanted.items():
            if not is_alike(found[name], value):
                yield f"{key}.{name}", shown(found[name]), kind_of(value)
            elif name == "damping" and not found[name] > 0:
                yield f"{key}.damping", shown(found[name]), "a number > 0"
            elif name in ("step", "steps") and counts and float(found[name]) != taken:
                yield f"{key}.{name}", f"{float(found[name]):g}", f"{taken}, those of the phase"


def group(groups: Any, wanted: Mapping[str, Any], versions: Mapping[str, str]) -> Iterator[Finding]:
    """What is wrong with the settings of the optimiser."""
    key = "optimizer_states.0.param_groups"
    if len(groups) != 1 or not isinstance(groups[0], Mapping):
        yield key, f"{len(groups)} entries", "1 group"
        return
    found, same = groups[0], versions.get("torch") == torch.__version__
    for name in ("lr", "initial_lr"):
        if not is_weight(found.get(name, wanted["lr"] if name == "initial_lr" else None)):
            yield f"{key}.0.{name}", shown(found.get(name)), "a finite number ≥ 0"
    for name, value in wanted.items():
        if name == "params" and found.get(name) != value:
            yield f"{key}.0.params", shown(found.get(name)), f"{len(value)} numbers from 0"
        elif (same or name in found) and not is_alike(found.get(name), value):
            yield f"{key}.0.{name}", shown(found.get(name)), kind_of(value)


def lacking(found: Any, wanted: Mapping[str, Any]) -> str:
    """In words, what is there in place of these entries; empty where they are there."""
    if not isinstance(found, Mapping):
        return shown(found)
    left = [name for name in wanted if name not in found]
    return f"without {', '.join(left)}" if left else ""


def is_alike(found: Any, wanted: Any) -> bool:
    """Whether a value is of the kind of another: shape and dtype without NaN, or a number.

    A number may be a tensor without dimensions, and a list may have gaps: L-BFGS has both.
    """
    if is_scalar(wanted):
        return is_scalar(found)
    if isinstance(wanted, Tensor):
        if not isinstance(found, Tensor) or found.shape != wanted.shape:
            return False
        return found.dtype == wanted.dtype and not bool(found.isnan().any())
    if isinstance(wanted, list | tuple):
        if not isinstance(found, list | tuple):
            return False
        return not wanted or all(v is None or is_alike(v, wanted[0]) for v in found)
    return wanted is None or type(found) is type(wanted)


def is_scalar(value: Any) -> bool:
    """Whether a value is one number."""
    return is_number(value) or (isinstance(value, Tensor) and value.ndim == 0)


def kind_of(value: Any) -> str:
    """What `is_alike` asks for, in words."""
    if is_scalar(value):
        return "a number"
    if isinstance(value, Tensor):
        return f"{shown(value)} without NaN"
    return f"a {type(value).__name__}, such as {shown(value)}"
