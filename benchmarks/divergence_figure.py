"""Cost of one divergence against d, as a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cell import MODES, NETWORK, STRATEGIES, middle
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

# Okabe and Ito's colours, which colour-blind readers tell apart.
FIXED = {
    "chain": ("#CC79A7", "o"),
    "network": ("#000000", "_"),
    "taylor": ("#0072B2", "o"),
    "vmap": ("#009E73", "o"),
    "loop": ("#E69F00", "o"),
    "hutchinson": ("#999999", "o"),
}
PEERS = {
    "nested": ("#6A5ACD", "s"),
    "deepxde": ("#56B4E9", "v"),
    "pina": ("#8B5A2B", "^"),
    "torchphysics": ("#5F5F5F", "D"),
    "neurodiffeq": ("#B0A000", "d"),
    "jax": ("#D55E00", "*"),
}
LABELS = {
    "hutchinson": "hutchinson, 1 probe",
    "network": "the network itself",
    "nested": "nested autograd",
    "deepxde": "DeepXDE",
    "pina": "PINA",
    "torchphysics": "TorchPhysics",
    "jax": "JAX, jitted",
}


def draw(results: Sequence[Mapping[str, Any]], peers: Sequence[str], path: Path) -> None:
    """The dense network at the largest batch: one panel per mode, log-log.

    Args:
        results: what `divergence.py` measured.
        peers: the packages beside.
        path: of the picture.

    Raises:
        ValueError: the dense network was not measured.
    """
    of = [r for r in results if r["network"] == "dense"]
    if not of:
        raise ValueError("no figure: the dense network was not measured; add --networks dense")
    batch = max(r["batch"] for r in of)
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    panels = figure.subplots(1, len(MODES), sharey=True, squeeze=False)[0]
    for panel, (mode, title) in zip(panels, MODES.items(), strict=True):
        chosen = sorted(
            (r for r in of if r["mode"] == mode and r["batch"] == batch), key=lambda r: r["d"]
        )
        fill(panel, chosen, peers)
        panel.set_title(title)
    panels[0].set_ylabel("ms per evaluation")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False)
    figure.suptitle(f"Divergence of a dense 3 × 128 network at {batch:,} points, one core")
    figure.savefig(path, dpi=150)


def fill(panel: Axes, results: Sequence[Mapping[str, Any]], peers: Sequence[str]) -> None:
    """The lines of one mode."""
    for name in (*STRATEGIES, *peers):
        ours = name in STRATEGIES
        rows = [(r["d"], r["rows" if ours else "peers"].get(name, {})) for r in results]
        known = [(d, s) for d, row in rows if (s := middle(row)) is not None]
        line(panel, name, known)
    choices = [(r["d"], middle(r["rows"].get(r["auto"]["strategy"], {}))) for r in results]
    chosen = [(d, 1e3 * s) for d, s in choices if s is not None]
    panel.plot(
        *zip(*chosen, strict=True) if chosen else ([], []),
        label="auto's choice",
        color="black",
        linestyle="none",
        marker="o",
        markersize=11,
        markerfacecolor="none",
        zorder=4,
    )
    axis(panel, [r["d"] for r in results])


def line(panel: Axes, name: str, known: Sequence[tuple[int, float]]) -> None:
    """Milliseconds against d of one strategy (full) or one peer (dashed)."""
    ours = name in FIXED
    color, marker = FIXED[name] if ours else PEERS[name]
    panel.plot(
        *zip(*[(d, 1e3 * s) for d, s in known], strict=True) if known else ([], []),
        label=LABELS.get(name, name),
        color=color,
        linestyle=":" if name == NETWORK else "-" if ours else "--",
        linewidth=2.2 if ours else 1.2,
        marker=marker,
        markersize=6 if ours else 4.5,
        markerfacecolor=color if ours else "white",
        zorder=3 if ours else 2,
    )


def axis(panel: Axes, dims: Sequence[int]) -> None:
    """Both axes logarithmic, with plain numbers."""
    panel.set_xscale("log", base=2)
    panel.set_yscale("log")
    panel.yaxis.set_major_formatter(FuncFormatter(lambda ms, _: f"{ms:,g}"))
    panel.set_xticks(dims, [str(d) for d in dims])
    panel.minorticks_off()
    panel.set_xlabel("d")
    panel.grid(alpha=0.3, which="major")
