"""One cell of the grid: a network, d, a number of points and a mode, with every strategy."""

from __future__ import annotations

import copy
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import torch
from contestants import PEERS, ROOT
from torch import Tensor
from velocity import TITLES, velocity

sys.path[:0] = [str(PEERS), str(ROOT)]
from flow import DEPTH, LARGEST, LONGEST, WIDTH, Flow, Mode  # noqa: E402

from pinn.base.costs import Cost, Count, Model  # noqa: E402
from pinn.derivatives.evaluate import TRACES  # noqa: E402
from pinn.operators.divergence import Divergence  # noqa: E402

STRATEGIES = (*TRACES, "hutchinson")
NETWORK = "network"  # its value in the place of the divergence: what a strategy is held against
ROUND = 0.05  # seconds that a strategy is evaluated for in one repeat, at least
LONG = 1.0  # seconds of an evaluation whose warm-up shows its time well enough
SETTLING = 300  # points of a first call: enough for the operator to think of portions
PATIENCE = 20.0  # seconds that a strategy's repeats take together, the one past it included
CHOICE = 2.5  # seconds that a choice takes, about
MODES: dict[Mode, str] = {"value": "value", "gradient": "value + backward"}
Row = dict[str, Any]


class Cell(NamedTuple):
    """What is evaluated.

    Args:
        network: a name in `velocity.TITLES`.
        d: dimension of points and velocity.
        batch: number of points.
        mode: the divergence alone without a graph, or its mean square with the gradient to the
            parameters.
        hidden: hidden layers of the dense network.
        width: units of each of them.
    """

    network: str
    d: int
    batch: int
    mode: Mode
    hidden: int = DEPTH
    width: int = WIDTH

    @property
    def title(self) -> str:
        """In words."""
        network = TITLES[self.network].split(",")[0].split(" + ")[0]
        if self.network == "dense":
            network = f"dense {self.hidden} × {self.width}"
        return f"{network}, d = {self.d}, {self.batch:,} points, {MODES[self.mode]}"


