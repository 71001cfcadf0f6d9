"""bgremoval search: what is printed, drawn and refused, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.cli.main import main
from bgremoval_mm.datasets.removal_settings import RemovalSettings
from bgremoval_mm.evaluation.nearest import normalise
from bgremoval_mm.search.build import IndexSummary
from bgremoval_mm.search.definition import Definition
from bgremoval_mm.search.records import NetworkRecord, RemovalRecord


class ColourNetwork:
    """The mean colour of a photo, and a constant."""

    def __init__(self, sha256: str) -> None:
        self.record = NetworkRecord('colours', 'colours.pth', sha256, 'mean colour')
        self.definition = Definition({}, [])

    def embed(self, images):
        """Return vectors of length 4."""
        return normalise(np.array([[*image.mean(axis=(0, 1)), 50.0] for image in images]))


@pytest.fixture(autouse=True)
def networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a network in the place of any backbone and checkpoint, whose hash is its name's."""
    network = pytest.importorskip('bgremoval_mm.search.network')

    class Fake:
        from_backbone = staticmethod(lambda name, device: ColourNetwork(name[:1] * 64))
        from_checkpoint = staticmethod(lambda path, config, device: ColourNetwork('c' * 64))
        from_record = staticmethod(lambda record, device: ColourNetwork(record.sha256))

    monkeypatch.setattr(network, 'Network', Fake)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Four photos of one colour each."""
    root = tmp_path / 'shop'
    root.mkdir()
    for number in range(4):
        Image.new('RGB', (30, 40), (250, 60 * number, 0)).save(root / f'{number}.png')
    return root


def run(*arguments: str | Path) -> int:
    """Run the command in this process."""
    return main(['search', *map(str, arguments)])


def test_index_and_query(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts, a table, JSON, a sheet."""
    index, sheet = tmp_path / 'index', tmp_path / 'found.png'
    assert run('index', shop, index, '--backbone', 'a') == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith('4 added, 0 changed')
    assert said[0].endswith('0 kept, 0 renamed, 0 gone, 0 broken')
    assert said[1] == f'4 photos in {index}'
    assert run('query', index, shop / '1.png', '-k', '2') == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == '   1  1.0000  1.png'
    assert len(said) == 2
    arguments = ('--format', 'json', '--sheet', sheet, '-k', '3')
    assert run('query', index, shop / '1.png', *arguments) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert found['photos'] == str(shop)
    assert [hit['rank'] for hit in found['hits']] == [1, 2, 3]
    assert found['hits'][0] == {'rank': 1, 'path': '1.png', 'similarity': pytest.approx(1)}
    assert f'Look at {sheet}' in said.err
    assert Image.open(sheet).size[0] > 500


