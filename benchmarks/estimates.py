"""Error, and its estimate, after every round of runs that are given an accuracy alone.

    python benchmarks/estimates.py --figure docs/estimates.png
    python benchmarks/estimates.py --problems kovasznay,burgers --again

Each problem runs in a process of its own, on one core, and is stored in `benchmarks/results` as
lines of JSON, one per round: what is stored is not measured again. The seconds are those of the
processor, without imports and without the time of the comparison.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from stored import RESULTS

# Name → (class, its arguments, accuracy).
PROBLEMS: dict[str, tuple[str, dict[str, Any], float]] = {
    "poisson": ("Poisson", {}, 1e-12),
    "kovasznay": ("Kovasznay", {}, 1e-11),
    "advection_diffusion": ("AdvectionDiffusion", {}, 1e-9),
    "poiseuille": ("Poiseuille", {}, 1e-10),
    "clamped_plate": ("ClampedPlate", {}, 1e-9),
    "random_flow": ("RandomFlow", {}, 1e-7),
    "burgers": ("Burgers", {}, 1e-7),
    "advection_diffusion_2d": ("AdvectionDiffusion2D", {}, 1e-5),
    "allen_cahn": ("AllenCahn", {}, 1e-4),
    "continuity": ("Continuity", {"flow": "rotating"}, 1e-5),
    "taylor_green": ("TaylorGreen2D", {"sides": "residual"}, 1e-5),
    "cavity_100": ("LidDrivenCavity", {"reynolds": 100.0, "walls": "soft"}, 1e-2),
}
LONGEST = 150  # seconds of a run


def run(name: str, path: Path) -> None:
    """Solve a problem, and write a line after every round."""
    import lightning as L

    import pinn
    from pinn import problems
    from pinn.assessment.scores import errors

    class Rounds(L.Callback):
        """Compares every round with the reference."""

        own = 0.0

        def on_train_batch_end(self, trainer: L.Trainer, solver: Any, *_: Any) -> None:
            """Write a line when a round is over."""
            if len(solver.rounds.outcomes) == self.known:
                return
            began = time.process_time()
            outcome, self.known = solver.rounds.outcomes[-1], len(solver.rounds.outcomes)
            true = errors(solver.solution, solver.reference)
            line = {
                "problem": name,
                "accuracy": accuracy,
                "seconds": began - start - self.own,
                "unknowns": outcome.unknowns,
                "estimated": outcome.errors,
                "error": {n: true[f"error/{n}"] for n in outcome.errors or shown(true)},
            }
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            self.own += time.process_time() - began

        known = 0

    kind, arguments, accuracy = PROBLEMS[name]
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        pinn.fit(
            getattr(problems, kind)(**arguments),
            accuracy=accuracy,
            folder=folder,
            logger=False,
            callbacks=[Rounds()],
            max_time={"seconds": LONGEST},
        )


def shown(true: dict[str, float]) -> list[str]:
    """The components that errors are known of."""
    names = [tag.removeprefix("error/") for tag in true]
    return [name for name in names if not name.endswith("_everywhere")]


def measured(name: str, again: bool) -> list[dict[str, Any]]:
    """The rounds of a problem, from the file or anew."""
    path = RESULTS / f"estimates-{name}.jsonl"
    if again or not path.exists():
        RESULTS.mkdir(exist_ok=True)
        path.unlink(missing_ok=True)
        command = [sys.executable, __file__, "--one", name, str(path)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode:
            print(f"{name}: {ended.stderr.strip().splitlines()[-1:]}")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def worst(errors: dict[str, float]) -> float:
    """The largest error of an unknown; one that is known to be zero has none."""
    return max((e for e in errors.values() if e == e), default=float("nan"))


def draw(rounds: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Error against unknowns and seconds, and estimated against true error."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 5.2), layout="constrained")
    axes = figure.subplots(1, 3)
    colours, marks = colormaps["tab20"].colors, "osD^v<>pPX*h"  # type: ignore[attr-defined]
    for k, (name, each) in enumerate(rounds.items()):
        look: dict[str, Any] = {"color": colours[k % 20], "marker": marks[k % 12], "ms": 5}
        error = [worst(line["error"]) for line in each]
        for ax, key in zip(axes, ("unknowns", "seconds"), strict=False):
            ax.loglog([line[key] for line in each], error, label=name.replace("_", " "), **look)
        pairs = [(line["error"][n], e) for line in each for n, e in line["estimated"].items() if e]
        if pairs:
            axes[2].loglog(*zip(*pairs, strict=True), ls="", **look)
    ends = 1e-15, 10.0
    axes[2].plot(ends, ends, color="0.3", lw=1)
    axes[2].fill_between(ends, [e / 10 for e in ends], [e * 10 for e in ends], color="0.9")
    axes[0].set(xlabel="unknowns", ylabel="true error, the largest of all unknowns")
    axes[1].set(xlabel="seconds of one core, without start-up")
    axes[2].set(xlabel="true error of an unknown", ylabel="estimated error", xlim=ends, ylim=ends)
    for ax in axes:
        ax.grid(alpha=0.3)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6)
    figure.savefig(path, dpi=100)
    print(f"drawn in {path}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--problems", default=",".join(PROBLEMS), help="names, with commas")
    parser.add_argument("--again", action="store_true", help="measure what is stored, too")
    parser.add_argument("--figure", type=Path, help="where to draw")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run(options.one[0], Path(options.one[1]))
        return
    rounds = {name: measured(name, options.again) for name in options.problems.split(",")}
    print(f"{'problem':24s} {'asked':>8s} {'unknowns':>8s} {'seconds':>8s} estimated   error")
    for name, each in rounds.items():
        if not each:
            print(f"{name:24s} no round was solved")
            continue
        last = each[-1]
        estimated, error = worst(last["estimated"]), worst(last["error"])
        numbers = f"{last['accuracy']:8.0e} {last['unknowns']:8d} {last['seconds']:8.1f}"
        print(f"{name:24s} {numbers} {estimated:9.1e} {error:7.1e}")
    pairs = [
        e / line["error"][n]
        for each in rounds.values()
        for line in each
        for n, e in line["estimated"].items()
        if line["error"][n] > 0
    ]
    within = sum(0.1 <= ratio <= 10 for ratio in pairs)
    below = sum(ratio < 0.1 for ratio in pairs)
    print(f"{len(pairs)} estimates: {within} within a factor of 10, {below} smaller than that")
    if options.figure:
        draw(rounds, options.figure)


if __name__ == "__main__":
    main()
