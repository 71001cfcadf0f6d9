"""tools/prepare_dataset.py: getting and checking datasets, as a user does it."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from bgremoval_mm import Clothing10, FashionStyle14
from bgremoval_mm.datasets.clothing10 import CLASSES
from bgremoval_mm.datasets.prepare import clothing10
from bgremoval_mm.datasets.prepare.images import fingerprint, survey


@pytest.fixture
def served(clothing10_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """URL of a zip file as GitHub makes it, on this machine; the tool downloads from there."""
    top = tmp_path / 'served' / 'clothing-dataset-small-master'
    shutil.copytree(clothing10_root, top)
    shutil.make_archive(str(tmp_path / 'served' / 'HEAD'), 'zip', top.parent, top.name)
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / 'served')
    )
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, 'log_message', lambda *_: None)
    monkeypatch.setenv('NO_PROXY', '127.0.0.1')
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f'http://127.0.0.1:{server.server_address[1]}/HEAD.zip'
        monkeypatch.setattr(clothing10, 'URL', url)
        yield url
        server.shutdown()
        thread.join()


def make_known(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes a copy the known one, by the definition of the shipped constants."""
    paths = [p.relative_to(root).as_posix() for p in sorted(root.rglob('*.jpg'))]
    hashes = survey(root, paths, progress=False).hashes
    assert len(hashes) == 70
    known: dict[str, dict[str, tuple[int, str]]] = {}
    for subset, folder in (('train', 'train'), ('val', 'validation'), ('test', 'test')):
        known[subset] = {}
        for label in CLASSES:
            own = [path for path in paths if path.startswith(f'{folder}/{label}/')]
            known[subset][label] = (len(own), fingerprint(hashes, own)[:16])
    monkeypatch.setattr(clothing10, 'KNOWN', known)
    monkeypatch.setattr(clothing10, 'FINGERPRINT', fingerprint(hashes))


def test_download(prepare, served: str, clothing10_root: Path, tmp_path: Path, monkeypatch) -> None:
    """The archive is fetched, unpacked and checked; a second run only checks."""
    make_known(clothing10_root, monkeypatch)
    dst = tmp_path / 'data' / 'clothing10'
    status, said, found = prepare('clothing10', '--dst', dst)
    assert status == 0
    assert f'note: {served} was copied to {dst}' in said
    assert 'this is the known copy' in said
    assert found['details']['known_copy'] is True
    assert [len(Clothing10(dst, subset)) for subset in ('train', 'val', 'test')] == [30, 20, 20]
    assert sorted(path.name for path in dst.parent.iterdir()) == ['clothing10']
    assert sorted(path.name for path in dst.iterdir()) == [
        'LICENSE', 'README.md', 'test', 'train', 'validation',
    ]  # fmt: skip

    monkeypatch.setattr(clothing10, 'URL', 'http://127.0.0.1:1/nothing')
    status, said, again = prepare('clothing10', '--dst', dst)
    assert status == 0
    assert f'{dst} was there already, so it was only checked' in said
    assert again['tables'] == found['tables']


@pytest.mark.parametrize('what', ['no server', 'no file'])
def test_download_that_fails(prepare, served: str, tmp_path: Path, monkeypatch, what: str) -> None:
    """The error names URL, reason and the way out, and nothing is left."""
    url = 'http://127.0.0.1:1/HEAD.zip' if what == 'no server' else f'{served}x'
    monkeypatch.setattr(clothing10, 'URL', url)
    status, said, _ = prepare('clothing10', '--dst', tmp_path / 'data' / 'clothing10')
    assert status == 1
    assert f'error: Clothing10 could not be fetched from {url}: ' in said
    assert ('404' if what == 'no file' else 'refused') in said
    assert 'name the zip file, or the folder that it unpacks to, by --src' in said
    assert list((tmp_path / 'data').iterdir()) == []


