"""The verdicts of a review page name exactly the files that were judged."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal import MaskStore, read_image
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.review.page import write_review
from bgremoval_mm.removal.review.verdicts import exact_form, read_verdicts

NAMES = [
    os.fsdecode(name)
    for name in (
        b'plain.png',
        b'Mu\xf1oz.png',
        b'Mu\\xf1oz.png',
        b'Mu?oz.png',
        b'two\nlines.png',
        b'two\rlines.png',
        b'esc\x1b[31m.png',
        'bidi\u202egnp.png'.encode(),
        b'tag <script>alert(1)<',  # a folder, as of </script>
        b'quote "a", b.png',
        b'100 %41.png',
        b'constructor',
        b'-rf.png',
        b'=1+1.png',
        b'CON',
        '\U0001f457.png'.encode(),
        'e\u0301.png'.encode(),
        'é.png'.encode(),
    )
]
NAMES[8] += '/script>.png'

# A page's script needs no page to make the table: whatever it asks the page for is this.
STUB = """
const nothing = new Proxy(function () {}, {
  get: (target, name) =>
    name === Symbol.iterator ? function* () {} : name === Symbol.toPrimitive ? () => '' : nothing,
  set: () => true, apply: () => nothing, construct: () => nothing,
});
globalThis.document = nothing;
globalThis.localStorage = { getItem: () => null, setItem: () => {} };
"""


@pytest.fixture
def page(tiny_model, tmp_path: Path, picture) -> Path:
    """A review of empty masks of files with every kind of name."""
    tiny_model('u2netp')
    images = tmp_path / 'images'
    images.mkdir()
    store = MaskStore(tmp_path / 'masks', 'u2netp')
    for seed, name in enumerate(NAMES):
        path = images / name
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture(16, 16, seed)).save(path, 'PNG')
        store.put(name, read_image(path), np.zeros((16, 16), np.uint8), constant=False)
    store.manifest.append(store.failure('bad\n\x1b.jpg', 'no\nimage'))
    return write_review(tmp_path / 'review', store, images, progress=False)


def test_page_shows_names_escaped(page: Path) -> None:
    """No control, no mark of direction and no markup of a name reaches the page."""
    text = page.read_text(encoding='utf-8')
    data = re.search(r'^const data = (\{.*\});$', text, re.MULTILINE)
    assert data is not None
    assert '<' not in data[1]
    content = json.loads(data[1])
    shown = {card.get('shown', card['path']) for card in content['cards']}
    assert {'Mu\\xf1oz.png', 'two\\nlines.png', 'esc\\x1b[31m.png', 'bidi\\u202egnp.png'} <= shown
    assert content['failed'] == [{'path': 'bad\\n\\x1b.jpg', 'reason': 'no\\nimage'}]
    assert all(card['trouble'] == '' for card in content['cards'])


def test_verdicts_of_the_page_come_back_exact(page: Path, tmp_path: Path) -> None:
    """Every file is rejected on the page; reading its table gives each file's real name."""
    node = shutil.which('node')
    if node is None:
        pytest.skip('needs node to run the script of the page')
    script = re.search(r'<script>\n(.*)</script>', page.read_text(encoding='utf-8'), re.DOTALL)
    assert script is not None
    judge = "for (const card of data.cards) verdicts[id(card)] = 'reject';\n"
    judge += "require('fs').writeFileSync(process.argv[2], table());\n"
    (tmp_path / 'page.js').write_text(STUB + script[1] + judge, encoding='utf-8')
    table = tmp_path / 'verdicts.csv'
    subprocess.run([node, str(tmp_path / 'page.js'), str(table)], check=True, timeout=60)
    verdicts = read_verdicts(table)
    assert sorted(verdicts) == sorted(NAMES)
    assert set(verdicts.values()) == {'reject'}
    assert all((tmp_path / 'images' / path).is_file() for path in verdicts)
    # Saved by a spreadsheet that writes a mark and other line ends, it still tells the same.
    table.write_bytes(b'\xef\xbb\xbf' + table.read_bytes())
    assert sorted(read_verdicts(table)) == sorted(NAMES)


def test_a_result_that_was_made_again_is_not_judged(page: Path, tmp_path: Path) -> None:
    """The browser's verdict is on the earlier one: taken for the new, it would be deleted again."""
    node = shutil.which('node')
    if node is None:
        pytest.skip('needs node to run the script of the page')
    text = page.read_text(encoding='utf-8')
    again = re.sub(r'("path":"plain.png".*?"made":)[\d.]+', r'\g<1>1.5', text, count=1)
    assert again != text
    stub = STUB.replace(
        '{ getItem: () => null, setItem: () => {} }',
        '{ getItem: name => kept[name] ?? null, setItem: (name, text) => { kept[name] = text; } }',
    )
    scripts = [re.search(r'<script>\n(.*)</script>', each, re.DOTALL)[1] for each in (text, again)]
    judge = "for (const card of data.cards) verdicts[id(card)] = 'reject';\nkeep();\n"
    tell = "require('fs').writeFileSync(process.argv[2], table());\n"
    first, second = ('{\n' + each for each in scripts)
    (tmp_path / 'page.js').write_text(
        f'const kept = {{}};\n{stub}{first}{judge}}}\n{second}{tell}}}\n', encoding='utf-8'
    )
    table = tmp_path / 'verdicts.csv'
    subprocess.run([node, str(tmp_path / 'page.js'), str(table)], check=True, timeout=60)
    assert sorted(read_verdicts(table)) == sorted({*NAMES} - {'plain.png'})


@pytest.mark.parametrize('name', NAMES)
def test_exact_form_is_plain_ascii_and_comes_back(name: str, tmp_path: Path) -> None:
    """Nothing in it could be changed by a spreadsheet, or taken for another column."""
    exact = exact_form(name)
    assert re.fullmatch(r'[A-Za-z0-9_.~/%-]+', exact)
    (tmp_path / 'verdicts.csv').write_text(f'path,verdict,path_bytes\nspoilt,keep,{exact}\n')
    assert read_verdicts(tmp_path / 'verdicts.csv') == {name: 'keep'}


def test_table_of_the_released_version(tmp_path: Path) -> None:
    """Without the exact column the path is taken; the later of two verdicts holds."""
    path = tmp_path / 'verdicts.csv'
    path.write_text('path,verdict\n"a ""b"", c%41.png",keep\nd.png,keep\nd.png,reject\n')
    assert read_verdicts(path) == {'a "b", c%41.png': 'keep', 'd.png': 'reject'}


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'must be a CSV file with the columns path and verdict'),
        ('path;verdict\na;keep\n', r"first line is \['path;verdict'\]"),
        ('path,verdict\na,maybe\n', r"line 2: the verdict must be one of keep, reject, but got 'm"),
        ('path,verdict\na\n', "line 2: .* but got 'None'"),
        ('verdict,path\nkeep\n', 'line 2: the verdict is on no path'),
        ('path,verdict,path_bytes\na,keep,a\n,reject,\n', 'line 3: the verdict is on no path'),
        pytest.param(
            f'path,verdict\n"a,keep\n{"b.png,keep" * 20_000}',
            r'verdicts\.csv cannot be read as CSV',
            id='open quotation mark',
        ),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    """The message names the file, what is wanted and what came."""
    path = tmp_path / 'verdicts.csv'
    path.write_text(text)
    with pytest.raises(ArgumentError, match=message):
        read_verdicts(path)
