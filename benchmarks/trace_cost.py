"""The divergence of dense networks against d, in times of the network itself.

    python benchmarks/trace_cost.py --figure docs/trace_cost.png
    python benchmarks/trace_cost.py --hidden 2 --dims 2 32 784 --widths 128 256 --peers

Value and backward of the mean square, float32, one core, 4,096 points (1,024 from d = 512 on).
`network` is the mean square of the network's own value, with its backward. Times are medians of
interleaved repeats. What takes longer than `--longest` seconds is left out.
Operator and network run as Python, or both compiled with `--compiled`; JAX is always compiled.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch
from cell import NETWORK, STRATEGIES, Cell, Contest, middle
from contestants import DIVERGENCE, cores, pin
from divergence_figure import axis, line
from divergence_peers import Peers
from matplotlib.figure import Figure
from stored import machine, store

DIMS = (2, 8, 32, 128, 512, 1024)
MANY = 512  # coordinates from which on there are fewer points
Result = Mapping[str, Any]


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dims", type=int, nargs="+", default=DIMS)
    parser.add_argument("--hidden", type=int, nargs="+", default=(1, 2, 3, 4))
    parser.add_argument("--widths", type=int, nargs="+", default=(128,))
    parser.add_argument("--points", type=int, default=4096)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--longest", type=float, default=10.0)
    parser.add_argument("--only", nargs="+", choices=STRATEGIES, default=STRATEGIES)
    parser.add_argument("--compiled", action="store_true", help="operator and network compiled")
    parser.add_argument("--peers", nargs="*", choices=DIVERGENCE, default=tuple(DIVERGENCE))
    parser.add_argument("--figure", type=Path, help="where to draw time against d")
    return parser.parse_args(given)


def measured(options: argparse.Namespace, peers: Peers) -> list[dict[str, Any]]:
    """All cells."""
    results = []
    for hidden, width, d in product(options.hidden, options.widths, options.dims):
        points = options.points // 4 if d >= MANY else options.points
        cell = Cell("dense", d, points, "gradient", hidden, width)
        contest = Contest(cell, "cpu", options.longest, options.compiled, options.only)
        contest.count()
        results.append(contest.run(options.repeats) | {"peers": peers.ask(cell, options.longest)})
        print(line_of(results[-1]), flush=True)
    return results


def line_of(result: Result) -> str:
    """A row of the table: milliseconds, and what the chain costs."""
    rows, times = result["rows"], {}
    for name in (NETWORK, *STRATEGIES):
        times[name] = middle(rows.get(name, {}))
    others = {name: middle(row) for name, row in result["peers"].items()}
    chain, network, loop = times["chain"], times[NETWORK], times["loop"]
    ratios = [
        "—" if chain is None or base is None else f"{a / b:.3g}"
        for base, a, b in ((network, chain, network), (loop, loop, chain))
    ]
    cells = [str(result["hidden"]), str(result["width"]), str(result["d"]), f"{result['batch']:,}"]
    cells += ["—" if s is None else f"{1e3 * s:.3g}" for s in [*times.values(), *others.values()]]
    return f"| {' | '.join([*cells, *ratios, result['auto']['strategy']])} |"


def head(peers: Sequence[str]) -> str:
    """The head of the table."""
    names = ["layers", "width", "d", "points", NETWORK, *STRATEGIES, *peers]
    names += ["chain / network", "loop / chain", "auto"]
    return f"| {' | '.join(names)} |\n|{' --- |' * len(names)}"


def draw(results: Sequence[Result], peers: Sequence[str], path: Path) -> None:
    """One panel for each number of layers, log-log, at the first width."""
    layers = sorted({r["hidden"] for r in results})
    figure = Figure(figsize=(3.1 * len(layers) + 2, 4.4), layout="constrained")
    panels = figure.subplots(1, len(layers), sharey=True, squeeze=False)[0]
    for panel, hidden in zip(panels, layers, strict=True):
        of = [r for r in results if (r["hidden"], r["width"]) == (hidden, results[0]["width"])]
        for name in (*STRATEGIES, NETWORK, *peers):
            kind = "peers" if name in peers else "rows"
            known = [(r["d"], s) for r in of if (s := middle(r[kind].get(name, {}))) is not None]
            line(panel, name, known)
        axis(panel, [r["d"] for r in of])
        panel.set_title(f"{hidden} hidden layer{'s' if hidden > 1 else ''}")
    panels[0].set_ylabel("ms, value and backward")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False)
    points = results[0]["batch"]
    figure.suptitle(
        f"Divergence of a dense network, {results[0]['width']} units in each layer, {points:,} "
        f"points ({points // 4:,} from d = {MANY} on), one core"
    )
    figure.savefig(path, dpi=150)


def main(given: list[str] | None = None) -> None:
    options = arguments(given)
    torch.set_num_threads(1)
    core = cores()[-1]
    pin(os.getpid(), core)
    about = machine()
    print(", ".join(f"{key} {value}" for key, value in about.items() if value), "\n")
    with Peers(options.peers, core) as peers:
        print(head(peers.names), flush=True)
        results = measured(options, peers)
    store("trace_cost", {"machine": about, "versions": peers.versions, "cells": results})
    if options.figure:
        draw(results, peers.names, options.figure)
        print(f"drawn in {options.figure}", file=sys.stderr)


if __name__ == "__main__":
    main()
