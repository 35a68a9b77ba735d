"""The runs of a sweep: which ones there are, how their values differ, and their results."""

import itertools
import json
import os
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

# Tells a process which run of a sweep it is.
MEMBER = "PINN_SWEEP_MEMBER"
OWN = ("--sweep", "--name")
LONGEST = 80  # characters of a folder's name


@dataclass
class Member:
    """A run of a sweep.

    Args:
        values: what it has of each key that is swept.
        folder: its name, within the folder of the sweep.
        argv: the command line of this run alone.
        label: the folder of the sweep and its own, below those of the configuration.
        result: where it is to write what came out.
    """

    values: dict[str, str]
    folder: str
    argv: list[str] = field(default_factory=list)
    label: str = ""
    result: str = ""

    @property
    def settings(self) -> dict[str, float | str]:
        """The values for a table of settings: numbers where they are."""
        return {key: number(text) for key, text in self.values.items()}

    def report(self, numbers: dict[str, float]) -> None:
        """Write what came out, for the process that runs the sweep."""
        Path(self.result).write_text(json.dumps(numbers), encoding="utf-8")

    def found(self) -> dict[str, float]:
        """What came out; empty if nothing did."""
        path = Path(self.result)
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def environment(self) -> dict[str, str]:
        """What the process of this run inherits."""
        return {**os.environ, MEMBER: json.dumps(asdict(self))}


def this_member() -> Member | None:
    """Which run of a sweep this process is; None if it is none."""
    text = os.environ.pop(MEMBER, "")
    return Member(**json.loads(text)) if text else None


def members(argv: Sequence[str], sweep: Sequence[tuple[str, list[str]]]) -> list[Member]:
    """All combinations of the values, the last key changing fastest.

    Args:
        argv: the command line, each option with its value as one word.
        sweep: the keys and their values.
    """
    rest = [word for word in argv if word.partition("=")[0] not in OWN]
    short, found = shortened([key for key, _ in sweep]), []
    for chosen in itertools.product(*(values for _, values in sweep)):
        values = dict(zip(short, chosen, strict=True))
        texts = [f"{key}={value}" for key, value in values.items()]
        name = ",".join(f"{short[key]}={value}" for key, value in values.items())
        found.append(Member(values, safe(name), [*rest, *(f"--{text}" for text in texts)]))
    number_equal(found)
    return found


def number(text: str) -> float | str:
    """A text as a number, if it is one."""
    try:
        return float(text)
    except ValueError:
        return text


def shortened(keys: Sequence[str]) -> dict[str, str]:
    """Each key by its last parts, as few as tell it from the others."""
    short = {}
    for key in keys:
        parts = key.split(".")
        tails = [".".join(parts[-n:]) for n in range(1, len(parts) + 1)]
        alone = (t for t in tails if sum(f".{k}".endswith(f".{t}") for k in keys) == 1)
        short[key] = next(alone, key)
    return short


def safe(name: str) -> str:
    """A name that every file system takes."""
    return re.sub(r"[^\w.,=+-]+", "_", name)[:LONGEST]


def number_equal(found: Sequence[Member]) -> None:
    """Tell apart folders whose names have become the same."""
    seen: dict[str, int] = {}
    for member in found:
        seen[member.folder] = seen.get(member.folder, 0) + 1
        if seen[member.folder] > 1:
            member.folder += f"_{seen[member.folder]}"
