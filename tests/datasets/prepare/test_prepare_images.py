"""Reading all photographs of a dataset, and the report on them."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console

from bgremoval_mm.datasets.prepare.check_report import CheckReport, counts_table, listing
from bgremoval_mm.datasets.prepare.images import fingerprint, report_photos, survey
from bgremoval_mm.utils.json_io import write_json


def test_survey(image_tree: Path) -> None:
    """Whole images get the hash of their bytes, a truncated one and a missing one a reason."""
    shutil.copy(image_tree / 'hat/0.jpg', image_tree / 'dress/copy.jpg')
    photo = (image_tree / 'hat/2.jpg').read_bytes()
    (image_tree / 'hat/2.jpg').write_bytes(photo[: len(photo) // 2])
    paths = ['hat/0.jpg', 'hat/2.jpg', 'dress/copy.jpg', 'dress/1.jpg', 'gone.jpg']
    read = survey(image_tree, paths, progress=False)
    whole = ('hat/0.jpg', 'dress/copy.jpg', 'dress/1.jpg')
    assert read.hashes == {
        path: hashlib.sha256((image_tree / path).read_bytes()).hexdigest() for path in whole
    }
    assert list(read.unreadable) == ['gone.jpg', 'hat/2.jpg']
    assert read.unreadable['hat/2.jpg'].startswith('cannot be decoded: ')
    assert read.same_content() == [['dress/copy.jpg', 'hat/0.jpg']]

    report = CheckReport('tree', str(image_tree))
    report_photos(report, read)
    assert not report.usable
    assert report.errors[0].startswith('unreadable images, to be fetched again or deleted: 2\n')
    assert 'several names: 1\n    dress/copy.jpg = hat/0.jpg' in report.warnings[0]


def test_damage_that_decoders_pass_over(image_tree: Path) -> None:
    """The zeros that a broken download ends in are a warning: the picture is half grey."""
    path = image_tree / 'hat/2.jpg'
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    photo = path.read_bytes()
    path.write_bytes(photo[: len(photo) // 2] + bytes(len(photo) - len(photo) // 2))
    read = survey(image_tree, ['hat/0.jpg', 'hat/2.jpg'], progress=False)
    assert list(read.damaged) == ['hat/2.jpg']
    assert len(read.hashes) == 2
    report = CheckReport('tree', str(image_tree))
    report_photos(report, read)
    assert report.usable
    (warning,) = report.warnings
    assert warning.startswith('damaged images, which can be decoded in part: 1\n    hat/2.jpg: dam')
    assert report.details['damaged'] == read.damaged


def test_fingerprint() -> None:
    """It is the sha256sum of sha256sum's own output for the sorted paths."""
    hashes = {'b/2.jpg': 'bb', 'a/1.jpg': 'aa', 'c/3.jpg': 'cc'}
    text = b'aa  a/1.jpg\nbb  b/2.jpg\n'
    assert fingerprint(hashes, ['b/2.jpg', 'a/1.jpg']) == hashlib.sha256(text).hexdigest()
    assert fingerprint(hashes) == hashlib.sha256(text + b'cc  c/3.jpg\n').hexdigest()


def printed(table: object) -> list[list[str]]:
    """Words of the lines of a table."""
    console = Console(width=100)
    with console.capture() as capture:
        console.print(table)
    lines = capture.get().replace('│', ' ').replace('┃', ' ').splitlines()
    return [line.split() for line in lines]


def test_counts_table() -> None:
    """A row a class with sums; numbers that are not the known ones show the difference."""
    counts = {'train': {'hat': 1200, 'skirt': 0}, 'val': {'hat': 3, 'skirt': 4}}
    known = {'train': {'hat': 1201}, 'val': {'hat': 3, 'skirt': 1}}
    rows = printed(counts_table('T', counts, known))
    assert ['class', 'train', 'val', 'all'] in rows
    assert ['hat', '1,200', '(-1)', '3', '1,203'] in rows
    assert ['skirt', '0', '4', '(+3)', '4'] in rows
    assert ['all', '1,200', '7', '1,207'] in rows
    one = printed(counts_table('T', {'images': {'hat': 5}}))
    assert ['hat', '5'] in one
    assert ['all', '5'] in one


def test_listing() -> None:
    """Five entries of a long list are shown, and the number of the others."""
    assert listing([]) == ''
    assert listing('ab') == '\n    a\n    b'
    assert listing('abcdefg').endswith('\n    e\n    and 2 more')


def test_findings_with_odd_names(tmp_path: Path) -> None:
    """A name that is no UTF-8 can be printed and written to JSON."""
    report = CheckReport('tree', 'root', warnings=['no\udce9l.jpg'])
    report.details = {'missing': ('no\udce9l.jpg',)}
    assert report.lines() == ['warning: no\\udce9l.jpg']
    write_json(tmp_path / 'f.json', report.as_dict())
    content = json.loads((tmp_path / 'f.json').read_text())
    assert content['usable'] is True
    assert content['details'] == {'missing': ['no\\udce9l.jpg']}
