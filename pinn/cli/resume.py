"""Continuing a run: what has to be the same, and what may differ if it is said."""

from typing import Any

from pinn.checkpoint import CheckpointError
from pinn.course import saved_course
from pinn.solver import Solver


def compare(solver: Solver, saved: dict[str, Any]) -> list[str]:
    """Hold a checkpoint against the run that would continue it.

    Args:
        solver: the run as now configured.
        saved: the `pinn` entry of the checkpoint.

    Returns:
        Announcements: physics, weights or points that differ from the saved run.

    Raises:
        CheckpointError: problem class, network or the phases so far differ; the line says how.
    """
    now = solver.describe()
    refuse("problem", saved["problem"]["class_path"], now["problem"]["class_path"])
    refuse("network", saved["network"], now["network"])
    course = saved_course(saved)
    begun = None if course["stage"] else course["phase"] + 1
    refuse("phases", saved["phases"][:begun], now["phases"][:begun])
    lines = []
    for name in ("problem", "weights", "balance", "data"):
        lines += differences(name, saved.get(name), now[name])
    for choice in saved["strategy"].values():
        if solver.strategy not in ("auto", choice["strategy"]):
            lines.append(f"the saved run's strategy {choice['strategy']}, not {solver.strategy}")
    return [f"resuming with {line}" for line in lines]


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
        pairs = enumerate(zip(saved, now, strict=True))
        return [d for i, (a, b) in pairs for d in differences(f"{name}.{i}", a, b)]
    if saved == now:
        return []
    return [f"{name.replace('.init_args', '')} = {now}, where the saved run had {saved}"]
