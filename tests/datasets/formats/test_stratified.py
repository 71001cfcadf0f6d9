"""The re-split by class."""

from __future__ import annotations

import hashlib
import multiprocessing
from pathlib import Path
from unicodedata import normalize

import pytest

from bgremoval_mm.datasets.base.class_folders import images_by_class
from bgremoval_mm.datasets.fashionstyle14 import CLASSES
from bgremoval_mm.datasets.formats import stratified
from bgremoval_mm.datasets.formats.stratified import ensure_lists, stratify


def names(label: str, count: int) -> list[str]:
    """Paths of a class."""
    return [f'dataset/{label}/{index}.jpg' for index in range(count)]


def contents(files: dict[str, Path]) -> dict[str, bytes]:
    """What the lists hold."""
    return {name: file.read_bytes() for name, file in files.items()}


def held(folder: Path) -> list[str]:
    """What a folder holds, hidden files too."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(('count', 'tests', 'vals'), [(11, 4, 1), (20, 7, 1), (1000, 350, 50)])
def test_from_the_definition(count: int, tests: int, vals: int) -> None:
    """35 % and 5 %, rounded, in the order of sha256 of seed and path; the rest is training."""
    paths = names('gal', count)
    order = sorted(paths, key=lambda path: hashlib.sha256(f'7:{path}'.encode()).hexdigest())
    assert stratify(paths, seed=7) == {
        'train': sorted(order[tests + vals :]),
        'val': sorted(order[tests : tests + vals]),
        'test': sorted(order[:tests]),
    }


def test_known_answer() -> None:
    """The split never changes between versions: these are the first test images of seed 0."""
    assert stratify(names('gal', 20), seed=0)['test'] == [
        f'dataset/gal/{index}.jpg' for index in (0, 10, 11, 2, 6, 7, 9)
    ]


def test_every_class_by_itself() -> None:
    """Another class, or the order in which names come, changes nothing; another seed does."""
    alone, both = stratify(names('gal', 40), 0), stratify(names('mode', 31) + names('gal', 40), 0)
    for subset, paths in alone.items():
        assert [path for path in both[subset] if '/gal/' in path] == paths
    assert stratify(reversed(names('gal', 40)), 0) == alone
    assert stratify(names('gal', 40), 1) != alone
    everything = [path for paths in both.values() for path in paths]
    assert sorted(everything) == sorted(names('mode', 31) + names('gal', 40))


def test_same_split_for_any_normalisation() -> None:
    """Decomposed names are dealt out as composed ones."""
    paths = [f'dataset/gal/ガ{index}.jpg' for index in range(20)]
    assert stratify([normalize('NFD', path) for path in paths], 0) == stratify(paths, 0)
    assert paths[0] != normalize('NFD', paths[0])


@pytest.mark.parametrize(('count', 'empty'), [(10, 'val'), (1, 'val, test')])
def test_too_few_images(count: int, empty: str) -> None:
    """A class that would be missing in a subset is an error (round(0.05 * 10) is 0)."""
    expected = f'the class mode has {count} images, too few to be split 60/5/35: {empty} would'
    with pytest.raises(ValueError, match=expected):
        stratify(names('gal', 50) + names('mode', count), 0)


def test_images_on_disk(fashionstyle14_root: Path) -> None:
    """Images are detected by content; other files and hidden ones are ignored."""
    folder = fashionstyle14_root / 'dataset' / 'gal'
    (folder / 'Thumbs.db').write_bytes(b'no image')
    (folder / '._mig (5)').write_bytes(b'')
    found = images_by_class(fashionstyle14_root / 'dataset', CLASSES)
    assert len(found) == 14 * 12
    assert found['gal/mig (5)'] == 'gal'


def test_image_of_no_class(fashionstyle14_root: Path) -> None:
    """An image in another folder has no label."""
    gal = fashionstyle14_root / 'dataset' / 'gal'
    gal.rename(gal.with_name('punk'))
    with pytest.raises(ValueError, match='images outside the folders of the classes: punk/'):
        images_by_class(fashionstyle14_root / 'dataset', CLASSES)


def test_class_without_images(fashionstyle14_root: Path) -> None:
    """A class that is not on disk is named."""
    gal = fashionstyle14_root / 'dataset' / 'gal'
    gal.rename(fashionstyle14_root / 'away')
    with pytest.raises(ValueError, match='must hold images of every class, but has none of gal'):
        images_by_class(fashionstyle14_root / 'dataset', CLASSES)


def test_written_once(fashionstyle14_root: Path) -> None:
    """The lists are read back ever after, even if the images on disk change."""
    files = ensure_lists(fashionstyle14_root, CLASSES, 0)
    folder = fashionstyle14_root / 'splits' / 'stratified_seed0'
    assert files == {name: folder / f'{name}.csv' for name in ('train', 'val', 'test')}
    before = contents(files)
    images = images_by_class(fashionstyle14_root / 'dataset', CLASSES)
    expected = stratify([f'dataset/{path}' for path in images], 0)
    assert {name: text.decode().splitlines() for name, text in before.items()} == expected
    for photo in (fashionstyle14_root / 'dataset' / 'gal').iterdir():
        photo.unlink()
    assert contents(ensure_lists(fashionstyle14_root, CLASSES, 0)) == before
    assert held(folder.parent) == ['stratified_seed0']


def test_readable_by_others(fashionstyle14_root: Path) -> None:
    """Folder and lists get the permissions of any new file, not those of a temporary one."""
    plain = fashionstyle14_root / 'plain'
    plain.mkdir()
    file = ensure_lists(fashionstyle14_root, CLASSES, 0)['val']
    assert file.parent.stat().st_mode == plain.stat().st_mode
    assert file.stat().st_mode == (fashionstyle14_root / 'val.csv').stat().st_mode


def test_incomplete_lists(fashionstyle14_root: Path) -> None:
    """A list that is gone is not made again behind a run's back."""
    ensure_lists(fashionstyle14_root, CLASSES, 0)['val'].unlink()
    with pytest.raises(FileNotFoundError, match=r"must hold \['val.csv'\]; delete the folder"):
        ensure_lists(fashionstyle14_root, CLASSES, 0)


