"""FashionStyle14: its two splits, what is reported of its lists, and what is refused."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from unicodedata import normalize

import pytest
from mmengine.logging import MMLogger

from bgremoval_mm import FashionStyle14
from bgremoval_mm.datasets.fashionstyle14 import CLASSES


@pytest.fixture
def warnings(caplog: pytest.LogCaptureFixture):
    """A function that gives the warnings logged so far."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    yield lambda: [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    logger.removeHandler(caplog.handler)


def paths(dataset: FashionStyle14) -> list[str]:
    """Paths of all samples below the dataset's folder."""
    root = Path(dataset.data_root)
    samples = (dataset[index]['img_path'] for index in range(len(dataset)))
    return [Path(path).relative_to(root).as_posix() for path in samples]


def append(file: Path, *lines: str) -> None:
    """Adds lines to a list."""
    with file.open('a', encoding='utf-8') as stream:
        stream.writelines(f'{line}\n' for line in lines)


def test_official_lists(fashionstyle14_root: Path, warnings) -> None:
    """Images come in the lists' order, with the names that they have on disk."""
    for subset, count in (('train', 7), ('val', 1), ('test', 4)):
        dataset = FashionStyle14(fashionstyle14_root, subset)
        text = (fashionstyle14_root / f'{subset}.csv').read_text(encoding='utf-8')
        listed = text.splitlines()
        assert paths(dataset) == [normalize('NFD', line) for line in listed]
        assert len(dataset) == 14 * count
        assert dataset.report is not None
        assert dataset.report.counts == dict.fromkeys(CLASSES, count)
    assert 'dataset/lolita/mig (5)' in paths(FashionStyle14(fashionstyle14_root))
    assert 'dataset/lolita/a, b.jpg' in paths(FashionStyle14(fashionstyle14_root))
    assert warnings() == []


def test_missing_files(fashionstyle14_root: Path, warnings) -> None:
    """Files that are not there are ignored, logged with their number, and kept."""
    lost = [f'dataset/gal/lost {index}.jpg' for index in range(7)]
    append(fashionstyle14_root / 'train.csv', *lost)
    dataset = FashionStyle14(fashionstyle14_root)
    assert len(dataset) == 98
    assert dataset.report is not None
    assert dataset.report.missing == tuple(lost)
    (warning,) = warnings()
    shown = ', '.join(lost[:5])
    assert warning == (
        f'FashionStyle14 train: 7 of the files that {fashionstyle14_root}/train.csv lists are '
        f'missing: {shown} and 2 more'
    )
    with pytest.raises(FileNotFoundError, match=r'7 of the files .*With strict=False they'):
        FashionStyle14(fashionstyle14_root, strict=True)
    # Another subset's missing files are not this one's fault.
    assert len(FashionStyle14(fashionstyle14_root, 'test', strict=True)) == 56


def test_links_that_lead_nowhere(fashionstyle14_root: Path, warnings) -> None:
    """They are missing files, as they are to the tool that checks a copy."""
    (fashionstyle14_root / 'dataset/gal/val 0.jpeg').unlink()
    (fashionstyle14_root / 'dataset/gal/val 0.jpeg').symlink_to('nowhere')
    dataset = FashionStyle14(fashionstyle14_root, 'val')
    assert len(dataset) == 13
    assert dataset.report.missing == ('dataset/gal/val 0.jpeg',)


def test_absent_classes(fashionstyle14_root: Path, warnings) -> None:
    """Classes without an image are logged, or an error with `strict`."""
    file = fashionstyle14_root / 'val.csv'
    lines = [line for line in file.read_text().splitlines() if not re.search('gal|rock', line)]
    file.write_text('\n'.join(lines))
    dataset = FashionStyle14(fashionstyle14_root, 'val')
    assert len(dataset) == 12
    assert dataset.CLASSES == CLASSES
    assert warnings() == [f'FashionStyle14 val: {file} has no image of gal, rock']
    with pytest.raises(ValueError, match=r'val\.csv has no image of gal, rock'):
        FashionStyle14(fashionstyle14_root, 'val', strict=True)


def test_repeated_lines(fashionstyle14_root: Path, warnings) -> None:
    """An image that is listed twice in a list, in whatever spelling, counts once."""
    file = fashionstyle14_root / 'test.csv'
    append(file, './dataset/gal/test 0.jpeg', '"dataset\\gal\\test 0.jpeg"')
    dataset = FashionStyle14(fashionstyle14_root, 'test')
    assert len(dataset) == 56
    assert dataset.report is not None
    assert dataset.report.duplicates == 2
    assert warnings() == [
        f'FashionStyle14 test: 2 lines of {file} repeat earlier ones and were dropped'
    ]


def test_image_in_two_subsets(fashionstyle14_root: Path, warnings) -> None:
    """A test image among the training images is logged."""
    append(fashionstyle14_root / 'train.csv', 'dataset/gal/test 0.jpeg')
    assert len(FashionStyle14(fashionstyle14_root)) == 99
    assert warnings() == [
        'FashionStyle14 train: 1 images stand in more than one subset: dataset/gal/test 0.jpeg'
    ]


