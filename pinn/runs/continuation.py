"""Continuing a run: what has to be the same, and what may differ if it is said."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning as L

from pinn.base.console import say
from pinn.base.first_process import is_first
from pinn.callbacks.early_stopping import stopped_before
from pinn.checkpoints.file import CheckpointError, read
from pinn.geometry.measurements import changed
from pinn.runs.folders import newest_checkpoint, run_of
from pinn.runs.ownership import take
from pinn.runs.saved_state import check_run
from pinn.training.schedule import saved_schedule
from pinn.training.solver import Solver

MANY = 8  # numbers of an array; those of a longer one are not told one by one
ENDS = ("steps", "seconds", "error", "loss", "patience")  # of a phase: they may change in it


def to_continue(
    resume: str | Path | None, base: str | Path, name: str, label: str = ""
) -> Path | None:
    """The checkpoint to continue from: the newest for `auto`, or the one given; None without one.

    Raises:
        CheckpointError: the one given is not there, is no good, or is no longer in its run.
        LiveRunError: another process trains that run.
    """
    if resume is None or resume == "auto":
        return newest_checkpoint(base, name, label) if resume else None
    read(resume)
    run = run_of(Path(resume))
    if is_first():
        take(run)
    return Path(resume)


def continues(
    solver: Solver, trainer: L.Trainer, checkpoint: Path, notices: Sequence[str] = ()
) -> bool:
    """Hold a checkpoint against this run, and say how it goes on.

    Args:
        solver: the run as now configured.
        trainer: what would run it, and may have been told to stop earlier.
        checkpoint: its file.
        notices: what else is to be said.

    Returns:
        Whether there is anything left to do.

    Raises:
        CheckpointError: it does not fit, or is finished with other coefficients.
    """
    saved = read(checkpoint)
    shared = compare_processes(trainer.world_size, saved, saved["pinn"].get("data", {}))
    data = changed(saved["pinn"].get("measured", {}), solver.problem.geometry.measurements)
    data += solver.judge.change(saved["pinn"].get("reference"))
    for line in [*notices, *compare(solver, saved["pinn"]), *shared, *data]:
        say(line)
    check_run(checkpoint, saved, solver, trainer)
    step, limit, schedule = saved["global_step"], trainer.max_steps, solver.schedule
    schedule.restore(saved["pinn"])
    stopped = stopped_before(trainer, saved)
    if schedule.is_done or 0 <= limit <= step or stopped:
        why = schedule.ended or stopped or f"its trainer.max_steps, {limit}, are taken"
        say(f"{checkpoint} is finished after {step} step{'s' if step != 1 else ''}: {why}")
        other = differences("problem", saved["pinn"]["problem"], solver.describe()["problem"])
        if other:
            raise CheckpointError(
                f"a finished run cannot be trained with {other[0]}: start a new run, without "
                "resume or under another name"
            )
        asked = [ends(phase) for phase in saved["pinn"]["phases"]]
        if schedule.ended and asked != [ends(vars(phase)) for phase in schedule.phases]:
            change = "" if schedule.cause == "stalled" else f"give another {schedule.cause}, "
            say(f"more steps do not change that: {change}append a phase, or use --init_from")
        return False
    say(f"resuming {checkpoint} at step {step}")
    return True


def ends(phase: Mapping[str, Any]) -> list[Any]:
    """What ends a phase."""
    return [phase[name] for name in ENDS]


def compare(solver: Solver, saved: dict[str, Any]) -> list[str]:
    """Hold a checkpoint against the run that would continue it.

    Args:
        solver: the run as now configured.
        saved: the `pinn` entry of the checkpoint.

    Returns:
        Announcements: physics, weights, points or lengths of phases that differ from the saved run.

    Raises:
        CheckpointError: problem class, network or the phases so far differ; the line says how.
    """
    if solver.rounds is not None and saved.get("accuracy") is not None:
        solver.restore_rounds(saved)  # its patches are not those of the first round
    now = solver.describe()
    refuse("accuracy", saved.get("accuracy") is not None, now["accuracy"] is not None)
    refuse("problem", saved["problem"]["class_path"], now["problem"]["class_path"])
    refuse("network", saved["network"], now["network"])
    lines = compare_phases(saved, now["phases"], len(solver.schedule.stages))
    for name in ("problem", "weights", "weighting", "data"):
        lines += differences(name, saved.get(name), now[name])
    for choice in saved["strategy"].values():
        if solver.derivatives not in ("auto", choice["strategy"]):
            lines.append(f"the saved run's strategy {choice['strategy']}, not {solver.derivatives}")
    return [f"resuming with {line}" for line in lines]


def compare_phases(
    saved: Mapping[str, Any], now: Sequence[Mapping[str, Any]], stages: int
) -> list[str]:
    """The phases so far are the same, except for how long the present one is.

    After the first stage every phase has been taken; the last one of the last stage may change.
    """
    schedule, before = saved_schedule(saved), saved["phases"]
    present, taken = schedule["phase"], schedule.get("step", 0) - schedule.get("start", 0)
    repeated = schedule["stage"] > 0
    if len(now) <= present or (repeated and len(now) != len(before)):
        raise CheckpointError(
            f"the checkpoint does not fit this run: it is in phase {present + 1} of "
            f"{count(len(before))}, and the run has {count(len(now))}"
        )
    last = (schedule["stage"] + 1, present + 1) == (stages, len(before))
    for number in range(len(before) if repeated else present):
        if number != present or not last:
            refuse(f"phases.{number}", before[number], now[number])
    key, old, new = f"phases.{present}", dict(before[present]), dict(now[present])
    fixed = [{k: v for k, v in phase.items() if k not in ENDS} for phase in (old, new)]
    refuse(key, *fixed)
    if new["steps"] is not None and new["steps"] < taken:
        raise CheckpointError(
            f"the checkpoint does not fit this run: {key}.steps = {new['steps']}, but the run has "
            f"taken {taken} of them: give at least as many"
        )
    lines = [d for name in ENDS for d in differences(f"{key}.{name}", old[name], new[name])]
    if new["schedule"] == "cosine" and new["steps"] != old["steps"]:
        lines.append(f"{key}.schedule: the cosine now runs over {new['steps']} steps")
    return lines


def compare_processes(now: int, saved: Mapping[str, Any], data: Mapping[str, Any]) -> list[str]:
    """What another number of processes changes: each one takes its part of the points."""
    before = saved.get("Collocation", {}).get("processes", now)
    if before == now:
        return []
    change = f"a step has {now / before:.3g} times as many points"
    if data.get("method") == "gauss":
        change = "the points are divided anew"
    return [f"resuming with processes = {now}, where the saved run had {before}: {change}"]


def count(phases: int) -> str:
    """`1 phase`, `2 phases`."""
    return f"{phases} phase{'s' if phases != 1 else ''}"


def refuse(name: str, saved: Any, now: Any) -> None:
    """Raise unless two descriptions are equal."""
    found = differences(name, saved, now)
    if found:
        raise CheckpointError(f"the checkpoint does not fit this run: {found[0]}")


def differences(name: str, saved: Any, now: Any) -> list[str]:
    """Where two pieces of plain data differ, one line each."""
    if isinstance(saved, dict) and isinstance(now, dict):
        keys = [*saved, *(key for key in now if key not in saved)]
        return [d for k in keys for d in differences(f"{name}.{k}", saved.get(k), now.get(k))]
    if isinstance(saved, list) and isinstance(now, list) and len(saved) == len(now):
        if len(saved) > MANY and all(isinstance(v, int | float) for v in saved):
            return [] if saved == now else [f"{name} with other numbers"]
        pairs = enumerate(zip(saved, now, strict=True))
        return [d for i, (a, b) in pairs for d in differences(f"{name}.{i}", a, b)]
    if saved == now:
        return []
    if isinstance(saved, list) and isinstance(now, list):
        return [f"{name} with {len(now)} entries, where the saved run had {len(saved)}"]
    return [f"{name.replace('.init_args', '')} = {now}, where the saved run had {saved}"]
