"""The strategies of a solution's networks, trusted while the networks stay what they were."""

import warnings
from collections.abc import Callable, Mapping, MutableMapping
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from pinn.algebra.channels import Plan
from pinn.cache.rechecks import recall
from pinn.cache.states import Watch
from pinn.cache.tracing import is_transformed
from pinn.checking.agreement import disagreement


class Networks(Protocol):
    """What has networks, and a strategy for each by name."""

    networks: nn.ModuleDict
    strategy: dict[str, str]


def settled(
    solution: Networks, watch: Watch, at: Tensor, plans: Mapping[str, Plan], tell: Callable
) -> int | None:
    """The state that all is in, as `watch` sees it, once the strategies are right in it.

    Args:
        solution: the networks with their strategies.
        watch: looks at what evaluations read.
        at: points (N, D).
        plans: per network, the derivatives that are needed.
        tell: is told, in one line, of a strategy that is right no more.

    Returns:
        The number of the state; None where Python cannot tell.
    """
    latest, state = watch.latest, watch.state()
    changed = state is None or watch.latest != latest or watch.is_due
    if changed and hold(solution.networks, solution.strategy, at, plans, tell):
        state = watch.state()
    return state


def hold(
    networks: nn.ModuleDict,
    strategy: MutableMapping[str, str],
    at: Tensor,
    plans: Mapping[str, Plan],
    tell: Callable = warnings.warn,
) -> bool:
    """Compare each network's strategy with reverse mode; where they differ, take reverse mode.

    A network can change while it is trained: an activation replaced, a flag flipped.

    Returns:
        Whether a strategy was changed.
    """
    if is_transformed(at):
        return False
    changed = False
    for name, network in networks.items():
        known, plan = strategy[name], plans[name]
        if known == "loop" or not plan.channels:
            continue
        reason = obstacle(network, at, plan, known)
        if reason is not None:
            strategy[name] = "loop"
            changed = True
            tell(f"strategy  network {name!r} has changed: loop from now on. {reason}")
    return changed


def obstacle(network: nn.Module, at: Tensor, plan: Plan, strategy: str) -> str | None:
    """Why a strategy is not right for a network, as it was found or is found again."""

    def find(worth: bool = True) -> str | None:
        return disagreement(network, at, plan, strategy)

    settings, training = ("solution", plan, strategy), torch.is_grad_enabled()
    remembered = recall(network, at, training, settings, find, lambda known: find() == known)
    return cast(str | None, remembered.decision)
