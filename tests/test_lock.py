"""The lock has a hash for every version, and the audit finds what is known to be bad."""

import importlib.machinery
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def script(name):
    """A script of .ci as a module."""
    loader = importlib.machinery.SourceFileLoader(f"ci_{name}", str(ROOT / ".ci" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def test_every_version_has_hashes():
    text = (ROOT / "requirements.lock").read_text()
    entries = re.findall(r"^(\S+)==(\S+)((?: \\\n +--hash=sha256:[0-9a-f]{64})+)$", text, re.M)
    assert [(name, version) for name, version, _ in entries] == script("hashes").pins(
        ROOT / "requirements.txt"
    )


def affected(package, version, until):
    """How many advisories a version has, where the exceptions end on a day."""
    audit = script("audit")
    known = audit.json.loads(audit.ADVISORIES.read_text())
    for exception in known["exceptions"]:
        exception["until"] = until
    return len(audit.affected(known, {package: version}))


@pytest.mark.parametrize(
    ("package", "version", "until", "count"),
    [
        ("lightning", "2.6.2", "9999-01-01", 1),
        ("torch", "2.9.1", "9999-01-01", 2),
        ("torch", "2.11.0", "9999-01-01", 0),
        ("lightning", "2.6.6", "9999-01-01", 0),
        ("lightning", "2.6.6", "2026-01-01", 1),
    ],
)
def test_advisories_and_exceptions(package, version, until, count):
    assert affected(package, version, until) == count


@pytest.mark.parametrize(
    ("filename", "belongs"),
    [
        ("PyYAML-6.0.4-cp311-cp311-manylinux_2_28_x86_64.whl", True),
        ("pyyaml-6.0.4.tar.gz", True),
        ("pyyaml-6.0.4-cp39-abi3-win_amd64.whl", True),
        ("pyyaml-6.0.4-cp39-cp39-win_amd64.whl", False),
        ("pyyaml-6.0.41.tar.gz", False),
        ("pyyaml_more-6.0.4.tar.gz", False),
    ],
)
def test_files_of_a_version(filename, belongs):
    assert script("hashes").belongs(filename, "PyYAML", "6.0.4") is belongs
