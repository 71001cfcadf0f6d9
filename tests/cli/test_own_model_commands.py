"""`export`, `compare-models`, and a file in the place of a model's name on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bgremoval_mm.cli.main import main
from bgremoval_mm.removal import MaskStore


@pytest.fixture
def folders(tmp_path: Path) -> tuple[str, str]:
    """Six photos of a bright square, and their masks."""
    for index in range(6):
        pixels = np.zeros((16, 16, 3), np.uint8)
        pixels[2 : 8 + index, 4:12] = 255
        for name, content in (('photos', pixels), ('masks', pixels[..., 0])):
            path = tmp_path / name / f'{index}.png'
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(content).save(path)
    return str(tmp_path / 'photos'), str(tmp_path / 'masks')


def test_compare_models(
    folders: tuple[str, str],
    model_file: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """All files are written, the table is printed, and a photo that is left out is code 1."""
    pytest.importorskip('matplotlib')
    models = [str(model_file('a', size=16)), str(model_file('b', size=16, scale=-1.0))]
    out = tmp_path / 'out'
    command = ['compare-models', *folders, '--models', *models, '--out', str(out)]
    options = ['--scores', 'IoU', 'MAE', '--workers', '1', '--backend', 'onnxruntime']
    assert main([*command, *options, '--speed-photos', '2']) == 0
    printed = capsys.readouterr().out
    assert '| IoU   | -1.0000    | -1.0000 to -1.0000 | worse   |' in printed
    assert printed.splitlines()[-1] == f'Written to {out}; look at {out / "worst.png"}'
    assert sorted(path.name for path in out.iterdir()) == [
        'comparison.json', 'comparison.md', 'masks', 'scores.csv', 'worst.png'
    ]  # fmt: skip
    assert json.loads((out / 'comparison.json').read_text())['photos'] == {'all': 6}
    (Path(folders[1]) / '0.png').unlink()
    assert main([*command, *options, '--speed-photos', '0', '--number', '0']) == 1
    assert '1 left out' in capsys.readouterr().err
    for name in ('scores.csv', 'comparison.md'):
        other = tmp_path / 'others' / name
        other.parent.mkdir(exist_ok=True)
        other.write_text('mine')
        assert main([*command, *options, '--out', str(other.parent)]) == 1
        assert f'{name} is there, but was not written by this tool' in capsys.readouterr().err
        other.unlink()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['p', 'm', '--manifest', 'x'], '--manifest names the photos and masks'),
        (['p'], 'give PHOTOS and MASKS, or --manifest'),
        (['p', 'm', '--split', 'val'], '--split goes with --manifest only'),
        (['--manifest', 'x', '--mask-suffix', '_m'], '--mask-suffix goes with PHOTOS and MASKS'),
        (['p', 'm', '--calibration', 'x'], '--calibration goes with --precision int8 only'),
    ],
)
def test_options_that_do_not_go_together(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such options end the command before anything is read."""
    with pytest.raises(SystemExit) as left:
        main(['compare-models', *arguments, '--models', 'u2net', 'u2netp'])
    assert left.value.code == 2
    assert message in capsys.readouterr().err


def test_results_outside_the_photos(
    folders: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder among the photos is refused."""
    out = f'{folders[0]}/out'
    assert main(['compare-models', *folders, '--models', 'u2net', 'u2netp', '--out', out]) == 1
    assert '--out must lie outside the photos and masks' in capsys.readouterr().err


def test_models_describes_files(
    model_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """`bgremoval models FILE` prints the graph's shapes and the card."""
    path = model_file('shoes', {'licence': 'MIT', 'metrics': {'IoU': 0.91}})
    assert main(['models', str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f'{path}: shoes-')
    assert lines[2] == 'input   image  1 x 3 x 8 x 8'
    assert {tuple(line.split(None, 1)) for line in lines} >= {('licence', 'MIT'), ('IoU', '0.91')}
    plain = model_file('plain', has_card=False, size=320)
    assert main(['models', str(plain)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith('no card: ')
    assert main(['models', 'gone.onnx']) == 1
    assert capsys.readouterr().err == 'error: `model`: there is no file gone.onnx\n'


def test_masks_and_sheet_of_a_file(
    folders: tuple[str, str], model_file: Callable[..., Path], tmp_path: Path
) -> None:
    """`masks`, its sheet, `sheet` and `review` take a file where they take a name."""
    pytest.importorskip('matplotlib')
    path, out = model_file(size=16), str(tmp_path / 'out')
    options = ['--model', str(path)]
    job = ['masks', folders[0], out, *options, '--backend', 'onnxruntime', '--sheet']
    assert main([*job, '--second-model', str(model_file('b', size=16, scale=-1.0))]) == 0
    store = MaskStore(out, path)
    assert (store.folder / 'least_trusted.png').is_file()
    record = store.manifest.read()['0.png']
    assert record.second_model.startswith('b-')
    sheet = str(tmp_path / 'sheet.png')
    assert main(['sheet', out, folders[0], *options, '--out', sheet]) == 0
    page = str(tmp_path / 'review')
    assert main(['review', out, folders[0], *options, '--out', page, '--all']) == 0


def test_export_is_told_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Errors are one line, and nothing is written."""
    torch.save({'x': torch.zeros(1)}, tmp_path / 'a.pth')
    out = tmp_path / 'a.onnx'
    for checkpoint, message in (
        ('a.pth', 'the weights must be of u2net or u2netp'),
        ('gone.pth', 'No such file'),
    ):
        assert main(['export', str(tmp_path / checkpoint), str(out)]) == 1
        error = capsys.readouterr().err
        assert message in error
        assert error.count('\n') == 1
    assert not out.exists()


def test_model_is_a_name_or_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    """Anything else is refused, with the names that there are."""
    with pytest.raises(SystemExit):
        main(['masks', 'a', 'b', '--model', 'u3net'])
    assert "or an .onnx file, but got 'u3net'" in capsys.readouterr().err


def test_bench_leaves_rembg_out_where_it_feeds_otherwise(
    folders: tuple[str, str], model_file: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """rembg runs every file as u2net; one of another size is measured without it."""
    command = ['bench', folders[0], '--model', str(model_file(size=16)), '--images', '2']
    assert main([*command, '--rounds', '1', '--settings', 'rembg', 'onnxruntime:fp32']) == 1
    assert 'rembg feeds every file as u2net' in capsys.readouterr().err
    assert main([*command, '--rounds', '1', '--settings', 'onnxruntime:fp32']) == 0
    assert 'onnxruntime:fp32' in capsys.readouterr().out
