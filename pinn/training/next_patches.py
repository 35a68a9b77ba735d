"""The patches of the next round, as its plan has them."""

from pinn.geometry import Geometry
from pinn.networks.layout import Layout
from pinn.networks.local_features import Polynomials, as_given
from pinn.networks.patches import Patches
from pinn.networks.transfer import begin, extend, refine
from pinn.training.first_patches import first_cuts
from pinn.training.outcome import Plan


def lay(network: Patches, plan: Plan, geometry: Geometry, until: float | None) -> None:
    """Give a network the patches of a plan, with the values that it has or with zeros.

    Args:
        network: changed in place.
        plan: of the round.
        geometry: of the problem.
        until: the time at which the patches end; None where they fill the domain.
    """
    old, upper = network.layout, network.reach(until)
    features = Polynomials(plan.degree if isinstance(plan.degree, int) else as_given(plan.degree))
    if plan.fresh:
        begin(network, Layout(old.lower, upper, first_cuts(geometry)), features)
    elif upper != old.upper:
        extend(network, until, features)
    else:
        refine(network, Layout(old.lower, upper, [*old.cuts, *plan.cuts]), features)
