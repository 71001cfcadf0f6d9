"""`bgremoval pairs`: exit codes, what is printed, what is written, and Ctrl-C."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.cli.main import main
from bgremoval_mm.removal.pairs.manifest import read_manifest


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, str]:
    """Twelve photos of two colours with their masks."""
    for index in range(12):
        pixels = np.random.default_rng(index).integers(60, 110, (30, 40, 3)).astype(np.uint8)
        pixels[5:20, 8:25] = [(220, 20, 20), (20, 20, 220)][index % 2]
        mask = np.zeros((30, 40), np.uint8)
        mask[5:20, 8:25] = 255
        for name, content in (('images', pixels), ('masks', mask)):
            path = tmp_path / name / f'{index:02}.png'
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(content).save(path)
    return str(tmp_path / 'images'), str(tmp_path / 'masks')


def test_check_and_cluster(
    tmp_path: Path, folders: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A manifest and a sheet of the oddest; then clusters, splits by cluster and sheets."""
    out = tmp_path / 'pairs'
    assert main(['pairs', 'check', *folders, '--out', str(out), '--workers', '1']) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[0] == '12 pairs (10 train, 2 val)'
    assert sorted(path.name for path in out.iterdir()) == [
        'manifest.csv',
        'oddest.png',
        'rejected.csv',
    ]
    command = ['pairs', 'cluster', str(out / 'manifest.csv'), '--clusters', '2', '--workers', '1']
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert [line.split()[:4] for line in printed.splitlines()[1:3]] == [
        ['1', '6', '5', '1'],
        ['2', '6', '5', '1'],
    ]
    assert {pair.cluster for pair in read_manifest(out / 'manifest.csv')} == {'1', '2'}
    assert {path.name for path in out.glob('cluster_*.png')} == {'cluster_1.png', 'cluster_2.png'}
    before = (out / 'manifest.csv').read_bytes()
    assert main([*command, '--number', '0']) == 0
    assert (out / 'manifest.csv').read_bytes() == before
    assert not list(out.glob('cluster_*.png'))
    assert main(command) == 0
    assert main([*command, '--clusters', '1']) == 0
    assert [path.name for path in out.glob('cluster_*.png')] == ['cluster_1.png']


def test_rejections(
    tmp_path: Path, folders: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, counts by reason, and a table of all."""
    (tmp_path / 'masks/00.png').unlink()
    for name in ('01', '02'):
        Image.new('L', (40, 30)).save(tmp_path / f'masks/{name}.png')
    out = tmp_path / 'pairs'
    command = ['pairs', 'check', *folders, '--out', str(out), '--number', '0', '--workers', '1']
    assert main(command) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0] == '9 pairs (7 train, 2 val)'
    assert [line.split() for line in printed.out.splitlines()[-2:]] == [
        ['2', 'empty', 'mask'],
        ['1', 'no', 'mask'],
    ]
    assert '01.png: empty mask: 0.00% of it is foreground' in printed.err
    rows = list(csv.DictReader((out / 'rejected.csv').open()))
    assert [(row['image'], row['kind']) for row in rows] == [
        ('00.png', 'no mask'),
        ('01.png', 'empty mask'),
        ('02.png', 'empty mask'),
    ]


@pytest.mark.parametrize('name', ['rejected.csv', 'oddest.png'])
def test_files_of_somebody_else(
    tmp_path: Path, folders: tuple[str, str], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """They stay; those of an earlier check are replaced."""
    command = ['pairs', 'check', *folders, '--out', str(tmp_path / 'pairs'), '--workers', '1']
    for _ in range(2):
        assert main(command) == 0
    other = tmp_path / 'others' / name
    other.parent.mkdir()
    other.write_text('mine')
    assert main([*command, '--out', str(other.parent)]) == 1
    assert name in capsys.readouterr().err
    assert other.read_text() == 'mine'


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--out', 'IMAGES/pairs'], '--out must lie outside the photos and masks, but '),
        (['--out', 'OTHER'], 'must be a manifest of `bgremoval pairs check`'),
    ],
)
def test_places_that_will_not_do(
    tmp_path: Path,
    folders: tuple[str, str],
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    """Nothing is written among the photos, nor over a file of somebody else."""
    (tmp_path / 'other').mkdir()
    (tmp_path / 'other/manifest.csv').write_text('a,b\n')
    places = {'IMAGES': folders[0], 'OTHER': str(tmp_path / 'other')}
    for name, place in places.items():
        options = [each.replace(name, place) for each in options]
    assert main(['pairs', 'check', *folders, *options]) == 1
    assert message in capsys.readouterr().err
    assert (tmp_path / 'other/manifest.csv').read_text() == 'a,b\n'


def test_bad_options(capsys: pytest.CaptureFixture[str]) -> None:
    """A step must be named, and a share is between 0 and 1."""
    for options, message in (
        (['pairs'], 'the following arguments are required: STEP'),
        (
            ['pairs', 'check', 'a', 'b', '--val-share', '20'],
            "must be a share between 0 and 1, such as 0.5, but got '20'",
        ),
    ):
        with pytest.raises(SystemExit) as ended:
            main(options)
        assert ended.value.code == 2
        assert message in capsys.readouterr().err


@pytest.mark.slow
def test_interrupted(tmp_path: Path) -> None:
    """Ctrl-C ends it with 130 and leaves nothing half-written."""
    images, masks = tmp_path / 'images', tmp_path / 'masks'
    images.mkdir(), masks.mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (1000, 1000, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(images / '0.png', compress_level=0)
    mask = np.zeros((1000, 1000), np.uint8)
    mask[200:400] = 255
    Image.fromarray(mask).save(masks / '0.png')
    for index in range(1, 800):
        (images / f'{index}.png').hardlink_to(images / '0.png')
        (masks / f'{index}.png').hardlink_to(masks / '0.png')
    command = [sys.executable, '-m', 'bgremoval_mm.cli.main', 'pairs', 'check', 'images', 'masks']
    process = subprocess.Popen(
        [*command, '--workers', '1'], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told.splitlines()[-1]) == (
        130,
        'Interrupted. Run the same command again to go on.',
    )
    assert not (tmp_path / 'pairs').exists()
