"""The divergence of other packages, each in a process of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from cell import LONGEST, Cell
from contestants import ContestantError, Worker, divergence_worker
from environments import EnvironmentMissingError

PATIENCE = 60.0  # seconds for all of a cell, with its compilation
START = 8.0  # seconds until a package is imported, about
ENOUGH = 1.0  # seconds that a peer repeats for


class Peers:
    """The packages, started when they are first asked; leave the context to end them.

    Args:
        names: of `contestants.DIVERGENCE`.
        core: the core they run on.
    """

    def __init__(self, names: Iterable[str], core: int | None = None) -> None:
        self.names, self.core = tuple(names), core
        self.workers: dict[str, Worker] = {}
        self.missing: dict[str, str] = {}
        self.versions: dict[str, dict[str, str]] = {}

    def __enter__(self) -> Peers:
        return self

    def __exit__(self, *_: object) -> None:
        """End all processes."""
        for name in list(self.workers):
            self.end(name)

    def ask(self, cell: Cell, longest: float = LONGEST) -> dict[str, dict[str, Any]]:
        """{"seconds", "value"} or {"skipped"} of every peer; nothing for what they are not given.

        The peers know the dense network.
        """
        if cell.network != "dense":
            return {}
        return {name: self.answer(name, cell, longest) for name in self.names}

    def answer(self, name: str, cell: Cell, longest: float) -> dict[str, Any]:
        """One of them."""
        if name in self.missing:
            return {"skipped": self.missing[name]}
        try:
            worker = self.worker(name)
        except (EnvironmentMissingError, ContestantError) as error:
            self.end(name)
            self.missing[name] = str(error)
            return {"skipped": str(error)}
        try:
            return worker.ask({**cell._asdict(), "longest": longest}, PATIENCE)
        except ContestantError as error:
            self.end(name)  # it may still be at work: the next cell gets a new process
            return {"skipped": str(error)}

    def worker(self, name: str) -> Worker:
        """The process of a peer."""
        if name not in self.workers:
            self.workers[name] = divergence_worker(name, self.core)
            self.versions[name] = self.workers[name].receive()["versions"]
        return self.workers[name]

    def end(self, name: str) -> None:
        """End the process of a peer."""
        worker = self.workers.pop(name, None)
        if worker is not None:
            worker.close()

    def expected(self, cell: Cell, loop: float) -> float:
        """About how many seconds `ask` takes where one reverse-mode loop takes that many."""
        if cell.network != "dense":
            return 0.0
        return len(self.names) * min(PATIENCE, ENOUGH + 3 * loop)
