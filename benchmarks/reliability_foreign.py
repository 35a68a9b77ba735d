"""Files that are no checkpoints, or only a part of one: each is answered in one line."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from reliability_commands import complaint, done
from reliability_contents import ADAM, good_ones
from reliability_table import Row

import pinn
from pinn.checkpoints.file import CheckpointError, trusting


class Run:
    """What runs a command where its pickle is loaded without care."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch executed",)


def saved(thing: Any, **settings: Any) -> bytes:
    """What `torch.save` writes."""
    buffer = io.BytesIO()
    torch.save(thing, buffer, **settings)
    return buffer.getvalue()


def zipped(**files: bytes) -> bytes:
    """An archive of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def arrays() -> bytes:
    """What NumPy writes."""
    buffer = io.BytesIO()
    np.savez(buffer, w=np.zeros(3))
    return buffer.getvalue()


def strangers(good: bytes) -> dict[str, bytes]:
    """The files by what they are, some of them made of a good checkpoint."""
    cuts = [1, 3, 4, 30, 64, 65, 130, 1000, len(good) // 2, len(good) - 1]
    return {
        "empty": b"",
        "a text": b"steps: 100\n",
        "zeros": bytes(len(good)),
        "letters": bytes(range(256)) * 100,
        "the head of a picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "a pickle": pickle.dumps({"pinn": {"format": 3}}),
        "a pickle that runs a command": pickle.dumps(Run()),
        "an archive of torch that runs a command": saved({"pinn": Run()}),
        "torch's older form": saved({"pinn": {}}, _use_new_zipfile_serialization=False),
        "a list": saved([1, 2]),
        "a tensor": saved(torch.zeros(3)),
        "weights alone": saved({"weight": torch.zeros(3)}),
        "an entry that is a number": saved({"pinn": 3}),
        "no format": saved({"pinn": {}}),
        "a format of the future": saved({"pinn": {"format": 99}}),
        "a format that is a text": saved({"pinn": {"format": "3"}}),
        "a format that is a list": saved({"pinn": {"format": [3]}}),
        "today's format without a hash": saved({"pinn": {"format": 3}}),
        "an archive of something else": zipped(a=b"1"),
        "an archive with a broken pickle": zipped(**{"archive/data.pkl": b"\x80\x02"}),
        "NumPy's arrays": arrays(),
        "a compressed checkpoint": gzip.compress(good),
        "two checkpoints": good + good,
        "one with a line behind it": good + b"\n",
        "one with a line before it": b"\n" + good,
        "the seal alone": good[-130:],
        **{f"the first {size} bytes": good[:size] for size in cuts},
        **{f"all but the first {size} bytes": good[size:] for size in cuts},
    }


def foreign(short: bool, folder: Path) -> Iterator[Row]:
    """Every file, by `pinn.load`, with old files trusted and without; some by the command line."""
    files = strangers(good_ones(folder)[ADAM].read_bytes())
    bad = []
    for name, data in files.items():
        for trust in (False, True):
            if line := wrong(folder / "foreign.ckpt", data, trust):
                bad.append(f"{name}: {line}")
    asked = [] if short else list(files)[6::8]  # with a pickle that runs a command
    for name in asked:
        (folder / "foreign.ckpt").write_bytes(files[name])
        log = folder / f"log {name}"
        code = done(["validate", "--ckpt_path", "foreign.ckpt"], log, anew=True)
        if words := complaint(log, code, (1, 2), "foreign.ckpt"):
            bad.append(f"{name}: {words}")
        elif (folder / "executed").exists():
            bad.append(f"{name}: its code has run")
    tried, note = 2 * len(files) + len(asked), bad[0] if bad else ""
    yield Row(
        "corrupt or foreign files",
        tried,
        tried - len(bad),
        "one line, no code runs",
        note,
        len(asked),
    )


def wrong(target: Path, data: bytes, trust: bool) -> str:
    """What is wrong with the answer to a file; empty where it is one line about it."""
    target.write_bytes(data)
    try:
        with trusting(trust):
            pinn.load(target)
    except CheckpointError as error:
        line = str(error)
        is_right = "\n" not in line and str(target) in line and not Path("executed").exists()
        return "" if is_right else line
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "accepted"
