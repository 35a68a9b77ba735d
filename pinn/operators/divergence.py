"""The divergence operator:  ∇·f = Σᵢ ∂fᵢ/∂xᵢ.

`grad(f(x), x, ones)` is not the divergence: it is Jᵀ1, which adds the off-diagonal terms.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from pinn.algebra.channels import Plan, first
from pinn.algebra.jet import Jet
from pinn.base.costs import number
from pinn.base.messages import one_of, whole
from pinn.base.processes import rank
from pinn.cache.rechecks import Remembered
from pinn.cache.tracing import in_transform, is_transformed, keeps_graph
from pinn.choosing.choice import TRACE_NAMES, Choice, measured, settled
from pinn.choosing.sample_step import Trial, magnitude
from pinn.derivatives.evaluate import check_points, trace
from pinn.derivatives.hutchinson import Estimate, estimated, hutchinson
from pinn.derivatives.outputs import Function, in_a_row, is_matrix, split, width
from pinn.derivatives.probes import Probes
from pinn.geometry.sampling import stream_seed
from pinn.operators.arguments import Call, called, refused_numpy
from pinn.operators.chunked_points import MANY, in_cache, in_portions, portion
from pinn.operators.passed_value import Passed, mapped


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
            value = passed.value(call.x)
        if not call.is_array:
            return value, result
        return mapped(lambda part: part.cpu().numpy(), value), result.cpu().numpy()

    def _result(self, call: Call, passed: Passed | None = None) -> Tensor:
        """The divergence as a tensor; what f returns on the way is kept in `passed`."""
        x = call.x
        if is_transformed(x):  # nothing can be measured
            vector = self._vector(call)
            if self.strategy == "hutchinson":
                return self._estimate(vector, x)
            return trace(vector, x, self._dims(x), in_transform(self.strategy), self.chunk)
        vector, trial, known = self._settled(call)
        strategy = known.decision.strategy
        if strategy == "hutchinson":
            return self._estimate(vector, x)
        if passed is not None:
            vector = self._vector(Call(passed, (), x, (), call.is_array))
        return self._evaluate(vector, trial, x, strategy, known, self.memory)

    def _settled(self, call: Call) -> tuple[Function, Trial, Remembered]:
        """The vector, its evaluation as it is to be measured, and the choice for it."""
        known, x = Remembered(None, {}), call.x

        def run(at: Tensor, strategy: str) -> list[Tensor]:
            return [self._evaluate(vector, trial, at, strategy, known)]

        vector, dims = self._vector(call), self._dims(x)
        plan = Plan(tuple(map(first, dims)))
        trial = Trial(in_a_row(vector), plan, keeps_graph(), run, axes=dims)
        settings = (self.dims, self.components, self.chunk, self.memory, self.argnum)
        with refused_numpy():
            known = settled(call.f, trial, x, self.strategy, settings, call.beside)
        return vector, trial, known

    def _evaluate(
        self,
        vector: Function,
        trial: Trial,
        x: Tensor,
        strategy: str,
        known: Remembered,
        memory: float | None = None,
    ) -> Tensor:
        """An exact strategy, in portions that `memory` holds, or in ones that stay in cache.

        How many points a portion has is noted beside the choice.
        """

        def at_once(part: Tensor) -> Tensor:
            return trace(vector, part, self._dims(x), strategy, self.chunk)

        def count() -> int:
            if memory is None:
                return in_cache(trial, x, strategy)
            return portion(trial, x, strategy, memory)

        few = number(x) <= MANY or known.notes is None
        if few if memory is None else x.numel() == 0:
            return at_once(x)
        points = known.note(("points", memory, strategy), count)
        rows = max(1, points // x.shape[1:-1].numel())
        return in_portions(at_once, x, rows, again=memory is not None)

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
        table = [dict(row) for row in measurement.table]
        for row in table:
            row["note"] = "the fastest" if row["note"] == "chosen" else row["note"]
            if row["strategy"] == own.strategy:
                row["note"] = f"chosen; {row['note']}"
        return replace(own, table=table)

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
            vector = self._vector(call) if is_transformed(call.x) else self._settled(call)[0]
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
        """f reduced to the components of the vector, kept separate for the loop's sake.

        Raises:
            TypeError, ValueError: x or dims cannot be differentiated at or along.
        """
        check_points(call.f, call.x)
        f, dims = call.function, self._dims(call.x)

        def vector(x: Tensor) -> Any:
            y, shape = f(x), x.shape[:-1]
            whole = isinstance(y, Tensor | Jet)
            parts = [] if whole else split(y, shape)
            count = width(y, shape) if whole else len(parts)
            chosen = range(count) if self.components is None else self.components
            if len(chosen) != len(dims) or any(not 0 <= i < count for i in chosen):
                what = "rows of " if is_matrix(y, shape) else ""
                raise ValueError(
                    f"f has {what}{count} components and {len(dims)} coordinates are "
                    f"differentiated: pick as many with components=, got {self.components}"
                )
            if whole and list(chosen) == list(range(count)):
                return y
            if is_matrix(y, shape):
                return torch.stack([y[..., i] for i in chosen], -1)
            return tuple(y[..., i] if whole else parts[i] for i in chosen)

        return vector


def divergence(
    f: Function,
    x: Tensor,
    strategy: str = "auto",
    dims: Sequence[int] | None = None,
    components: Sequence[int] | None = None,
) -> Tensor:
    """∇·f at the points x (…, d), as (…); see `Divergence`.

    A module is measured once for as long as it lives, a lambda made anew for each call once for the
    modules that it refers to.
    """
    return Divergence(strategy, dims, components)(f, x)
