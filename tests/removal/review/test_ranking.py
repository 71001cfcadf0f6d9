"""The order of a store's masks, and how it is told."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import numpy as np
import pytest

from bgremoval_mm.removal.io.manifest import Manifest, Record
from bgremoval_mm.removal.masks.quality import MaskQuality, judged
from bgremoval_mm.removal.review.ranking import Ranking, rank, read_ranking


def mask(path: str, confidence: float, *flags: str) -> Record:
    """A success."""
    quality = MaskQuality(0.25, confidence, 0.125, flags)
    return Record(path, 'ok', 'u2net', 'sha256:0', quality=quality)


def figures(path: str, undecided: float) -> Record:
    """A success of this version."""
    quality = judged(MaskQuality(0.25, 0.97, 0.125, undecided=undecided))
    return Record(path, 'ok', 'u2net', 'sha256:0', quality=quality)


def failure(path: str) -> Record:
    """A failure."""
    return Record(path, 'error', 'u2net', 'sha256:0', error='the file is empty')


def paths(ranking: Ranking) -> list[str]:
    """The masks in order."""
    return [record.path for record in ranking.masks]


def test_most_suspicious_come_first_then_confidence_then_path() -> None:
    """No mask at all, then falling suspicion, then rising confidence; of equals the first."""
    ranking = rank([
        mask('sure', 0.99),
        mask('b', 0.5),
        mask('full', 1.0, 'full'),
        mask('a', 0.5),
        mask('constant', 0.9, 'constant', 'empty'),
        mask('empty', 0.8, 'empty'),
        failure('broken'),
        *(figures(name, undecided) for name, undecided in (('half', 0.5), ('some', 0.05))),
    ])  # fmt: skip
    order = ['empty', 'constant', 'full', 'half', 'a', 'b', 'some', 'sure']
    assert paths(ranking) == order  # suspicion 100, 100, 100, 25, 20, 20, 2.5, 0.4
    assert [record.path for record in ranking.failed] == ['broken']
    assert ranking.flagged == 5


def test_flags_of_earlier_versions_are_judged_again() -> None:
    """A photo of a person that was called cut off is not suspicious any more."""
    ranking = rank([mask('person', 0.99, 'cut off'), mask('torn', 0.97, 'fragmented', 'cut off')])
    assert paths(ranking) == ['torn', 'person']
    assert ranking.flagged == 1
    assert '-  ' in ranking.as_text(2).splitlines()[-1]


def test_order_of_the_manifest_does_not_matter() -> None:
    """A store is filled by several threads, and by several runs."""
    records = [mask(name, 0.5) for name in 'cadb'] + [failure(name) for name in 'zyx']
    assert rank(records) == rank(records[::-1])
    assert paths(rank(records)) == list('abcd')


def test_mask_without_figures_or_with_a_new_flag_comes_before_the_rest() -> None:
    """What nothing is known of is trusted least; a flag of a later version is a flag."""
    unknown = Record('unknown', 'ok', 'u2net', 'sha256:0')
    ranking = rank([mask('sure', 0.98), mask('new', 0.99, 'torn'), unknown])
    assert paths(ranking) == ['unknown', 'new', 'sure']
    assert ranking.flagged == 2


def test_percentiles_are_numpys() -> None:
    """Of 0.00, 0.01 ... 1.00 five percent lie below 0.05, half below 0.5."""
    ranking = rank(mask(str(i), i / 100) for i in range(101))
    assert ranking.confidence(5) == pytest.approx(0.05)
    assert ranking.confidence(50) == pytest.approx(0.5)
    assert np.isnan(rank([]).confidence(50))


def test_text_lists_as_many_as_asked_for() -> None:
    """Two of three masks with their figures, two of three failures and how many more there are."""
    records = [mask('a', 0.125), mask('b', 0.5, 'full'), mask('c', 0.75)]
    ranking = rank(records + [failure(name) for name in 'xyz'])
    lines = ranking.as_text(2).splitlines()
    assert lines[0] == '3 masks, 1 flagged, 3 failed'
    assert [line.split() for line in lines[4:6]] == [
        ['100.00', '0.500', '25.0%', 'full', 'b'],
        ['35.00', '0.125', '25.0%', '-', 'a'],
    ]
    assert lines[6:] == [
        'failed: x: the file is empty',
        'failed: y: the file is empty',
        'failed: and 1 more, see manifest.jsonl',
    ]
    assert rank([]).as_text(2) == '0 masks, 0 flagged, 0 failed'


def test_table_holds_everything() -> None:
    """All masks and failures, a path with a comma in one piece."""
    records = [mask('a,b', 0.5, 'constant', 'empty'), mask('c', 0.75), failure('x')]
    rows = list(csv.DictReader(io.StringIO(rank(records).as_csv())))
    assert [row['path'] for row in rows] == ['a,b', 'c', 'x']
    assert rows[0]['flags'] == 'constant empty'
    assert [float(rows[1][key]) for key in ('confidence', 'foreground', 'border')] == [
        0.75,
        0.25,
        0.125,
    ]
    assert rows[2]['error'] == 'the file is empty'


def test_last_line_of_a_path_counts(tmp_path: Path) -> None:
    """A mask that was made again is ranked once, by its new figures."""
    (tmp_path / 'u2net').mkdir()
    manifest = Manifest(tmp_path / 'u2net')
    for record in (mask('a', 0.1), mask('b', 0.5), mask('a', 0.9)):
        manifest.append(record)
    assert paths(read_ranking(tmp_path, 'u2net')) == ['b', 'a']


def test_missing_manifest_says_what_is_there(tmp_path: Path) -> None:
    """Another model, the model's own folder, no masks at all, no folder."""
    with pytest.raises(FileNotFoundError, match=r'masks of no model: is it DST of tools/remove'):
        read_ranking(tmp_path, 'u2net')
    (tmp_path / 'u2netp').mkdir()
    Manifest(tmp_path / 'u2netp').append(mask('a', 0.5))
    with pytest.raises(FileNotFoundError, match=r'has masks of: u2netp. Choose with --model'):
        read_ranking(tmp_path, 'u2net')
    with pytest.raises(FileNotFoundError, match=f'Give the folder above it: {tmp_path}'):
        read_ranking(tmp_path / 'u2netp', 'u2netp')
    with pytest.raises(FileNotFoundError, match=r'there is no folder .*nowhere'):
        read_ranking(tmp_path / 'nowhere', 'u2net')