def test_download_of_something_else(prepare, served: str, tmp_path: Path, monkeypatch) -> None:
    """The page of a proxy, and the archive of another dataset, are told by their address."""
    for name, content in (('page', '<html>log in</html>'), ('other', None)):
        file = tmp_path / 'served' / f'{name}.zip'
        if content is None:
            with zipfile.ZipFile(file, 'w') as archive:
                archive.writestr('main-1/readme', '')
        else:
            file.write_text(content)
        url = served.replace('HEAD', name)
        monkeypatch.setattr(clothing10, 'URL', url)
        status, said, _ = prepare('clothing10', '--dst', tmp_path / 'data' / 'clothing10')
        assert status == 1
        assert {
            'page': f'could not be fetched from {url}: what came is not a zip file',
            'other': f'error: {url} is not Clothing10: it must hold train, ',
        }[name] in said
        assert '.tmp-' not in said
    assert list((tmp_path / 'data').iterdir()) == []


def test_local_copies(prepare, clothing10_root: Path, tmp_path: Path) -> None:
    """A folder is copied or linked; the original is left as it is."""
    status, said, _ = prepare('clothing10', '--dst', tmp_path / 'copy', '--src', clothing10_root)
    assert status == 0
    assert f'{clothing10_root} was copied to {tmp_path / "copy"}' in said
    link = tmp_path / 'deeper' / 'link'
    status, said, _ = prepare('clothing10', '--dst', link, '--src', clothing10_root, '--link')
    assert status == 0
    assert f'{clothing10_root} was linked to {link}' in said
    assert link.readlink() == clothing10_root
    assert len(Clothing10(link)) == len(Clothing10(tmp_path / 'copy')) == 30


def test_nothing_is_overwritten(prepare, clothing10_root: Path, tmp_path: Path) -> None:
    """A folder that is there is checked, and the user is told that --src was not used."""
    other = tmp_path / 'other'
    shutil.copytree(clothing10_root, other)
    (clothing10_root / 'train' / 'hat' / 'train 0.jpg').unlink()
    status, said, found = prepare('clothing10', '--dst', clothing10_root, '--src', other)
    assert status == 0
    assert f'only checked; to take {other} instead, move it away' in said
    assert found['tables']['Clothing10']['train']['hat'] == 2


def test_how_a_copy_differs(prepare, clothing10_root: Path, monkeypatch) -> None:
    """Other counts, and other content with the same count, are located; both can be used."""
    make_known(clothing10_root, monkeypatch)
    (clothing10_root / 'test' / 'skirt' / 'test 0.jpg').unlink()
    hat = clothing10_root / 'validation' / 'hat' / 'validation 0.jpg'
    hat.write_bytes(hat.read_bytes() + b'\0')
    status, said, found = prepare('clothing10', '--dst', clothing10_root)
    assert status == 0
    assert found['details']['differences'] == [
        'validation/hat: 2 images, but not all of them the same',
        'test/skirt: 1 images instead of 2',
    ]
    assert 'warning: this is not the known copy' in said
    assert '1 (-1)' in said
    assert found['details']['ignored'] == ['train/hat/notes.txt']


def test_copy_that_cannot_be_used(prepare, clothing10_root: Path) -> None:
    """Damaged images, unknown and empty classes are listed together; the exit status is 1."""
    photo = clothing10_root / 'train' / 'hat' / 'train 1.jpg'
    photo.write_bytes(photo.read_bytes()[:300])
    shutil.rmtree(clothing10_root / 'validation' / 'dress')
    pants = clothing10_root / 'test' / 'pants'
    pants.rename(pants.with_name('trousers'))
    status, said, found = prepare('clothing10', '--dst', clothing10_root)
    assert status == 1
    assert list(found['details']['unreadable']) == ['train/hat/train 1.jpg']
    assert 'train/hat/train 1.jpg: cannot be decoded' in said
    assert 'but has none of dress' in said
    assert 'not classes of Clothing10: trousers' in said
    assert said.count('error: ') == 3
    assert f'{clothing10_root} can not be used as it is.' in said
    assert found['usable'] is False


def test_something_else_at_the_place(prepare, tmp_path: Path) -> None:
    """A folder with other content is not touched."""
    (tmp_path / 'mine').mkdir()
    (tmp_path / 'mine' / 'thesis.tex').write_text('...')
    status, said, _ = prepare('clothing10', '--dst', tmp_path / 'mine')
    assert status == 1
    assert 'holds thesis.tex' in said
    assert [path.name for path in (tmp_path / 'mine').iterdir()] == ['thesis.tex']


