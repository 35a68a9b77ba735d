"""A function of tensors recorded once as a graph, and run without Python between the operations.

Recording sees operations, not Python, so it works through fields, modules and reverse mode alike.
What depends on the fixed arguments alone (the points) is computed once per set of points.
"""

import gc
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

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
            graph = make_fx(function)(*examples)
            refuse_values(graph)
            merge(graph)
            self.before, self.main = divided(graph, len(varying))
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
    import torch._inductor as inductor  # takes a second

    on_cpu = examples[0].device.type == "cpu"
    if on_cpu:
        for node in graph.graph.nodes:
            if node.target is torch.ops.aten.tanh.default:
                node.target = torch.ops.pinn.tanh.default
        graph.recompile()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's, about parts of its own
        # Launched from C++: on one core Python between the operations is a tenth of a step.
        compiled = inductor.compile(graph, list(examples), options={"cpp_wrapper": on_cpu})
    gc.collect()  # it leaves tens of megabytes behind
    return compiled


def first_line(error: Exception) -> str:
    """What went wrong, in one line."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


# The compiler's tanh on a CPU takes six times as long as the library's.
LIBRARY = torch.library.Library("pinn", "DEF")
LIBRARY.define("tanh(Tensor x) -> Tensor")
LIBRARY.impl("tanh", torch.tanh, "CPU")
torch.library.register_fake("pinn::tanh", torch.empty_like)


def refuse_values(graph: fx.GraphModule) -> None:
    """Refuse a graph into which per-point values were written as constants.

    Raises:
        ValueError: the function reads tensors that are not among its arguments; a later change of
            theirs would go unnoticed.
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
    if any(is_impure(n) for n in nodes):
        return
    known: dict[tuple, fx.Node] = {}
    for node in nodes:
        if is_random(node):
            continue
        key = node.target, repr(node.args), repr(node.kwargs)  # 1 and 1.0 are equal, not the same
        first = known.setdefault(key, node)
        if first is not node:
            node.replace_all_uses_with(first)
            graph.graph.erase_node(node)
    graph.recompile()


def divided(graph: fx.GraphModule, varying: int) -> tuple[fx.GraphModule, fx.GraphModule]:
    """The part that depends on the fixed arguments alone, and the rest.

    Returns:
        before(*fixed) → values, and main(*varying, *values) → results.
    """
    nodes = list(graph.graph.nodes)
    inputs = [n for n in nodes if n.op == "placeholder"]
    moving = set(inputs[:varying])
    still = set(inputs[varying:])
    mutates = any(is_impure(n) for n in nodes)
    for node in nodes:
        if node.op != "call_function":
            continue
        given = node.all_input_nodes
        if mutates or is_random(node) or any(g in moving for g in given):
            moving.add(node)
        elif any(g in still for g in given):
            still.add(node)
    reads = [g for n in nodes if n in moving or n.op == "output" for g in n.all_input_nodes]
    frontier = list(dict.fromkeys(g for g in reads if g in still))
    before = part(graph, inputs[varying:], [n for n in nodes if n not in moving], frontier)
    results = next(n for n in nodes if n.op == "output").args[0]
    rest = [n for n in nodes if n not in still]
    return before, part(graph, [*inputs[:varying], *frontier], rest, results)


def part(
    graph: fx.GraphModule, inputs: Sequence[fx.Node], nodes: Sequence[fx.Node], outputs: Sequence
) -> fx.GraphModule:
    """Some of the nodes of a graph as a graph of its own."""
    made = fx.Graph()
    twin = {node: made.placeholder(f"input{k}") for k, node in enumerate(inputs)}
    for node in nodes:
        if node.op in ("call_function", "get_attr") and node not in twin:
            twin[node] = made.node_copy(node, lambda n: twin[n])
    made.output([twin[n] if isinstance(n, fx.Node) else n for n in outputs])
    made.eliminate_dead_code()
    return fx.GraphModule(graph, made)


def is_impure(node: fx.Node) -> bool:
    """Whether an operation writes to its arguments."""
    schema = getattr(node.target, "_schema", None)
    return bool(schema is not None and schema.is_mutable)


def is_random(node: fx.Node) -> bool:
    """Whether an operation draws random numbers."""
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())
