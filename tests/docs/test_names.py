"""Files and Python names that README and docs mention exist."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').glob('*.md'))]


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_named_files_and_objects_exist(page: Path) -> None:
    """Each path with a suffix in this repository, and each dotted name of the package."""
    text = page.read_text(encoding='utf-8')
    paths = r'\b(?:benchmarks|bgremoval_mm|configs|tests|tools)/[\w/.+-]*\.(?:py|sh|txt)\b'
    for path in set(re.findall(paths, text)):
        assert (ROOT / path).is_file() or Path(path).name.startswith('X'), path
    for name in set(re.findall(r'(?<![\w/.])bgremoval_mm(?:\.\w+)+\b(?![/=])', text)):
        assert pkgutil.resolve_name(name), name