@pytest.mark.parametrize(
    ('arguments', 'expected'),
    [
        ([], 'required: DATASET'),
        (['imagenet'], "invalid choice: 'imagenet'"),
        (['clothing10', '--link'], '--link needs --src FOLDER'),
        (['fashionstyle14'], 'required: root'),
        (['fashionstyle14', 'x', '--seed', '0'], '--seed goes with --stratified'),
        (['fashionstyle14', 'x', '--split-dir', 'y'], '--split-dir goes with --stratified'),
        (['fashionpedia', 'x', '--redraw'], '--redraw goes with --label-maps or --with-background'),
        (['fashionpedia', 'x', '--out', 'y'], '--out goes with --label-maps'),
        (['fashionstyle14', 'x', '--seed', '-1'], 'must be a whole number of at least 0'),
    ],
)
def test_wrong_command_line(
    prepare_tool: ModuleType, capsys, arguments: list[str], expected: str
) -> None:
    """The exit status is 2, and the message says what was wrong."""
    with pytest.raises(SystemExit) as caught:
        prepare_tool.main(arguments)
    assert caught.value.code == 2
    assert expected in capsys.readouterr().err


def test_fashionstyle14(prepare, fashionstyle14_root: Path) -> None:
    """A copy that fits its lists is only short of the expected number of images."""
    status, said, found = prepare('fashionstyle14', fashionstyle14_root)
    assert status == 0
    (split,) = (name for name in found['tables'] if name != 'on disk')
    assert split == FashionStyle14(fashionstyle14_root).metainfo['split']
    sums = {subset: sum(counts.values()) for subset, counts in found['tables'][split].items()}
    assert sums == {'train': 98, 'val': 14, 'test': 56}
    assert said.count('warning: ') == 2
    assert (
        'warning: 168 images are there; stated are 13,126 (its paper) and 13,234 (a user of the '
        'archive)' in said
    )
    # The fixture's photographs of one number are the same.
    assert 'warning: photographs that are there under several names' in said
    assert not (fashionstyle14_root / 'splits').exists()


def test_what_does_not_fit(prepare, fashionstyle14_root: Path) -> None:
    """Missing, unlisted, repeated, shared and unreadable files are all found."""
    gal = fashionstyle14_root / 'dataset' / 'gal'
    (gal / 'val 0.jpeg').unlink()
    (gal / 'mig (5)').rename(gal / 'unlisted, 1')
    (gal / 'test 1.jpeg').write_bytes(b'\xff\xd8\xff damaged')
    (gal / 'Thumbs.db').write_bytes(b'no image')
    shutil.copytree(gal, gal.with_name('punk'))
    with (fashionstyle14_root / 'test.csv').open('a') as file:
        file.write('dataset/gal/test 0.jpeg\n"dataset/mode/train 0.jpeg"\n')
    status, said, found = prepare('fashionstyle14', fashionstyle14_root)
    details = found['details']
    assert status == 1
    assert details['val']['missing'] == ['dataset/gal/val 0.jpeg']
    assert details['val']['absent_classes'] == ['gal']
    assert details['train']['missing'] == ['dataset/gal/mig (5)']
    assert details['test']['duplicate_lines'] == 1
    assert details['in_several_lists'] == ['dataset/mode/train 0.jpeg']
    assert 'dataset/gal/unlisted, 1' in details['in_no_list']
    assert list(details['unreadable']) == [
        'dataset/gal/test 1.jpeg',
        'dataset/punk/test 1.jpeg',
    ]
    assert len(details['stray']) == 11
    assert all(path.startswith('punk/') for path in details['stray'])
    assert 'val.csv has no image of gal' in said
    assert said.count('error: ') == 1