def test_broken_photos(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are named, and the exit code is 1; the others are in the index."""
    (shop / 'x.jpg').write_bytes(b'\xff\xd8\xff')
    assert run('index', shop, tmp_path / 'index', '--backbone', 'a') == 1
    said = capsys.readouterr().out
    assert '1 broken' in said.splitlines()[0]
    assert '  broken: x.jpg: ' in said
    assert run('query', tmp_path / 'index', shop / '1.png') == 0


def test_index_without_photos(
    shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As after a run that was killed at once: it is said why nothing is found."""
    photo = (shop / '0.png').read_bytes()
    for number in range(4):
        (shop / f'{number}.png').write_bytes(photo[:20])
    assert run('index', shop, tmp_path / 'index', '--backbone', 'a') == 1
    capsys.readouterr()
    (tmp_path / 'query.png').write_bytes(photo)
    assert run('query', tmp_path / 'index', tmp_path / 'query.png') == 0
    said = capsys.readouterr()
    assert said.out == ''
    assert 'index has no photos: run `bgremoval search index` again' in said.err


def test_photos_without_foreground(
    shop: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are counted and named, and a query of that kind gets a note."""

    class Nothing:
        record = RemovalRecord('u2net', 'ab', 'fp32', (255.0, 255.0, 255.0))

        def __init__(self, *arguments: object, **options: object) -> None:
            pass

        def __call__(self, images):
            empty = [np.zeros(image.shape[:2], np.uint8) for image in images]
            return [np.full_like(image, 255) for image in images], empty

    for module in ('removal', 'query'):
        monkeypatch.setattr(f'bgremoval_mm.search.{module}.PhotoRemoval', Nothing)
    index = tmp_path / 'index'
    options = ('--backbone', 'a', '--remove-background', 'u2net')
    assert run('index', shop, index, *options) == 0
    assert '\n4 have no foreground, ' in (said := capsys.readouterr().out)
    assert said.splitlines()[-1].endswith(' one another: 0.png, 1.png, 2.png, 3.png')
    assert run('query', index, shop / '1.png', '--format', 'json') == 0
    said = capsys.readouterr()
    assert len(json.loads(said.out)['hits']) == 4
    assert said.err.startswith('note: no foreground was found')


def test_colour_of_images_that_were_made_before(
    shop: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A config that loads them does not say what is in place of their backgrounds."""
    settings = RemovalSettings('images', {'image_dir': 'cut', 'img_root': None})
    monkeypatch.setattr(
        ColourNetwork, 'definition', Definition({}, [], removes=settings), raising=False
    )
    monkeypatch.setattr(ColourNetwork, '__init__', lambda self, sha256: None)
    options = ('--checkpoint', 'c.pth', '--remove-background', 'u2net')
    assert run('index', shop, tmp_path / 'index', *options) == 1
    assert 'give the colour behind their foreground by --fill' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('options', 'fill', 'threshold'),
    [((), 128, 0.4), (('--threshold', '0.7', '--fill', '255,0,0'), (255, 0, 0), 0.7)],
)
def test_removal_of_the_config(
    shop: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    fill: object,
    threshold: float,
) -> None:
    """Backgrounds are removed as the network was tested, unless something else is said."""
    asked = {}

    def remove(model: str, fill: object, precision: str, **others: object) -> None:
        asked.update(others, fill=fill)

    settings = RemovalSettings('masks', {'prob': 1.0, 'fill': 128, 'threshold': 0.4})
    monkeypatch.setattr('bgremoval_mm.search.removal.PhotoRemoval', remove)
    monkeypatch.setattr(
        ColourNetwork, 'definition', Definition({}, [], removes=settings), raising=False
    )
    monkeypatch.setattr(ColourNetwork, '__init__', lambda self, sha256: None)
    monkeypatch.setattr('bgremoval_mm.search.build.update_index', lambda *_: IndexSummary())
    arguments = ('--checkpoint', 'c.pth', '--remove-background', 'u2net', *options)
    assert run('index', shop, tmp_path / 'index', *arguments) == 0
    assert (asked['fill'], asked['threshold']) == (fill, threshold)


def test_another_network(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line that names both."""
    index = tmp_path / 'index'
    assert run('index', shop, index, '--backbone', 'a') == 0
    capsys.readouterr()
    assert run('index', shop, index, '--backbone', 'b') == 1
    said = capsys.readouterr().err
    assert said.startswith('error: ')
    assert 'aaaaaaaaaaaa) , but'.replace(' ,', ',') in said
    assert 'bbbbbbbbbbbb' in said
    assert run('query', index, shop / '1.png', '--checkpoint', 'new.pth') == 1
    said = capsys.readouterr().err
    assert 'aaaaaaaaaaaa' in said
    assert 'cccccccccccc' in said


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('index', 'a', 'b'), 'one of the arguments --checkpoint --backbone is required'),
        (
            ('index', 'a', 'b', '--backbone', 'x', '--config', 'c'),
            '--config goes with --checkpoint',
        ),
        (('index', 'a', 'b', '--backbone', 'x', '--fill', '0'), '--fill goes with --remove-back'),
        (('index', 'a', 'b', '--backbone', 'x', '--threshold', '0.5'), '--threshold goes with'),
        (('index', 'a', 'b', '--backbone', 'x', '--precision', 'int8'), 'invalid choice'),
        (('index', 'a', 'b', '--backbone', 'x', '--accept-licence'), '--accept-licence goes with'),
        (('query', 'a', 'b', '--config', 'c'), '--config goes with --checkpoint'),
        (('query', 'a', 'b', '--sheet', 'c.gif'), '--sheet must end in .png or .jpg'),
        (('query', 'a', 'b', '-k', '0'), 'must be a whole number, 1 or more'),
    ],
)
def test_wrong_options(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, before anything is read."""
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_sheet_is_no_photo(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the query nor a photo of the shop is overwritten."""
    index, query = tmp_path / 'index', tmp_path / 'query.png'
    run('index', shop, index, '--backbone', 'a')
    query.write_bytes((shop / '1.png').read_bytes())
    for sheet in (query, shop / 'new.png'):
        assert run('query', index, query, '--sheet', sheet) == 1
        assert 'Choose another' in capsys.readouterr().err


def test_sheet_of_hits(shop: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file that QueryGalleryMetric writes is drawn."""
    hits = tmp_path / 'hits.csv'
    rows = ['query,query_item,rank,photo,item,similarity,right']
    rows += [f'{shop}/0.png,a,{rank},{shop}/{rank}.png,b,0.5,{rank % 2}' for rank in (1, 2, 3)]
    hits.write_text('\n'.join(rows))
    out = tmp_path / 'sheet.png'
    assert run('sheet', hits, '--out', out) == 0
    assert (wide := Image.open(out).size[0]) > 500
    assert capsys.readouterr().err == ''
    # More than there are: nothing says that the gallery had no further photo.
    assert run('sheet', hits, '--out', out, '-k', '9') == 0
    assert Image.open(out).size[0] == wide
    assert 'hits.csv has the first 3 hits: `hits` of QueryGalleryMetric' in capsys.readouterr().err
    hits.write_text('query,photo\n')
    assert run('sheet', hits, '--out', out) == 1
    assert 'must have the columns query, query_item' in capsys.readouterr().err
