"""Networks and embeddings, written once as plain modules; sizes come from the problem.

A new network or a new embedding goes here.

    network     the base class
    mlp         the dense network
    stack       layers one after the other
    embeddings  Fourier features, periodic and graded coordinates
    polar       polar coordinates about holes and corners
    slit        the map that opens a slit within a long hole to a circle

May import: geometry, base.
"""

from pinn.networks.embeddings import Embedding, FourierFeatures, Graded, Periodic
from pinn.networks.mlp import MLP
from pinn.networks.network import Network
from pinn.networks.polar import Polar
from pinn.networks.stack import Stack

__all__ = [
    "MLP",
    "Embedding",
    "FourierFeatures",
    "Graded",
    "Network",
    "Periodic",
    "Polar",
    "Stack",
]
