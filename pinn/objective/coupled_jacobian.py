"""The Jacobian of residuals that see all points of their region at once:

    r_n = r(x_n, θ, m(θ)),   J = ∂r/∂θ + ∂r/∂m ∂m/∂θ

with a few numbers m that all points share, such as a mean. Given m, points are independent again.
Where no such numbers are found, J is taken whole: by rows, or by columns if these are fewer.
"""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from pinn.base.torch_adapter import leaves
from pinn.fields.field import Field
from pinn.fields.integrals import Shared, sharing
from pinn.geometry import Points

BATCH = 32  # rows or columns differentiated together
MOST = 64  # numbers that points share; each costs a backward pass
NUMBER = "shared "  # how the name of a number begins that all points share
SLOW = 60.0  # seconds of one Jacobian


class SlowJacobianError(ValueError):
    """The residuals of a region cannot be solved as least squares in any reasonable time."""


class Record(Shared):
    """Keeps the calls of torch in residuals, with what they take and give."""

    def __init__(self) -> None:
        super().__init__()
        self.calls_made: list[tuple[Any, list[Any], Any]] = []

    def called(self, count: int, func: Any, args: tuple, kwargs: dict) -> Any:
        """The result of a call, which is kept: a freed one's identity may come back."""
        result = func(*args, **kwargs)
        given = [a for a in leaves((args, kwargs)) if isinstance(a, Tensor | Field)]
        self.calls_made.append((func, given, result))
        return result


def shared_calls(evaluate: Callable[[Points], Any], points: Points) -> frozenset[int] | None:
    """Which calls of torch make a number that all points share, by their shapes.

    Args:
        evaluate: the residuals of a region.
        points: of the region.

    Returns:
        The places of the calls; None if these depend on how many points there are.
    """
    runs = []
    for n in (7, 5, 1):
        record = Record()
        try:
            with sharing(record), torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of a deviation of one point
                evaluate(points.select(torch.arange(n, device=points.at.device) % len(points)))
        except Exception:  # whatever the Python of a residual raises at so few points
            return None
        runs.append(record.calls_made)
    if len({tuple(func for func, *_ in run) for run in runs}) > 1:
        return None
    shared, from_points = set(), set()
    for number, ((_, given, result), (_, others, other)) in enumerate(
        zip(runs[0], runs[1], strict=True)
    ):
        many = [a.shape for a in given] != [b.shape for b in others]
        many |= any(id(a) in from_points for a in given)
        if not many or not isinstance(result, Tensor) or not result.is_floating_point():
            continue
        if result.shape == other.shape:
            shared.add(number)
            from_points.add(id(result))
    return frozenset(shared)


def entire(rows: Tensor, parameters: Sequence[Tensor], names: Sequence[str]) -> Tensor:
    """J (M, P) of rows (M,) that have a graph, in the fewer of M and P directions.

    Args:
        rows: r.
        parameters: θ.
        names: of the residuals that it is about.

    Raises:
        SlowJacobianError: it would take minutes.
    """
    size = sum(p.numel() for p in parameters)
    many = len(rows) <= size
    parts, started = [], time.perf_counter()
    batches = by_rows(rows, parameters) if many else by_columns(rows, parameters, size)
    for number, part in enumerate(batches, 1):
        parts.append(part)
        lasts = (time.perf_counter() - started) / number * min(len(rows), size) / BATCH
        if number <= 3 and lasts > SLOW:
            raise SlowJacobianError(
                f"residual {names[0]!r} reads all points of its region at once, so that one step "
                f"of least squares would take {lasts:.0f} s: write what it reads as mean(…) or "
                "integral(…), give fewer points, or take the optimizer LBFGS"
            )
    return torch.cat(parts) if many else torch.cat(parts).T


def by_rows(rows: Tensor, parameters: Sequence[Tensor]) -> Iterator[Tensor]:
    """Rows of J, some at a time:  vᵀJ for unit vectors v."""
    for picked in torch.eye(len(rows), dtype=rows.dtype, device=rows.device).split(BATCH):
        yield pulled_back(rows, parameters, picked)


