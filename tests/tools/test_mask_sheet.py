"""tools/mask_sheet.py and the --sheet of tools/remove_background.py."""

from __future__ import annotations

import csv
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal import MaskStore, read_image, remove_tree
from bgremoval_mm.removal.review.left_out import read_left_out

Tool = Callable[[list[str]], int]


@pytest.fixture
def sheet(repository: Path) -> Tool:
    """`main` of tools/mask_sheet.py."""
    return runpy.run_path(str(repository / 'tools/mask_sheet.py'))['main']


@pytest.fixture
def remove(repository: Path) -> Tool:
    """`main` of tools/remove_background.py."""
    return runpy.run_path(str(repository / 'tools/remove_background.py'))['main']


@pytest.fixture
def masks(tiny_model: Any, image_tree: Path, tmp_path: Path) -> Path:
    """A store of masks of `image_tree`, with one image of a single colour and one broken one."""
    tiny_model('u2netp')
    Image.new('RGB', (12, 12), 'white').save(image_tree / 'hat' / 'white.jpg')
    (image_tree / 'hat' / 'broken.jpg').write_bytes(b'')
    remove_tree(image_tree, tmp_path / 'masks', 'u2netp', device='cpu', progress=False)
    return tmp_path / 'masks'


def test_list_of_images_to_leave_out(
    sheet: Tool, masks: Path, image_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The flagged and the failed images, as the table names them; no other file is written over."""
    table, file = tmp_path / 'list.csv', tmp_path / 'lists' / 'left_out.txt'
    arguments = [str(masks), str(image_tree), '--model', 'u2netp']
    arguments += ['--out', str(tmp_path / 'sheet.png')]
    assert sheet([*arguments, '--list', str(table), '--leave-out', str(file)]) == 0
    assert f'Left out {file}: 6 images' in capsys.readouterr().out.splitlines()
    rows = list(csv.DictReader(table.open()))
    expected = {row['path'] for row in rows if row['flags'] or row['error']}
    assert read_left_out(file) == expected
    assert len(expected) == 6
    assert len(rows) == 8
    photo = next(image_tree.rglob('*.jpg'))
    before = photo.read_bytes()
    assert sheet([*arguments, '--leave-out', str(photo)]) == 1
    assert photo.read_bytes() == before
    assert 'no list of images' in capsys.readouterr().err
    with pytest.raises(SystemExit):  # one would replace the other
        sheet([*arguments, '--list', 'new.csv', '--leave-out', 'new.csv'])
    assert '--list and --leave-out must be two files' in capsys.readouterr().err


def test_list_table_and_sheet(
    sheet: Tool, masks: Path, image_tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The most suspicious mask is first; the broken image is listed, not drawn."""
    out, table = tmp_path / 'out' / 'sheet.png', tmp_path / 'tables' / 'list.csv'
    arguments = [str(masks), str(image_tree), '--model', 'u2netp', '--number', '3']
    assert sheet([*arguments, '--out', str(out), '--list', str(table)]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == '7 masks, 5 flagged, 1 failed'  # the tiny model is sure of little
    listed = [line.split()[-1] for line in printed[4:7]]
    assert listed[0] == 'hat/white.jpg'
    assert 'constant,empty' in printed[4]
    assert printed[7] == 'failed: hat/broken.jpg: the file is empty'
    assert f'Look at  {out}' in printed
    rows = list(csv.DictReader(table.open()))
    assert [row['path'] for row in rows[:3]] == listed
    assert len(rows) == 8
    assert rows[-1]['error'] == 'the file is empty'
    suspicions = [float(row['suspicion']) for row in rows[:7]]
    assert suspicions == sorted(suspicions, reverse=True)
    assert suspicions[0] == 100
    with Image.open(out) as image:
        pixels = np.asarray(image.convert('RGB')).astype(int)
    assert pixels.shape[1] > 1000
    # The frame and the flags of the flagged mask are red.
    assert (pixels[..., 0] - pixels[..., 1:].max(axis=2) > 100).sum() > 300


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'model': 'u2net'}, 'has masks of: u2netp. Choose with --model'),
        ({'masks': 'nowhere'}, 'there is no folder nowhere'),
        ({'images': 'nowhere'}, 'it must be the folder that was SRC of tools/remove_background.py'),
        ({'number': '0'}, '`number` must be at least 1, but got 0'),
        ({'out': 'sheet.gif'}, 'must end in .png, but got sheet.gif'),
    ],
)
def test_errors_are_one_line(
    change: dict[str, str],
    message: str,
    sheet: Tool,
    masks: Path,
    image_tree: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is wrong is said in one line, with exit status 1, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob('*'))
    given = {'masks': str(masks), 'images': str(image_tree), 'model': 'u2netp', **change}
    options = [f'--{name}={given[name]}' for name in ('model', 'number', 'out') if name in given]
    assert sheet([given['masks'], given['images'], *options]) == 1
    error = capsys.readouterr().err
    assert error.startswith('error: ')
    assert message in error
    assert error.count('\n') == 1
    assert sorted(tmp_path.rglob('*')) == before