def test_other_folder(fashionstyle14_root: Path, tmp_path: Path) -> None:
    """`split_dir` keeps the dataset untouched."""
    before = sorted(fashionstyle14_root.iterdir())
    files = ensure_lists(fashionstyle14_root, CLASSES, 3, tmp_path / 'a' / 'b')
    assert files['test'] == tmp_path / 'a' / 'b' / 'stratified_seed3' / 'test.csv'
    assert sorted(fashionstyle14_root.iterdir()) == before


def test_folder_that_cannot_be_written(fashionstyle14_root: Path) -> None:
    """A read-only dataset is an error that names the way out."""
    # Not by permissions: they do not stop root, as which containers run.
    (fashionstyle14_root / 'splits').write_text('in the way')
    with pytest.raises(OSError, match=r'cannot be written to .* another folder by `split_dir`'):
        ensure_lists(fashionstyle14_root, CLASSES, 0)


def _ask(root: Path, barrier, results) -> None:
    barrier.wait()
    results.put(contents(ensure_lists(root, CLASSES, 0)))


def test_several_processes(fashionstyle14_root: Path) -> None:
    """Processes that start together all get the same lists, and nothing else is left."""
    context = multiprocessing.get_context('fork')
    barrier, results = context.Barrier(4), context.Queue()
    processes = [
        context.Process(target=_ask, args=(fashionstyle14_root, barrier, results)) for _ in range(4)
    ]
    for process in processes:
        process.start()
    answers = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert answers.count(answers[0]) == 4
    assert held(fashionstyle14_root / 'splits') == ['stratified_seed0']


def test_a_faster_process(fashionstyle14_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If another process has put its lists there meanwhile, those are used."""
    deal = stratified.stratify
    folder = fashionstyle14_root / 'splits' / 'stratified_seed0'

    def overtaken(paths, seed: int) -> dict[str, list[str]]:
        folder.mkdir(parents=True)
        for name in ('train', 'val', 'test'):
            (folder / f'{name}.csv').write_text('faster')
        return deal(paths, seed)

    monkeypatch.setattr(stratified, 'stratify', overtaken)
    files = ensure_lists(fashionstyle14_root, CLASSES, 0)
    assert set(contents(files).values()) == {b'faster'}
    assert held(folder.parent) == ['stratified_seed0']
