"""Input without an end: one line soon, before torch is loaded."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small import SMALL

from pinn.base.messages import LINE, cut, echo
from pinn.base.paths import is_file, unreadable
from pinn.cli.allowed_classes import load
from pinn.cli.configuration import loaded
from pinn.cli.main import main
from pinn.cli.yaml_nodes import DEEPEST, LONGEST, MOST, SAVED, UsageError, composed

ROOT = Path(__file__).parents[1]
LEVELS = list(zip("abcdefghij", "bcdefghijk", strict=True))
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in LEVELS
)
MERGED = "a: &a {x: 1, y: 2}\n" + "".join(
    f"{new}: &{new} {{<<: [{','.join([f'*{old}'] * 9)}]}}\n" for old, new in LEVELS
)
COMMENTS = ("# " + "x" * 78 + "\n") * 130_000
LONG = "x" * 1_000_000
FILES = {
    "bomb": (BOMB, "more than"),
    "merged": (MERGED, "more than"),
    "ring": ("model: &a {b: *a}", "within what it stands for"),
    "comments": (COMMENTS + SMALL, "too long"),
    "list": ("data: {points: [" + "1," * 60_000 + "]}", "more than"),
    "brackets": ("a: " + "[" * 100_000, "nested too deeply"),
    "steps": ("".join(" " * n + "a:\n" for n in range(400)), "nested too deeply"),
    "key": ("? " + "k" * 100_000 + "\n: 1\n", "unknown key"),
    "class": (SMALL.replace("Poisson", "P" * 100_000), "unknown class"),
    "value": (SMALL.replace("false", "v" * 100_000), "model.compile is"),
    "digits": (SMALL.replace("steps: 4", "steps: " + "9" * 5000), "cannot be"),
    "many": (SMALL.replace("steps: 4", "steps: " + "9" * 4000), "expected int"),
    "day": (SMALL.replace("steps: 4", "steps: 2024-99-99"), "month must be in 1..12"),
    "pair": ("? [a, b]\n: 1\n", "is no text"),
    "bytes": (bytes(range(256)), "not text"),
    "utf-16": (SMALL.encode("utf-16"), "not text"),
    "latin": ("# ä\n".encode("latin-1") + SMALL.encode(), "not text"),
}
TO_99, KEYS = ",".join(map(str, range(99))), ("seed_everything", "model.memory")
LINES = {
    "name": (["--config", "n" * 300], "File name too long"),
    "folder": (["--config", "."], "is a folder"),
    "device": (["--config", "/dev/zero"], "no ordinary file"),
    "pipe": (["--config", "pipe"], "no ordinary file"),
    "value": (["--config", "small", "--model.network.width", LONG], "too long"),
    "key": (["--config", "small", f"--model.{LONG}", "1"], "unknown key"),
    "dots": (["--config", "small", "--model" + ".a" * 30_000, "1"], "nested too deeply"),
    "word": (["--config", "small", LONG], "unexpected"),
    "command": ([LONG], "no subcommand"),
    "label": (["--config", "small", "--name", LONG], "--name is"),
    "steps": (["--config", "small", "--resume=auto", f"--more_steps={'9' * 5000}"], "whole number"),
    "module": (["--config", "small", "--allow_import", LONG], "no such module"),
    "sweep": (["--config", "small", "--sweep", LONG], "expected KEY=A,B"),
    "points": (
        ["predict", "--ckpt_path", "small.yaml", "--points", "/dev/zero", "--output", "a.csv"],
        "file",
    ),
    "grid": (["predict", f"--grid={'9' * 99_999}", "--ckpt_path=pipe", "--output=a.csv"], "file"),
    "runs": (
        ["--config=small", *(f"--sweep={k}={TO_99}" for k in KEYS)],
        "9801 runs",
    ),
}


@pytest.fixture
def quick(folder, capsys):
    """A function that runs a command line and gives its one line, within seconds of this CPU."""
    os.mkfifo("pipe")

    def line(argv):
        began = time.process_time()
        assert main(argv) == 2
        assert time.process_time() - began < 5
        said = capsys.readouterr()
        assert "loading" not in said.out
        (line,) = said.err.splitlines()
        assert len(line) < LINE + 50
        return line

    return line


@pytest.mark.parametrize("name", FILES)
def test_a_file_without_an_end_is_one_line(folder, quick, name):
    content, words = FILES[name]
    content = content if isinstance(content, bytes) else content.encode()
    (folder / "wrong.yaml").write_bytes(content)
    assert words in quick(["--config", "wrong"])


@pytest.mark.parametrize("name", LINES)
def test_a_command_line_without_an_end_is_one_line(quick, name):
    argv, words = LINES[name]
    assert words in quick(argv)


def test_a_bomb_in_a_file_that_a_value_names_is_one_line(folder, capsys):
    (folder / "bomb.yaml").write_text(BOMB)
    assert main(["--config", "small", "--model", "bomb.yaml"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_data_of_a_checkpoint_may_be_longer_than_a_configuration():
    samples = list(range(5 * MOST))
    assert load(f"a: {samples}")["a"] == samples
    with pytest.raises(UsageError, match="more than"):
        load(BOMB)


def test_what_is_bounded_is_what_a_configuration_needs():
    shared = "a: &a {x: 1}\n" + "".join(f"k{n}: *a\n" for n in range(MOST // 5))
    assert composed(shared, "it")
    assert composed("a: " + "[" * (DEEPEST - 2) + "]" * (DEEPEST - 2), "it")
    assert composed("#" * (LONGEST - 5) + "\na: 1", "it")
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        assert len(path.read_text(encoding="utf-8")) < LONGEST // 20, path


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=300), st.integers(-(10**20), 10**20))
def test_a_short_value_is_echoed_as_it_is(text, number):
    assert echo(number) == repr(number)
    assert cut(text, 300) == text
    assert len(cut(text, 60)) < 60 + 25


def test_a_number_that_python_cannot_write_is_echoed():
    assert echo(10**5000) == f"a number of {(10**5000).bit_length()} bits"


@pytest.mark.parametrize("path", ["n" * 300, "a\0b", "nothing", ".", "/dev/null"])
def test_what_is_no_file_has_a_reason(path):
    assert not is_file(path)
    assert unreadable(path).startswith(("is", "does not", "cannot"))


WORDS = "a model &a *a << - [ ] { } , ' # ? !!set !!int | > null ~ 1e9 0x 1:2:3 2024-01-01 % \\"
PIECES = st.sampled_from([*WORDS.split(), ": ", "\n", "  ", "\t", " "])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PIECES, max_size=60).map("".join))
def test_any_text_is_yaml_or_one_line(text):
    with contextlib.suppress(UsageError):
        loaded(text, "it")


def test_torch_is_not_loaded_to_refuse_a_bomb(tmp_path):
    (tmp_path / "bomb.yaml").write_text(BOMB)
    call = [sys.executable, "-X", "importtime", str(ROOT / "train.py"), "--config", "bomb"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 2
    assert "yaml" in done.stderr
    assert "torch" not in done.stderr


def test_what_a_run_saves_is_read_again_though_no_user_may_write_as_much(checkpoint, capsys):
    saved = checkpoint.parents[1] / "config.yaml"
    long = saved.read_text() + COMMENTS[: 2 * LONGEST]
    saved.write_text(long)
    assert main([f"--resume={checkpoint}", "--trainer.max_steps=3"]) == 0
    assert checkpoint.with_name("step-0000003.ckpt").exists()
    Path("copy.yaml").write_text(long)  # somewhere else it is a user's
    capsys.readouterr()
    assert main(["--config=copy"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"too long: a configuration has at most {LONGEST} characters" in line


def test_all_bounds_are_wider_for_what_a_run_saves():
    wide = f"a: [{'1,' * 2 * MOST}]"
    deep = "a: " + "[" * (DEEPEST + 20) + "]" * (DEEPEST + 20)
    for text in (wide, deep):
        with pytest.raises(UsageError):
            composed(text, "it")
        assert composed(text, "it", SAVED)


@pytest.mark.parametrize(
    ("content", "words"),
    [(COMMENTS, "too long"), (BOMB, "more than"), ("a: " + "[" * 100_000, "nested too deeply")],
)
def test_what_a_run_has_saved_is_bounded_too(checkpoint, capsys, content, words):
    (checkpoint.parents[1] / "config.yaml").write_text(content)
    capsys.readouterr()
    assert main([f"--resume={checkpoint}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert words in line