NAMES = [b'two\nlines', b'two\rlines', b'Mu\xf1oz', b'esc\x1b[31m', 'a\u202eb'.encode(), b'"a", b']


def test_no_name_forges_a_line() -> None:
    """Names are shown escaped, a failed image's reason too: each has one line."""
    records = [mask(os.fsdecode(name), 0.5) for name in NAMES]
    records.append(Record('x\ny', 'error', 'u2net', '', error='no\nsuch \x1b file'))
    lines = rank(records).as_text(10).splitlines()
    assert len(lines) == 4 + len(NAMES) + 1
    assert lines[-1] == 'failed: x\\ny: no\\nsuch \\x1b file'
    shown = {line.split('-', 1)[1].strip() for line in lines[4:-1]}
    assert shown == {
        'two\\nlines', 'two\\rlines', 'Mu\\xf1oz', 'esc\\x1b[31m', 'a\\u202eb', '"a", b'
    }  # fmt: skip


def test_table_gives_every_name_back() -> None:
    """Read back as bytes, the paths are those of the files."""
    records = [mask(os.fsdecode(name), 0.5) for name in NAMES]
    written = rank([*records, failure('\r')]).as_csv().encode(errors='surrogateescape')
    table = io.TextIOWrapper(io.BytesIO(written), 'utf-8', 'surrogateescape', newline='')
    rows = list(csv.DictReader(table))
    assert {os.fsencode(row['path']) for row in rows} == {*NAMES, b'\r'}
    assert [row['error'] for row in rows if row['error']] == ['the file is empty']
