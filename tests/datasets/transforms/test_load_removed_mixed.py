"""Removed images of several runs in one folder: each image's last record counts."""

from __future__ import annotations

import copy
import json
import os
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from bgremoval_mm.datasets.transforms.load_removed import RemovedImages
from bgremoval_mm.removal import remove_tree
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.reading import SourceStamp
from bgremoval_mm.removal.io.manifest import Manifest, Record
from bgremoval_mm.removal.review.page import open_results, write_review

RGB = {'output': 'rgb', 'precision': 'fp32', 'fill': [0, 0, 0]}


class Tree:
    """Photos, and a folder of removed images that the tests write by hand."""

    def __init__(self, root: Path) -> None:
        self.images, self.out = root / 'im ages', root / 'removed'
        self.images.mkdir()
        self.out.mkdir()
        self.time = 1.0

    def made(self, name: str, model: str = 'u2net', **params: Any) -> None:
        """A photo (if it is new), its removed image and its record, newer than all before."""
        photo = self.images / name
        if not photo.exists():
            photo.write_bytes(b'photo ' + name.encode(errors='surrogateescape'))
            os.utime(photo, ns=(1, 1))
        params = {**RGB, **params}
        suffix = {'png': '.png', 'webp': '.webp', 'jpeg': '.jpg'}[params.get('format', 'png')]
        (self.out / (name + suffix)).write_bytes(json.dumps(params).encode())
        stamp = SourceStamp.of(photo.read_bytes(), photo.stat().st_mtime_ns)
        self.record(Record(name, 'ok', model, f'sha256:{model}', params, source=stamp))

    def record(self, record: Record) -> None:
        """Append a record, newer than all before."""
        self.time += 1
        fields = {**json.loads(record.to_json()), 'time': self.time}
        Manifest(self.out).append(Record.from_json(json.dumps(fields)))

    def open(self) -> RemovedImages:
        """What a dataset opens."""
        return RemovedImages(str(self.out), str(self.images))

    def find(self, name: str) -> str:
        """Name of the removed image that a dataset gets for a photo."""
        return self.open().find(str(self.images / name)).name


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """An empty tree."""
    return Tree(tmp_path)


def test_last_format_of_each_image_is_loaded(tree: Tree) -> None:
    """After a second run in another format the old files lie there still; the new ones are read."""
    tree.made('a.jpg')
    tree.made('b.jpg')
    tree.made('a.jpg', format='webp')
    assert (tree.find('a.jpg'), tree.find('b.jpg')) == ('a.jpg.webp', 'b.jpg.png')
    tree.made('b.jpg', format='jpeg')
    assert tree.find('b.jpg') == 'b.jpg.jpg'
    tree.made('a.jpg')
    assert tree.find('a.jpg') == 'a.jpg.png'


@pytest.mark.parametrize(
    ('model', 'change', 'words', 'options'),
    [
        ('u2net', {'fill': [255, 255, 255]}, 'fill 255,255,255', '--fill 255,255,255'),
        ('u2net', {'precision': 'bf16'}, 'precision bf16', '--fill 0,0,0 --precision bf16'),
        ('u2netp', {}, 'model u2netp', '--model u2netp --fill 0,0,0'),
        ('u2net', {'hidden': 1}, 'hidden 1', '--model u2net --fill 0,0,0'),
        ('u2net', {'edges': 'clean'}, 'edges clean', '--fill 0,0,0 --edges clean'),
        ('u2net', {'threshold': 0.5}, 'threshold 0.5', '--fill 0,0,0 --threshold 0.5'),
        ('u2net', {'convert_srgb': True}, 'convert_srgb True', '--fill 0,0,0 --convert-srgb'),
    ],
)
def test_backgrounds_of_several_kinds_are_refused(
    tree: Tree, model: str, change: dict[str, Any], words: str, options: str
) -> None:
    """A network would learn them. The message names both, and the command that fixes it."""
    tree.made('a.jpg')
    tree.made('b.jpg')
    tree.made('b.jpg', model, **change)
    with pytest.raises(ArgumentError) as caught:
        tree.open()
    message = str(caught.value)
    assert 'a.jpg was made with model u2net, output rgb, precision fp32, fill 0,0,0' in message
    assert re.search(rf'b\.jpg with [^.]*{words}', message)
    assert f"'{tree.images}' {tree.out} --output rgb" in message
    assert message.endswith(options)
    tree.made('a.jpg', model, **change)  # what the command does
    assert tree.find('a.jpg') == 'a.jpg.png'


@pytest.mark.parametrize('framing', [{'crop': '5%'}, {'canvas': '9x9', 'align': 'width=80%'}])
def test_framed_images_are_refused(tree: Tree, framing: dict[str, str]) -> None:
    """Annotations are of the originals' frames."""
    tree.made('a.jpg', **framing)
    with pytest.raises(ArgumentError, match='were made with --' + ', --'.join(sorted(framing))):
        tree.open()


def test_photos_that_are_gone_do_not_count(tree: Tree) -> None:
    """Their records stay as they were, and no command could change them."""
    tree.made('gone.jpg', fill=[9, 9, 9])
    tree.made('a.jpg')
    with pytest.raises(ArgumentError, match='removed in one way'):
        tree.open()
    (tree.images / 'gone.jpg').unlink()
    tree.record(Record('a.jpg', 'error', 'u2net', 'sha256:u2net', RGB, error='is cut\noff'))
    tree.made('b.jpg')
    assert tree.find('b.jpg') == 'b.jpg.png'


