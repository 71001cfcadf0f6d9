"""The table of products and backgrounds, and the wheel that the products come from."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.demo import sources

CONTENT = b'stands for the wheel'


@pytest.fixture
def expect_content(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make CONTENT the expected wheel."""
    monkeypatch.setattr(sources, 'WHEEL_SHA256', hashlib.sha256(CONTENT).hexdigest())


def test_every_class_is_trained_and_tested_on_different_products() -> None:
    """Each class has products in both splits, and no picture belongs to two products."""
    files = [file for product in sources.PRODUCTS for file in product.files]
    assert len(files) == len(set(files))
    for split in sources.SPLITS:
        assert {product.label for product in sources.products_of(split)} == set(sources.CLASSES)


def test_every_background_is_installed_and_has_a_licence() -> None:
    """All backgrounds come with the installed scikit-image and name their rights."""
    for background in sources.BACKGROUNDS:
        image = sources.load_background(sources.background_path(background), background.tint)
        assert image.mode == 'RGB'
        assert min(image.size) >= 300
        assert background.licence
    assert {background.split for background in sources.BACKGROUNDS} == set(sources.SPLITS)


def test_missing_background_names_the_remedy() -> None:
    """A file that scikit-image lacks is named with the command that fixes it."""
    with pytest.raises(FileNotFoundError, match=r'nowhere\.png is missing .*pip install'):
        sources.background_path(sources.Background('nowhere.png', 'train', 'CC0'))


def test_tint_colours_the_middle_and_keeps_black_and_white(tmp_path: Path) -> None:
    """Grey 0, 127 and 255 become black, the tint and white."""
    path = tmp_path / 'grey.png'
    Image.fromarray(np.array([[0, 127, 255]], np.uint8)).save(path)
    pixels = np.asarray(sources.load_background(path, (10, 120, 60)))[0]
    np.testing.assert_array_equal(pixels, [[0, 0, 0], [10, 120, 60], [255, 255, 255]])


def test_local_wheel_is_copied_and_then_used_again(tmp_path: Path, expect_content: None) -> None:
    """A good local copy is taken; afterwards it is no longer needed."""
    local = tmp_path / 'local.whl'
    local.write_bytes(CONTENT)
    wheel = sources.fetch_wheel(tmp_path / 'cache', local)
    assert wheel.read_bytes() == CONTENT
    local.unlink()
    assert sources.fetch_wheel(tmp_path / 'cache', local) == wheel
    assert [path.name for path in (tmp_path / 'cache').iterdir()] == [sources.WHEEL_NAME]


def test_wrong_wheel_is_refused_and_not_kept(tmp_path: Path) -> None:
    """Another file is an error that names both hashes, and leaves nothing behind."""
    local = tmp_path / 'local.whl'
    local.write_bytes(CONTENT)
    found = hashlib.sha256(CONTENT).hexdigest()
    with pytest.raises(RuntimeError, match=f'sha256 {found}, expected {sources.WHEEL_SHA256}'):
        sources.fetch_wheel(tmp_path / 'cache', local)
    assert list((tmp_path / 'cache').iterdir()) == []


def test_missing_local_wheel_is_named(tmp_path: Path) -> None:
    """A --wheel that does not exist is named."""
    with pytest.raises(FileNotFoundError, match=r'--wheel: no such file: .*gone\.whl'):
        sources.fetch_wheel(tmp_path, tmp_path / 'gone.whl')


def test_damaged_cached_wheel_is_fetched_again(
    tmp_path: Path, expect_content: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cached copy of other content is replaced by a download through this Python's pip."""
    (tmp_path / sources.WHEEL_NAME).write_bytes(b'damaged')
    calls = []

    def pip(command: list[str], cwd: Path, **_: object) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        (Path(cwd) / sources.WHEEL_NAME).write_bytes(CONTENT)
        return subprocess.CompletedProcess(command, 0, '', '')

    monkeypatch.setattr(subprocess, 'run', pip)
    assert sources.fetch_wheel(tmp_path).read_bytes() == CONTENT
    assert len(calls) == 1
    assert calls[0][:4] == [sys.executable, '-m', 'pip', 'download']
    assert calls[0][-1] == 'saleor==2.10.1'


def test_failed_download_says_what_pip_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last lines of pip and both ways out are in the message."""

    def pip(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 1, '', 'ERROR: no route to host')

    monkeypatch.setattr(subprocess, 'run', pip)
    with pytest.raises(RuntimeError, match=r'(?s)no route to host.*name it by --wheel'):
        sources.fetch_wheel(tmp_path)
