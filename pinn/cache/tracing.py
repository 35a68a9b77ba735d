"""Whether Python runs for its numbers, or to be transformed, traced or compiled."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor

from pinn.base.torch_adapter import are_savings_seen, is_differentiated, is_traced
from pinn.base.unloaded_compiler import is_compiler_loaded
from pinn.cache.tensor_contents import is_wrapped


def keeps_graph() -> bool:
    """Whether a gradient may be taken of what is evaluated now, as in training."""
    return torch.is_grad_enabled() and not torch.is_inference_mode_enabled()


def is_transformed(tensor: Tensor) -> bool:
    """Whether numbers cannot be looked at: they stand for others, or are not there at all."""
    return (
        is_differentiated()
        or is_wrapped(tensor)
        or tensor.device.type == "meta"
        or is_traced()
        or torch.jit.is_tracing()
    )


def in_transform(strategy: str) -> str:
    """The strategy that takes the place of one where nothing can be measured.

    Raises:
        RuntimeError: the line says what to do instead.
    """
    if not (torch.jit.is_tracing() or torch.compiler.is_exporting()):
        return "vmap"
    if strategy != "taylor":
        raise RuntimeError(
            "torch.export and torch.jit.trace take derivatives with strategy='taylor' only: give "
            "that, after one call outside, which holds it against reverse mode"
        )
    return "taylor"


def uncompiled() -> AbstractContextManager:
    """Networks that were compiled run as they are, where torch lets one say so."""
    if torch.compiler.is_compiling() or not is_compiler_loaded():
        return nullcontext()
    try:
        return torch.compiler.set_stance("force_eager")
    except RuntimeError:  # the Python that a compiled function fell back to
        return nullcontext()


@contextmanager
def unrecorded() -> Iterator[None]:
    """Within it, a checkpoint around the call does not count the tensors that are saved."""
    as_it_is = torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t)
    with as_it_is if are_savings_seen() else nullcontext():
        yield
