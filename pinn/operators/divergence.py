"""The divergence operator:  ∇·f = Σᵢ ∂fᵢ/∂xᵢ.

`grad(f(x), x, ones)` is not the divergence: it is Jᵀ1, which adds the off-diagonal terms.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pinn.base.messages import one_of, whole
from pinn.base.processes import rank
from pinn.cache.rechecks import Remembered
from pinn.cache.tracing import in_transform, is_transformed, keeps_graph
from pinn.choosing.choice import TRACE_NAMES, Choice, measured, settled
from pinn.choosing.sample_step import Trial, magnitude
from pinn.derivatives.evaluate import check_precision, check_tensor, settings, trace
from pinn.derivatives.hutchinson import Estimate, estimated, hutchinson
from pinn.derivatives.outputs import Function, in_a_row
from pinn.derivatives.probes import Probes
from pinn.geometry.sampling import stream_seed
from pinn.operators.arguments import Call, called, refusal_of
from pinn.operators.evaluation import Compile, Evaluation
from pinn.operators.graphs import graphs_of
from pinn.operators.passed_value import Passed, mapped
from pinn.operators.vector import plan_along, vector_of

BUDGET = 3.0  # seconds that a choice may take


class Divergence(nn.Module):
    """∇·f = Σᵢ ∂f_components[i] / ∂x_dims[i] at every point;  (∇·σ)ᵢ = Σⱼ ∂σᵢⱼ/∂xⱼ of a matrix.

    Called as `Divergence(...)(f, x)` with x (…, d) of any leading shape, which need not require
    grad and is never modified; the result is (…). `f` may return a tensor (…, C), a tuple or a dict
    of components. Of a matrix (…, k, C) the divergence is taken row by row, and is (…, k): a tensor
    with two axes behind those of the points is a matrix, and its last axis is differentiated.
    Components that do not depend on x contribute zeros. Parameter gradients flow wherever grad mode
    is on.

    Inside `torch.compile`, `torch.export` and the transforms of `torch.func` nothing can be
    measured: every exact strategy is `vmap` there, and whether f couples points is not checked.

    Args:
        strategy: `auto` measures once, `rule` decides without; or `chain` (closed formulas where
            the Jacobian is a product of constant matrices and slopes), `taylor` (one fused forward
            pass), `vmap` (one batched reverse pass) or `loop` (one reverse pass per component).
            They agree to rounding. `hutchinson` is an estimate, never chosen by itself. Where
            several processes train, `auto` counts and does not time: all choose alike, and a
            process may call alone.
        dims: the coordinates to differentiate along; all of them by default. `dims=(0, 1)` leaves
            time out of (x, y, t).
        components: which outputs form the vector; by default all of them, in order.
            `components=(0, 1)` picks the velocity out of (u, v, p).
        chunk: for `vmap`, how many components to differentiate together; bounds memory.
        memory: the GiB that the tensors of an evaluation may take; the points are then processed
            in portions, and with grad mode on evaluated a second time in the backward pass.
        argnum: which argument of f is the points; the others go on to f as they are. It is 1 for
            f(t, x): `Divergence(argnum=1)(f, t, x)`. A gradient reaches a `t` that requires one.
        compile: `auto` records the operations of f after half a second of evaluations of one kind,
            and compiles them after half a minute, where that is faster. True compiles at the first
            call, which takes some ten seconds per number of points; False runs f every time. What
            else f does, such as printing, is then left out; f has no graph if it has hooks, draws
            random numbers or changes what it reads.
        probes: for `hutchinson`; one by default. Each call draws new ones; how many calls there
            were is in the state dict, so that a resumed run draws what it would have drawn.

    Raises:
        ValueError: as many components as dims are needed; f couples points; unknown strategy, or
            one that gives other numbers than reverse mode.
        TypeError: x is integer or complex, or its dtype is not that of f's parameters.
    """

    calls: Tensor

    def __init__(
        self,
        strategy: str = "auto",
        dims: Sequence[int] | None = None,
        components: Sequence[int] | None = None,
        chunk: int | None = None,
        memory: float | None = None,
        probes: Probes | None = None,
        argnum: int = 0,
        compile: Compile = "auto",
    ) -> None:
        super().__init__()
        one_of("strategy", strategy, TRACE_NAMES)
        if chunk is not None and chunk < 1:
            raise ValueError(f"chunk is {chunk}: it must be at least 1, or None for no limit")
        if memory is not None and not memory > 0:
            raise ValueError(f"memory is {memory}: give GiB above 0, or None for no limit")
        self.strategy = strategy
        self.dims = None if dims is None else tuple(dims)
        self.components = None if components is None else tuple(components)
        self.chunk = chunk
        self.memory = memory
        if probes is not None and strategy != "hutchinson":
            raise ValueError(f"probes are for strategy 'hutchinson', got strategy {strategy!r}")
        self.probes = probes or Probes()
        if type(compile) is not bool and compile != "auto":
            raise ValueError(f"compile is {compile!r}: give True, False or 'auto'")
        if compile is True and strategy == "hutchinson":
            raise ValueError("compile= is for exact strategies: an estimate draws random numbers")
        self.compilation = compile  # modules have a method `compile`
        self.argnum = whole("argnum", argnum, least=0)
        if strategy == "hutchinson":
            if memory is not None:
                raise ValueError("memory= is for exact strategies: bound an estimate by its probes")
            self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, f: Function, *arguments: Any) -> Any:
        """The divergence (…) of f at the points x (…, d): f(x), or f(t, x) with `argnum=1`.

        Points in a NumPy array give an array without a graph, of the same dtype.
        """
        call = called(f, arguments, self.argnum)
        with call.mode:
            result = self._result(call)
        return result.cpu().numpy() if call.is_array else result

    def with_value(self, f: Function, *arguments: Any) -> tuple[Any, Any]:
        """f(x) and its divergence, as a flow with its density wants both:  v and ∇·v.

        An exact strategy calls f once for both, without autocast, as the divergence is computed. An
        estimate, portions and transforms of `torch.func` call it once more.
        """
        call = called(f, arguments, self.argnum)
        passed = Passed(call.function)
        with call.mode:
            result = self._result(call, passed)
            with settings(call.x, {}):
                value = passed.value(call.x)
        if not call.is_array:
            return value, result
        return mapped(lambda part: part.cpu().numpy(), value), result.cpu().numpy()

    def _result(self, call: Call, passed: Passed | None = None) -> Tensor:
        """The divergence as a tensor; what f returns on the way is kept in `passed`."""
        x = call.x
        if is_transformed(x):  # nothing can be measured
            vector, dims = self._vector(call), self._dims(x)
            check_precision(call.f, x)
            if self.strategy == "hutchinson":
                return self._estimate(vector, x)
            return trace(vector, x, dims, in_transform(self.strategy), self.chunk)
        tensors: list[Tensor] = []
        vector, trial, known = self._settled(call, tensors)
        strategy = known.decision.strategy
        if strategy == "hutchinson":
            return self._estimate(vector, x)
        graphed = (call, tensors) if passed is None else None  # a graph keeps no other results
        if passed is not None:
            vector = self._vector(Call(passed, (), x, (), call.is_array))
        return self._evaluate(vector, trial, x, strategy, known, self.memory, graphed)

    def _settled(
        self, call: Call, tensors: list[Tensor] | None = None
    ) -> tuple[Function, Trial, Remembered]:
        """The vector, its evaluation as it is to be measured, and the choice for it.

        The tensors that f may read are appended to those given.
        """
        known: Remembered | None = None
        x = call.x

        def run(at: Tensor, strategy: str) -> list[Tensor]:
            nonlocal known
            known = known or Remembered(None, {})
            return [self._evaluate(vector, trial, at, strategy, known)]

        vector, dims = self._vector(call), self._dims(x)
        trial = Trial(in_a_row(vector), plan_along(dims), keeps_graph(), run, BUDGET, axes=dims)
        settings = (self.dims, self.components, self.chunk, self.memory, self.argnum)
        try:
            known = settled(call.f, trial, x, self.strategy, settings, call.beside, tensors)
        except RuntimeError as error:
            if (refusal := refusal_of(error)) is None:
                raise
            raise refusal from error
        return vector, trial, known

    def _evaluate(
        self,
        vector: Function,
        trial: Trial,
        x: Tensor,
        strategy: str,
        known: Remembered,
        memory: float | None = None,
        graphs: tuple[Call, list[Tensor]] | None = None,
    ) -> Tensor:
        """An exact strategy, in portions that `memory` holds, or in ones that stay in cache.

        How many points a portion has is noted beside the choice, and so are graphs: `graphs` is the
        call with the tensors that f may read, where they may be used.
        """

        def by(name: str, part: Tensor) -> Tensor:
            return trace(vector, part, self._dims(x), name, self.chunk)

        job = Evaluation(by, strategy, x, known, trial, memory, graphs, self.compilation)
        ways = graphs_of(job) if job.may_have_a_graph else None
        return job.values() if ways is None else ways.values(job)

    def choice(self, f: Function, *arguments: Any) -> Choice:
        """The strategy used for f, with the reason; settled once and remembered weakly."""
        call = called(f, arguments, self.argnum)
        with call.mode:
            decision: Choice = self._settled(call)[-1].decision
        return decision

    def explain(self, f: Function, *arguments: Any) -> Choice:
        """What each strategy costs for f at x; `print` shows a table, `.table` holds it as data.

        Counted FLOPs, operations and peak memory, with the backward pass where grad mode is on,
        the measured time, and what became of each candidate.
        """
        call = called(f, arguments, self.argnum)
        with call.mode:
            _, trial, known = self._settled(call)
            own = known.decision
            if own.table:
                return own
            measurement = known.note(magnitude(call.x), lambda: measured(trial, call.x))
        return own.beside(measurement)

    def extra_repr(self) -> str:
        """The settings, for printing a module tree."""
        return f"strategy={self.strategy!r}, dims={self.dims}, components={self.components}"

    def estimate(self, f: Function, *arguments: Any) -> Estimate:
        """The estimate of `hutchinson` and its standard error: `value, error = div.estimate(f, x)`.

        Args:
            f: the function.
            arguments: its arguments, as for a call.

        Raises:
            ValueError: the strategy is exact, or there are fewer than two probes.
        """
        if self.strategy != "hutchinson":
            raise ValueError(f"strategy {self.strategy!r} is exact: 'hutchinson' has an error")
        call = called(f, arguments, self.argnum)
        with call.mode:
            transformed = is_transformed(call.x)
            vector = self._vector(call) if transformed else self._settled(call)[0]
            if transformed:
                check_precision(call.f, call.x)
            found = estimated(vector, call.x, self._seed(), self.probes, self._dims(call.x))
        return Estimate(*(part.cpu().numpy() for part in found)) if call.is_array else found

    def _estimate(self, vector: Function, x: Tensor) -> Tensor:
        """One call's estimate."""
        return hutchinson(vector, x, self._seed(), self.probes, self._dims(x))

    def _seed(self) -> int:
        """The seed of probes that no other call and no other process has."""
        seed = stream_seed(self.probes.seed, int(self.calls), rank(), "divergence")
        self.calls += 1
        return seed

    def _dims(self, x: Tensor) -> tuple[int, ...]:
        """The coordinates to differentiate along.

        Raises:
            ValueError: they are none of those of x.
        """
        dims = tuple(range(x.shape[-1])) if self.dims is None else self.dims
        if not dims or not all(0 <= i < x.shape[-1] for i in dims) or len(set(dims)) < len(dims):
            raise ValueError(f"dims={dims} does not name distinct coordinates of {x.shape[-1]}")
        return dims

    def _vector(self, call: Call) -> Function:
        """f reduced to the components of the vector.

        Raises:
            TypeError, ValueError: x or dims cannot be differentiated at or along.
        """
        check_tensor(call.x)
        return vector_of(call.function, self._dims(call.x), self.components)


def divergence(
    f: Function,
    x: Any,
    strategy: str = "auto",
    dims: Sequence[int] | None = None,
    components: Sequence[int] | None = None,
) -> Any:
    """∇·f at the points x (…, d), as (…), or (…, k) of a matrix (…, k, d); see `Divergence`.

    Of a function with further arguments it takes a closure, `divergence(lambda x: f(t, x), x)`.

    A module is measured once for as long as it lives, a lambda made anew for each call once for the
    modules that it refers to.
    """
    return Divergence(strategy, dims, components)(f, x)
