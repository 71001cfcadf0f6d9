"""replace_tree and `bgremoval replace`: photos before the backgrounds of a bank."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.cli.main import main
from bgremoval_mm.datasets.replaced import ReplacedFolder, replace_tree
from bgremoval_mm.datasets.transforms.background_bank import BackgroundBank
from bgremoval_mm.removal import (
    BackgroundRemover,
    Manifest,
    MaskStore,
    TargetError,
    estimate_foreground,
    read_image,
    remove_tree,
)
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.options import JobOptions

pytest.importorskip('mmcv')

NAMES = ('a.png', 'tops/b.png', 'tops/c.jpg')


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Three photos of noise, below one folder."""
    random = np.random.default_rng(0)
    for number, name in enumerate(NAMES):
        path = tmp_path / 'photos' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = random.integers(0, 256, (40 + number, 30, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path, quality=95)
    return tmp_path / 'photos'


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    """Four photos of noise without a foreground."""
    random = np.random.default_rng(1)
    (tmp_path / 'bank').mkdir()
    for number in range(4):
        noise = random.integers(0, 256, (48, 96, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / 'bank' / f'{number}.png')
    return tmp_path / 'bank'


@pytest.fixture
def masks(photos: Path, tmp_path: Path, tiny_model: Callable) -> Path:
    """The store of the photos' masks, which are soft almost everywhere."""
    tiny_model('u2netp')
    remove_tree(photos, tmp_path / 'masks', 'u2netp', device='cpu', progress=False)
    return tmp_path / 'masks'


@pytest.fixture
def replaced(photos: Path, masks: Path, bank: Path, tmp_path: Path) -> Callable:
    """A function that writes the photos again, into a folder of that name."""

    def call(dst: str = 'street', src: Path = photos, **options):
        quiet = JobOptions(progress=False)
        return replace_tree(src, tmp_path / dst, masks, bank, 'u2netp', **{'job': quiet, **options})

    return call


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the manifest, by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob('*')
        if path.is_file() and path.name != 'manifest.jsonl'
    }


@pytest.mark.parametrize('edges', ['straight', 'clean'])
def test_composite(replaced: Callable, photos: Path, masks: Path, bank: Path, edges: str) -> None:
    """The result is m * photo + (1 - m) * background, each pixel rounded to the nearest level."""
    summary = replaced(edges=edges, scale=(1.0, 1.0), flip_prob=0.0)
    assert (summary.done, summary.skipped, summary.failed) == (3, 0, {})
    store = MaskStore(masks, 'u2netp')
    of_bank = BackgroundBank(str(bank))
    folder = ReplacedFolder('street', of_bank, 'u2netp', scale=(1.0, 1.0), flip_prob=0.0)
    for name in NAMES[:2]:
        photo = np.asarray(Image.open(photos / name))
        mask = store.get(name).full_size()
        assert np.count_nonzero((mask > 0) & (mask < 255)) > mask.size / 2
        if edges == 'clean':
            photo = estimate_foreground(photo, mask)
        draw = folder.draw(name)
        place = np.asarray(Image.open(bank / f'{draw.photo}.png'))
        # The largest crop has the bank's height and the photo's shape.
        wide = round(photo.shape[1] * 48 / photo.shape[0])
        left = int(draw.left * (96 - wide + 1))
        crop = np.ascontiguousarray(place[:, left : left + wide])
        background = cv2.resize(crop, photo.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        share = mask[..., None] / 255
        expected = np.rint(share * photo + (1 - share) * background)
        found = np.asarray(Image.open(summary.folder / name))
        np.testing.assert_array_equal(found, expected)
        assert np.abs(found - photo.astype(float)).max() > 50


def test_names_and_formats(replaced: Callable, photos: Path) -> None:
    """Results have the paths and the sizes of their photos, and their formats."""
    folder = replaced().folder
    assert set(contents(folder)) == set(NAMES)
    for name in NAMES:
        with Image.open(photos / name) as photo, Image.open(folder / name) as result:
            assert (result.size, result.format) == (photo.size, photo.format)


def test_no_network_is_run(replaced: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Masks come from the store alone."""

    def refuse(*_: object) -> None:
        raise AssertionError

    for name in ('infer', 'preprocess', '__init__'):
        monkeypatch.setattr(BackgroundRemover, name, refuse)
    assert replaced().done == 3


def test_background_depends_on_seed_and_path_alone(
    replaced: Callable, photos: Path, tmp_path: Path
) -> None:
    """Fewer photos, in another folder, get the same; another seed or path gets another."""
    whole = contents(replaced('whole').folder)
    assert whole == contents(replaced('again').folder)
    part = tmp_path / 'part'
    (part / 'tops').mkdir(parents=True)
    shutil.copy2(photos / 'tops/b.png', part / 'tops/b.png')
    assert contents(replaced('fewer', part).folder) == {'tops/b.png': whole['tops/b.png']}
    other = contents(replaced('other', seed=1).folder)
    assert all(other[name] != whole[name] for name in NAMES)


def test_draws_are_spread(bank: Path) -> None:
    """Over many paths, each photo of the bank is drawn about as often, and half are mirrored."""
    folder = ReplacedFolder('street', BackgroundBank(str(bank)), 'u2netp', scale=(0.5, 1.0))
    draws = [folder.draw(f'{number}.jpg') for number in range(400)]
    counts = np.bincount([draw.photo for draw in draws], minlength=4)
    assert counts.min() > 70
    assert 160 < sum(draw.flip for draw in draws) < 240
    assert all(0.5 <= draw.scale <= 1 for draw in draws)
    assert len(set(draws)) == 400


def test_resumed(replaced: Callable, photos: Path) -> None:
    """What is there is skipped; what is lacking, or has another photo now, is made again."""
    first = replaced()
    whole = contents(first.folder)
    assert (replaced().done, replaced().skipped) == (0, 3)
    (first.folder / 'a.png').unlink()
    assert (replaced().done, contents(first.folder)) == (1, whole)
    (first.folder / 'manifest.jsonl').write_text('')  # a run that was killed at once
    assert (replaced().done, contents(first.folder)) == (3, whole)
    assert replaced(job=JobOptions(progress=False, overwrite=True)).done == 3


def test_killed_before_its_first_records_at_an_address(
    photos: Path, masks: Path, bank: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records are held back there: what a run wrote until then is known as its own."""
    memory = pytest.importorskip('fsspec').filesystem('memory')
    memory.store.clear()
    arguments = (photos, 'memory://street', masks, bank, 'u2netp')
    with monkeypatch.context() as killed:
        killed.setattr(Manifest, 'flush', lambda _: None)
        replace_tree(*arguments, job=JobOptions(progress=False))
    assert memory.exists('/street/a.png')
    assert replace_tree(*arguments, job=JobOptions(progress=False)).done == 3
    assert replace_tree(*arguments, job=JobOptions(progress=False)).skipped == 3
    memory.store.clear()
    memory.pipe_file('/street/a.png', b'of somebody')
    with pytest.raises(TargetError, match='must not hold other photos'):
        replace_tree(*arguments, job=JobOptions(progress=False))
    memory.store.clear()


@pytest.mark.parametrize(
    'changed', [{'seed': 1}, {'scale': (0.5, 1.0)}, {'flip_prob': 1.0}, {'edges': 'straight'}]
)
def test_other_settings_are_made_again(replaced: Callable, changed: dict) -> None:
    """Results of one setting do not stand beside those of another."""
    replaced()
    assert replaced(**changed).done == 3
    assert replaced(**changed).skipped == 3


def test_other_bank_or_mask_is_made_again(
    replaced: Callable, photos: Path, masks: Path, bank: Path
) -> None:
    """The content of the bank counts, and that of each photo's mask."""
    folder = replaced().folder
    store = MaskStore(masks, 'u2netp')
    source = read_image(photos / 'a.png')
    store.put('a.png', source, np.full((8, 8), 255, np.uint8), False)
    summary = replaced()
    assert (summary.done, summary.skipped) == (1, 2)
    assert np.array_equal(np.asarray(Image.open(folder / 'a.png')), source.rgb)
    Image.new('RGB', (96, 48), 'red').save(bank / '0.png')
    assert replaced().done == 3


def test_manifest_names_the_background(replaced: Callable, bank: Path) -> None:
    """A record says which photo of the bank is behind it, and all it was made with."""
    folder = replaced(seed=3).folder
    lines = (folder / 'manifest.jsonl').read_text().splitlines()
    records = {record['path']: record for record in map(json.loads, lines)}
    assert set(records) == set(NAMES)
    for record in records.values():
        assert (bank / record['params']['background']).is_file()
        assert (record['params']['output'], record['params']['seed']) == ('replaced', 3)


def test_photos_that_fail(replaced: Callable, photos: Path, masks: Path) -> None:
    """Broken ones, those without a mask or with that of another photo: named, the others done."""
    (photos / 'broken.jpg').write_bytes((photos / 'tops/c.jpg').read_bytes()[:300])
    shutil.copy(photos / 'a.png', photos / 'new.png')
    Image.new('RGB', (40, 30), 'blue').save(photos / 'tops/b.png')
    shutil.copy(photos / 'a.png', photos / 'old.bmp')
    only = 'old.bmp'.__eq__
    remove_tree(photos, masks, 'u2netp', device='cpu', progress=False, accept=only)
    summary = replaced()
    assert summary.done == 2
    assert set(summary.failed) == {'broken.jpg', 'new.png', 'tops/b.png', 'old.bmp'}
    command = f'Make it: bgremoval masks {photos} {masks} --model u2netp'
    assert summary.failed['new.png'] == f'there is no mask. {command}'
    stale = 'the mask was made from other content than the file has now'
    assert summary.failed['tops/b.png'] == f'{stale}. {command}'
    assert summary.failed['old.bmp'].endswith(
        "its name must end in .jpg, .jpeg, .png, .webp, but ends in '.bmp'"
    )
    assert set(contents(summary.folder)) == {'a.png', 'tops/c.jpg'}


def test_folder_of_other_photos(replaced: Callable, photos: Path, tmp_path: Path) -> None:
    """Results have the names of photos: a folder that holds other ones is left as it is."""
    shutil.copytree(photos, tmp_path / 'copy')
    before = contents(tmp_path / 'copy')
    with pytest.raises(TargetError, match=r'must not hold other photos.* has a\.png and no man'):
        replaced('copy')
    assert contents(tmp_path / 'copy') == before
    assert not (tmp_path / 'copy/manifest.jsonl').exists()
    with pytest.raises(TargetError, match='inside the image folder'):
        replaced('photos/street')
    remove_tree(photos, tmp_path / 'cut', 'u2netp', device='cpu', output='rgb', progress=False)
    with pytest.raises(TargetError, match='has results of rgb'):
        replaced('cut')


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'seed': -1}, '`seed` must be an int of 0 or more, but got -1'),
        ({'scale': (1, 0.5)}, r'`scale` must be two numbers in \(0, 1\], the smaller first, but'),
        ({'flip_prob': 2}, r'`flip_prob` must be a number in \[0, 1\], but got 2'),
        ({'edges': 'hard'}, "`edges` must be one of straight, clean, but got 'hard'"),
        (
            {'precision': 'auto'},
            "`precision` must be one of fp32, bf16, fp16, int8, but got 'auto'",
        ),
        ({'precision': 'bf16'}, 'were made in fp32, but this job computes in bf16'),
        ({'job': JobOptions(engine='ray')}, "`engine` must be one of local, but got 'ray'"),
    ],
)
def test_wrong_arguments(replaced: Callable, options: dict, message: str) -> None:
    """Each error names the argument, what is allowed and what came."""
    with pytest.raises(ArgumentError, match=message):
        replaced(**options)


