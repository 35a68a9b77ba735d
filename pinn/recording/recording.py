"""A function of tensors recorded once as a program, and run without Python between the operations.

What depends on the fixed arguments alone (the points) is computed once per set of points.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from pinn.base.torch_adapter import compile_graph, recorded
from pinn.recording.exits import Exits
from pinn.recording.tape import VARYING, InPlaceError, Line, RecordingError, Tape, is_random

Tensors = Sequence[Tensor]
Function = Callable[[list[Tensor], list[Tensor]], list[Tensor]]


class Program:
    """Lines of a tape as a function of tensors, without those whose results nobody needs.

    Args:
        tape: where they were noted.
        lines: in order.
        inputs: the names of the arguments; what else is needed comes behind them.
        outputs: the names of the results.
    """

    def __init__(
        self, tape: Tape, lines: Sequence[Line], inputs: Sequence[str], outputs: Sequence[str]
    ) -> None:
        self.namespace, self.lines = tape.namespace, list[Line]()
        needed, text = set(outputs), [f"    return [{', '.join(outputs)}]"]
        for line in reversed(lines):
            if line.stays or not needed.isdisjoint(line.results):
                if over := set(line.given) - needed:
                    text.append(f"    del {', '.join(over)}")
                text += assignments(line, needed)
                needed.difference_update(line.results)
                needed.update(line.given)
                self.lines.append(line)
        self.wanted = sorted(needed.difference(inputs))
        self.arguments = [*inputs, *self.wanted]
        text.append(f"def run({', '.join(self.arguments)}):")
        self.code = compile("\n".join(reversed(text)), "<recorded step>", "exec")
        self.run: Callable[..., Sequence[Tensor]] = self.bound(tape.namespace)

    def bound(self, namespace: dict[str, Any]) -> Callable[..., Any]:
        """The function with operations and constants by these names."""
        names = dict(namespace)
        exec(self.code, names)
        return names["run"]

    def graph(self, instead: dict[Any, Any]) -> fx.GraphModule:
        """The function as a graph, with some operations in the place of others."""
        graph = fx.Graph()
        tracer = fx.proxy.GraphAppendingTracer(graph)

        def noting(function: Any) -> Callable[..., fx.Proxy]:
            target = instead.get(function, function)
            return lambda *a, **k: tracer.create_proxy("call_function", target, a, k)

        operations = {line.function for line in self.lines}
        names = {n: noting(f) if f in operations else f for n, f in self.namespace.items()}
        given = [fx.Proxy(graph.placeholder(name), tracer) for name in self.arguments]
        graph.output([result.node for result in self.bound(names)(*given)])
        return fx.GraphModule({}, graph)


def assignments(line: Line, needed: set[str]) -> list[str]:
    """The statements of an operation, the last one first; `needed` names what is used later."""
    if list(line.results.values()) == [""]:
        return [f"    {next(iter(line.results))} = {line.call}"]
    parts = [f"    {name} = t{place}" for name, place in line.results.items() if name in needed]
    return ["    del t", *parts, f"    t = {line.call}"]


class Recording:
    """function(varying, fixed) → list of tensors, as a program.

    Args:
        function: takes two lists of tensors and returns one; same shapes at every call.
        varying: example of what changes at every call, such as parameters.
        fixed: example of what stays over many calls, such as points.
        compiled: hand the program to the compiler.

    Raises:
        RecordingError: the function cannot be recorded, or the compiler fails.
    """

    def __init__(
        self, function: Function, varying: Tensors, fixed: Tensors, compiled: bool = False
    ) -> None:
        # Fresh tensors: a memory kept by identity would otherwise bring in values as constants.
        examples = [t.clone() for t in varying], [t.clone() for t in fixed]
        try:
            try:
                self.write(function, *examples)
            except InPlaceError:
                self.write(function, *examples, in_place=True)
            self.run = self.main.run
            if compiled:
                self.run = compiled_program(self.main, [*examples[0], *self.prepared(examples[1])])
        except Exception as error:  # whatever problem, network, torch or the compiler raise
            raise RecordingError(first_line(error)) from error

    def write(
        self, function: Function, varying: list[Tensor], fixed: list[Tensor], in_place: bool = False
    ) -> None:
        """Record the function as main(*varying, *values) → results, and before(*fixed) → values.

        Raises:
            ValueError: the function reads tensors that are not among its arguments; a later change
                of theirs would go unnoticed.
        """
        tape = Tape(varying, fixed, in_place)
        with recorded(), tape, Exits(tape):
            results = run(function, varying, fixed, tape)
        outputs = [tape.written_as(t, []) for t in results]
        moving = [line for line in tape.lines if line.level == VARYING]
        others = [line for line in tape.lines if line.level < VARYING]
        self.main = Program(tape, moving, tape.varying, outputs)
        self.literals = list(tape.literals.values())
        self.is_random = any(is_random(line.function) for line in tape.lines)
        inputs = [*tape.fixed, *tape.literals]
        self.before = Program(tape, others, inputs, self.main.wanted)
        if self.before.wanted:
            raise ValueError(
                f"a tensor of shape {tuple(tape.foreign[self.before.wanted[0]])} is neither a "
                "parameter, a buffer nor a point: register it as a buffer"
            )

    def prepared(self, fixed: Tensors) -> list[Tensor]:
        """What the program needs that follows from the fixed arguments alone."""
        with torch.no_grad():
            return list(self.before.run(*fixed, *self.literals))

    def __call__(self, varying: Tensors, prepared: Tensors) -> list[Tensor]:
        """The function's result."""
        with torch.no_grad():
            return list(self.run(*varying, *prepared))


def run(function: Function, varying: list[Tensor], fixed: list[Tensor], tape: Tape) -> list[Tensor]:
    """The function's result, while a tape records it.

    Raises:
        InPlaceError, RecordingError: the tape refused something, whether or not the Python that is
            recorded caught the refusal.
    """
    try:
        results = function(varying, fixed)
    except Exception as error:
        if isinstance(tape.refusal, InPlaceError):
            raise tape.refusal from error
        raise
    if tape.refusal is not None:
        raise tape.refusal
    return results


def compiled_program(program: Program, examples: Tensors) -> Callable[..., Sequence[Tensor]]:
    """The program after the compiler, for inputs of these shapes."""
    on_cpu = examples[0].device.type == "cpu"
    library = {torch.ops.aten.tanh.default: torch.ops.pinn.tanh.default}
    graph = program.graph(library if on_cpu else {})
    # Launched from C++: on one core Python between the operations is a tenth of a step.
    return compile_graph(graph, examples, cpp_wrapper=on_cpu)


def first_line(error: Exception) -> str:
    """What went wrong, in one line."""
    text = str(error).strip().splitlines()
    if text and isinstance(error, RecordingError):
        return text[0]
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


# The compiler's tanh on a CPU takes six times as long as the library's.
LIBRARY = torch.library.Library("pinn", "DEF")
LIBRARY.define("tanh(Tensor x) -> Tensor")
LIBRARY.impl("tanh", torch.tanh, "CPU")
torch.library.register_fake("pinn::tanh", torch.empty_like)
