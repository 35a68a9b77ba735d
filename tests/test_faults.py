"""The faults that the tests have to find fit the code and the tests as they are."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("faults", ROOT / "benchmarks" / "faults.py")
faults = importlib.util.module_from_spec(spec)
spec.loader.exec_module(faults)

NAMES = [fault.name for fault in faults.FAULTS]


def test_there_are_at_least_twenty_of_different_names():
    assert len(set(NAMES)) == len(NAMES) >= 20


@pytest.mark.parametrize("fault", faults.FAULTS, ids=NAMES)
def test_a_fault_changes_a_text_that_occurs_once(fault):
    assert faults.file_with(ROOT, fault).suffix == ".py"
    assert fault.old != fault.new


@pytest.mark.parametrize("fault", faults.FAULTS, ids=NAMES)
def test_the_tests_of_a_fault_exist(fault):
    assert fault.tests
    for test in fault.tests:
        file, _, name = test.partition("::")
        text = (ROOT / "tests" / file).read_text(encoding="utf-8")
        assert f"def {name.partition('[')[0]}(" in text, test


def test_a_text_that_is_not_there_or_twice_is_one_line(tmp_path):
    (tmp_path / "pinn").mkdir()
    (tmp_path / "pinn" / "twice.py").write_text("x = 1\nx = 1\n")
    fault = faults.Fault("two", "", "x = 1", "x = 2", ())
    with pytest.raises(SystemExit, match=r"two: its old text must occur once .*twice\.py, "):
        faults.file_with(tmp_path, fault)
    with pytest.raises(SystemExit, match="is in no file: 'y'"):
        faults.file_with(tmp_path, fault._replace(old="y"))
