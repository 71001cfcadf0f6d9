"""resize_masks and its command: the same results from masks at the size of their photos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bgremoval_mm.cli.main import main
from bgremoval_mm.removal import MaskStore, TargetError, remove_tree, resize_masks
from bgremoval_mm.removal.jobs import resize_masks as module
from bgremoval_mm.removal.jobs.run import claimed


@pytest.fixture
def masks(tiny_model: Any, image_tree: Path, tmp_path: Path) -> Path:
    """A store of the masks of `image_tree`, whose photos are 20 to 25 pixels wide."""
    tiny_model('u2netp')
    remove_tree(image_tree, tmp_path / 'masks', 'u2netp', device='cpu', progress=False)
    return tmp_path / 'masks'


def full_sizes(root: Path) -> dict[str, np.ndarray]:
    """What the masks of a store are at the size of their photos."""
    store = MaskStore(root, 'u2netp')
    return {image: store.get(image).full_size() for image in store.manifest.read()}


def test_results_stay_the_same(masks: Path, image_tree: Path, tmp_path: Path) -> None:
    """Masks, cut-outs of them, and what a job takes for done; a second call has nothing to do."""
    before = full_sizes(masks)
    found = resize_masks(masks, 'u2netp', workers=2, progress=False)
    assert (found.done, found.skipped, found.large, found.failed) == (6, 0, 0, {})
    store = MaskStore(masks, 'u2netp')
    for image, full in before.items():
        np.testing.assert_array_equal(store.get(image).mask, full)
    again = resize_masks(masks, 'u2netp', workers=1, progress=False)
    assert (again.done, again.skipped) == (0, 6)
    options: dict[str, Any] = {'model': 'u2netp', 'device': 'cpu', 'progress': False}
    summary = remove_tree(image_tree, masks, **options)
    assert (summary.done, summary.skipped) == (0, 6)
    remove_tree(image_tree, tmp_path / 'taken', output='mask', mask_dir=masks, **options)
    remove_tree(image_tree, tmp_path / 'made', output='mask', **options)
    made = {path.relative_to(tmp_path / 'made') for path in (tmp_path / 'made').rglob('*.png')}
    assert len(made) == 6
    for path in made:
        assert (tmp_path / 'taken' / path).read_bytes() == (tmp_path / 'made' / path).read_bytes()


def test_broken_and_large_ones(
    masks: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are resized; a broken one is named, and the exit code is 1."""
    store = MaskStore(masks, 'u2netp')
    store.path('hat/0.jpg').write_bytes(b'no mask')
    store.path('dress/1.jpg').unlink()
    monkeypatch.setattr(module, 'PLAIN_PIXELS', 24 * 14)  # 5.png is 25 pixels wide
    assert main(['resize-masks', str(masks), '--model', 'u2netp', '--workers', '1']) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f'3 masks resized, 0 resized before, 2 failed; in {store.folder}'
    assert printed[1].startswith('1 stay as they are: their photos have more than 4.2 megapixels')
    assert printed[2].startswith('  failed: dress/1.jpg: there is no ')
    assert 'hat/0.jpg.png is damaged or not a mask of a MaskStore' in printed[3]
    assert store.get('dress/5.png').mask.shape == (8, 8)
    assert store.get('hat/4.png').mask.shape == (14, 24)


def test_what_is_no_store(masks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is told which masks are missing, and where they were looked for."""
    assert main(['resize-masks', str(masks)]) == 1
    assert 'must be the root of a mask store with masks of u2net, but' in capsys.readouterr().err
    assert main(['resize-masks', str(tmp_path / 'nowhere'), '--model', 'u2netp']) == 1
    assert 'nowhere/u2netp/manifest.jsonl' in capsys.readouterr().err
    assert not (tmp_path / 'nowhere').exists()


def test_not_beside_a_job(masks: Path) -> None:
    """A job could replace a mask that is being resized, and get the older one back."""
    with (
        claimed(MaskStore(masks, 'u2netp')),
        pytest.raises(TargetError, match='another process makes results of u2netp'),
    ):
        resize_masks(masks, 'u2netp', progress=False)
