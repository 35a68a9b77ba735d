"""What an evaluation costs, counted and not timed.

    seconds ≈ FLOPs / rate + bytes / bandwidth + operations · overhead

A handful of points is enough: each operation is counted at two small batches, and its FLOPs and
bytes are lines through the two. Counting sees what is really shared: separate heads cost the loop
their own part only, and a `cat` at the end hides that.
"""

import math
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pinn.base.processes import processes
from pinn.base.torch_adapter import DispatchMode, flops_rules, storage_key, tensors_in

FEW = 4


def rates(device: torch.device) -> tuple[float, float, float]:
    """Nominal rates of a device, for deciding what is worth timing and never for a result.

    Returns:
        Matrix-product FLOPs per second in single precision, bytes per second read and written, and
        seconds per operation, launch and bookkeeping together.
    """
    cores = torch.get_num_threads()
    return (60e9 * cores, 15e9 * cores, 5e-6) if device.type == "cpu" else (3e13, 2e12, 1e-5)


def all_memory(device: torch.device) -> float:
    """The bytes of memory that a device has, free or not."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[1])
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # not on every system
        return math.inf


def free_memory(device: torch.device) -> float:
    """The bytes that are free: of the device, or of the machine, which its processes share."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    table = Path("/proc/meminfo")
    if not table.exists():
        return all_memory(device) / processes()
    lines = dict(line.split(":") for line in table.read_text().splitlines())
    return 1024 * float(lines["MemAvailable"].split()[0]) / processes()


@dataclass(frozen=True)
class Cost:
    """The cost of one evaluation.

    Args:
        flops: of the matrix products.
        memory: bytes of the tensors alive at the peak, without parameters and points.
        traffic: bytes that the operations read and write.
        operations: how many are dispatched, views left out.
    """

    flops: float
    memory: float
    traffic: float
    operations: float

    def seconds(self, device: torch.device) -> float:
        """A rough estimate of the time on a device."""
        flops, bandwidth, overhead = rates(device)
        return self.flops / flops + self.traffic / bandwidth + self.operations * overhead


@dataclass
class Tally:
    """What `Count` writes down.

    Args:
        flops: of the matrix products.
        products: how many matrix products.
        launches: how many operations that are not views.
        traffic: bytes read and written by those.
        events: bytes allocated, and as negative numbers released, in order.
    """

    flops: int = 0
    products: int = 0
    launches: int = 0
    traffic: int = 0
    events: list[int] = field(default_factory=list)

    @property
    def peak(self) -> int:
        """The bytes alive at the peak."""
        return max(accumulate(self.events), default=0)


class Count(DispatchMode):
    """Counts what is dispatched inside `with Count() as tally`, batched passes included."""

    def __init__(self) -> None:
        super().__init__()
        self.tally = Tally()
        self.alive: dict[int, weakref.ref] = {}

    def __enter__(self) -> Tally:
        self.tally, self.alive = Tally(), {}
        super().__enter__()
        return self.tally

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if (rule := flops_rules().get(func.overloadpacket)) is not None:
            self.tally.products += 1
            self.tally.flops += rule(*args, **kwargs, out_val=out)
        if not func.is_view:
            self.tally.launches += 1
            given = tensors_in((args, kwargs))
            made = tensors_in(out)
            self.tally.traffic += sum(t.numel() * t.element_size() for t in (*given, *made))
            self.keep(made, {storage_key(t) for t in given})
        return out

    def keep(self, made: list[Tensor], given: set[int]) -> None:
        """Write down new storage, and its release when that comes."""
        events, alive = self.tally.events, self.alive
        for tensor in made:
            storage = tensor.untyped_storage()
            key, size = storage_key(tensor), storage.nbytes()
            if key in given or key in alive:  # written in place, or a view that does not say so
                continue

            def gone(_: Any, key: int = key, size: int = size) -> None:
                events.append(-size)
                alive.pop(key, None)

            events.append(size)
            alive[key] = weakref.ref(storage, gone)


class Model:
    """The cost of an evaluation as a function of the number of points.

    Args:
        run: evaluates at the points it is given.
        x: points (…, D); a handful is used.
        whole: f works only at all the points of `x`: then they are all counted, once.
        least: how many points are counted at first; then twice as many.
    """

    def __init__(
        self, run: Callable[[Tensor], Any], x: Tensor, whole: bool = False, least: int = FEW
    ) -> None:
        few = x if whole else some(x, least)
        more = x if whole else some(x, 2 * least)
        self.sizes = number(few), number(more)
        self.high = tally(run, more)
        self.low = self.high if self.sizes[0] == self.sizes[1] else tally(run, few)

    def at(self, points: int) -> Cost:
        """The cost at a number of points."""
        low, high = self.low, self.high
        pairs = zip(low.events, high.events, strict=False)
        if len(low.events) == len(high.events):
            memory = max(accumulate(self.scale(a, b, points) for a, b in pairs), default=0.0)
        else:
            memory = self.scale(low.peak, high.peak, points)
        return Cost(
            self.scale(low.flops, high.flops, points),
            max(memory, 0.0),
            self.scale(low.traffic, high.traffic, points),
            float(high.launches),
        )

    @property
    def peak(self) -> float:
        """The bytes per point that are alive at the peak."""
        low, high = self.sizes
        return (self.high.peak - self.low.peak) / (high - low)

    @property
    def largest(self) -> float:
        """The bytes per point of the largest tensor made."""
        low, high = self.sizes
        if low == high:
            return max(self.high.events, default=0) / max(high, 1)
        pairs = zip(self.low.events, self.high.events, strict=False)
        return max((b - a for a, b in pairs), default=0) / (high - low)

    def scale(self, at_low: float, at_high: float, points: int) -> float:
        """A count at another number of points."""
        low, high = self.sizes
        if low == high:  # one count: everything is taken to grow with the points
            return at_high * points / max(high, 1)
        return at_low + (at_high - at_low) * (points - low) / (high - low)


def tally(run: Callable[[Tensor], Any], x: Tensor) -> Tally:
    """One evaluation counted."""
    with Count() as counted:
        run(x)
    return counted


def number(x: Tensor) -> int:
    """How many points (…, D) holds."""
    return x.shape[:-1].numel()


def some(x: Tensor, points: int) -> Tensor:
    """The first of the points (…, D): at most as many as asked for, at least one."""
    for axis in range(x.ndim - 1):
        behind = x.shape[axis + 1 : -1].numel()
        x = x.narrow(axis, 0, min(x.shape[axis], max(1, points // max(behind, 1))))
    return x
