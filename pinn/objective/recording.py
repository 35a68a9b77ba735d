"""A function of tensors recorded once as a graph, and run without Python between the operations.

Recording sees operations, not Python, so it works through fields, modules and reverse mode alike.
What depends on the fixed arguments alone (the points) is computed once per set of points.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, fx

from pinn.base.torch_adapter import compile_graph, record
from pinn.objective.tape import InPlaceError, Replay, Slot, Tape, is_mutable, is_random

Tensors = Sequence[Tensor]
Function = Callable[[list[Tensor], list[Tensor]], list[Tensor]]


class RecordingError(RuntimeError):
    """A function cannot be run as a graph; whoever asked runs its Python."""


class Recording:
    """function(varying, fixed) → list of tensors, as a graph.

    Args:
        function: takes two lists of tensors and returns one; same shapes at every call.
        varying: example of what changes at every call, such as parameters.
        fixed: example of what stays over many calls, such as points.
        compiled: hand the graph to the compiler.

    Raises:
        RecordingError: the function cannot be recorded, or the compiler fails.
    """

    def __init__(
        self, function: Function, varying: Tensors, fixed: Tensors, compiled: bool = False
    ) -> None:
        # Fresh tensors: a memory kept by identity would otherwise bring in values as constants.
        examples = [t.clone() for t in varying], [t.clone() for t in fixed]
        try:
            self.main, self.before = recorded(function, *examples)
            self.run: Callable[..., Sequence[Tensor]] = self.main
            if compiled:
                self.run = compiled_graph(self.main, [*examples[0], *self.prepared(examples[1])])
        except Exception as error:  # whatever problem, network, torch or the compiler raise
            raise RecordingError(first_line(error)) from error

    def prepared(self, fixed: Tensors) -> list[Tensor]:
        """What the graph needs that follows from the fixed arguments alone."""
        with torch.no_grad():
            return list(self.before(*fixed))

    def __call__(self, varying: Tensors, prepared: Tensors) -> list[Tensor]:
        """The function's result."""
        with torch.no_grad():
            return list(self.run(*varying, *prepared))


def compiled_graph(graph: fx.GraphModule, examples: Tensors) -> Callable:
    """The graph after the compiler, for inputs of these shapes."""
    on_cpu = examples[0].device.type == "cpu"
    if on_cpu:
        for node in graph.graph.nodes:
            if node.target is torch.ops.aten.tanh.default:
                node.target = torch.ops.pinn.tanh.default
        graph.recompile()
    # Launched from C++: on one core Python between the operations is a tenth of a step.
    return compile_graph(graph, examples, cpp_wrapper=on_cpu)


def first_line(error: Exception) -> str:
    """What went wrong, in one line."""
    text = str(error).strip().splitlines()
    if any("tracing tensor" in line for line in text):
        return "the problem or a network reads values as plain numbers, by .item(), float() or if"
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


# The compiler's tanh on a CPU takes six times as long as the library's.
LIBRARY = torch.library.Library("pinn", "DEF")
LIBRARY.define("tanh(Tensor x) -> Tensor")
LIBRARY.impl("tanh", torch.tanh, "CPU")
torch.library.register_fake("pinn::tanh", torch.empty_like)


def recorded(
    function: Function, varying: list[Tensor], fixed: list[Tensor]
) -> tuple[fx.GraphModule, Callable[..., Sequence[Tensor]]]:
    """A function as main(*varying, *values) → results, and before(*fixed) → values.

    Raises:
        ValueError: the function reads tensors that are not among its arguments; a later change of
            theirs would go unnoticed.
    """
    tape = Tape(fixed)

    def traced(*moving: Tensor) -> list[Tensor]:
        with tape:
            return function(list(moving), fixed)

    before: Callable[..., Sequence[Tensor]]
    try:
        graph = record(traced, *varying)
        before = placed(graph, tape)
    except InPlaceError:  # what is written to may follow from the points: all of it is traced
        count = len(varying)
        graph = record(
            lambda *all: function(list(all[:count]), list(all[count:])), *varying, *fixed
        )
        before = as_given
    refuse_values(graph)
    merge(graph)
    for node in graph.graph.nodes:
        node.meta.clear()  # the shapes of the examples, which the compiler finds again
    return fx.GraphModule(graph, graph.graph), before  # without the values of these points


def as_given(*fixed: Tensor) -> Sequence[Tensor]:
    """The points themselves."""
    return fixed


def placed(graph: fx.GraphModule, tape: Tape) -> Replay:
    """What gives the values that follow from the points; in the graph they become arguments."""
    nodes: dict[Slot, fx.Node] = {}
    first = next((n for n in graph.graph.nodes if n.op != "placeholder"), None)
    for node in [n for n in graph.graph.nodes if n.op == "get_attr"]:
        slot = tape.known.get(getattr(graph, node.target))
        if slot is None:
            continue
        if slot not in nodes:
            with graph.graph.inserting_before(first):
                nodes[slot] = graph.graph.placeholder(f"value{slot}")
        node.replace_all_uses_with(nodes[slot])
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return Replay(tape, list(nodes))


def refuse_values(graph: fx.GraphModule) -> None:
    """Refuse a graph into which per-point values were written as constants.

    Raises:
        ValueError: it has some.
    """
    for node in graph.graph.nodes:
        if node.op == "get_attr":
            held = getattr(graph, node.target)
            literal = all(u.target is torch.ops.aten.lift_fresh_copy.default for u in node.users)
            if isinstance(held, Tensor) and not literal:
                raise ValueError(
                    f"a tensor of shape {tuple(held.shape)} is neither a parameter, a buffer nor a "
                    "point: register it as a buffer"
                )


def merge(graph: fx.GraphModule) -> None:
    """Equal operations on equal arguments once: the backward pass repeats some of the forward."""
    nodes = [n for n in graph.graph.nodes if n.op == "call_function"]
    if any(is_mutable(n.target) for n in nodes):
        return
    known: dict[tuple, fx.Node] = {}
    for node in nodes:
        if is_random(node.target):
            continue
        key = node.target, repr(node.args), repr(node.kwargs)  # 1 and 1.0 are equal, not the same
        first = known.setdefault(key, node)
        if first is not node:
            node.replace_all_uses_with(first)
            graph.graph.erase_node(node)
    graph.recompile()