def one_by_one(rows: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """J (M, P), a row at a time."""
    jacobian = rows.new_zeros(len(rows), sum(p.numel() for p in parameters))
    for number, row in enumerate(rows if rows.requires_grad else ()):
        slopes = torch.autograd.grad(row, parameters, retain_graph=True, materialize_grads=True)
        jacobian[number] = torch.cat([slope.reshape(-1) for slope in slopes])
    return jacobian


def by_columns(rows: Tensor, parameters: Sequence[Tensor], size: int) -> Iterator[Tensor]:
    """Columns of J, some at a time:  Je = ∂(eᵀJᵀu)/∂u for unit vectors e."""
    u = torch.zeros_like(rows, requires_grad=True)
    slopes = torch.autograd.grad(
        rows, parameters, u, create_graph=True, retain_graph=True, materialize_grads=True
    )
    with torch.enable_grad():
        flat = torch.cat([f.reshape(-1) for f in slopes])
    for picked in torch.eye(size, dtype=rows.dtype, device=rows.device).split(BATCH):
        yield pulled_back(flat, [u], picked)


def by_shared(rows: Tensor, others: Sequence[Tensor]) -> Tensor:
    """∂r/∂k (N, K, P): twice in reverse, since every point sees the coefficients."""
    v = torch.zeros_like(rows, requires_grad=True)
    with torch.enable_grad():
        slopes = torch.autograd.grad(rows, others, v, create_graph=True, materialize_grads=True)
        flat = torch.cat([slope.reshape(-1) for slope in slopes])
        columns = [
            torch.autograd.grad(each, v, retain_graph=True, materialize_grads=True)[0]
            for each in flat.unbind()
        ]
    return torch.stack(columns, -1).detach()


def many_rows() -> AbstractContextManager:
    """Anomaly detection looks at every number by itself, which it cannot in many rows at once."""
    return torch.autograd.set_detect_anomaly(torch.is_anomaly_enabled(), check_nan=False)


def pulled_back(rows: Tensor, parameters: Sequence[Tensor], picked: Tensor) -> Tensor:
    """vᵀ ∂r/∂θ for several v (B, M)."""
    if not rows.requires_grad:
        return rows.new_zeros(len(picked), sum(p.numel() for p in parameters))
    with many_rows():
        slopes = torch.autograd.grad(
            rows, parameters, picked, retain_graph=True, is_grads_batched=True, allow_unused=True
        )
    parts = [
        rows.new_zeros(len(picked), p.numel()) if s is None else s.reshape(len(picked), -1)
        for p, s in zip(parameters, slopes, strict=True)
    ]
    return torch.cat(parts, 1)


def agree(blocks: Sequence[Tensor], rows: Tensor, parameters: Sequence[Tensor]) -> bool:
    """Whether vᵀJ is the gradient of vᵀr, column by column, for a random v.

    Args:
        blocks: J, some of its rows after the other.
        rows: r (M,), with its graph.
        parameters: θ.
    """
    generator = torch.Generator().manual_seed(0)
    v = torch.randn(len(rows), generator=generator, dtype=torch.float64).to(rows)
    expected = pulled_back(rows, parameters, v[None])[0]
    split = v.split([len(block) for block in blocks])
    product = torch.stack([part @ block for part, block in zip(split, blocks, strict=True)]).sum(0)
    squares = torch.stack([block.square().sum(0) for block in blocks]).sum(0)
    if not bool(squares.isfinite().all()):  # nothing to compare with, and the optimiser says so
        return True
    return near(product, expected, v.norm() * (squares.sqrt() + 1e-4 * squares.sum().sqrt()))


def near(values: Tensor, expected: Tensor, size: Tensor) -> bool:
    """Whether two vectors differ by rounding, in numbers of this size."""
    tolerance = 1e-6 if values.dtype == torch.float64 else 1e-3
    return bool(((values - expected).abs() <= tolerance * size).all())


def named(numbers: Sequence[Tensor]) -> dict[str, Tensor]:
    """Shared numbers under names that no parameter has."""
    return {f"{NUMBER}{k}": number for k, number in enumerate(numbers)}


def cause(error: Exception) -> str:
    """Why the rows of all points cannot be taken together, in one line."""
    if isinstance(error, RuntimeError):  # torch's own text, such as of shapes inside a GRU
        return "torch has no derivative per point of a function in the network or problem"
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