def test_listed_files_that_are_no_images(prepare, fashionstyle14_root: Path) -> None:
    """Of a name without suffix the content alone says what it is: a training would end at it."""
    (fashionstyle14_root / 'dataset/gal/mig (5)').write_bytes(b'')
    (fashionstyle14_root / 'dataset/rock/mig (5)').write_bytes(b'<html>404</html>')
    status, said, found = prepare('fashionstyle14', fashionstyle14_root)
    assert status == 1
    assert 'error: listed files that are not images, to be fetched again: 2\n' in said
    expected = ['dataset/gal/mig (5)', 'dataset/rock/mig (5)']
    assert found['details']['listed_but_no_image'] == expected
    status, said, _ = prepare('fashionstyle14', fashionstyle14_root, '--stratified')
    assert status == 0
    assert 'warning: listed files that are not images' in said


def test_wrong_lines_and_lists(prepare, fashionstyle14_root: Path) -> None:
    """What is wrong with the official lists is no obstacle to a re-split."""
    with (fashionstyle14_root / 'train.csv').open('a') as file:
        file.write('dataset/punk/a.jpg\nelsewhere/b.jpg\n')
    (fashionstyle14_root / 'val.csv').unlink()
    status, said, found = prepare('fashionstyle14', fashionstyle14_root)
    assert status == 1
    assert f'error: wrong lines in {fashionstyle14_root}/train.csv: 2' in said
    assert "train.csv, line 99: `label` must be one of 'conservative'" in said
    assert f'error: {fashionstyle14_root}/val.csv is missing; --stratified makes lists' in said
    status, said, found = prepare(
        'fashionstyle14', fashionstyle14_root, '--stratified', '--seed', '5'
    )
    assert status == 0
    dataset = FashionStyle14(fashionstyle14_root, split='stratified', seed=5)
    assert list(found['tables']) == ['on disk', dataset.metainfo['split']]
    assert f'the re-split is in {fashionstyle14_root}/splits/stratified_seed5' in said


def test_too_small_for_a_re_split(prepare, fashionstyle14_root: Path, tmp_path: Path) -> None:
    """A re-split that cannot be made is an error among the others."""
    for photo in sorted((fashionstyle14_root / 'dataset' / 'rock').iterdir())[1:]:
        photo.unlink()
    options = ('--stratified', '--split-dir', tmp_path / 'splits')
    status, said, _ = prepare('fashionstyle14', fashionstyle14_root, *options)
    assert status == 1
    assert 'error: no re-split: the class rock has 1 images, too few' in said
    assert not (tmp_path / 'splits').exists()


def test_fashionstyle14_from_a_zip(prepare, fashionstyle14_root: Path, tmp_path: Path) -> None:
    """The archive may be named instead of unpacked by hand; the two copies are equal."""
    archive = shutil.make_archive(
        str(tmp_path / 'fs14'), 'zip', fashionstyle14_root.parent, fashionstyle14_root.name
    )
    root = tmp_path / 'data' / 'FashionStyle14_v1'
    status, said, _ = prepare('fashionstyle14', root, '--src', archive)
    assert status == 0
    assert f'{archive} was copied to {root}' in said
    assert FashionStyle14(root).metainfo == FashionStyle14(fashionstyle14_root).metainfo
    status, said, _ = prepare('fashionstyle14', root, '--src', archive)
    assert status == 0
    assert f'{root} was there already' in said


def test_no_fashionstyle14(prepare, tmp_path: Path) -> None:
    """A wrong folder is an error that says where to get the dataset."""
    status, said, _ = prepare('fashionstyle14', tmp_path / 'nothing')
    assert status == 1
    assert 'nothing does not exist' in said
    assert 'https://esslab.jp/~ess/en/data/fashionstyle14/' in said


@pytest.mark.real
@pytest.mark.slow
def test_real_clothing10(prepare, repository: Path) -> None:
    """The real photographs are the known copy: 3,068, 341 and 372, all of them readable."""
    root = repository / 'data' / 'clothing10'
    if not root.is_dir():
        pytest.skip('needs data/clothing10: python tools/prepare_dataset.py clothing10')
    status, said, found = prepare('clothing10', '--dst', root)
    assert status == 0
    assert 'this is the known copy' in said
    assert 'warning' not in said
    table = found['tables']['Clothing10']
    assert [sum(table[subset].values()) for subset in table] == [3068, 341, 372]
    assert table == found['known']
