"""All pages: their links lead somewhere, and the text is about the project."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("pinn/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=[str(path.relative_to(ROOT)) for path in PAGES])
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_text_is_about_the_project():
    parts = (
        "pinn/**/*.py",
        "tests/*.py",
        "benchmarks/*",
        "examples/*.py",
        "configs/*",
        ".ci/*",
        "*.toml",
        "*.py",
    )
    files = [*PAGES, *(path for part in parts for path in ROOT.glob(part) if path.is_file())]
    assert len(files) > 100
    foreign = re.compile(r"/(?:work|root|home)/|issue ?#|\b(?:TODO|FIXME|XXX)\b", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files
        if path != Path(__file__) and (match := foreign.search(path.read_text(encoding="utf-8")))
    ]
    found += [str(path) for path in PAGES if "/tmp" in path.read_text(encoding="utf-8")]
    assert found == []
