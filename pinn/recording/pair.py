"""A function of points and its gradient, recorded once as two programs.

    forward     (tensors, x) ↦ y, and what the backward program reads of it
    backward    (tensors, x, ∂L/∂y, what was kept) ↦ ∂L/∂tensors, ∂L/∂x

The tensors are inputs of every run, so nothing is known of their numbers.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pinn.base.torch_adapter import compile_graph, recorded, storage_key
from pinn.recording.exits import Exits
from pinn.recording.recording import Program, first_line, run
from pinn.recording.tanh import replace_tanh
from pinn.recording.tape import (
    CONSTANT,
    VARYING,
    InPlaceError,
    Line,
    RecordingError,
    Tape,
    is_random,
)

aten = torch.ops.aten
# Made again in the backward program: a compiler does them while it reads what they are made of.
CHEAP = {aten.mul, aten.add, aten.sub, aten.rsub, aten.neg, aten.cat}
# A long expression that is read several times is computed once; on a CPU sums may use one rounding.
OPTIONS = {"realize_opcount_threshold": 10, "cpp.enable_floating_point_contract_flag": "fast"}

Function = Callable[[Tensor], Tensor]


class Pair:
    """y = f(x) and its gradient as two programs.

    Args:
        function: x ↦ y, any shape; reads `tensors` besides, and nothing else that has numbers.
        tensors: which it may read: parameters, buffers, what it closes over.
        x: an example of its points.
        differentiated: whether the gradient is recorded too.
        compiled: hand the programs to the compiler.

    Raises:
        RecordingError: the function cannot be recorded, or the compiler fails.
    """

    def __init__(
        self,
        function: Function,
        tensors: Sequence[Tensor],
        x: Tensor,
        differentiated: bool,
        compiled: bool = False,
    ) -> None:
        self.differentiated = differentiated
        try:
            try:
                self.write(function, tensors, x, compiled)
            except InPlaceError:
                self.write(function, tensors, x, compiled, in_place=True)
            if compiled:
                self.compile(self.picked([*tensors, x.detach().clone()]))
        except Exception as error:  # whatever the function, torch or the compiler raise
            raise RecordingError(first_line(error)) from error

    def write(
        self,
        function: Function,
        tensors: Sequence[Tensor],
        x: Tensor,
        compiled: bool,
        in_place: bool = False,
    ) -> None:
        """Record the function and its gradient.

        Raises:
            ValueError: the function draws random numbers, reads tensors that are not among its
                arguments or have a graph, or gives what does not depend on them.
        """
        if any(t.grad_fn is not None for t in tensors):
            raise ValueError("a tensor that is read has a graph of its own")
        at = x.detach().clone().requires_grad_(self.differentiated and x.requires_grad)
        tape = Tape([*tensors, at], [], in_place)
        ends = [t for t in (*tensors, at) if t.requires_grad] if self.differentiated else []

        def whole(_: list[Tensor], __: list[Tensor]) -> list[Tensor | None]:
            y = function(at)
            self.mark = len(tape.lines)
            if not ends or not y.requires_grad:
                return [y]
            slope = torch.ones_like(y)
            tape.varying.append(tape.variable(slope, VARYING))
            return [y, *torch.autograd.grad(y, ends, slope, allow_unused=True)]

        with recorded(), tape, Exits(tape):
            y, *gradients = run(whole, [], [], tape)  # type: ignore[arg-type]
        if any(is_random(line.function) for line in tape.lines):
            raise ValueError("random numbers are drawn")
        pairs = list(zip(ends, gradients, strict=False))
        self.arrange(tape, [*tensors, at], y, pairs, compiled)

    def arrange(
        self,
        tape: Tape,
        inputs: list[Tensor],
        y: Tensor,
        gradients: Sequence[tuple[Tensor, Tensor | None]],
        compiled: bool,
    ) -> None:
        """Divide what was recorded into constants, the forward and the backward program.

        Raises:
            ValueError: see `write`.
        """
        output = tape.written_as(y, [])
        shared = storage_key(y) in {storage_key(t) for t in inputs}
        if shared or tape.levels[output] == CONSTANT:
            raise ValueError("the result does not depend on the points")
        places = [next(k for k, t in enumerate(inputs) if t is end) for end, _ in gradients]
        known = [(k, g) for k, (_, g) in zip(places, gradients, strict=True) if g is not None]
        slopes = [tape.written_as(g, []) for _, g in known]
        names, slope = tape.varying[: len(inputs)], tape.varying[len(inputs) :]
        first = [line for line in tape.lines[: self.mark] if line.level > CONSTANT]
        forward = Program(tape, first, names, [output])
        later = rest(tape, forward, compiled)
        backward = Program(tape, later, [*names, *slope], slopes)
        wanted = {*forward.wanted, *backward.wanted}
        made = {name for line in forward.lines for name in line.results}
        kept, constants = sorted(wanted & made), sorted(wanted - made)
        self.constants = computed(tape, constants)
        read = {name for line in (*forward.lines, *backward.lines) for name in line.given}
        last, slots = len(names) - 1, [k for k, _ in known]
        self.used = [k for k, name in enumerate(names) if name in read or k in (*slots, last)]
        self.slots = [self.used.index(k) for k in slots]
        given = [names[k] for k in self.used]
        self.forward = Program(tape, first, [*given, *constants], [output, *kept])
        self.backward = Program(tape, later, [*given, *slope, *kept, *constants], slopes)
        self.run_forward, self.run_backward = self.forward.run, self.backward.run
        self.strides = [inputs[k].stride() for k in self.used]

    def compile(self, inputs: Sequence[Tensor]) -> None:
        """Hand the programs to the compiler, for inputs of these shapes."""
        examples = [t.detach() for t in inputs]
        self.run_forward = by_compiler(self.forward, [*examples, *self.constants])
        y, *kept = self.values(examples)
        if self.slots:
            given = [*examples, torch.ones_like(y), *kept, *self.constants]
            self.run_backward = by_compiler(self.backward, given)

    def picked(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The inputs of the programs, among all tensors with the points behind them."""
        return [tensors[k] for k in self.used]

    def fits(self, inputs: Sequence[Tensor]) -> bool:
        """Whether the inputs lie in memory as those that were recorded."""
        return [*map(Tensor.stride, inputs)] == self.strides

    def values(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        """y, and what the backward program reads."""
        if not torch.is_grad_enabled():
            return list(self.run_forward(*inputs, *self.constants))
        with torch.no_grad():
            return list(self.run_forward(*inputs, *self.constants))

    def gradients(
        self, inputs: Sequence[Tensor], slope: Tensor, kept: Sequence[Tensor]
    ) -> list[Tensor]:
        """∂L/∂inputs of those in `slots`, from ∂L/∂y."""
        if not torch.is_grad_enabled():
            return list(self.run_backward(*inputs, slope, *kept, *self.constants))
        with torch.no_grad():
            return list(self.run_backward(*inputs, slope, *kept, *self.constants))


def rest(tape: Tape, forward: Program, compiled: bool) -> list[Line]:
    """The lines of the backward program, in order.

    Where operations write in place all of them run again.
    """
    moving = [line for line in tape.lines if line.level > CONSTANT]
    if tape.in_place:
        return moving
    done = {id(line) for line in forward.lines}
    return [line for line in moving if id(line) not in done or (compiled and is_cheap(line))]


def is_cheap(line: Line) -> bool:
    """Whether a compiler does an operation while it reads what it is made of."""
    return line.function.is_view or line.function.overloadpacket in CHEAP


def computed(tape: Tape, names: Sequence[str]) -> list[Tensor]:
    """The values of constants.

    Raises:
        ValueError: one of them is a tensor of which nothing is known.
    """
    lines = [line for line in tape.lines if line.level == CONSTANT]
    before = Program(tape, lines, list(tape.literals), list(names))
    if before.wanted:
        shape = tuple(tape.foreign.get(before.wanted[0], ()))
        raise ValueError(f"a tensor of shape {shape} is neither a parameter nor a buffer")
    with torch.no_grad():
        return [t.clone() for t in before.run(*tape.literals.values())]


def by_compiler(program: Program, examples: Sequence[Tensor]) -> Callable[..., Sequence[Tensor]]:
    """A program after the compiler, for inputs of these shapes."""
    on_cpu = examples[0].device.type == "cpu"
    graph = program.graph({})
    if on_cpu:
        single = all(t.dtype is torch.float32 for t in examples if t.is_floating_point())
        replace_tanh(graph, by_formula=single and torch.float64 not in program.namespace.values())
    # Launched from C++: on one core Python between the operations is a tenth of a step.
    return compile_graph(graph, examples, cpp_wrapper=on_cpu, **(OPTIONS if on_cpu else {}))