class Contest:
    """The strategies at one cell.

    Args:
        cell: the cell.
        device: `cpu` or `cuda`.
        longest: seconds beyond which an evaluation is left out.
        compile: of the operator; with True the network is compiled too.
        strategies: those to be measured.
    """

    def __init__(
        self,
        cell: Cell,
        device: str,
        longest: float = LONGEST,
        compile: bool = False,
        strategies: Sequence[str] = STRATEGIES,
    ) -> None:
        self.cell, self.device, self.longest = cell, torch.device(device), longest
        flow = Flow(cell.d, cell.batch, cell.hidden, cell.width)
        self.network = velocity(cell.network, flow).to(self.device)
        self.points = torch.tensor(flow.points, device=self.device)
        self.twin = copy.deepcopy(self.network)  # compiled without a trace on the network
        self.value: Callable[[Tensor], Any] = self.twin
        self.parameters = list(self.network.parameters())
        self.strategies = tuple(strategies)
        self.operators = {name: Divergence(name, compile=False) for name in STRATEGIES}
        self.compile = compile
        self.rows: dict[str, Row] = {}
        self.estimates: dict[str, float] = {}

    def evaluate(self, strategy: str, x: Tensor) -> Tensor:
        """Mean (∇·u)², or u² for the network, with its gradient where the mode asks for it."""
        gradient = self.cell.mode == "gradient"
        with torch.set_grad_enabled(gradient):
            if strategy == NETWORK:
                values, parameters = self.value(x), list(self.twin.parameters())
            else:
                values, parameters = self.operators[strategy](self.network, x), self.parameters
            parts = values if isinstance(values, tuple) else (values,)
            square = torch.stack([part.square().mean() for part in parts]).mean()
            if gradient:
                torch.autograd.grad(square, parameters, allow_unused=True)
        return square.detach()

    def count(self) -> None:
        """The cost of each strategy, from a handful of points, and which of them are too dear."""
        for name in (*self.strategies, NETWORK):
            try:
                # What an operator checks and counts at its first calls is no part of its cost.
                for _ in range(6):
                    self.evaluate(name, self.points[:SETTLING])
            except ValueError as error:
                self.rows[name] = {"skipped": str(error)}
                continue
            cost = Model(partial(self.evaluate, name), self.points).at(self.cell.batch)
            self.estimates[name] = cost.seconds(self.device)
            row = {"flops": cost.flops, "memory": cost.memory, "operations": cost.operations}
            reason = too_dear(cost, self.estimates[name], self.longest)
            self.rows[name] = row | ({"skipped": reason} if reason else {})

    def choose(self) -> dict[str, Any]:
        """What `auto` picks, anew, why, and how long that takes."""
        begun = self.now()
        with torch.set_grad_enabled(self.cell.mode == "gradient"):
            choice = Divergence().choice(self.network, self.points)
        return vars(choice) | {"seconds": self.now() - begun}

    def run(self, repeats: int) -> dict[str, Any]:
        """All that is measured, as plain data."""
        auto = self.choose()
        self.operators = {
            name: Divergence(name, compile=self.compile if name in TRACES else False)
            for name in STRATEGIES
        }
        if self.compile is True:
            self.value = torch.compile(self.twin)
        counts = {name: times for name in self.measured() if (times := self.warm_up(name))}
        names = list(counts)
        for repeat in range(repeats):
            first = repeat % max(1, len(names))
            for name in names[first:] + names[:first]:
                row = self.rows[name]
                if counts[name] * sum(row["seconds"]) < PATIENCE:
                    row["seconds"].append(self.seconds(name, counts[name]))
        return {**self.cell._asdict(), "rows": self.rows, "auto": auto}

    def warm_up(self, name: str) -> int | None:
        """How many evaluations fill a round; None if one is beyond the limits.

        The first one is counted: FLOPs, memory and operations are those at all the points.
        """
        row = self.rows[name]
        try:
            if self.compile is True:  # a graph is made for one number of points, and not counted
                self.evaluate(name, self.points)
            else:
                for _ in range(3):  # what is checked at the first uses is not counted
                    self.evaluate(name, self.points[:2])
            begun = self.now()
            with nullcontext() if self.compile is True else Count() as tally:
                row["value"] = float(self.evaluate(name, self.points))
            seconds = self.now() - begun
            if tally is not None:
                row |= {"flops": tally.flops, "memory": tally.peak, "operations": tally.launches}
            if seconds < LONG:  # memory is at hand from here on
                seconds = self.seconds(name, 1)
        except (MemoryError, RuntimeError) as error:
            row["skipped"] = str(error).splitlines()[0]
            return None
        if seconds > self.longest:
            row["skipped"] = f"{seconds:.0f} s is beyond {self.longest:.0f} s"
            return None
        row["seconds"] = []
        return math.ceil(ROUND / seconds)

    def measured(self) -> list[str]:
        """The strategies that are not left out."""
        return [name for name, row in self.rows.items() if "skipped" not in row]

    def seconds(self, name: str, times: int) -> float:
        """Seconds per evaluation."""
        begun = self.now()
        for _ in range(times):
            self.evaluate(name, self.points)
        return (self.now() - begun) / times

    def now(self) -> float:
        """The time, once the device has finished what it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def expected(self, repeats: int) -> float:
        """About how many seconds `run` takes."""
        total = CHOICE
        for name in self.measured():
            each = self.estimates[name]
            timed = min(repeats, math.ceil(PATIENCE / each))
            total += each * (2 if each < LONG else 1) + timed * max(each, ROUND)
        return total


def too_dear(cost: Cost, seconds: float, longest: float = LONGEST) -> str | None:
    """Why an evaluation is not tried, if so."""
    memory = cost.memory / 2**20
    if memory > LARGEST:
        return f"{memory / 1024:.1f} GiB counted, beyond {LARGEST / 1024:.0f} GiB"
    if seconds > longest:
        return f"{seconds:.0f} s estimated, beyond {longest:.0f} s"
    return None


def middle(row: Mapping[str, Any]) -> float | None:
    """The median seconds of a row; None where nothing was measured."""
    seconds = row.get("seconds")
    return median(seconds) if isinstance(seconds, list) and seconds else seconds or None
