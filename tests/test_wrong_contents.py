"""Checkpoints whose bytes are whole and whose contents are wrong: one line, with file and key."""

import shutil
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
try:
    from reliability_contents import WRONG, answers, good_ones, is_right, trained
finally:
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with a run, and good checkpoints of three of its steps."""
    folder = tmp_path_factory.mktemp("contents")
    return folder, good_ones(folder)


@pytest.mark.parametrize("name", WRONG)
def test_wrong_contents_are_refused_in_one_line(run, name):
    folder, good = run
    case = WRONG[name]
    (kept,) = folder.glob("kovasznay/*")
    target = kept / "checkpoints" / f"step-{case.step:07d}.ckpt"
    loaded, resumed = answers(case, good, folder)
    assert is_right(resumed, case, target), resumed or "accepted"
    if not case.loads:
        assert is_right(loaded, case, target), loaded or "accepted"
    else:
        assert loaded == ""


def test_the_checkpoints_that_were_changed_are_good(run, tmp_path):
    folder, good = run
    (kept,) = folder.glob("kovasznay/*")
    for step, path in good.items():
        shutil.copy(path, kept / "checkpoints" / f"step-{step:07d}.ckpt")
        solution = trained(folder, resume=kept / "checkpoints" / f"step-{step:07d}.ckpt")
        assert all(bool(w.isfinite().all()) for w in solution.state_dict().values())
