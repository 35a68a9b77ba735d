"""Checkpoint files in which one bit is flipped, and what it costs to look for that."""

from __future__ import annotations

import contextlib
import hashlib
import io
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from reliability_commands import complaint, done
from reliability_contents import ADAM, good_ones
from reliability_table import Row

from pinn.checkpoints.file import CheckpointError, read, trusting
from pinn.checkpoints.seal import verified
from pinn.checkpoints.writing import write

SEAL = 130  # bytes at the end of a file, and some before them
FLIPS = {"payload": 1500, "container": 500}


def is_equal(one: Any, other: Any) -> bool:
    """Whether plain data are equal, tensors bit by bit."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and same(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_equal(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(is_equal, one, other))
    return type(one) is type(other) and repr(one) == repr(other)


def same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors have the same bytes."""
    return one.shape == other.shape and one.numpy().tobytes() == other.numpy().tobytes()


def is_found(target: Path, data: bytes, bit: int, right: Any) -> bool:
    """Whether a flipped bit is found, or changes nothing; old files are trusted on purpose."""
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    target.write_bytes(flipped)
    try:
        with trusting(True), contextlib.redirect_stdout(io.StringIO()):
            return is_equal(read(target), right)
    except CheckpointError:
        return True


def places(data: bytes) -> dict[str, list[int]]:
    """Bits by where they are: in the records, in the directory, in the format, in the seal."""
    directory = data.index(b"PK\x01\x02")
    entries = [m.start() for m in re.finditer(b"PK\x01\x02", data)]
    number = re.search(rb"X\x06\x00\x00\x00format(?:q.|r....)K", data, re.DOTALL)
    assert number is not None
    draw = random.Random(0)
    attributes = [8 * (entry + 38) + 4 for entry in entries]
    container = draw.sample(range(8 * directory, 8 * (len(data) - SEAL)), FLIPS["container"])
    seal = range(8 * (len(data) - SEAL), 8 * len(data))
    return {
        "records": draw.sample(range(8 * directory), FLIPS["payload"]),
        "directory of the archive": [*attributes, *container],
        "format number": list(range(8 * number.end(), 8 * number.end() + 8)),
        "hash and versions": draw.sample(seal, 100),
    }


def is_refused(folder: Path, data: bytes, bit: int) -> bool:
    """Whether the command line answers a flipped bit in one line."""
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    target = folder / "flipped.ckpt"
    target.write_bytes(flipped)
    log = folder / f"log-{bit}"
    code = done(["validate", "--ckpt_path", target.name], log, anew=True)
    return not complaint(log, code, (1, 2), target.name)


def flips(short: bool, folder: Path) -> Iterator[Row]:
    """One bit of a real checkpoint flipped, file by file."""
    good = good_ones(folder)[ADAM]
    data, right = good.read_bytes(), read(good)
    for name, bits in places(data).items():
        some = bits[:: 20 if short and len(bits) > 100 else 1]
        found = sum(is_found(folder / "flipped.ckpt", data, bit, right) for bit in some)
        asked = [] if short else some[:2]
        found += sum(is_refused(folder, data, bit) for bit in asked)
        tried = len(some) + len(asked)
        promised = "found, or the contents are equal"
        yield Row(f"a bit flipped: {name}", tried, found, promised, anew=len(asked))


def hashing(short: bool, folder: Path) -> Iterator[Row]:
    """The seconds of the hash beside those of reading, for a file of 100 MB."""
    size = 2_000_000 if short else 25_000_000
    path = folder / "large.ckpt"
    write({"w": torch.randn(size)}, path)
    each: dict[str, float] = {}
    for name, call in {
        "hash": lambda: verified(path),
        "torch.load": lambda: torch.load(path, weights_only=True),
        "sha256 alone": lambda: hashlib.sha256(path.read_bytes()),
    }.items():
        tries = []
        for _ in range(3):
            start = time.perf_counter()
            call()
            tries.append(time.perf_counter() - start)
        each[name] = min(tries) * 1e8 / path.stat().st_size
    note = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in each.items())
    yield Row("hash of 100 MB", 1, int(each["hash"] < 1.0), "less than 1 s", note)
