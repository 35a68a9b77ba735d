"""What a checkpoint has to hold: every entry that is read later, with what may stand there.

The bytes of a file may be whole and its contents wrong all the same: written by hand, by another
program, or by an error. What is not checked here would be taken for true.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pinn.checkpoints.revival import CheckpointError
from pinn.checkpoints.states import PLAIN, is_extra, not_plain

Test = Callable[[Any], bool]
MISSING = object()
LONGEST = 80  # letters of a value that a message shows
DTYPES = ("float32", "float64")
# Where weights are averaged, `state_dict` has the average, and this has what is trained.
AVERAGED = "current_model_state"


class Kind(NamedTuple):
    """What may stand somewhere: in words, and how to tell."""

    words: str
    fits: Test

    def optional(self) -> "Kind":
        """This, or nothing."""
        return Kind(f"{self.words}, or null", lambda v: v is None or self.fits(v))


def is_count(value: Any) -> bool:
    """A whole number from 0."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_number(value: Any) -> bool:
    """A number, perhaps infinite or NaN."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_weight(value: Any) -> bool:
    """A finite number from 0."""
    return is_number(value) and 0 <= value < math.inf


def is_text(value: Any) -> bool:
    """A text."""
    return isinstance(value, str)


def is_dict(value: Any, entries: Test = lambda _: True) -> bool:
    """A mapping by names, all of whose values pass a test."""
    if not isinstance(value, Mapping):
        return False
    return all(is_text(k) for k in value) and all(map(entries, value.values()))


def has(**tests: Test) -> Test:
    """A mapping with these keys at least, each of which passes its test."""
    return lambda v: is_dict(v) and all(k in v and test(v[k]) for k, test in tests.items())


def is_spec(value: Any) -> bool:
    """The recipe of an object: its class, and its arguments."""
    return has(class_path=is_text, init_args=is_dict)(value)


def is_tensor(value: Any) -> bool:
    """Numbers on one device."""
    return isinstance(value, Tensor)


def is_cloud(value: Any) -> bool:
    """The points that were read from a file: positions, columns, weights, all of one length."""
    whole = has(
        file=is_text,
        at=lambda v: is_tensor(v) and v.ndim == 2,
        columns=lambda v: is_dict(v, is_tensor),
        importance=lambda v: v is None or is_tensor(v),
    )(value)
    if not whole:
        return False
    rest = [*value["columns"].values()]
    rest += [] if value["importance"] is None else [value["importance"]]
    return all(part.shape == value["at"].shape[:1] for part in rest)


def is_phases(value: Any) -> bool:
    """Phases: each an optimiser and what ends it."""
    limit = Kind("", is_number).optional().fits
    ends = dict.fromkeys(("steps", "seconds", "error", "loss", "patience"), limit)
    each = has(optimizer=is_text, dtype=lambda v: v in DTYPES, **ends)
    return isinstance(value, list) and len(value) > 0 and all(map(each, value))


COUNT, NUMBER, TEXT = (
    Kind("a whole number ≥ 0", is_count),
    Kind("a number", is_number),
    Kind("a text", is_text),
)
WEIGHTS = Kind("a finite number ≥ 0 for each residual", lambda v: is_dict(v, is_weight))
SPEC = Kind("a class_path and its init_args", is_spec)
# What makes the solution again, and tells where the run stood.
SOLUTION = {
    "global_step": COUNT,
    "state_dict": Kind("tensors by name", is_dict),
    "pinn.problem": SPEC,
    "pinn.network": Kind(
        "a class_path and its init_args, for each network",
        lambda v: v is None or is_spec(v) or (is_dict(v, is_spec) and len(v) > 0),
    ),
    "pinn.phases": Kind("a list of phases, each with optimizer, dtype, and its ends", is_phases),
    "pinn.weights": WEIGHTS,
    "pinn.weighting": TEXT,
    "pinn.data": Kind(
        "points, method, resample, adapt, held_out and seed",
        has(
            points=lambda v: is_dict(v, is_count),
            method=is_text,
            resample=is_count,
            adapt=lambda v: isinstance(v, bool),
            held_out=is_count,
            seed=is_count,
        ),
    ),
    **{f"pinn.course.{name}": COUNT for name in ("stage", "phase", "start", "step", "fell")},
    "pinn.course.seconds": Kind("a finite number ≥ 0", is_weight),
    "pinn.course.lowest": NUMBER,
    "pinn.course.ended": TEXT,
    "pinn.course.cause": TEXT,
    "pinn.dtype": Kind(f"one of {', '.join(DTYPES)}", lambda v: v in DTYPES),
    "pinn.strategy": Kind(
        "a strategy with its reason and table, for each network",
        lambda v: is_dict(
            v, has(strategy=is_text, reason=is_text, table=lambda t: isinstance(t, list))
        ),
    ),
    "pinn.mode": Kind("a name and its reason", has(name=is_text, reason=is_text)).optional(),
    "pinn.scores": Kind("numbers by name", lambda v: is_dict(v, is_number)),
    "pinn.classes": Kind("the network's classes, and files", has(network=is_dict, files=is_dict)),
    "pinn.estimates": Kind(
        "value, deviation and freedom of each coefficient",
        lambda v: is_dict(v, has(value=is_number, deviation=is_number, freedom=is_number)),
    ),
    "pinn.weighting_state.method": TEXT,
    "pinn.weighting_state.factors": WEIGHTS,
    "pinn.versions": Kind("the version of each package", lambda v: is_dict(v, is_text)),
}
# What a run needs besides, to go on as if it had not been stopped.
RUN = {
    "pytorch-lightning_version": TEXT,
    "loops.fit_loop": Kind("the counts of the trainer's loops", is_dict),
    "callbacks": Kind("a state for each callback", lambda v: is_dict(v, is_dict)),
    "optimizer_states": Kind(
        "the state of one optimiser",
        lambda v: (
            isinstance(v, list)
            and len(v) == 1
            and has(param_groups=lambda g: isinstance(g, list))(v[0])
            and isinstance(v[0].get("state"), dict)
        ),
    ),
    "lr_schedulers": Kind("an empty list", lambda v: v == []),
}
OPTIONAL = {
    AVERAGED: Kind("tensors by name", is_dict),
    "pinn.data.refine": Kind(
        "a finite number ≥ 0 for each part", lambda v: v is None or is_dict(v, is_weight)
    ),
    "pinn.buffers": Kind(
        "a list of names", lambda v: isinstance(v, list) and all(is_text(name) for name in v)
    ),
    "pinn.measured": Kind("the points read from files, by region", lambda v: is_dict(v, is_cloud)),
    "pinn.reference": Kind(
        "at, values, judged, shape, source and inside",
        has(
            at=is_tensor,
            values=lambda v: is_dict(v, is_tensor),
            judged=is_tensor,
            shape=lambda v: isinstance(v, list) and all(map(is_count, v)),
            source=is_text,
            inside=lambda v: v is None or is_tensor(v),
        ),
    ).optional(),
    "flags": Kind(
        "a list of --KEY=VALUE",
        lambda v: (
            isinstance(v, list) and all(is_text(f) and f.startswith("--") and "=" in f for f in v)
        ),
    ),
}


def check(
    path: str | Path, contents: Mapping[str, Any], kinds: Mapping[str, Kind], lenient: bool = False
) -> None:
    """Hold entries against what may stand there; if lenient, those that are there.

    Raises:
        CheckpointError: one is missing or of another kind; the line names the file and the key.
    """
    for key, kind in kinds.items():
        value = entry(contents, key)
        if value is MISSING and not lenient:
            raise wrong(path, key, "missing", kind.words)
        if value is not MISSING and not kind.fits(value):
            raise wrong(path, key, shown(value), kind.words)


def check_solution(path: str | Path, contents: Mapping[str, Any]) -> None:
    """Hold all that a solution is made from against its kind, and the entries against each other.

    Earlier versions did not write all of them, and nothing says that what they wrote is whole.

    Raises:
        CheckpointError: one cannot be; the line names the file, the key and what was expected.
    """
    is_old = contents["pinn"].get("versions") == {}
    check(path, contents, SOLUTION, lenient=is_old)
    for key in [key for key in ("state_dict", AVERAGED) if key in contents]:
        for name, value in contents[key].items():
            if not (isinstance(value, Tensor) or is_extra(name)):
                raise wrong(path, f"{key}.{name}", shown(value), "a tensor")
        for name, value in not_plain(contents[key]):
            raise wrong(path, f"{key}.{name}", shown(value), PLAIN)
    for key, value, words in () if is_old else contradictions(contents):
        raise wrong(path, key, shown(value), words)


def contradictions(contents: Mapping[str, Any]) -> Iterator[tuple[str, Any, str]]:
    """Entries that do not go with others: key, value, and what was expected."""
    saved, step = contents["pinn"], contents["global_step"]
    course, dtype = saved["course"], getattr(torch, saved["dtype"])
    if course["step"] != step:
        yield "pinn.course.step", course["step"], f"{step}, the global_step"
    for name in ("start", "fell"):
        if course[name] > step:
            yield f"pinn.course.{name}", course[name], f"at most {step}, the global_step"
    if course["phase"] >= len(saved["phases"]):
        yield "pinn.course.phase", course["phase"], f"less than {len(saved['phases'])}, the phases"
    if bool(course["ended"]) != bool(course["cause"]):
        yield "pinn.course.cause", course["cause"], f"that of {course['ended'] or 'no end'!r}"
    key = AVERAGED if AVERAGED in contents else "state_dict"
    for name, value in contents[key].items():
        if isinstance(value, Tensor) and value.is_floating_point() and value.dtype != dtype:
            yield f"{key}.{name}", value, f"a tensor of {saved['dtype']}, the dtype"
    state = saved["weighting_state"]
    if state["factors"] and state["factors"].keys() != saved["weights"].keys():
        names = ", ".join(saved["weights"])
        yield "pinn.weighting_state.factors", list(state["factors"]), f"one for each of {names}"
    if state["method"] != saved["weighting"]:
        yield "pinn.weighting_state.method", state["method"], f"{saved['weighting']}, the weighting"


def entry(contents: Any, key: str) -> Any:
    """The entry under a dotted key; `MISSING` where there is none."""
    for name in key.split("."):
        if not isinstance(contents, Mapping) or name not in contents:
            return MISSING
        contents = contents[name]
    return contents


def wrong(path: str | Path, key: str, found: str, expected: str) -> CheckpointError:
    """The line about one entry."""
    return CheckpointError(
        f"{path} has wrong contents: {key} is {found}: expected {expected}: take another checkpoint"
    )


def shown(value: Any) -> str:
    """A value in a message, cut where it is long."""
    if isinstance(value, Tensor):
        return f"a tensor {tuple(value.shape)} of {str(value.dtype).removeprefix('torch.')}"
    text = " ".join(repr(value).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
