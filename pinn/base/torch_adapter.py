"""All that is used of torch's inside, which the next version may change.

`INSIDE` names it. Where something is missing, what this module gives in its place is slower or more
careful and never wrong; docs/design.md lists it.
"""

import gc
import pkgutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, fx, nn

from pinn.base.unloaded_compiler import spare

# What it is called here → where torch has it; read once, when this module is loaded.
PATHS = {
    "make_fx": "torch.fx.experimental.proxy_tensor.make_fx",
    "DispatchMode": "torch.utils._python_dispatch.TorchDispatchMode",
    "modes": "torch.utils._python_dispatch._get_current_dispatch_mode_stack",
    "functions": "torch.overrides._get_current_function_mode_stack",
    "transform": "torch._C._functorch.peek_interpreter_stack",
    "is_wrapped": "torch._C._functorch.is_functorch_wrapped_tensor",
    "unwrapped": "torch._C._functorch.get_unwrapped",
    "saving_hooks": "torch._C._autograd._top_saved_tensors_default_hooks",
    "multiply": "torch._foreach_mul",
    "add": "torch._foreach_add_",
    "norms": "torch._foreach_norm",
    "flops": "torch.utils.flop_counter.flop_registry",
}


def resolved(path: str) -> Any:
    """What a dotted path names; None where this torch has no such thing."""
    try:
        return pkgutil.resolve_name(path)
    except (ImportError, AttributeError):
        return None


INSIDE: dict[str, Any] = {name: resolved(path) for name, path in PATHS.items()}
# Modes under which tensors stand for others; under any other, such as one that counts, numbers run.
TRACING = ("ProxyTorchDispatchMode", "FakeTensorMode", "FunctionalTensorMode")
recordings = 0  # that are being made


class NoMode(nullcontext):
    """In the place of a mode that sees operations: it sees none."""


class DispatchMode(INSIDE["DispatchMode"] or NoMode):  # type: ignore[misc]
    """A mode that sees operations; torch would keep each one from the compiler."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        spare(cls, ("__torch_dispatch__",))


RECORDING = ("DispatchMode",)
GLOBAL_HOOKS = (
    *("_global_forward_hooks", "_global_forward_pre_hooks"),
    *("_global_backward_hooks", "_global_backward_pre_hooks"),
)


@contextmanager
def recorded(needs: str = "DispatchMode") -> Iterator[None]:
    """Within it operations are recorded.

    Raises:
        RuntimeError: this torch has nothing to record them with; steps then run as Python.
    """
    global recordings
    if INSIDE[needs] is None:
        raise RuntimeError(f"this version of torch has no {PATHS[needs]}")
    recordings += 1
    try:
        yield
    finally:
        recordings -= 1


def record(function: Callable, *args: Any, **options: Any) -> fx.GraphModule:
    """The operations of a function as a graph that torch can export.

    Raises:
        RuntimeError: this torch records none.
    """
    with recorded("make_fx"):
        return INSIDE["make_fx"](function, **options)(*args)


def leaves(tree: Any) -> Iterator[Any]:
    """What nested lists, tuples and dictionaries hold."""
    if isinstance(tree, Mapping):
        tree = list(tree.values())
    if isinstance(tree, list | tuple):
        for item in tree:
            yield from leaves(item)
    else:
        yield tree


def tensors_in(tree: Any) -> list[Tensor]:
    """The tensors in nested lists, tuples and dictionaries."""
    return [leaf for leaf in leaves(tree) if isinstance(leaf, Tensor)]


def compile_graph(graph: fx.GraphModule, examples: Sequence[Tensor], **options: Any) -> Callable:
    """A graph after the compiler, for inputs of these shapes.

    Raises:
        ImportError, AttributeError: this torch has none of the kind; steps run as recorded.
    """
    import torch._inductor as inductor  # takes a second

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's, about parts of its own
        compiled = inductor.compile(graph, list(examples), options=options)
    gc.collect()  # it leaves tens of megabytes behind
    return compiled


def is_traced() -> bool:
    """Whether operations are recorded; where torch does not say, those that are recorded here."""
    if recordings or INSIDE["modes"] is None:
        return recordings > 0 or torch.compiler.is_exporting()
    return any(type(mode).__name__ in TRACING for mode in INSIDE["modes"]())


def is_watched() -> bool:
    """Whether somebody looks at operations or modules while they run, as a profiler of modules or
    a counter does, and would see less of a graph; where torch does not say, it is taken so.
    """
    if INSIDE["modes"] is None or INSIDE["functions"] is None:
        return True
    return bool(
        INSIDE["functions"]()
        or INSIDE["modes"]()
        or torch.is_anomaly_enabled()
        or are_savings_seen()
        or any(map(vars(nn.modules.module).get, GLOBAL_HOOKS))
    )


def is_differentiated() -> bool:
    """Whether a transform of `torch.func` is at work, or the compiler, which `backward` does not
    pass; where torch does not say, it is taken for granted, and nothing is measured.
    """
    peek = INSIDE["transform"]
    level = getattr(torch.autograd.forward_ad, "_current_level", None)
    return (
        torch.compiler.is_compiling()
        or peek is None
        or level is None
        or (peek() is not None or level >= 0)
    )


def is_wrapped(tensor: Tensor) -> bool:
    """Whether a tensor stands for others within a transform of `torch.func`."""
    if INSIDE["is_wrapped"] is not None:
        return INSIDE["is_wrapped"](tensor)
    try:
        tensor.data_ptr()
    except RuntimeError:
        return True
    return False


def unwrapped(tensor: Tensor) -> Tensor | None:
    """The tensor one transform further out; None where torch does not say."""
    return None if INSIDE["unwrapped"] is None else INSIDE["unwrapped"](tensor)


def are_savings_seen() -> bool:
    """Whether hooks see the tensors that reverse mode saves, as a checkpoint's do."""
    top = INSIDE["saving_hooks"]
    return top is None or top(True) is not None


def version_of(tensor: Tensor) -> Any:
    """What differs after a tensor was written to; where torch does not say, at every call."""
    try:
        return tensor._version
    except AttributeError:
        return object()


def multiply(tensors: Sequence[Tensor], factor: Tensor) -> Sequence[Tensor]:
    """Each tensor times a number."""
    if INSIDE["multiply"] is None:
        return [tensor * factor for tensor in tensors]
    return INSIDE["multiply"](tensors, factor)


def add(tensors: Sequence[Tensor], others: Sequence[Tensor]) -> None:
    """Add to each tensor, in place, its partner."""
    if INSIDE["add"] is None:
        for tensor, other in zip(tensors, others, strict=True):
            tensor.add_(other)
    else:
        INSIDE["add"](tensors, others)


def largest_entries(tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """max |x| of each tensor."""
    if INSIDE["norms"] is None:
        return [tensor.abs().max() for tensor in tensors]
    return INSIDE["norms"](list(tensors), float("inf")) if tensors else []


def hooks(module: nn.Module) -> Iterator[Any]:
    """What runs before and after a module; nothing where torch does not say."""
    for name in ("_forward_hooks", "_forward_pre_hooks"):
        yield from getattr(module, name, {}).values()


def storage_key(tensor: Tensor) -> int:
    """The same for tensors that share their memory."""
    storage = tensor.untyped_storage()
    return getattr(storage, "_cdata", None) or storage.data_ptr()


def flops_rules() -> Mapping[Any, Callable]:
    """Floating-point operations by operation; nothing is counted where there are no rules."""
    return INSIDE["flops"] or {}
