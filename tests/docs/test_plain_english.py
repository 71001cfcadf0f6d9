"""Words that a native speaker would not use, or that have another name in this field."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    *(ROOT / name for name in ('README.md', 'CONTRIBUTING.md', 'Makefile')),
    *sorted((ROOT / 'docs').glob('*.md')),
    *(
        path
        for folder in ('benchmarks', 'bgremoval_mm', 'tools')
        for path in sorted((ROOT / folder).rglob('*.py'))
    ),
]
# A pattern, matched in any case and as whole words, and what to write instead.
BETTER = {
    r'data sets?': 'dataset',
    r'(?<!--)arms?': 'variant, run or config',
    r'twins?': 'baseline or variant',
    r'evidence': 'per-image results',
    r'findings': 'check report',
    r'the leaves': 'the base datasets',
    r'stand-?ins?|stands? in for': 'placeholder, fake; replaces',
    r'mend(s|ed|ing)?': 'fix',
    r'anew': 'again',
    r'at hand': 'available',
    r'by lot|by chance': 'at random',
    r'told by': 'detected by',
    r'goes by': 'uses',
    r'said of|says of': 'the prediction, annotation or option itself',
    r'(broken|broke|breaks) off': 'interrupted',
    r'gone on with|goes on (where|from|with)': 'resumed, resumes',
    r'whole or not at all': 'atomically',
    r'(?<!there) (is|are) no (class|directory|file|folder|image|mask|number|path|photo)s?': 'not a',
    r'passed over': 'skipped, ignored',
    r'handed on': 'passed on',
    r'got round': 'worked around',
    r'be had': 'be obtained',
    r'of yours': 'your own',
    r'lean(s|ing)? on': 'depends on',
}
PATTERNS = {
    re.compile(rf'\b(?:{words})\b'.replace(' ', r'\s+'), re.I): better
    for words, better in BETTER.items()
}


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the text of a file, in pieces, with the line where each begins.

    Of Markdown, that is all but code; of Python, the comments and the strings of several words; of
    others, everything. Names in single or double backticks are facts, and left out.
    """
    text = path.read_text(encoding='utf-8')
    if path.suffix == '.py':
        pieces = list(strings_and_comments(text))
    else:
        if path.suffix == '.md':  # keeps the count of lines
            text = re.sub(
                r'^```.*?^```', lambda code: '\n' * code[0].count('\n'), text, flags=re.M | re.S
            )
            text = re.sub(r'^ {4,}\S.*$', '', text, flags=re.M)
        pieces = [(1, text)]
    for line, piece in pieces:
        yield line, re.sub(r'(`+)[^`]+\1', lambda code: '\n' * code[0].count('\n'), piece)


def strings_and_comments(source: str) -> Iterator[tuple[int, str]]:
    """Yield the string literals of Python code, and its comments."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and ' ' in str(node.value):  # else it is a name
            yield node.lineno, str(node.value)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def complaints(path: Path) -> list[str]:
    """Return a line for each word of a file that has a better one."""
    return [
        f'{path.relative_to(ROOT)}:{line + text.count(chr(10), 0, found.start())}: '
        f'{found[0]!r}: write {better}'
        for line, text in prose(path)
        for pattern, better in PATTERNS.items()
        for found in pattern.finditer(text)
    ]


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_plain_words(path: Path) -> None:
    """None of the listed words is in a file's prose."""
    found = complaints(path)
    assert not found, '\n'.join(found)


def test_words_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words are found in prose, comments and strings, also over a line's end, not in code."""
    monkeypatch.setattr(f'{__name__}.ROOT', tmp_path)
    page, code = tmp_path / 'a.md', tmp_path / 'a.py'
    page.write_text('# Both arms\n\n```python\ntwin\n```\n\nThe `arm` of a\ndata\nset, anew.\n')
    code.write_text('arm = 1\n# Mends it.\nx = "no twin"\n\n\ndef f():\n    """Read ``arm``."""\n')
    assert [each.partition(': write')[0] for each in complaints(page)] == [
        "a.md:8: 'data\\nset'",
        "a.md:1: 'arms'",
        "a.md:9: 'anew'",
    ]
    assert [each.partition(': write')[0] for each in complaints(code)] == [
        "a.py:3: 'twin'",
        "a.py:2: 'Mends'",
    ]
