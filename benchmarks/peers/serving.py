"""How a contestant of the divergence answers: it times what it is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

from flow import LARGEST, LONGEST, Flow, Mode
from protocol import ResidentMemory, receive, send

# Runs in the environments of all contestants: nothing but NumPy is imported here.
ENOUGH = 1.0  # seconds of repeats
REPEATS = 50
FIRST = 4.0  # how many times the limit a first evaluation may take

Evaluate = Callable[[], float]  # one evaluation, waited for; returns the mean square
Prepare = Callable[[Flow, Mode], Evaluate]


def serve(versions: dict[str, str], prepare: Prepare) -> None:
    """Answer requests {"d", "batch", "hidden", "width", "mode"} until there are none.

    Args:
        versions: of the packages that matter.
        prepare: sets a flow up and returns what is timed: the divergence with `value`, and with
            `gradient` also that of its mean square to the parameters.
    """
    send({"ready": True, "versions": versions})
    while True:
        request = receive()
        flow = Flow(*(request[name] for name in ("d", "batch", "hidden", "width")))
        try:
            send(timed(prepare(flow, request["mode"]), request.get("longest", LONGEST)))
        except (MemoryError, RuntimeError) as error:
            send({"skipped": str(error).splitlines()[0]})


def timed(evaluate: Evaluate, longest: float = LONGEST) -> dict[str, Any]:
    """The median of repeats, unless one takes too long or too much memory."""
    ResidentMemory.restart()
    first, _ = once(evaluate)  # includes a compilation
    seconds, value = (first, 0.0) if first > FIRST * longest else once(evaluate)
    if seconds > longest:
        return {"skipped": f"{seconds:.0f} s is beyond {longest:.0f} s"}
    resident = ResidentMemory.read("VmHWM") or 0.0
    if resident > LARGEST:
        return {"skipped": f"{resident / 1024:.1f} GiB is beyond {LARGEST / 1024:.0f} GiB"}
    times = [seconds]
    while sum(times) < ENOUGH and len(times) < REPEATS:
        times.append(once(evaluate)[0])
    return {"seconds": median(times), "value": value}


def once(evaluate: Evaluate) -> tuple[float, float]:
    """Seconds and result of one evaluation."""
    begun = time.perf_counter()
    value = evaluate()
    return time.perf_counter() - begun, value
