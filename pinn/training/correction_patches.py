"""Finer patches of a correction: those halved that have most of the residual."""

import torch
from torch import Tensor

from pinn.networks.layout import Layout

SHARE = 0.8  # of the squared residual that the patches to be halved have
FLAT = 2  # dimensions up to which a patch is halved along all axes


def halved(layout: Layout, squares: Tensor) -> Layout | None:
    """The patches that have most of the squared residual (n,) cut in the middle; None if none."""
    finer = Layout(layout.lower, layout.upper, layout.cuts)
    covered, total = 0.0, float(squares.sum())
    for patch in torch.argsort(squares, descending=True).tolist():
        if covered >= SHARE * total:
            break
        covered += float(squares[patch])
        halve(finer, patch)
    return finer if len(finer) > len(layout) else None


def halve(layout: Layout, patch: int) -> None:
    """Cut a patch along every axis; in many dimensions along its longest one."""
    lower, upper = (torch.tensor(side) for side in layout.sides[patch])
    whole = torch.tensor(layout.upper) - torch.tensor(layout.lower)
    if len(whole) > FLAT:
        layout.halve(patch, int(((upper - lower) / whole).argmax()))
        return
    parts = [patch]
    for axis in range(len(whole)):
        parts += [layout.halve(part, axis) for part in list(parts)]
