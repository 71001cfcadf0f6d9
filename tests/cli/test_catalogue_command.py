"""bgremoval catalogue: what is printed and written, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.cli.main import main
from bgremoval_mm.datasets.products.folds import read_folds
from bgremoval_mm.datasets.products.manifest import Columns, read_manifest
from bgremoval_mm.datasets.products.selection import rows_with


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Four products of each of two classes, and one of a third, with two photos each."""
    lines = ['file;sku;kind']
    for number in range(9):
        kind = 'hats' if number == 8 else ('belts', 'shoes')[number % 2]
        for view in range(2):
            name = f'{number}{view}.png'
            Image.fromarray(np.full((4, 4), 20 * number + view, np.uint8)).save(tmp_path / name)
            lines.append(f'{name};s{number};{kind}')
    path = tmp_path / 'shop.csv'
    path.write_text('\n'.join(lines))
    return path


COLUMNS = ('--image', 'file', '--product', 'sku', '--label', 'kind')


def run(*arguments: str | Path) -> int:
    """Run the command in this process."""
    return main(['catalogue', *map(str, arguments)])


def test_check(manifest: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Counts, a warning, and the verdict; the exit status is that of the verdict."""
    report = tmp_path / 'report.json'
    assert run('check', manifest, *COLUMNS, '--json', report) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[:5] == [
        'catalogue  photos  products',
        'belts           8         4',
        'hats            2         1',
        'shoes           8         4',
        'all            18         9',
    ]
    assert 'warning: classes of one product' in said
    assert f'{manifest} can be used.' in said
    assert json.loads(report.read_text())['details']['single_product'] == ['hats']
    (tmp_path / '00.png').unlink()
    assert run('check', manifest, *COLUMNS, '--no-read') == 1
    assert 'error: missing photos: 1\n    00.png\n' in capsys.readouterr().out
    assert run('check', manifest, *COLUMNS, '--root', tmp_path / 'nowhere', '--no-read') == 1


def test_sample_then_folds(
    manifest: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A sample is a manifest, of which folds are made, which the check reads."""
    sample, folds = tmp_path / 'sample.csv', tmp_path / 'new' / 'folds.csv'
    options = ('--share', '0.5', '--min-photos', '4')
    assert run('sample', manifest, sample, *COLUMNS, *options) == 0
    said = capsys.readouterr().out
    assert 'classes with fewer than 4 photos, dropped: 1: hats (2)' in said
    assert f'{sample}: 8 of 18 photos, 4 of 9 products, 2 of 3 classes' in said
    found = read_manifest(sample, Columns('file', 'sku', 'kind'))
    assert found.classes == ('belts', 'shoes')
    assert run('folds', sample, folds, *COLUMNS, '--count', '2') == 0
    assert f'{folds}: 4 products in 2 folds' in capsys.readouterr().out
    assert read_folds(folds, 'sku').count == 2
    assert run('check', sample, *COLUMNS, '--root', tmp_path, '--folds', folds) == 0


def test_results_never_change(
    manifest: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The same folds again are all right, others need another name; a manifest is safe."""
    folds, before = tmp_path / 'folds.csv', manifest.read_bytes()
    text = '\n'.join(line for line in manifest.read_text().split('\n') if 'hats' not in line)
    small = tmp_path / 'small.csv'
    small.write_text(text)
    assert run('folds', small, folds, *COLUMNS, '--count', '2') == 0
    kept = folds.read_bytes()
    assert run('folds', small, folds, *COLUMNS, '--count', '2') == 0
    assert run('folds', small, folds, *COLUMNS, '--count', '4') == 1
    assert folds.read_bytes() == kept
    assert f'OUT must be a new file, but {folds} is there' in capsys.readouterr().err
    assert run('sample', manifest, manifest, *COLUMNS, '--min-photos', '1') == 1
    assert manifest.read_bytes() == before


def test_errors_are_one_line(manifest: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong columns, and a class that has too few products for the folds."""
    assert run('check', manifest) == 1
    said = capsys.readouterr().err
    assert said.startswith('error: ')
    assert 'must have the columns image, product_id, category' in said
    assert said.count('\n') == 1
    assert run('folds', manifest, 'x.csv', *COLUMNS) == 1
    assert 'have fewer: hats (1)' in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        run('folds', manifest, 'x.csv', '--count', '1')
    assert caught.value.code == 2


def test_label(manifest: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Predictions become a column, by which photos can be chosen; none may be missing."""
    lines = ['img_path,label,predicted']
    lines += [f'{tmp_path}/{n}{view}.png,0,{int(n < 3)}' for n in range(9) for view in range(2)]
    predictions, out = tmp_path / 'images.csv', tmp_path / 'new.csv'
    predictions.write_text('\n'.join(lines))
    options = (*COLUMNS, '--column', 'is_person')
    assert run('label', manifest, predictions, out, *options) == 0
    assert f'{out}: is_person: 0 12, 1 6' in capsys.readouterr().out
    found = read_manifest(out, Columns('file', 'sku', 'kind'))
    assert {row['sku'] for row in rows_with(found, {'is_person': 1})} == {'s0', 's1', 's2'}
    assert run('label', out, predictions, tmp_path / 'x.csv', *options) == 1
    assert '`column` must be a new one' in capsys.readouterr().err
    predictions.write_text('\n'.join(lines[:-1]))
    assert run('label', manifest, predictions, tmp_path / 'x.csv', *options) == 1
    assert 'but 1 are not: 81.png. Test the model on all photos' in capsys.readouterr().err


def test_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Products that are wrong in every photo are drawn; without any, there is no sheet."""
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / 'a.png')
    header = 'img_path,sku,probability,label,predicted\n'
    predictions, sheet = tmp_path / 'images.csv', tmp_path / 'wrong.jpg'
    predictions.write_text(f'{header}{tmp_path}/a.png,s1,0.9,hats,belts\nb.png,s2,0.8,hats,hats\n')
    assert run('wrong', predictions, '--product', 'sku', '--out', sheet) == 0
    said = capsys.readouterr().out
    assert said == f'1 of 2 products are wrong in every photo\nLook at {sheet}\n'
    assert min(Image.open(sheet).size) > 200
    predictions.write_text(f'{header}b.png,s2,0.8,hats,hats\n')
    other = tmp_path / 'other.jpg'
    assert run('wrong', predictions, predictions, '--product', 'sku', '--out', other) == 0
    assert '0 of 1 products' in capsys.readouterr().out
    assert not other.exists()
    assert run('wrong', predictions, '--out', other) == 1
    assert 'product_id' in capsys.readouterr().err
