"""The residuals of an objective as one vector, with its Jacobian:

    r = √(λ_k w / N_k) r_k(xₙ),   |r|² = Σ_k λ_k L_k,   J = ∂r/∂θ

The rows of a point need that point alone, so the Jacobian is one forward pass and one backward pass
per residual component, vectorised over the points. Where points share a few numbers m(θ), such as a
mean, J = ∂r/∂θ + ∂r/∂m ∂m/∂θ. Else J is taken whole, see `coupled_jacobian`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial

import torch
from torch import Tensor, nn

from pinn.base.processes import processes
from pinn.fields.integrals import Shared, averaged, sharing, spread
from pinn.geometry import Points
from pinn.objective import coupled_jacobian as coupled
from pinn.objective.chunks import Chunk, cut
from pinn.objective.losses import region_residuals, scales_of, side_by_side
from pinn.objective.objective import Formula, Objective, Residuals

BLOCK = 2**26  # bytes of one block of the Jacobian
FEW = 7  # points, unlike the lengths of vectors, so that a constant matrix is not taken for values
Block = tuple[Chunk, Tensor, Tensor]  # points with their rows of J (m, P) and of r


class LeastSquares:
    """The system that a least-squares optimiser solves, at the points it was last given.

    Args:
        objective: the residuals.
        record: whether evaluations are recorded as graphs, which takes seconds and pays later.
    """

    def __init__(self, objective: Objective, record: bool = True) -> None:
        self.objective, self.record = objective, record
        self.point_by_point = True
        self.calls: dict[str, frozenset[int] | None] = {}
        self.tried: set[str] = set()
        self.points: dict[str, Points] = {}
        self.weights: dict[str, float] = {}
        self.scales: dict[str, Tensor] = {}
        self.whole, self.chunks = list[Chunk](), list[Chunk]()

    def place(self, points: Mapping[str, Points], weights: Mapping[str, float]) -> None:
        """Take these points and λ_k from now on."""
        plans = self.objective.plans
        moved = any(points[region] is not self.points.get(region) for region in plans)
        if moved or weights != self.weights:
            self.weights = dict(weights)
            self.scales = scales_of(plans, points, weights, 1 / processes(), 0.5)
        if moved:
            self.points = {region: points[region] for region in plans}
            self.lay_out()

    def lay_out(self) -> None:
        """Cut the points into blocks."""
        self.tried.clear()
        self.whole = cut(self.points, dict.fromkeys(self.points))
        self.chunks = cut(self.points, {region: self.block_size(region) for region in self.points})

    def block_size(self, region: str) -> int:
        """How many points of a region make one block of the Jacobian."""
        row = sum(p.numel() for p in self.parameters()) * self.points[region].at.element_size()
        return max(1, BLOCK // (len(self.owners(region)) * max(row, 1)))

    @torch.no_grad()
    def owners(self, region: str) -> list[str]:
        """The residual of each of the K rows of a point, by name."""
        values = self.values(region, self.points[region].select(slice(FEW)))
        return [name for name, value in values.items() for _ in range(value[0].numel())]

    def values(self, region: str, points: Points) -> dict[str, Tensor]:
        """The plain residuals of a region."""
        objective = self.objective
        return region_residuals(objective.solution, region, points, objective.plans[region])

    def parameters(self) -> list[nn.Parameter]:
        """θ."""
        return self.objective.parameters()

    @torch.no_grad()
    def residuals(self, check: bool = False) -> Tensor:
        """r, (M,); check: hold the recorded residuals against the Python now."""
        parts = []
        for whole in self.whole:
            with spread():
                python = partial(self.rows, whole)
                (rows,) = self.evaluate("residuals", whole, rows_alone, python, check=check)
            parts.append(rows.reshape(-1))
        return torch.cat(parts)

    def losses(self) -> Tensor | None:
        """Every L_k, where the system knows them without more ado."""
        return None

    def recheck(self) -> None:
        """Hold the recorded residuals against the Python now, where there are some."""
        if self.whole:
            self.residuals(check=True)

    def blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Some rows of J (m, P) and of r (m,) at a time."""
        for _, jacobian, rows in self.jacobians():
            yield jacobian, rows.reshape(-1)

    def jacobians(self) -> Iterator[Block]:
        """Chunks with their rows of J and of r; all of them in order."""
        for whole in self.whole:
            plan = self.objective.plans[whole.region]
            if plan.is_whole and not self.has_numbers(whole):
                rows, names = self.graph_of(whole), plan.coupled or plan.averaged
                yield whole, coupled.entire(rows, self.parameters(), names), rows.detach()
            else:
                yield from self.by_blocks(whole)

    def by_blocks(self, whole: Chunk) -> Iterator[Block]:
        """The same of one region, some points at a time."""
        is_whole = self.objective.plans[whole.region].is_whole
        numbers, slope = self.numbers(whole) if is_whole else ([], Tensor())
        for chunk in self.chunks:
            if chunk.region == whole.region:
                jacobian, rows = self.jacobian(chunk, numbers)
                if is_whole:
                    own, shared = jacobian.tensor_split([slope.shape[1]], 1)
                    jacobian = own + shared @ slope
                yield chunk, jacobian, rows

    def numbers(self, whole: Chunk) -> tuple[list[Tensor], Tensor]:
        """The numbers m that the points of a region share, and ∂m/∂θ."""
        note = Shared(self.calls_of(whole.region))
        with sharing(note):
            self.graph_of(whole)
        with torch.enable_grad():
            flat = torch.cat([v.reshape(-1) for v in (*note.values, self.scales[whole.region][:0])])
        if len(flat) > coupled.MOST:
            raise ValueError(f"more than {coupled.MOST} numbers are shared by all points")
        if processes() == 1:
            slope = torch.cat(list(coupled.by_rows(flat, self.parameters())))
        else:  # their sums have no rule for several rows at a time
            slope = averaged(coupled.one_by_one(flat, self.parameters()))
        return [value.detach() for value in note.values], slope

    def calls_of(self, region: str) -> frozenset[int]:
        """Which calls of torch make a number that all points of a region share."""
        return self.calls.get(region) or frozenset()

    def has_numbers(self, whole: Chunk) -> bool:
        """Whether points are independent given the numbers they share; tried once per points."""
        region, plan = whole.region, self.objective.plans[whole.region]
        if region not in self.calls:
            self.calls[region] = frozenset()
            if plan.coupled:
                values = partial(self.values, region)
                self.calls[region] = coupled.shared_calls(values, whole.points)
        if self.calls[region] is not None and region not in self.tried:
            self.tried.add(region)
            if processes() == 1 and not self.is_right(whole):
                self.calls[region] = None
                names = ", ".join(plan.coupled or plan.averaged)
                self.tell(
                    f"jacobian  {names}: a point of {region!r} depends on the others in a way that "
                    "takes longer; a mean(…) or integral(…) would be fast"
                )
        return self.calls[region] is not None

    def is_right(self, whole: Chunk) -> bool:
        """Whether r and vᵀJ of the blocks are those of the whole region, for a random v.

        What is said on the way is passed on only where it holds for what follows.
        """
        recorder, lines = self.objective.recorder, list[str]()
        before = self.point_by_point, recorder.tell
        recorder.tell = lines.append
        try:
            _, blocks, parts = zip(*self.by_blocks(whole), strict=True)
            rows, expected = torch.cat([r.reshape(-1) for r in parts]), self.graph_of(whole)
            right = coupled.near(rows, expected.detach(), rows.norm())
            right = right and coupled.agree(blocks, expected, self.parameters())
        except Exception:  # whatever the Python of a residual raises at a single point
            right = False
        recorder.tell = before[1]
        if right:
            for line in lines:
                self.tell(line)
        else:
            self.point_by_point = before[0]
        return right

    def tell(self, line: str) -> None:
        """Say what is not done as it should be."""
        self.objective.recorder.tell(line)

    def graph_of(self, chunk: Chunk) -> Tensor:
        """r (M,) of a chunk with its graph."""
        with torch.enable_grad(), spread():
            return self.rows(chunk)[0].reshape(-1)

    def rows(self, chunk: Chunk) -> list[Tensor]:
        """The residuals (N, K) of a chunk by Python."""
        module = self.objective.modules[chunk.region].in_place(chunk.points.at)
        return [side_by_side(module(chunk.points), self.scales[chunk.region])]

    def jacobian(self, chunk: Chunk, numbers: Sequence[Tensor] = ()) -> list[Tensor]:
        """The rows of J that belong to a chunk, and r; with numbers, ∂r/∂m beside ∂r/∂θ."""
        if self.point_by_point:
            formula = partial(rows_by_point, self.calls_of(chunk.region))
            python = partial(self.checked_by_point, chunk, numbers)
            try:
                with coupled.many_rows():
                    return self.evaluate("jacobian", chunk, formula, python, numbers)
            except Exception as error:  # whatever a problem's or a network's Python raises
                self.point_by_point = False
                why = coupled.cause(error)
                self.tell(f"jacobian  points one after the other, which is slower: {why}")
        return self.row_by_row(chunk, numbers)

    def evaluate(
        self,
        name: str,
        chunk: Chunk,
        formula: Formula,
        python: Callable[[], list[Tensor]],
        numbers: Sequence[Tensor] = (),
        check: bool = False,
    ) -> list[Tensor]:
        """A formula of the residuals of a chunk, as a graph where that can be."""
        scales = self.scales[chunk.region]
        state = self.objective.state(self.record, chunk.points.at)
        return self.objective.evaluate(
            name, state, chunk, formula, scales, python, coupled.named(numbers), check=check
        )

    def checked_by_point(self, chunk: Chunk, numbers: Sequence[Tensor] = ()) -> list[Tensor]:
        """J and r of a chunk by Python, held against reverse mode.

        Raises:
            ValueError: vᵀJ is not the gradient of vᵀr, as where a point sees the others.
        """
        region, objective = chunk.region, self.objective
        residuals = objective.residuals(region, objective.constants(region))
        state = objective.trained(region) | coupled.named(numbers)
        calls, scales = self.calls_of(region), self.scales[region]
        jacobian, rows = rows_by_point(calls, residuals, state, chunk.points, scales)
        leaves, expected = self.given_numbers(chunk, numbers)
        if not coupled.agree([jacobian], expected, [*self.parameters(), *leaves]):
            raise ValueError("the residual of a point depends on the other points")
        return [jacobian, rows]

    def given_numbers(self, chunk: Chunk, numbers: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """The shared numbers as leaves of a graph, and r (M,) of a chunk by them."""
        leaves = [number.detach().requires_grad_() for number in numbers]
        shared = sharing(Shared(self.calls_of(chunk.region), leaves)) if leaves else nullcontext()
        with shared:
            return leaves, self.graph_of(chunk)

    def row_by_row(self, chunk: Chunk, numbers: Sequence[Tensor] = ()) -> list[Tensor]:
        """J and r of a chunk by reverse mode over the whole chunk."""
        leaves, rows = self.given_numbers(chunk, numbers)
        slopes = list(coupled.by_rows(rows, [*self.parameters(), *leaves]))
        return [torch.cat(slopes), rows.detach()]


def rows_alone(
    residuals: Residuals, state: Mapping[str, Tensor], points: Points, scales: Tensor
) -> list[Tensor]:
    """[r] with r (N, K)."""
    return [side_by_side(residuals(state, points), scales)]


def rows_by_point(
    calls: frozenset[int],
    residuals: Residuals,
    state: Mapping[str, Tensor],
    points: Points,
    scales: Tensor,
) -> list[Tensor]:
    """[J, r] with J (N·K, P) and r (N·K,), in which `calls` of torch make the shared numbers."""

    def rows(state: Mapping[str, Tensor], points: Points) -> Tensor:
        given = [t for name, t in state.items() if name.startswith(coupled.NUMBER)]
        own = {name: t for name, t in state.items() if not name.startswith(coupled.NUMBER)}
        with sharing(Shared(calls, given)) if given else nullcontext():
            return side_by_side(residuals(own, points), scales)[0]

    def at_point(*tensors: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        one = points.replaced(t.unsqueeze(0) for t in tensors)
        values, pull_back, *_ = torch.func.vjp(lambda state: rows(state, one), dict(state))
        basis = torch.eye(len(values), dtype=values.dtype, device=values.device)
        (slopes,) = torch.func.vmap(pull_back)(basis)
        return slopes, values

    slopes, values = torch.func.vmap(at_point)(*points.tensors)
    jacobian = torch.cat([slopes[name].reshape(*values.shape, -1) for name in state], 2)
    return [jacobian.flatten(0, 1), values.reshape(-1)]
