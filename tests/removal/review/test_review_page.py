"""The page on which masks are judged: what is on it, and that it works in a browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.cli.main import main
from bgremoval_mm.removal import MaskStore, read_image, remove_tree
from bgremoval_mm.removal.jobs.run import run_job
from bgremoval_mm.removal.options import EngineOptions, Framing, JobOptions, OutputOptions
from bgremoval_mm.removal.review.page import check_folder, open_results, write_review
from tests.browser import Browser
from tests.limits import lower_limits


@pytest.fixture
def photos_and_masks(tiny_model, tmp_path: Path, picture) -> tuple[Path, MaskStore]:
    """Five images, of which four have a flag, and a broken one; masks that are made by hand."""
    tiny_model('u2netp')
    images = tmp_path / 'images'
    images.mkdir()
    store = MaskStore(tmp_path / 'masks', 'u2netp')
    parts = np.zeros((64, 64), np.uint8)
    parts[8:20, 8:20] = parts[40:52, 40:52] = 255
    good = np.zeros((64, 64), np.uint8)
    good[16:48, 16:48] = 255
    masks = {
        'good.png': good,
        'parts.png': parts,
        'full.png': np.full((64, 64), 255, np.uint8),
        'empty </script><b>.png': np.zeros((64, 64), np.uint8),
        'unsure.png': np.where(good > 0, np.uint8(160), np.uint8(60)),
    }
    for seed, (name, mask) in enumerate(masks.items()):
        path = images / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(64, 64, seed)).save(path)
        store.put(name, read_image(path), mask, constant=False)
    store.manifest.append(store.failure('broken.jpg', 'the file is empty'))
    return images, store


def test_page_in_a_browser(photos_and_masks, tmp_path: Path, browser: Browser) -> None:
    """In headless Chromium: sorting, filtering, judging; no error, no wider than a phone."""
    images, store = photos_and_masks
    page = write_review(tmp_path / 'review', store, images, progress=False)
    script = Path(__file__).with_name('review_probe.js').read_text()
    said, log = browser.run(page, script)
    assert said == 'ok'
    assert 'Uncaught' not in log


def test_what_is_on_the_page(photos_and_masks, tmp_path: Path) -> None:
    """Flagged masks, the worst first, with a picture each; all of them if wanted."""
    images, store = photos_and_masks
    page = write_review(tmp_path / 'review', store, images, progress=False)
    cards = json.loads(re.search(r'const data = (\{.*\});', page.read_text())[1])['cards']
    assert [card['flags'][0] for card in cards] == ['empty', 'full', 'uncertain', 'small']
    assert len(list((tmp_path / 'review/pictures').iterdir())) == 8
    for card in cards:
        with Image.open(tmp_path / 'review' / card['photo']) as photo:
            assert (photo.size, photo.mode) == ((64, 64), 'RGB')
        with Image.open(tmp_path / 'review' / card['result']) as result:
            assert result.size == (64, 64)
            # WebP does without transparency where there is none.
            assert result.mode == ('RGB' if 'full' in card['flags'] else 'RGBA')
    suspicions = [card['suspicion'] for card in cards]
    assert suspicions == sorted(suspicions, reverse=True)
    assert suspicions[:2] == [100, 100]
    write_review(tmp_path / 'review', store, images, everything=True, progress=False)
    assert len(list((tmp_path / 'review/pictures').iterdir())) == 10


def test_missing_images_and_results(photos_and_masks, tmp_path: Path) -> None:
    """A card says what cannot be shown; the others are there."""
    images, store = photos_and_masks
    (images / 'full.png').unlink()
    store.path('parts.png').unlink()
    page = write_review(tmp_path / 'review', store, images, progress=False)
    cards = json.loads(re.search(r'const data = (\{.*\});', page.read_text())[1])['cards']
    troubles = {card['path']: card['trouble'] for card in cards}
    assert troubles['unsure.png'] == ''
    assert 'No such file' in troubles['full.png']
    assert troubles['parts.png'].startswith('the result cannot be shown')


@pytest.mark.parametrize('output', ['store', 'rgba'])
def test_large_photos_are_shown(
    tiny_model, image_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    """Those that `--max-pixels` or `--max-bytes` let in, and their results, as any other."""
    tiny_model('u2netp')
    remove_tree(image_tree, tmp_path / 'out', 'u2netp', output=output, device='cpu', progress=False)
    lower_limits(monkeypatch)
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 10)  # Pillow's own, which is as low
    results = open_results(tmp_path / 'out', 'u2netp')
    page = write_review(tmp_path / 'review', results, image_tree, everything=True, progress=False)
    cards = json.loads(re.search(r'const data = (\{.*\});', page.read_text())[1])['cards']
    assert [card['trouble'] for card in cards] == [''] * 6
    assert all(card['photo'] and card['result'] for card in cards)


@pytest.mark.parametrize('output', ['store', 'mask', 'rgb', 'rgba'])
def test_results_of_any_kind(tiny_model, image_tree: Path, tmp_path: Path, output: str) -> None:
    """The manifest says what DST holds; `bgremoval review` and --review write the page."""
    tiny_model('u2netp')
    out = tmp_path / 'out'
    file_format = 'png' if output == 'store' else 'webp'
    remove_tree(
        image_tree,
        out,
        'u2netp',
        output=output,
        device='cpu',
        progress=False,
        file_format=file_format,
    )
    arguments = ['review', str(out), str(image_tree), '--out', str(tmp_path / 'review')]
    assert main([*arguments, '--model', 'u2netp', '--all']) == 0
    photos = sorted((tmp_path / 'review/pictures').glob('*.jpg'))
    assert len(photos) == 6
    for path in photos:
        with Image.open(path) as photo, Image.open(path.with_suffix('.webp')) as result:
            assert result.size == photo.size
            assert result.mode == ('RGB' if output == 'rgb' else 'RGBA')
            shown = Image.new('RGBA', photo.size, 'lime')
            shown.alpha_composite(result.convert('RGBA'))
            difference = np.asarray(shown.convert('RGB')).astype(int) - np.asarray(photo)
            assert np.abs(difference).mean() > 1  # something was removed


def test_framed_masks_are_shown_as_they_are(tiny_model, image_tree: Path, tmp_path: Path) -> None:
    """A mask that was cropped does not lie where the photo's pixels do."""
    tiny_model('u2netp')
    engine, framing = EngineOptions('u2netp', device='cpu'), Framing(canvas='40x30')
    output, job = OutputOptions(output='mask', framing=framing), JobOptions(progress=False)
    run_job(image_tree, tmp_path / 'out', engine, output, job)
    page = write_review(
        tmp_path / 'review', open_results(tmp_path / 'out'), image_tree, True, progress=False
    )
    results = list(page.with_name('pictures').glob('*.webp'))
    assert results
    for path in results:
        with Image.open(path) as result:
            assert result.size[0] / result.size[1] == pytest.approx(4 / 3, abs=0.05)


