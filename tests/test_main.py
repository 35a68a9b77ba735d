"""What is settled before torch is loaded: subcommands, configurations, options."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pinn.cli.configuration import find_config, run_name
from pinn.cli.main import HELP, main, parse
from pinn.cli.yaml_nodes import UsageError

TRAIN = Path(__file__).parents[1] / "train.py"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with two configurations, as the current one."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "navier_stokes.yaml").write_text("model: {}\n")
    (tmp_path / "configs" / "poisson.yaml").write_text("model: {}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(*argv):
    with pytest.raises(UsageError) as caught:
        parse(argv)
    line = str(caught.value)
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    "name", ["navier_stokes", "navier_stokes.yaml", "configs/navier_stokes.yaml"]
)
def test_a_configuration_is_found_by_name_or_path(name):
    request = parse(["--config", name, "--trainer.max_steps", "3"])
    assert request.arguments == [
        "--config=configs/navier_stokes.yaml",
        "--trainer.max_steps=3",
    ]
    assert request.name == "navier_stokes"


def test_a_path_comes_before_a_name(folder):
    (folder / "poisson.yaml").write_text("model: {}")
    assert find_config("poisson") == Path("poisson.yaml")
    assert find_config("poisson.yaml") == Path("poisson.yaml")


@pytest.mark.parametrize(
    "option", [["--config", "poisson"], ["--config=poisson"], ["-c", "poisson"]]
)
def test_a_configuration_may_be_joined_to_its_option(option):
    assert parse(option).arguments == ["--config=configs/poisson.yaml"]


def test_the_last_configuration_names_the_runs():
    request = parse(["--config", "navier_stokes", "--config", "poisson"])
    assert request.name == "poisson"
    assert len(request.arguments) == 2


def test_fit_is_implied_and_may_be_said():
    assert parse(["--config", "poisson"]).arguments == parse(["fit", "--config=poisson"]).arguments


def test_own_options_are_taken_out():
    argv = ["--config", "poisson", "--resume=auto", "--allow_import", "a", "--allow_import", "b"]
    request = parse(argv)
    assert (request.resume, request.init_from, request.allow_import) == ("auto", None, ["a", "b"])
    assert request.arguments == ["--config=configs/poisson.yaml"]


def test_validate_needs_no_configuration():
    request = parse(["validate", "--ckpt_path", "a.ckpt"])
    assert request.arguments == ["--ckpt_path=a.ckpt"]
    assert request.name == ""


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("configs/poisson.yaml", "poisson"),
        ("runs/poisson/2026-01-02_03-04-05/config.yaml", "poisson"),
        ("runs/poisson/2026-01-02_03-04-05_2/config.resume-3.yaml", "poisson"),
        ("elsewhere/config.yaml", "config"),
    ],
)
def test_runs_of_a_saved_configuration_keep_its_name(path, name):
    assert run_name(Path(path)) == name


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], ["navier_stokes, poisson"]),
        (["--config"], ["needs a name", "poisson"]),
        (["--config="], ["needs a name"]),
        (["--config", "--trainer.max_steps", "3"], ["needs a name"]),
        (["--config", "navier_stoks"], ["did you mean 'navier_stokes'?", "poisson"]),
        (["--config", "poisson", "--config", "nothing"], ["'nothing' does not exist"]),
        (["--config", "configs"], ["is a folder"]),
        (["--trainer.max_steps", "3"], ["no configuration"]),
        (["fitt", "--config", "poisson"], ["no subcommand", "did you mean 'fit'?"]),
        (["poisson"], ["no subcommand", "--config NAME"]),
        (["--config", "poisson", "--ckpt_path", "a"], ["--resume", "--init_from"]),
        (["fit", "--config", "poisson", "--ckpt_path=a"], ["--resume", "--init_from"]),
        (["validate"], ["--ckpt_path"]),
        (["validate", "--config", "poisson"], ["--ckpt_path"]),
        (["validate", "--ckpt_path", "a", "--resume", "auto"], ["belong to fit"]),
        (["--config", "poisson", "--resume", "auto", "--init_from", "a"], ["one of them"]),
        (["--config", "poisson", "--resume"], ["--resume needs a value"]),
        (["--config", "poisson", "--data.points.left"], ["--data.points.left needs a value"]),
        (["--config", "poisson", "--data.seed", "--trainer.max_steps=1"], ["--data.seed needs"]),
        (["--config", "poisson", ""], ["is empty"]),
        (["--config", "poisson", "data.seed=1"], ["did you mean '--data.seed=1'?"]),
        (["--config", "poisson", "-data.seed", "1"], ["did you mean '--data.seed'?"]),
        (["-config", "poisson"], ["did you mean '--config'?"]),
        (["--hlep"], ["'hlep'", "'help'"]),
        (["fit", "validate", "--config", "poisson"], ["'validate'", "one of fit and validate"]),
        (["validate", "--ckpt_path", "a", "b"], ["unexpected 'b'"]),
        (["--config", "poisson", "--resume", "a", "--resume", "b"], ["given 2 times"]),
        (["--config", "poisson", "--seed_everything=1", "--seed_everything=2"], ["given 2 times"]),
    ],
)
def test_a_wrong_command_line_is_one_line(argv, words):
    line = refused(*argv)
    assert all(word in line for word in words), line


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["empty"]),
        (b"# nothing\n", ["empty"]),
        (b"- 1\n- 2\n", ["a list"]),
        (b"text", ["a single value"]),
        (b"model: {", ["not valid YAML", "line 1"]),
        (b"model:\n\tx: 1\n", ["not valid YAML", "line 2"]),
        (b"\xff\xfe\x00", ["not text"]),
        (b"a: 1\n---\nb: 2\n", ["not valid YAML"]),
        (b"model:\n  a: 1\n  b: 2\n  a: 3\n", ["'model.a' twice", "lines 2 and 4"]),
        (b"model: {a: 1, a: 2}", ["'model.a' twice"]),
        (b"model: [{a: 1}, {b: 1, b: 2}]", ["'model.b' twice"]),
        (b"[" * 5000, ["nested too deeply"]),
        (b"data: 3", ["'data'", "'3'"]),
        (b"model: [1]", ["'model'", "a list"]),
        (b"trainer:", ["'trainer'", "null"]),
        (b"on: 1", ["line 1", "'on'", "quotes"]),
        (b"model: {phases: [Adam, LBFGS]}", ["model.phases.0 is 'Adam'", "steps: 1000"]),
        (b"model: {problem: {class_path: 3}}", ["model.problem.class_path is '3'"]),
        (b"model: {problem: {classpath: A}}", ["'model.problem.classpath'", "'class_path'"]),
        (b"model: {problem: {class_path: A, k: 1}}", ["'model.problem.k'", "init_args"]),
        (b"model: {problem: {init_args: }}", ["model.problem.init_args is null"]),
        (b"a: [{class_path: A, init_args: [1]}]", ["a.0.init_args is a list"]),
        (b"seed_everything: !!python/name:os.system x", ["line 1", "plain data"]),
    ],
)
def test_a_wrong_file_is_one_line(folder, content, words):
    (folder / "wrong.yaml").write_bytes(content)
    line = refused("--config", "wrong")
    assert "wrong.yaml" in line
    assert all(word in line for word in words), line


def test_phases_replace_earlier_ones_of_any_number(folder):
    (folder / "configs" / "poisson.yaml").write_text("model: {phases: [{steps: 1}]}\n")
    argv = ["--config", "poisson", "--config", "navier_stokes", "--model.phases", "a.yaml"]
    assert parse(argv).arguments == [
        "--model.phases=[]",
        "--config=configs/poisson.yaml",
        "--config=configs/navier_stokes.yaml",
        "--model.phases=[]",
        "--model.phases=a.yaml",
    ]


def test_options_override_a_configuration_wherever_they_stand():
    before = parse(["--model.network.width", "9", "--config", "poisson"])
    after = parse(["--config", "poisson", "--model.network.width", "9"])
    assert before.arguments == after.arguments


def test_equal_keys_in_different_places_are_no_mistake(folder):
    (folder / "right.yaml").write_text("a: {x: 1}\nb: {x: 1}\nc: [{x: 1}, {x: 2}]\n")
    assert parse(["--config", "right"]).name == "right"


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["--config", "poisson", "--help"]])
def test_help_names_the_options_that_are_no_keys(argv, capsys):
    assert main(argv) == 0
    out = capsys.readouterr().out
    assert out == HELP + "\n"
    assert all(name in out for name in ("--resume", "--init_from", "--allow_import"))


def test_main_answers_a_mistake_with_code_2(capsys):
    assert main(["--config", "poison"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "did you mean 'poisson'?" in captured.err


def test_another_process_of_a_run_names_itself(capsys, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr("pinn.cli.request.MEANWHILE", 0.0)  # in which it would be ended
    assert main(["--config", "poison"]) == 2
    assert capsys.readouterr().err.startswith("train.py: rank 1: configuration 'poison'")


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("a" * 300, "File name too long"),
        ("a/" * 2500, "File name too long"),
        ("afile", "Not a directory"),
        ("afile/below", "Not a directory"),
        ("/proc/nothing", "No such file or directory"),
    ],
    ids=["long name", "long path", "file", "below a file", "no real folder"],
)
def test_a_place_that_can_hold_no_run_is_refused_without_torch(place, why, tmp_path):
    here = tmp_path / "here"  # where nothing else is
    here.mkdir()
    (here / "afile").touch()
    code = (
        "import sys; from pinn.cli.main import main; rc = main(sys.argv[1:]);"
        "sys.exit(rc if 'torch' not in sys.modules else 99)"
    )
    words = ["--config", "poisson", "--trainer.default_root_dir", place]
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(TRAIN.parent)},
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "cannot hold the folder of a run" in line or "is no path" in line
    assert "give another --trainer.default_root_dir" in line
    assert f"cannot hold the folder of a run: {why}: give another" in line
    assert [path.name for path in here.iterdir()] == ["afile"]


def test_a_mistyped_name_is_answered_without_torch():
    code = (
        "import sys; from pinn.cli.main import main; rc = main(['--config', 'nothing']);"
        "sys.exit(rc if 'torch' not in sys.modules else 99)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(TRAIN.parent)},
    )
    assert done.returncode == 2
    assert "navier_stokes, poisson" in done.stderr


def test_the_program_alone_names_the_configurations():
    done = subprocess.run([sys.executable, TRAIN], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "navier_stokes" in done.stderr


@pytest.mark.parametrize(
    ("asked", "words"),
    [("--version", ["pinn 0", "torch 2", "lightning 2"]), ("--list", ["poisson"])],
)
def test_version_and_list_are_answered_without_torch(asked, words):
    code = (
        f"import sys; from pinn.cli.main import main; rc = main([{asked!r}]);"
        "sys.exit(rc if 'torch' not in sys.modules else 99)"
    )
    env = {**os.environ, "PYTHONPATH": str(TRAIN.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0
    assert all(word in done.stdout for word in words), done.stdout


def test_predict_has_a_help_of_its_own(capsys):
    assert main(["predict", "-h"]) == 0
    assert capsys.readouterr().out.startswith("Write the values of a solution:")


def test_an_output_that_is_not_read_to_its_end_is_no_error():
    code = "import sys; from pinn.cli.main import main; sys.exit(main(['-h']))"
    command = f"{sys.executable} -c {shlex.quote(code)} | head -c 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stderr == ""
