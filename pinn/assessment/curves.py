"""Curves: a field over its only coordinate, or along a line of a map."""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from pinn.assessment.canvas import GREY, TEXT, canvas, frame, legible
from pinn.assessment.grid_section import Array, Section, place
from pinn.assessment.scales import EPSILON, extent, shift_of, shifted

REFERENCE: dict[str, Any] = {"color": GREY, "linewidth": 4.0, "alpha": 0.5}
PREDICTION: dict[str, Any] = {"color": "tab:orange", "linestyle": "--", "label": "prediction"}
INSTANTS = ("#0072b2", "#d55e00", "#cc79a7")  # of Okabe and Ito, told apart by everybody


def curves(
    section: Section, component: str, title: str, drawn: list[Array], source: str = ""
) -> Figure:
    """Curves over a single axis; the error below, on a logarithmic scale, where it is known."""
    compared = len(drawn) == 2
    figure = canvas(6.0 if compared else 4.5, title, source)
    ratios = [2, 1] if compared else [1]
    axes = figure.subplots(len(ratios), squeeze=False, sharex=True, height_ratios=ratios)[:, 0]
    ((x,), (name,)), shift = frame(section), shift_of(drawn[-1])
    if compared:
        axes[0].plot(x, drawn[1] - shift, **REFERENCE, label="reference")
        floor = EPSILON * (extent(np.abs(drawn[1]))[1] or 1.0)
        error = np.maximum(np.abs(drawn[0] - drawn[1]), floor)
        axes[1].plot(x, error, color="tab:red", linewidth=2.0)
        axes[1].set(ylabel="|error|", yscale="log", ylim=decades(error))
        axes[1].yaxis.set_minor_locator(NullLocator())
    axes[0].plot(x, drawn[0] - shift, **PREDICTION, linewidth=2.0)
    axes[0].set_ylabel(shifted(component, shift))
    axes[-1].set_xlabel(name)
    for ax in axes:
        finish(ax, x)
    return figure


def profile(ax: Axes, section: Section, predicted: Array, truth: Array, label: str) -> None:
    """Values along the middle line on which the reference changes most; of time or a parameter, at
    three of its values.
    """
    at, labels = frame(section)
    rows, columns = truth.shape
    if section.names[1] in section.beside:
        for colour, row in zip(INSTANTS, (0, (rows - 1) // 2, rows - 1), strict=True):
            ax.plot(at[0], truth[row], **REFERENCE)
            time = f"{labels[1]} = {place(at[1], row):.3g}"
            ax.plot(at[0], predicted[row], color=colour, linestyle="--", label=time)
        ax.set_title("grey: reference", fontsize=TEXT)
        along = 0
    else:
        known, own = ((v[rows // 2], v[:, columns // 2]) for v in (truth, predicted))
        along = int(np.argmax([np.ptp(extent(line)) for line in known]))
        middle = (rows // 2, columns // 2)[along]
        ax.plot(at[along], known[along], **REFERENCE, label="reference")
        ax.plot(at[along], own[along], **PREDICTION)
        cut = place(at[1 - along], middle)
        ax.set_title(f"at {labels[1 - along]} = {cut:.3g}", fontsize=TEXT)
    ax.set_xlabel(labels[along])
    ax.set_ylabel(label)
    finish(ax, at[along])


def finish(ax: Axes, x: Array) -> None:
    """Limits, legend, grid and letters of a panel with curves."""
    ax.set_xlim(x[0], x[-1])
    ax.grid(alpha=0.3)
    legible(ax)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=TEXT - 3, framealpha=0.6, handlelength=1.2, borderpad=0.2)


def decades(values: Array) -> tuple[float, float]:
    """The powers of ten around positive values."""
    low, high = extent(values)
    high = high or 1.0
    bottom = math.floor(math.log10(max(low, high / 1e8)))
    return 10.0**bottom, 10.0 ** max(math.ceil(math.log10(high)), bottom + 1)
