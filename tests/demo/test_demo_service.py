"""The service's demo: its photos, and the whole of it with u2netp."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from bgremoval_mm.demo.uploads import BROKEN, ROUTES, make_uploads
from bgremoval_mm.pipeline.routes import read_routes
from bgremoval_mm.removal.images.reading import ImageError, read_image
from bgremoval_mm.removal.zoo.catalogue import get_model
from bgremoval_mm.removal.zoo.weights import find_weights

TOOL = Path(__file__).parents[2] / 'tools' / 'demo_service.py'


@pytest.fixture
def tool():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location('demo_service', TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_photos(tmp_path: Path) -> None:
    """40 files, the same ones for the same seed; those that should be broken are, no others."""
    names = make_uploads(tmp_path / 'a')
    assert len(names) == 40
    assert names == make_uploads(tmp_path / 'b')
    assert len({(tmp_path / 'a' / name).read_bytes() for name in names}) == 40
    for name in names:
        content = (tmp_path / 'a' / name).read_bytes()
        assert content == (tmp_path / 'b' / name).read_bytes()
        if name in BROKEN:
            with pytest.raises(ImageError):
                read_image(tmp_path / 'a' / name)
        else:
            assert 200 < max(Image.open(tmp_path / 'a' / name).size) <= 480


def test_routes(tmp_path: Path) -> None:
    """They can be read, and each photo has one."""
    (tmp_path / 'routes.toml').write_text(ROUTES)
    routes = read_routes(tmp_path / 'routes.toml')
    found = Counter(routes.find(name).name for name in make_uploads(tmp_path / 'photos'))
    assert found == {'cups': 29, 'everything else': 11}


def test_a_folder_of_others_is_kept(tool, tmp_path: Path, capsys) -> None:
    """What the demo has not made is not deleted."""
    (tmp_path / 'mine.txt').write_text('dear')
    assert tool.main(['--out', str(tmp_path)]) == 1
    assert 'new or empty folder' in capsys.readouterr().err
    assert (tmp_path / 'mine.txt').read_text() == 'dear'


def test_photos_of_ones_own_are_kept(tool, tmp_path: Path, capsys) -> None:
    """Photos in the folder that is emptied, even one of an earlier run, are not deleted."""
    photo = tmp_path / 'out' / 'photos' / 'mine.jpg'
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b'dear')
    (tmp_path / 'out' / 'README.txt').write_text(tool.MARK)
    for out in (tmp_path / 'out', photo.parent / 'demo'):
        assert tool.main(['--out', str(out), '--photos', str(photo.parent)]) == 1
        assert 'must be two folders beside each other' in capsys.readouterr().err
        assert photo.read_bytes() == b'dear'


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.skipif(sys.platform == 'win32', reason='stops its pages by SIGTERM')
def test_the_whole(tool, tmp_path: Path, capfd) -> None:
    """It takes the place of an earlier run, and ends by itself; all that it names is there."""
    if find_weights(get_model('u2netp')) is None:
        pytest.skip('needs the weights of u2netp: bgremoval models u2netp')
    out = tmp_path / 'out'
    photos = tmp_path / 'few'
    for name in make_uploads(tmp_path / 'all'):
        if 'coffee-0' in name or name in BROKEN:
            (photos / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / 'all' / name).rename(photos / name)
    (out / 'shop').mkdir(parents=True)
    (out / 'shop/old').write_text('')
    (out / 'README.txt').write_text(tool.MARK)
    assert tool.main(['--out', str(out), '--photos', str(photos)]) == 0
    assert '2 failed' in capfd.readouterr().out
    assert not (out / 'shop/old').exists()
    published = list((out / 'shop/published/white/cups').iterdir())
    assert len(published) >= 5
    assert {Image.open(path).format for path in published} == {'JPEG'}
    assert '<html' in (out / 'monitor.html').read_text()
    assert Image.open(out / 'from_service.png').mode == 'RGBA'