def test_side_of_the_pictures(photos_and_masks, tmp_path: Path, capsys) -> None:
    """Photos are made no larger than asked for; WebP has a limit of its own."""
    images, store = photos_and_masks
    page = write_review(tmp_path / 'review', store, images, progress=False, side=32)
    for path in page.with_name('pictures').iterdir():
        with Image.open(path) as picture:
            assert picture.size == (32, 32)
    for side in (0, 20_000):
        with pytest.raises(ValueError, match=f'from 1 to 16383 pixels, but got {side}'):
            write_review(tmp_path / 'review', store, images, progress=False, side=side)


def test_folders_that_will_not_do(photos_and_masks, tmp_path: Path, capsys) -> None:
    """Inside the images, on other files; images and results that are not there."""
    images, store = photos_and_masks
    with pytest.raises(ValueError, match=r'but there is no .*/gone'):
        check_folder(tmp_path / 'review', tmp_path / 'gone')
    with pytest.raises(ValueError, match='inside the image folder'):
        check_folder(images / 'review', images)
    (tmp_path / 'full').mkdir()
    (tmp_path / 'full/thesis.txt').write_text('mine')
    with pytest.raises(ValueError, match='has other files'):
        write_review(tmp_path / 'full', store, images)
    with pytest.raises(FileNotFoundError, match=r'there are no results in .*there is no folder'):
        open_results(tmp_path / 'nowhere')
    with pytest.raises(FileNotFoundError, match=r'has masks of: u2netp\. Choose with --model'):
        open_results(store.folder.parent, 'silueta')
    with pytest.raises(FileNotFoundError, match=r'is the folder of one model\. Give the fold'):
        open_results(store.folder)
    assert main(['review', str(tmp_path / 'nowhere'), str(images)]) == 1
    assert 'error: there are no results' in capsys.readouterr().err