def test_other_outputs_are_refused(tree: Tree) -> None:
    """Masks or cut-outs in the folder, in part of it or in all of it."""
    tree.made('a.jpg')
    tree.made('b.jpg', output='rgba')
    with pytest.raises(ArgumentError, match=r'a\.jpg was made with .*output rgb,.* output rgba'):
        tree.open()
    tree.made('a.jpg', output='mask')
    message = "--output rgb, but .*removed holds results of output 'mask' and 'rgba'"
    with pytest.raises(ArgumentError, match=message):
        tree.open()


def test_images_without_a_result_say_why(tree: Tree) -> None:
    """A failure after a success, no record, no file, other content: the old file is not taken."""
    for name in ('a.jpg', 'b.jpg', 'c.jpg', 'd.jpg'):
        tree.made(name, model='u2netp', fill=[7, 7, 7])
    tree.record(Record('a.jpg', 'error', 'u2netp', 'sha256:u2netp', RGB, error='is cut\noff'))
    (tree.out / 'b.jpg.png').unlink()
    (tree.images / 'new.jpg').write_bytes(b'new')
    (tree.out / 'new.jpg.png').write_bytes(b'of nobody knows what')
    (tree.images / 'd.jpg').write_bytes(b'another, and longer than before')
    os.utime(tree.images / 'd.jpg', ns=(1, 1))  # an older photo put back keeps its time
    for name, message in {
        'a.jpg': r'could not be removed \(is cut\\noff\) for .*a\.jpg',
        'b.jpg': r'there is no removed image .*b\.jpg\.png for .*b\.jpg',
        'new.jpg': r'the manifest of .*removed has no record for .*new\.jpg',
        'd.jpg': r'the image has changed since the removed one was made .* for .*d\.jpg',
    }.items():
        with pytest.raises(FileNotFoundError, match=message) as caught:
            tree.find(name)
        assert str(caught.value).endswith('--output rgb --model u2netp --fill 7,7,7')
    assert tree.find('c.jpg') == 'c.jpg.png'


def test_names_that_are_no_text(tree: Tree) -> None:
    """They are found, and escaped in errors."""
    name = b'Mu\xf1oz\n.jpg'.decode(errors='surrogateescape')
    tree.made(name)
    assert tree.find(name) == name + '.png'
    (tree.out / (name + '.png')).unlink()
    with pytest.raises(FileNotFoundError, match=r'for .*Mu\\xf1oz\\n\.jpg\. Make it'):
        tree.find(name)


def test_manifest_is_read_once_and_again_when_it_has_changed(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Datasets share one reading, copies for workers have it; a later run is seen."""
    tree.made('a.jpg')
    readings = []
    read = Manifest.read
    monkeypatch.setattr(Manifest, 'read', lambda self: readings.append(1) or read(self))
    first, second = tree.open(), tree.open()
    for images in (first, second, copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert images.find(str(tree.images / 'a.jpg')).suffix == '.png'
    assert len(readings) == 1
    tree.made('a.jpg', format='webp')
    assert tree.find('a.jpg') == 'a.jpg.webp'
    assert len(readings) == 2


def test_manifests_of_version_0_1_and_of_parts(tree: Tree) -> None:
    """Neither a format nor a time in the records; those of machines lie in files of their own."""
    for part, name in (('', 'a.jpg'), ('2-of-2', 'b.jpg')):
        (tree.images / name).write_bytes(b'photo')
        os.utime(tree.images / name, ns=(1, 1))
        (tree.out / f'{name}.png').write_bytes(b'removed')
        Manifest(tree.out, part).append(Record(name, 'ok', 'u2net', 'sha256:0', dict(RGB)))
    assert (tree.find('a.jpg'), tree.find('b.jpg')) == ('a.jpg.png', 'b.jpg.png')


def test_review_of_mixed_results(tiny_model, image_tree: Path, tmp_path: Path) -> None:
    """Three outputs and formats in one folder: each picture is found, and the page names them."""
    tiny_model('u2netp')
    out = tmp_path / 'out'
    images = sorted(path for path in image_tree.rglob('*.jpg'))[:3]
    runs = [('rgb', 'jpeg'), ('mask', 'webp'), ('rgba', 'png')]
    for path, (output, file_format) in zip(images, runs, strict=True):
        remove_tree(
            image_tree, out, 'u2netp', output=output, device='cpu', progress=False,
            backend='onnxruntime', file_format=file_format,
            accept={path.relative_to(image_tree).as_posix()}.__contains__,
        )  # fmt: skip
    page = write_review(
        tmp_path / 'review', open_results(out, 'u2netp'), image_tree, True, progress=False
    )
    line = next(line for line in page.read_text().splitlines() if line.startswith('const data'))
    data = json.loads(line.removeprefix('const data = ').removesuffix(';'))
    assert [card['trouble'] for card in data['cards']] == [''] * 3
    for words in ('output rgb, ', 'output mask, ', 'output rgba, '):
        assert f'1 with model u2netp, {words}' in data['heading']


def test_review_shows_what_was_made_last(tiny_model, image_tree: Path, tmp_path: Path) -> None:
    """A mask store and full-size files in one folder: the newer ones, or those that are named."""
    tiny_model('u2netp')
    out = tmp_path / 'out'
    for output in ('rgba', 'store'):
        remove_tree(
            image_tree,
            out,
            'u2netp',
            output=output,
            device='cpu',
            progress=False,
            backend='onnxruntime',
        )
        assert open_results(out, 'u2netp').params['output'] == output
    assert open_results(out, 'u2netp', 'rgba').params['output'] == 'rgba'
