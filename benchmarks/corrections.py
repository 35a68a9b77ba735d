"""Estimated against true errors: problems, resolutions and seeds, a third of them too coarse.

    python benchmarks/corrections.py --seconds 600 --figure docs/corrections.png

Every case is a run of random features whose output layer is trained. Its true error is that
against the reference of its problem. The constants of `pinn.training.estimate` were looked at on
the problems of the first half alone. Finished cases are one line each of a JSON file, and are not
run again.
"""

import argparse
import json
import math
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

import pinn
from pinn import problems
from pinn.assessment.scores import errors
from pinn.networks import MLP
from pinn.optim import Phase
from pinn.solution.plans import plan_regions
from pinn.training.estimate import estimate_error

RESULTS = Path(__file__).parent / "results" / "corrections.jsonl"
FIRST_HALF = ("Poisson", "Kovasznay", "AdvectionDiffusion", "Couette", "Burgers", "Poiseuille")
SEEDS = (0, 1)
WITHIN = 10.0  # factor between the estimated error and the true one
LARGE = 0.1  # an error that must not pass without a word


# Problem → widths (too coarse, coarse, fine), spread, weight of conditions.
CASES: dict[str, tuple[tuple[int, int, int], float, float]] = {
    "Poisson": ((12, 60, 200), 2.0, 10.0),
    "Kovasznay": ((30, 100, 250), 2.0, 10.0),
    "AdvectionDiffusion": ((10, 40, 200), 10.0, 10.0),
    "Couette": ((6, 15, 60), 1.0, 10.0),
    "Burgers": ((40, 150, 400), 5.0, 10.0),
    "Poiseuille": ((6, 15, 60), 1.0, 10.0),
    "RandomFlow": ((60, 200, 400), 3.0, 10.0),
    "ClampedPlate": ((20, 80, 200), 2.0, 10.0),
    "Continuity": ((30, 120, 300), 3.0, 10.0),
    "AllenCahn": ((40, 150, 300), 5.0, 10.0),
    "Beltrami3D": ((40, 120, 250), 1.0, 10.0),
    "LidDrivenCavity": ((40, 150, 300), 3.0, 10.0),
}


def run(name: str, width: int, seed: int) -> dict[str, Any]:
    """One case."""
    problem = getattr(problems, name)()
    _, spread, weight = CASES[name]
    torch.manual_seed(seed)
    plans = plan_regions(pinn.Solution(problem, MLP(4, 1)))
    owners = {r: list(plan.reads) for r, plan in plans.items()}
    inner = set(owners.get("interior", []))
    every = {n for names in owners.values() for n in names}
    weights = {n: 1.0 if n in inner else weight for n in every}
    points = {r: 3 * width if r == "interior" else max(width, 20) for r in plans}
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        solution = pinn.fit(
            problem,
            MLP(width, 1, spread=spread),
            [Phase(10, "LevenbergMarquardt", train="output", dtype="float64")],
            points,
            weights,
            seed=seed,
            folder=folder,
            compile=False,
            logger=False,
            enable_progress_bar=False,
            val_check_interval=1000,
        )
    trained = time.perf_counter() - began
    estimate = estimate_error(solution, plans, weights, max(trained / 5, 3.0))
    reference = problem.judged_by()
    true = {} if reference is None else errors(solution, reference)
    line: dict[str, Any] = {"problem": name, "width": width, "seed": seed, "seconds": trained}
    line["true"] = {k.removeprefix("error/"): v for k, v in true.items() if "_every" not in k}
    if estimate is not None:
        line |= {"estimated": estimate.errors, "settled": estimate.is_settled}
        line |= {"fall": estimate.fall, "took": estimate.seconds}
    return line


def cases() -> Iterator[tuple[str, int, int]]:
    """Cases, those of different problems in turn."""
    for seed in SEEDS:
        for size in range(3):
            for name, (widths, _, _) in CASES.items():
                yield name, widths[size], seed


def stored() -> list[dict[str, Any]]:
    """The finished cases."""
    lines = RESULTS.read_text(encoding="utf-8").splitlines() if RESULTS.exists() else []
    return [json.loads(line) for line in lines]


def pairs(lines: list[dict[str, Any]]) -> list[tuple[dict[str, Any], float, float]]:
    """Cases with the largest true error of an unknown, and its largest estimated one."""
    return [
        (line, max(line["true"].values()), max(line["estimated"].values()))
        for line in lines
        if line["true"] and line.get("estimated")
    ]


def table(lines: list[dict[str, Any]]) -> str:
    """How many cases are within the factor, of both halves."""
    rows = [
        "| problems | cases | estimated | within 10 | silent above 10 % |",
        "|---|---|---|---|---|",
    ]
    for title, is_first in (("first half", True), ("second half", False)):
        own = [line for line in lines if (line["problem"] in FIRST_HALF) == is_first]
        known = pairs(own)
        good = sum(1 for _, true, told in known if 1 / WITHIN <= told / true <= WITHIN)
        silent = sum(1 for _, true, told in known if true > LARGE >= told)
        rows.append(f"| {title} | {len(own)} | {len(known)} | {good} | {silent} |")
    return "\n".join(rows)


def figure(lines: list[dict[str, Any]], path: Path) -> None:
    """Estimated against true error."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(5, 5), layout="constrained")
    axes = picture.subplots()
    for settled, marker in ((True, "o"), (False, "^")):
        own = [(true, told) for line, true, told in pairs(lines) if line["settled"] == settled]
        label = "converged" if settled else "at least"
        axes.loglog(*zip(*own, strict=True), marker, alpha=0.6, label=label)
    ends = [1e-10, 10]
    axes.loglog(ends, ends, "k-", linewidth=0.8)
    for factor in (WITHIN, 1 / WITHIN):
        axes.loglog(ends, [factor * end for end in ends], "k:", linewidth=0.8)
    axes.set(xlabel="true relative error", ylabel="estimated relative error", xlim=ends, ylim=ends)
    axes.legend()
    picture.savefig(path, dpi=100)


def main() -> None:
    """Run what is missing for some time, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--only", nargs="*", default=list(CASES))
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    began = time.perf_counter()
    done = {(line["problem"], line["width"], line["seed"]) for line in stored()}
    RESULTS.parent.mkdir(exist_ok=True)
    for case in cases():
        if case in done or case[0] not in given.only:
            continue
        if time.perf_counter() - began > given.seconds:
            break
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(run(*case)) + "\n")
    print(table(stored()))
    if given.figure is not None:
        figure(stored(), given.figure)


if __name__ == "__main__":
    main()