def test_masks_and_sheet_in_one_command(
    remove: Tool,
    tiny_model: Any,
    image_tree: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The sheet lies in the store, is named at the end, and no later run takes it for a mask."""
    tiny_model('u2netp')
    command = [str(image_tree), str(tmp_path / 'masks'), '--model=u2netp', '--device=cpu']
    assert remove([*command, '--sheet']) == 0
    sheet = tmp_path / 'masks' / 'u2netp' / 'least_trusted.png'
    assert f'Look at {sheet}' in capsys.readouterr().out
    with Image.open(sheet) as image:
        assert image.width > 1000
    assert remove(command) == 0
    assert 'nothing to do: 6 done before, 0 failed' in capsys.readouterr().out
    assert remove([*command, '--sheet', str(tmp_path / 'mine.png')]) == 0
    assert (tmp_path / 'mine.png').is_file()


def test_sheet_of_a_single_image_beside_it(
    remove: Tool, tiny_model: Any, image_tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One image, with the store in the image's own folder."""
    tiny_model('u2netp')
    folder = image_tree / 'hat'
    command = [str(folder / '0.jpg'), str(folder / 'masks'), '--model=u2netp', '--device=cpu']
    assert remove([*command, '--sheet']) == 0
    assert (folder / 'masks' / 'u2netp' / 'least_trusted.png').is_file()


def test_sheet_is_refused_before_the_long_run(
    remove: Tool,
    tiny_model: Any,
    image_tree: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A sheet in the image folder, or with another output, ends the command at once."""
    tiny_model('u2netp')
    command = [str(image_tree), str(tmp_path / 'masks'), '--model=u2netp', '--device=cpu']
    assert remove([*command, '--sheet', str(image_tree / 'sheet.png')]) == 1
    assert 'would lie in the image folder' in capsys.readouterr().err
    with pytest.raises(SystemExit):
        remove([*command, '--sheet', '--output=rgb'])
    assert '--sheet shows a mask store' in capsys.readouterr().err
    assert not (tmp_path / 'masks').exists()


def test_list_replaces_no_photo_and_no_manifest(
    sheet: Tool, masks: Path, image_tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table goes over an earlier one in the store, but over nothing that belongs there."""
    arguments = [str(masks), str(image_tree), '--model', 'u2netp', '--out', str(masks / 's.png')]
    photo = next(path for path in image_tree.rglob('*') if path.suffix in ('.jpg', '.png'))
    manifest = masks / 'u2netp/manifest.jsonl'
    for path in (photo, manifest):
        before = path.read_bytes()
        assert sheet([*arguments, '--list', str(path)]) == 1
        assert 'belongs to the images or their masks' in capsys.readouterr().err
        assert path.read_bytes() == before
    table = masks / 'u2netp/list.csv'
    for _ in range(2):
        assert sheet([*arguments, '--list', str(table)]) == 0
    assert len(list(csv.DictReader(table.open()))) == 8


def test_default_name_replaces_no_foreign_picture(
    sheet: Tool,
    masks: Path,
    image_tree: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """masks.png that somebody else drew is replaced only if it is named."""
    monkeypatch.chdir(tmp_path)
    Image.new('RGB', (9, 9), 'red').save('masks.png')
    arguments = [str(masks), str(image_tree), '--model', 'u2netp']
    assert sheet(arguments) == 1
    assert 'masks.png is not a sheet of ours' in capsys.readouterr().err
    assert sheet([*arguments, '--out', 'masks.png']) == 0
    assert sheet(arguments) == 0


@pytest.mark.parametrize('by_option', [True, False])
def test_masks_of_another_precision_are_shown(
    sheet: Tool,
    remove: Tool,
    tiny_model: Any,
    image_tree: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    by_option: bool,
) -> None:
    """A store in bf16 is no out-of-date store in fp32: its masks are laid on the photos."""
    tiny_model('u2netp')
    warnings = []

    def draw(tiles: list[Any], *_: Any) -> Image.Image:
        warnings.extend(tile.warning for tile in tiles)
        return Image.new('RGB', (8, 8))

    monkeypatch.setattr('bgremoval_mm.visualization.mask_sheet.draw_tiles', draw)
    out, store = str(tmp_path / 'sheet.png'), str(tmp_path / 'masks')
    made = MaskStore(store, 'u2netp', 'bf16')
    for path in image_tree.rglob('*.*'):
        name = path.relative_to(image_tree).as_posix()
        made.put(name, read_image(path), np.full((8, 8), 255, np.uint8), constant=True)
    options = ['--model', 'u2netp', '--precision', 'bf16', '--device', 'cpu']
    if by_option:
        assert remove([str(image_tree), store, *options, '--sheet', out]) == 0
    else:
        assert sheet([store, str(image_tree), '--model', 'u2netp', '--out', out]) == 0
    assert warnings == ['mask is constant, full'] * 6
