"""docs/architecture.md is a map of what is there; what the imports must hold is in test_architecture.py."""

import re

from tests.databases import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_path_of_the_architecture_exists() -> None:
    """Whoever looks for a place by the page finds it."""
    named = {word for word in re.findall(r"`([\w./-]+)`", PAGE) if re.search(r"^\w[\w-]*/|\.(?:py|toml|yaml|lock)$", word)}

    assert len(named) > 100
    assert [] == sorted(name for name in named if not (ROOT / name).exists())


def test_the_architecture_names_every_folder() -> None:
    """A new folder has its sentence on the map, as far as it holds code."""
    tops = ("ingest", "tests")
    places = {path.relative_to(ROOT).as_posix() for top in tops for path in (ROOT / top).iterdir() if any(path.glob("*.py"))}
    places |= {path.name for path in ROOT.iterdir() if path.is_dir() and any(path.glob("*.py"))} - set(tops)

    assert [] == sorted(place for place in places if f"`{place}/`" not in PAGE)
