"""What the state of modules holds beside weights: buffers, and what `get_extra_state` returns."""

from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pinn.base.messages import echo

EXTRA = "_extra_state"  # how torch ends the names of what `get_extra_state` returns
DEEPEST = 40  # levels
PLAIN = "plain data (null, numbers, text, tensors, and lists, tuples and mappings of them)"


def buffers(module: nn.Module) -> list[str]:
    """The names in the state of a module of what is no weight, and may be infinite: a mask, say."""
    weights = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    return [name for name in module.state_dict() if name not in weights]


def diverged(state: Mapping[str, Any], exempt: Collection[str]) -> Iterator[str]:
    """The names of weights with NaN or infinite numbers.

    Args:
        state: tensors by name.
        exempt: the names of what may have such numbers.
    """
    for name, value in state.items():
        known = name in exempt or not isinstance(value, Tensor)
        if not known and not bool(torch.isfinite(value).all()):
            yield name


def is_extra(name: str) -> bool:
    """Whether a name in a state is of what `get_extra_state` returns."""
    return name.rpartition(".")[2] == EXTRA


def is_plain(value: Any, levels: int = DEEPEST) -> bool:
    """Whether a file gives a value back as it was, without running code."""
    kind = type(value)
    if value is None or kind in (bool, int, float, complex, str, bytes):
        return True
    if kind is Tensor:
        return value.layout == torch.strided and not value.is_quantized
    if levels == 0:
        return False
    if kind in (list, tuple):
        return all(is_plain(item, levels - 1) for item in value)
    if kind in (dict, OrderedDict):
        keys = all(type(key) in (str, int) for key in value)
        return keys and all(is_plain(item, levels - 1) for item in value.values())
    return False


def not_plain(state: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The names and values of extra states that are no plain data."""
    for name, value in state.items():
        if is_extra(name) and not is_plain(value):
            yield name, value


def check_states(module: nn.Module) -> None:
    """Refuse modules whose extra state no checkpoint could give back.

    Raises:
        ValueError: it is no plain data, or the module cannot take it back.
    """
    for name, part in module.named_modules():
        kind, title = type(part), f"{name or 'the network'} ({type(part).__name__})"
        if kind.get_extra_state is nn.Module.get_extra_state:
            continue
        if kind.set_extra_state is nn.Module.set_extra_state:
            raise ValueError(
                f"{title} has get_extra_state and no set_extra_state: no checkpoint could give its "
                "state back: define both"
            )
        state = part.get_extra_state()
        if not is_plain(state):
            raise ValueError(
                f"{title}: get_extra_state returns {echo(state)}, which a checkpoint cannot "
                f"give back: return {PLAIN}"
            )
