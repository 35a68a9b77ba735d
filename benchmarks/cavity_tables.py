"""A computed flow in the cavity beside the published tables of ``pinn/problems/cavity_data``."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from cavity_flow import CavityFlow
from corner_flow import Array
from spline_cavity import SplineCavity

Flow = CavityFlow | SplineCavity
REFERENCE = Path(__file__).resolve().parents[1] / "pinn" / "problems" / "cavity_data"
MIDDLE = np.array([0.5])


def table(name: str) -> list[dict[str, str]]:
    """Rows of a published table, without its source header."""
    lines = (REFERENCE / name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def column(rows: list[dict[str, str]], name: str) -> Array:
    return np.array([float(row[name]) for row in rows])


def peak(profile: Array) -> float:
    """Smallest value of a uniformly sampled profile, by the parabola through its lowest points."""
    at = int(profile.argmin())
    left, low, right = profile[at - 1 : at + 2]
    return float(low - (right - left) ** 2 / (8 * (right - 2 * low + left)))


def extrema(flow: Flow) -> dict[str, float]:
    """Extrema of the centreline profiles, min ψ, and kinetic energy ∫ |u|²/2."""
    line = np.linspace(0.0, 1.0, 5001)
    u = flow.fields(MIDDLE, line)["u"].ravel()
    v = flow.fields(line, MIDDLE)["v"].ravel()
    box = np.linspace(0.4, 0.8, 1001)  # holds the primary vortex at all three Re
    whole = flow.fields(flow.points, flow.points)
    energy = flow.weights @ (whole["u"] ** 2 + whole["v"] ** 2) @ flow.weights / 2
    return {
        "u_min_x0.5": peak(u),
        "v_max_y0.5": -peak(-v),
        "v_min_y0.5": peak(v),
        "psi_min": float(flow.fields(box, box)["psi"].min()),
        "kinetic_energy": float(energy),
    }


def print_extrema(flow: Flow) -> None:
    computed = extrema(flow)
    for row in table("cavity_extrema.csv"):
        if float(row["re"]) == flow.reynolds:
            ours, published = computed[row["quantity"]], float(row["value"])
            print(
                f"  {row['quantity']:15s} {ours:+.8f}  {row['reference']:18s} "
                f"{published:+.7f}  difference {ours - published:+.1e}"
            )


def print_profile(label: str, ours: Array, published: Array) -> None:
    difference = ours - published
    relative = np.linalg.norm(difference) / np.linalg.norm(published)
    print(
        f"  {label:28s} max difference {np.abs(difference).max():.1e}  relative L2 {relative:.1e}"
    )


def print_botella_peyret(flow: CavityFlow) -> None:
    """Velocity and pressure (zero at the centre) along both centrelines."""
    centre = flow.fields(MIDDLE, MIDDLE)["p"][0, 0]
    for name, axis, velocity in (("x0.5", "y", "u"), ("y0.5", "x", "v")):
        rows = table(f"botella_peyret_1998_re1000_{name}.csv")
        stations = column(rows, axis)
        grid = (MIDDLE, stations) if axis == "y" else (stations, MIDDLE)
        fields = {key: value.ravel() for key, value in flow.fields(*grid).items()}
        where = f"{name[0]} = {name[1:]}"
        print_profile(
            f"Botella-Peyret {velocity}, {where}", fields[velocity], column(rows, velocity)
        )
        print_profile(f"Botella-Peyret p, {where}", fields["p"] - centre, column(rows, "p"))


def print_lines(flow: Flow, source: str) -> None:
    """Shown, not judged: the 1982 tables hold 0.4 to 5 % error; one misprint is left out."""
    for name, axis, velocity in (("u_x0.5", "y", "u"), ("v_y0.5", "x", "v")):
        rows = table(f"{source}_{name}.csv")
        if f"{velocity}_re{flow.reynolds:g}" not in rows[0]:
            continue
        if (source, velocity, flow.reynolds) == ("ghia1982", "v", 400):
            rows = [row for row in rows if row["x"] != "0.9063"]  # misprint, see the file's header
        stations = column(rows, axis)
        grid = (MIDDLE, stations) if axis == "y" else (stations, MIDDLE)
        published = column(rows, f"{velocity}_re{flow.reynolds:g}")
        print_profile(
            f"{source} {velocity} (shown only)", flow.fields(*grid)[velocity].ravel(), published
        )


def print_vortices(flow: Flow) -> None:
    """Centres of the eddies, where the velocity vanishes, against those published."""
    for row in table("cavity_highre_vortex_centres.csv"):
        if float(row["re"]) != flow.reynolds or not row["x"]:
            continue
        published = np.array([float(row["x"]), float(row["y"])])
        centre, psi = vortex(flow, published)
        print(
            f"  {row['vortex']:8s} ({centre[0]:.5f}, {centre[1]:.5f}) ψ {psi:+.8f}  "
            f"{row['reference']} ({row['x']}, {row['y']}) ψ {row['psi'] or '–'}"
        )


def vortex(flow: Flow, near: Array) -> tuple[Array, float]:
    """Where |ψ| is largest near a point, of the sign there, and ψ; passes look more closely."""
    at, reach = near, 0.4 * min(0.05, float(near.min()), float(1 - near.max()))
    turn = np.sign(flow.fields(near[:1], near[1:])["psi"])
    for _ in range(6):
        x, y = (np.linspace(c - reach, c + reach, 41) for c in at)
        psi = flow.fields(x, y)["psi"]
        i, j = np.unravel_index((turn * psi).argmax(), psi.shape)
        at, reach = np.array([x[i], y[j]]), reach / 8
    return at, float(psi[i, j])