@pytest.mark.parametrize(
    ('line', 'expected'),
    [
        ('dataset/punk/a.jpg', r"line 15: `label` must be one of 'conservative', .* got 'punk'"),
        ('images/gal/a.jpg', r"line 15: each line must be a path .* got 'images/gal/a\.jpg'"),
    ],
)
def test_wrong_lines(fashionstyle14_root: Path, line: str, expected: str) -> None:
    """A label outside the table, and a path outside `dataset/`, are errors with file and line."""
    append(fashionstyle14_root / 'val.csv', line)
    with pytest.raises(ValueError, match=rf'{fashionstyle14_root}/val\.csv, {expected}'):
        FashionStyle14(fashionstyle14_root, 'val')


def test_nothing_found(fashionstyle14_root: Path) -> None:
    """A subset without any image is an error, also without `strict`."""
    (fashionstyle14_root / 'val.csv').write_text('dataset/gal/x.jpg\ndataset/gal/y.jpg\n')
    with pytest.raises(FileNotFoundError, match=r'all 2 of the files .* missing: dataset/gal/x'):
        FashionStyle14(fashionstyle14_root, 'val')
    (fashionstyle14_root / 'val.csv').write_text('\n')
    with pytest.raises(FileNotFoundError, match=r'must list images of .*, but lists none'):
        FashionStyle14(fashionstyle14_root, 'val')
    assert len(FashionStyle14(fashionstyle14_root, 'train')) == 98


@pytest.mark.parametrize('split', ['official', 'stratified'])
def test_wrong_root(fashionstyle14_root: Path, split: str) -> None:
    """The error says what was looked for, what is there, and where to get the dataset."""
    with pytest.raises(FileNotFoundError) as caught:
        FashionStyle14(fashionstyle14_root.parent, split=split)
    text = str(caught.value)
    files = ', train.csv, val.csv, test.csv' if split == 'official' else ''
    assert f'the folder of FashionStyle14, with dataset/{files} in it, but' in text
    assert f'{fashionstyle14_root.parent} holds FashionStyle14_v1/' in text
    assert 'https://esslab.jp/~ess/en/data/fashionstyle14/' in text
    assert 'python tools/prepare_dataset.py fashionstyle14' in text


def test_missing_list(fashionstyle14_root: Path) -> None:
    """Without its lists the dataset can only be split again."""
    (fashionstyle14_root / 'val.csv').unlink()
    with pytest.raises(FileNotFoundError, match=r'holds dataset/, test\.csv, train\.csv'):
        FashionStyle14(fashionstyle14_root)
    assert len(FashionStyle14(fashionstyle14_root, split='stratified')) == 14 * 7


def test_stratified(fashionstyle14_root: Path) -> None:
    """12 images of a class are split into 7, 1 and 4 (round(4.2) tests, round(0.6) validation)."""
    everything = []
    for subset, count in (('train', 7), ('val', 1), ('test', 4)):
        dataset = FashionStyle14(fashionstyle14_root, subset, split='stratified')
        assert dataset.report is not None
        assert dataset.report.counts == dict.fromkeys(CLASSES, count)
        everything += paths(dataset)
    found = (fashionstyle14_root / 'dataset').rglob('*')
    expected = [p.relative_to(fashionstyle14_root).as_posix() for p in found if p.is_file()]
    assert sorted(everything) == sorted(expected)
    assert len(everything) == 14 * 12


def test_split_in_the_metainfo(fashionstyle14_root: Path, tmp_path: Path) -> None:
    """Split, seed and a digest are recorded; the digest follows the images that are used."""

    def name(subset: str = 'train', **options: object) -> str:
        return FashionStyle14(fashionstyle14_root, subset, **options).metainfo['split']

    official = name()
    assert re.fullmatch(r'official sha256 [0-9a-f]{16}', official)
    assert name('test') == official
    zero, one = (name(split='stratified', seed=seed) for seed in (0, 1))
    assert re.fullmatch(r'stratified seed 0 sha256 [0-9a-f]{16}', zero)
    assert re.fullmatch(r'stratified seed 1 sha256 [0-9a-f]{16}', one)
    assert zero[-16:] != one[-16:]
    assert name(split='stratified', split_dir=tmp_path / 'elsewhere') == zero
    (fashionstyle14_root / 'dataset' / 'gal' / 'mig (5)').unlink()
    assert name() != official


def test_split_is_recorded_when_it_is_known(fashionstyle14_root: Path) -> None:
    """A lazy dataset records its split once it has read the lists."""
    lazy = FashionStyle14(fashionstyle14_root, lazy_init=True)
    assert 'split' not in lazy.metainfo
    assert lazy.report is None
    lazy.full_init()
    assert lazy.metainfo == FashionStyle14(fashionstyle14_root).metainfo
    assert 'split' not in FashionStyle14.METAINFO


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({'split': 'random'}, "`split` must be one of 'official', 'stratified', but got 'random'"),
        ({'seed': -1}, '`seed` must be an integer of at least 0, but got -1'),
        ({'seed': 0.5}, '`seed` must be an integer of at least 0, but got 0.5'),
        ({'seed': True}, '`seed` must be an integer of at least 0, but got True'),
    ],
)
def test_wrong_arguments(fashionstyle14_root: Path, options: dict, expected: str) -> None:
    """An unknown split and a senseless seed are refused before anything is read."""
    with pytest.raises(ValueError, match=expected):
        FashionStyle14(fashionstyle14_root, lazy_init=True, **options)
