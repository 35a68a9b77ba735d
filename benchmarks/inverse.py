"""How often the interval of an unknown viscosity covers the truth: draws of places and noise.

    python benchmarks/inverse.py                             # 20 draws of configs/viscosity.yaml
    python benchmarks/inverse.py --samples 200,2000 --draws 60

A row per number of samples. The interval promises to cover the truth in 95 of 100 draws; its
standard deviation is held against the scatter of the estimates, and against the Cramér–Rao bound of
somebody who knows that the flow is Kovasznay's and looks for its Reynolds number alone. A draw is
stored when it is finished, so that the benchmark can be interrupted and continued.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import tempfile
import time
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import torch
import yaml
from stored import RESULTS, machine

import pinn
from pinn.fields.field import coordinate_field
from pinn.problems import Kovasznay, KovasznayViscosity

ROOT = Path(__file__).parents[1]
Draw = dict[str, Any]
AIM = 0.005  # of the viscosity


def settings() -> tuple[dict[str, Any], dict[str, Any]]:
    """The problem's arguments, and those of `pinn.fit`, from the configuration."""
    given = yaml.safe_load((ROOT / "configs" / "viscosity.yaml").read_text(encoding="utf-8"))
    model, data = given["model"], given["data"]
    return model["problem"]["init_args"], {
        "network": model["network"]["init_args"],
        "phases": model["phases"],
        "points": data["points"],
        "method": data["method"],
        "weights": model["weights"],
    }


def run(samples: int, draw: int) -> Draw:
    """One set of samples, and what was found from it."""
    arguments, given = settings()
    problem = KovasznayViscosity(**{**arguments, "samples": samples, "draw": draw})
    network = pinn.MLP(**given.pop("network"))
    phases = [pinn.Phase(**phase) for phase in given.pop("phases")]
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        silent: dict[str, Any] = {
            "logger": False,
            "enable_progress_bar": False,
            "default_root_dir": folder,
        }
        silent["val_check_interval"] = 10**6
        solution = pinn.fit(problem, network, phases, **given, **silent)
    found, truth = solution.estimates["nu"], 1 / problem.reynolds
    return {
        "machine": machine(),
        "seconds": time.perf_counter() - began,
        "error": found.value / truth - 1,
        "deviation": found.deviation / truth,
        "half_width": found.half_width / truth,
        "settled": found.settled,
        "bound": bound(problem, arguments["noise"]) / truth,
    }


def bound(problem: KovasznayViscosity, noise: float) -> float:
    """1 / |σ⁻¹ ∂u/∂ν| over the samples: the Cramér–Rao bound of the flows of one parameter."""
    at = coordinate_field(problem.geometry.sample("samples", 1).at, problem.geometry.coordinates)
    nu, step = 1 / problem.reynolds, 1e-6
    here, *sides = (Kovasznay(1 / value).velocity(at).value for value in (nu, nu - step, nu + step))
    return 2 * step / float(((sides[1] - sides[0]) / (noise * here.std(0))).norm())


def kept(path: Path, samples: int, draw: int) -> Draw:
    """A draw from the store, measured if it is not there or was measured with other settings."""
    now = list(settings())
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if found.get("settings") != now:
        found = run(samples, draw) | {"settings": now}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found), encoding="utf-8")
    return found


def table(draws: dict[int, list[Draw]]) -> str:
    """A row per number of samples, in per cent of the true viscosity."""
    rows = [
        "| samples | interval, ± | its deviation | scatter of the estimates | bound, flow known "
        "| median error | within 0.5 % | covered | seconds each |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for samples, found in draws.items():
        errors = [draw["error"] for draw in found]
        covered = sum(abs(d["error"]) <= d["half_width"] for d in found)
        within = sum(abs(error) <= AIM for error in errors)
        scatter = stdev(errors) if len(errors) > 1 else math.nan
        averages = {
            name: mean(d[name] for d in found) for name in ("half_width", "deviation", "bound")
        }
        rows.append(
            f"| {samples} | {averages['half_width']:.2%} | {averages['deviation']:.2%} "
            f"| {scatter:.2%} | {averages['bound']:.2%} | {median(map(abs, errors)):.2%} "
            f"| {within} of {len(found)} | {covered} of {len(found)} "
            f"| {median(d['seconds'] for d in found):.0f} |"
        )
        if not all(draw["settled"] for draw in found):
            rows.append(f"{sum(not d['settled'] for d in found)} draws have not converged")
    return "\n".join(rows).replace("%", " %").replace("0.5  %", "0.5 %")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__.replace("%", "%%"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--samples", default="200", help="numbers of samples")
    parser.add_argument("--draws", type=int, default=20, help="of each number of samples")
    options = parser.parse_args()
    torch.set_num_threads(1)
    draws: dict[int, list[Draw]] = {}
    for samples in map(int, options.samples.split(",")):
        for draw in range(options.draws):
            path = RESULTS / "inverse" / f"{samples}-{draw}.json"
            draws.setdefault(samples, []).append(kept(path, samples, draw))
    print(", ".join(f"{key} {value}" for key, value in machine().items() if value), "\n")
    print(table(draws))


if __name__ == "__main__":
    main()
