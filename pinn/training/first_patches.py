"""The patches and polynomials of a first round: few, and of a low degree."""

from pinn.geometry import Geometry
from pinn.networks.layout import Cut, even, grid_cuts
from pinn.networks.local_features import Polynomials
from pinn.networks.patches import Patches

START = {1: 12, 2: 8, 3: 12, 4: 8}  # degree at first, by dimensions; beyond, 4
LONG = 6  # patches along the longest axis at first, at most


def first_patches(geometry: Geometry) -> Patches:
    """The patches of the first round."""
    cuts = [list(cut) for cut in first_cuts(geometry)]
    return Patches(None, Polynomials(first_degree(geometry)), cuts)


def first_cuts(geometry: Geometry) -> list[Cut]:
    """The cuts of the first round: few patches, about as wide as long."""
    space = geometry.coordinates.space
    lengths = {i: geometry.upper[i] - geometry.lower[i] for i in space}
    least = max(min(lengths.values()), max(lengths.values()) / LONG)
    axes = {
        i: even(geometry.lower[i], geometry.upper[i], max(round(length / least), 1))
        for i, length in lengths.items()
    }
    return grid_cuts(axes, len(geometry.lower))


def first_degree(geometry: Geometry) -> int:
    """The degree of the polynomials of the first round."""
    return START.get(len(geometry.lower), 4)
