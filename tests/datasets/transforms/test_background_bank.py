"""BackgroundBank: readable photos only, within a memory budget, and disjoint banks."""

from __future__ import annotations

import copy
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from PIL import Image

from bgremoval_mm import DisjointBanksHook
from bgremoval_mm.datasets.transforms.background_bank import BackgroundBank, check_disjoint, dhash

Bank = Callable[..., Path]


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    """A function that makes a folder of photos of noise, and returns it."""

    def make(name: str = 'bank', count: int = 3, seed: int = 0, size: tuple = (60, 40)) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        for index in range(count):
            noise = np.random.default_rng([seed, index]).integers(0, 256, (5, 7, 3), np.uint8)
            Image.fromarray(noise).resize(size).save(folder / f'{index}.png')
        return folder

    return make


def rgb(path: Path) -> np.ndarray:
    """The pixels of a file."""
    return np.asarray(Image.open(path).convert('RGB'))


def test_a_folder_a_list_and_several(bank: Bank, tmp_path: Path) -> None:
    """Photos are BGR, in sorted order; a list may lie beside `images`; no photo counts twice."""
    folder = bank('images')
    (folder / 'notes.txt').write_text('no photo')
    whole = BackgroundBank(folder)
    assert [Path(file).name for file in whole.files] == ['0.png', '1.png', '2.png']
    for index, file in enumerate(whole.files):
        np.testing.assert_array_equal(whole.photo(index)[..., ::-1], rgb(Path(file)))
    listed = tmp_path / 'list.txt'
    listed.write_text('# the second and the first\n2.png\n\nimages/0.png\n')
    assert [Path(file).name for file in BackgroundBank(str(listed)).files] == ['2.png', '0.png']
    listed.write_bytes(b'\xef\xbb\xbf2.png\r\n0.png\r\n')  # as editors of Windows write it
    assert [Path(file).name for file in BackgroundBank(listed).files] == ['2.png', '0.png']
    both = BackgroundBank([listed, folder])
    assert [Path(file).name for file in both.files] == ['2.png', '0.png', '1.png']
    assert BackgroundBank.of({'paths': str(folder), 'memory_mb': 1}).files == whole.files
    assert BackgroundBank.of(whole) is whole


