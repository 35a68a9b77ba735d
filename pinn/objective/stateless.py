"""A module called with other tensors in the place of its parameters and buffers."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


def call_with(module: nn.Module, state: Mapping[str, Tensor], *args: Any) -> Any:
    """module(*args) with these tensors for its own; one that it uses in several places, in all.

    torch ties by name: of a module that is found under two names it would put the given tensor
    back in the place of the parameter.

    Args:
        module: stays as it is.
        state: by the names of `named_parameters` and `named_buffers`, each tensor once.
        *args: of its `forward`.

    Raises:
        RuntimeError: it puts another tensor in the place of one of these, which would be lost.
    """
    own = dict(module.named_parameters()) | dict(module.named_buffers())
    given = {id(own[name]): tensor for name, tensor in state.items()}
    places = {
        f"{prefix}.{name}" if prefix else name: given[id(held)]
        for prefix, part in module.named_modules()  # each module once
        for name, held in (
            *part.named_parameters(recurse=False, remove_duplicate=False),
            *part.named_buffers(recurse=False, remove_duplicate=False),
        )
        if id(held) in given
    }
    before = dict(places)
    result = torch.func.functional_call(module, places, args, tie_weights=False)
    for place, tensor in places.items():  # torch leaves here what it found behind the call
        if tensor is not before[place]:
            raise RuntimeError(f"{place} is replaced while residuals are evaluated")
    return result
