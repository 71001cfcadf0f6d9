"""Paths and addresses in one form: what lies in what, however it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from bgremoval_mm.removal.io.addresses import is_same, lies_in, local_path
from bgremoval_mm.removal.jobs.tree import TargetError, check_apart, check_not_source

pytest.importorskip('fsspec')


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder `photos` in the current one, with a.jpg in it, and a link to it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'photos').mkdir()
    (tmp_path / 'photos/a.jpg').touch()
    (tmp_path / 'link').symlink_to('photos')
    return tmp_path / 'photos'


@pytest.mark.parametrize(
    ('inner', 'outer'),
    [
        ('{0}/out', '{0}'),
        ('photos/out', '{0}'),
        ('{0}', 'photos/'),
        ('local://{0}/out', '{0}'),
        ('{0}/out', 'local://{0}/'),
        ('file://{0}/out', 'local://{0}'),
        ('link/new/deep', 'file://{0}'),
        ('{0}', 'link'),
        ('photos/../photos/out', 'link/'),
        ('s3://bucket/in/out', 's3a://bucket/in/'),
        ('gs://bucket/in', 'gcs://bucket/in'),
        ('memory://shop/in/out', 'memory:///shop/in'),
        ('sftp://me@host/in/../in/out', 'ssh://host/in'),
        ('simplecache::s3://bucket/in/out', 's3://bucket/in'),
    ],
)
def test_lies_in(photos: Path, inner: str, outer: str) -> None:
    """Notations, links, relative paths, second names of a store do not hide it."""
    assert lies_in(inner.format(photos), outer.format(photos))
    with pytest.raises(TargetError, match='inside the image folder'):
        check_apart(outer.format(photos), inner.format(photos))


@pytest.mark.parametrize(
    ('inner', 'outer'),
    [
        ('{0}-out', '{0}'),
        ('out', 'photos'),
        ('local://{0}/../out', '{0}'),
        ('s3://bucket/in-out', 's3://bucket/in'),
        ('s3://bucket/in', 'memory://bucket/in'),
        ('{0}/out', 'memory://{0}'),
        ('.', 'photos'),
    ],
)
def test_lies_elsewhere(photos: Path, inner: str, outer: str) -> None:
    """A name that begins alike, another store, and the folder above are apart."""
    assert not lies_in(inner.format(photos), outer.format(photos))
    check_apart(outer.format(photos), inner.format(photos))


def test_local_path(tmp_path: Path) -> None:
    """fsspec's two names of this machine are paths as they stand; other addresses are none."""
    for notation in (tmp_path, str(tmp_path), f'file://{tmp_path}', f'local://{tmp_path}'):
        assert local_path(notation) == tmp_path
    assert local_path('file:///my%20photos') == Path('/my%20photos')
    assert local_path('s3://bucket/in') is None


@pytest.mark.parametrize('dst', ['photos', 'local://{0}', 'link', 'photos/a.jpg', 'link/a.jpg'])
def test_one_image_and_its_own_folder(photos: Path, dst: str) -> None:
    """Results beside the one image, or in its place, are refused; other folders are taken."""
    with pytest.raises(TargetError, match=r'beside the image photos/a\.jpg|replace the image'):
        check_apart('photos/a.jpg', dst.format(photos))
    check_apart('photos/a.jpg', 'photos/cut-outs')
    check_apart('photos/a.jpg', '.')


def test_one_image_onto_itself(photos: Path) -> None:
    """A file and its result are compared as files, however their names are written."""
    (photos / 'twin.jpg').hardlink_to(photos / 'a.jpg')
    for dst in ('photos/a.jpg', 'link/a.jpg', f'file://{photos}/a.jpg', 'photos/twin.jpg'):
        with pytest.raises(TargetError, match=r'would replace the image photos/a\.jpg'):
            check_not_source('photos/a.jpg', dst)
    check_not_source('photos/a.jpg', 'photos/a.png')
    assert is_same('s3://bucket/a.jpg', 's3a://bucket/a.jpg')