def test_photos_are_kept_at_the_size_and_within_the_memory_that_is_stated(bank: Bank) -> None:
    """A large photo is reduced; what does not fit is decoded again, to the same pixels."""
    folder = bank(count=4, size=(120, 90))
    reduced = BackgroundBank(folder, short_side=45)
    assert reduced.photo(0).shape == (45, 60, 3)
    expected = cv2.resize(rgb(folder / '0.png')[..., ::-1], (60, 45), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(reduced.photo(0), expected)
    tight = BackgroundBank(folder, short_side=45, memory_mb=2.5 * 45 * 60 * 3 / 2**20)
    for index in range(4):
        assert (tight.photo(index) is tight.photo(index)) == (index < 2)
        np.testing.assert_array_equal(tight.photo(index), reduced.photo(index))


def test_pickled_without_photos_copied_with_them(bank: Bank) -> None:
    """Another process gets the list and reads again; a copied dataset shares what is decoded."""
    whole = BackgroundBank(bank(size=(300, 300)))
    content = pickle.dumps(whole)
    assert len(content) < 5000
    other = pickle.loads(content)
    assert (other.files, other.sha256, other.dhash) == (whole.files, whole.sha256, whole.dhash)
    np.testing.assert_array_equal(other.photo(1), whole.photo(1))
    assert other.photo(1) is other.photo(1)
    assert copy.deepcopy(whole) is whole


@pytest.mark.parametrize('given', [None, 5, [], [3], {}])
def test_no_bank(given: object) -> None:
    """What is no bank is said to be none."""
    with pytest.raises(ValueError, match='`bank` must'):
        BackgroundBank.of({'paths': given} if given == {} else given)


def test_empty_folder_and_missing_file(tmp_path: Path) -> None:
    """An empty bank, or one that is not there, is an error that names it."""
    (tmp_path / 'empty').mkdir()
    with pytest.raises(ValueError, match=r'at least one photo, but .*empty has none'):
        BackgroundBank(tmp_path / 'empty')
    with pytest.raises(ValueError, match=r'folder of photos or a list file.*nowhere is neither'):
        BackgroundBank(tmp_path / 'nowhere')
    (tmp_path / 'list.txt').write_text('here.jpg\n')
    with pytest.raises(ValueError, match=r'list\.txt, line 1, names here\.jpg'):
        BackgroundBank(tmp_path / 'list.txt')


def test_broken_photo_is_named(bank: Bank) -> None:
    """One truncated file stops everything; nothing is skipped in silence."""
    folder = bank()
    (folder / '1.png').write_bytes((folder / '1.png').read_bytes()[:-60])
    with pytest.raises(ValueError, match=r'readable photos, but .*1\.png is not: '):
        BackgroundBank(folder)


def test_small_photos(bank: Bank) -> None:
    """From 32 pixels on a photo is taken; below, it is an error that names it."""
    assert len(BackgroundBank(bank('small', size=(32, 32)))) == 3
    with pytest.raises(ValueError, match=r'at least 32 x 32 pixels, but .*0\.png has 31 x 64'):
        BackgroundBank(bank('tiny', size=(31, 64)))


@pytest.mark.parametrize('argument', [{'short_side': 31}, {'memory_mb': -1}])
def test_arguments_out_of_range(bank: Bank, argument: dict) -> None:
    """The error names the argument."""
    with pytest.raises(ValueError, match=next(iter(argument))):
        BackgroundBank(bank(), **argument)


def test_photo_that_vanishes(bank: Bank) -> None:
    """A file that was deleted since is named when it is needed."""
    folder = bank()
    loose = BackgroundBank(folder, memory_mb=0)
    (folder / '2.png').unlink()
    with pytest.raises(ValueError, match=r'2\.png is not'):
        loose.photo(2)


def test_dhash_is_the_definition() -> None:
    """Bit by bit: whether a pixel of the 9 x 8 grey picture is brighter than its left neighbour."""
    small = np.random.default_rng(0).integers(0, 256, (8, 9), np.uint8)
    bits = ''.join(str(int(small[y, x + 1] > small[y, x])) for y in range(8) for x in range(8))
    assert dhash(cv2.merge([small] * 3)) == int(bits, 2)


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The warnings of the module."""
    said: list[str] = []
    monkeypatch.setattr(
        'bgremoval_mm.datasets.transforms.background_bank.print_log',
        lambda message, *_: said.append(message),
    )
    return said


def test_disjoint_banks(bank: Bank, logged: list[str]) -> None:
    """Different photos: no error, no warning."""
    check_disjoint(BackgroundBank(bank('a')), BackgroundBank(bank('b', seed=1)))
    assert logged == []


def test_overlapping_banks(bank: Bank) -> None:
    """A copied file is found by its content, under another name, and both names are given."""
    training, test = bank('a'), bank('b', seed=1)
    shutil.copy(training / '1.png', test / 'copy.png')
    with pytest.raises(ValueError, match=r'share 1: .*a/1\.png = .*b/copy\.png'):
        check_disjoint(BackgroundBank(training), BackgroundBank(test))


def test_photos_that_look_alike(bank: Bank, logged: list[str]) -> None:
    """A photo that was resized and compressed is warned of."""
    training, test = bank('a'), bank('b', seed=1)
    Image.open(training / '2.png').resize((90, 60)).save(test / 'again.jpg', quality=90)
    check_disjoint(BackgroundBank(training), BackgroundBank(test))
    (said,) = logged
    assert '1 photos of the training bank look like' in said
    assert 'a/2.png' in said
    assert 'b/again.jpg' in said


class _Runner:
    def __init__(self, **cfg: object) -> None:
        self.cfg = cfg


def test_hook_compares_the_banks_of_a_config(bank: Bank, logged: list[str]) -> None:
    """Whatever takes a bank, in training and test; validation may have that of training."""
    hook: Hook = HOOKS.build({'type': 'DisjointBanksHook'})
    assert isinstance(hook, DisjointBanksHook)
    a, b = str(bank('a')), str(bank('b', seed=1))
    training = {'dataset': {'type': 'RembgDataset', 'bank': a}}

    def tested(where: dict) -> dict:
        step = {'type': 'ReplaceBackground', 'bank': where}
        return {'dataset': {'dataset': {'pipeline': [{'type': 'LoadImageFromFile'}, step]}}}

    for cfg in (
        {'train_dataloader': training},
        {'train_dataloader': training, 'test_dataloader': tested({'paths': [b]})},
        {'train_dataloader': training, 'val_dataloader': tested(a), 'test_dataloader': None},
    ):
        hook.before_run(_Runner(**cfg))
    assert logged == []
    for part in ({'test_dataloader': tested({'paths': a})}, {'test_cfg': {'bank': [b, a]}}):
        with pytest.raises(ValueError, match=r'share 3: .*a/0\.png = .*a/0\.png'):
            hook.before_run(_Runner(train_dataloader=training, **part))


def test_hook_knows_the_bank_that_photos_were_made_with(bank: Bank, tmp_path: Path) -> None:
    """It is compared as any of the test; where it is not there, the photos are still tested."""
    a, b = str(bank('a')), str(bank('b', seed=1))
    training = {'dataset': {'type': 'RembgDataset', 'bank': a}}
    for tested in (b, str(tmp_path / 'elsewhere.txt'), None):
        hook = HOOKS.build({'type': 'DisjointBanksHook', 'tested': tested})
        hook.before_run(_Runner(train_dataloader=training))
    hook = HOOKS.build({'type': 'DisjointBanksHook', 'tested': [b, a]})
    with pytest.raises(ValueError, match=r'share 3: .*a/0\.png = .*a/0\.png'):
        hook.before_run(_Runner(train_dataloader=training))
    hook.before_run(_Runner(train_dataloader={}))


def test_the_shipped_lists(repository: Path) -> None:
    """Banks A and B of data/background_bank: 131 and 130 photos, disjoint."""
    root = repository / 'data/background_bank'
    if not root.is_dir():
        pytest.skip('needs photos: link data/background_bank')
    a, b = (BackgroundBank(root / f'bank_{each}.txt', memory_mb=0) for each in 'ab')
    assert (len(a), len(b)) == (131, 130)
    check_disjoint(a, b)
