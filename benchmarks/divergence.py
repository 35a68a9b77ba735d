"""The divergence operator's strategies and its peers: time, memory, FLOPs, and `auto`'s choice.

    python benchmarks/divergence.py --figure docs/divergence_cost.png
    python benchmarks/divergence.py --dims 2 3 --batches 64 --no-peers

Networks Rᵈ → Rᵈ with tanh, float32, one core; every evaluation ends in the mean square of the
divergence. Time is the median of interleaved repeats of the operator as a user calls it; memory and
FLOPs are counted, not timed. `hutchinson` has one probe and is an estimate, which `auto` never
chooses. An evaluation above 30 s or 8 GiB is skipped and listed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

import torch
from cell import MODES, Cell, Contest
from contestants import DIVERGENCE, cores, pin
from devices import add_device, require
from divergence_figure import draw
from divergence_peers import START, Peers
from divergence_table import disagreement_lines, skipped_lines, tables, verdict_lines
from stored import machine, store
from velocity import TITLES

DIMS = (2, 3, 8, 32, 128)
BATCHES = (64, 4096)


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dims", type=int, nargs="+", default=DIMS)
    parser.add_argument("--networks", nargs="+", choices=TITLES, default=tuple(TITLES))
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-peers", action="store_true", help="this package only")
    add_device(parser)
    parser.add_argument("--figure", type=Path, help="where to draw cost against d")
    options = parser.parse_args(given)
    if min(*options.dims, *options.batches, options.repeats) < 1:
        parser.error("--dims, --batches and --repeats are at least 1")
    if options.figure and "dense" not in options.networks:
        parser.error("--figure shows the dense network: add --networks dense")
    return options


def grid(options: argparse.Namespace) -> list[Contest]:
    """The contests of all cells, counted."""
    cells = product(options.networks, options.dims, options.batches, MODES)
    contests = [Contest(Cell(*cell), options.device) for cell in cells]
    for contest in contests:
        contest.count()
    return contests


def announce(contests: list[Contest], peers: Peers, repeats: int) -> None:
    """How long all will take."""
    ours = sum(contest.expected(repeats) for contest in contests)
    asked = [peers.expected(c.cell, c.estimates.get("loop", 0.0)) for c in contests]
    theirs = sum(asked) + START * len(peers.names)
    print(
        f"{len(contests)} cells: about {ours / 60:.1f} min, and the peers {theirs / 60:.1f} min, "
        "by the counted costs, on a quiet machine\n",
        flush=True,
    )


def measure(contests: list[Contest], peers: Peers, repeats: int) -> list[dict[str, Any]]:
    """All cells, the peers' right after ours."""
    results = []
    for number, contest in enumerate(contests, 1):
        begun = time.perf_counter()
        result = contest.run(repeats)
        result["peers"] = peers.ask(contest.cell)
        results.append(result)
        spent = f"{time.perf_counter() - begun:.1f} s"
        print(f"{number}/{len(contests)} {contest.cell.title}: {spent}", file=sys.stderr)
    return results


def main(given: list[str] | None = None) -> None:
    options = arguments(given)
    require(options.device)
    torch.set_num_threads(1)
    core = cores()[-1]
    pin(os.getpid(), core)
    about = machine()
    print(", ".join(f"{key} {value}" for key, value in about.items() if value), "\n")
    beside = options.device == "cpu" and "dense" in options.networks and not options.no_peers
    begun = time.perf_counter()
    with Peers(DIVERGENCE if beside else (), core) as peers:
        contests = grid(options)
        announce(contests, peers, options.repeats)
        cells = measure(contests, peers, options.repeats)
    print(tables(cells, peers.names))
    if options.device == "cuda":
        print("The peers' divergence is measured on the CPU only.")
    for lines in (verdict_lines(cells), skipped_lines(cells), disagreement_lines(cells)):
        print("\n".join(lines), "\n")
    results = {"device": options.device, "machine": about, "versions": peers.versions}
    store("divergence", results | {"cells": cells})
    if options.figure:
        draw(cells, peers.names, options.figure)
        print(f"drawn in {options.figure}")
    print(f"{(time.perf_counter() - begun) / 60:.1f} min in all")


if __name__ == "__main__":
    main()