def test_command(
    photos: Path, masks: Path, bank: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """It writes what replace_tree writes, says what it did, and fails if a photo has no mask."""
    options = ['--masks', str(masks), '--bank', str(bank), '--model', 'u2netp', '--seed', '5']
    words = [str(photos), str(tmp_path / 'street'), *options]
    assert main(words, 'replace') == 0
    assert '3 done' in capsys.readouterr().out
    assert main(words, 'replace') == 0
    assert 'nothing to do: 3 done before' in capsys.readouterr().out
    expected = replace_tree(photos, tmp_path / 'other', masks, bank, 'u2netp', seed=5)
    assert contents(tmp_path / 'street') == contents(expected.folder)
    Image.new('RGB', (9, 9)).save(photos / 'new.png')
    assert main(words, 'replace') == 1
    assert 'failed: new.png: there is no mask. Make it: bgremoval masks' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--scale', '1', '0.5'], '--scale must be two numbers in (0, 1], the smaller first'),
        (['--flip-prob', '2'], '--flip-prob must be a number in [0, 1], but got 2.0'),
        (['--seed', 'x'], "must be a whole number, 0 or more, but got 'x'"),
    ],
)
def test_wrong_options(words: list[str], message: str, capsys: pytest.CaptureFixture) -> None:
    """Each is refused in one line, before anything is looked at."""
    with pytest.raises(SystemExit) as caught:
        main(['src', 'dst', '--masks', 'm', '--bank', 'b', *words], 'replace')
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_nothing_to_read(masks: Path, bank: Path, tmp_path: Path) -> None:
    """No folder, no store and no photo are told apart."""
    with pytest.raises(FileNotFoundError, match='an existing folder or image, but there is no'):
        replace_tree(tmp_path / 'none', tmp_path / 'street', masks, bank, 'u2netp')
    with pytest.raises(FileNotFoundError, match='must be the root of a mask store'):
        replace_tree(bank, tmp_path / 'street', tmp_path / 'no masks', bank, 'u2netp')
    (tmp_path / 'empty').mkdir()
    options = ['--masks', str(masks), '--bank', str(bank), '--model', 'u2netp']
    assert main([str(tmp_path / 'empty'), str(tmp_path / 'street'), *options], 'replace') == 1
