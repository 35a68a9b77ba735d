"""Networks and embeddings, written once as plain modules; sizes come from the problem.

A new network or a new embedding goes here.

    network     the base class
    mlp         the dense network
    stack       layers one after the other
    embeddings  Fourier features, periodic and graded coordinates
    polar       polar coordinates about holes and corners
    patches     local features on patches of the domain
    windows     their partition of unity
    layout      the patches of a box, and smooth steps
    local_features  what a patch is made of
    transfer    from patches to finer ones
    slit        the map that opens a slit within a long hole to a circle

May import: geometry, base.
"""

from pinn.networks.embeddings import Embedding, FourierFeatures, Graded, Periodic
from pinn.networks.local_features import LocalFeatures, Polynomials, Ridges
from pinn.networks.mlp import MLP
from pinn.networks.network import Network
from pinn.networks.patches import Patches
from pinn.networks.polar import Polar
from pinn.networks.stack import Stack

__all__ = [
    "MLP",
    "Embedding",
    "FourierFeatures",
    "Graded",
    "LocalFeatures",
    "Network",
    "Patches",
    "Periodic",
    "Polar",
    "Polynomials",
    "Ridges",
    "Stack",
]
