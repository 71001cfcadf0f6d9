"""tools/prepare_dataset.py on CCP and Fashionpedia: what it checks, makes and refuses."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.datasets.formats.categories import CCP_CLASSES
from bgremoval_mm.datasets.formats.label_maps import draw_label_map
from bgremoval_mm.datasets.prepare import ccp, fashionpedia
from bgremoval_mm.datasets.prepare.prepared import MARK

scipy_io = pytest.importorskip('scipy.io')
coco = pytest.importorskip('pycocotools.mask')


@pytest.fixture
def run(prepare: Callable[..., tuple[int, str, dict]]) -> Callable[..., tuple[int, str, dict]]:
    """Return a function that runs the tool in two processes."""
    return lambda *arguments: prepare(*arguments, '--workers', '2')


def content_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob('*'))
        if path.is_file()
    }


def test_ccp(run, ccp_root: Path) -> None:
    """Label maps are the labels less one, instances cover them, and the dataset is untouched."""
    before = content_of(ccp_root)
    status, said, found = run('ccp', '--dst', ccp_root)
    assert status == 0
    assert 'has 1,004 annotated photographs, this copy 9, so' in said
    assert 'photographs without annotation, and ignored: 1' in said
    assert content_of(ccp_root) == before
    out = ccp_root.parent / 'ccp-prepared'
    assert sorted(path.name for path in out.iterdir()) == ['annotations', 'label_maps']

    seen = []
    for subset, count in (('train', 7), ('val', 2)):
        listed = (out / 'label_maps' / f'{subset}.txt').read_text().split()
        content = json.loads((out / 'annotations' / f'instances_{subset}.json').read_text())
        assert [image['file_name'] for image in content['images']] == [f'{n}.jpg' for n in listed]
        assert [each['name'] for each in content['categories']] == list(CCP_CLASSES)
        assert [each['id'] for each in content['categories']] == list(range(58))
        assert [each['id'] for each in content['annotations']] == list(range(1, 3 * count + 1))
        for image in content['images']:
            file = ccp_root / 'annotations' / 'pixel-level' / f'{image["id"]:04}.mat'
            truth = scipy_io.loadmat(file)['groundtruth'].astype(int)
            labels = np.asarray(Image.open(out / 'label_maps' / f'{image["id"]:04}.png'))
            assert np.array_equal(labels, np.where(truth == 0, 255, truth - 1))
            assert (image['height'], image['width']) == truth.shape
            own = [each for each in content['annotations'] if each['image_id'] == image['id']]
            assert [each['category_id'] for each in own] == [0, 4, 57]
            for each in own:
                inside = truth == each['category_id'] + 1
                rows, columns = np.nonzero(inside)
                assert np.array_equal(coco.decode(each['segmentation']), inside)
                assert each['area'] == inside.sum()
                assert each['bbox'] == [
                    columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1,
                ]  # fmt: skip
        seen += listed
        assert found['tables']['CCP, instances'][subset]['blouse'] == count
    assert sorted(seen) == [f'{index:04}' for index in range(1, 10)]


def test_split_of_ccp() -> None:
    """A fifth validates: the names whose hashes come first; the order of names is no matter."""
    names = [f'{index:04}' for index in range(1, 805)]
    subsets = ccp.split(names[::-1])
    ranks = {name: hashlib.sha256(f'0:{name}'.encode()).hexdigest() for name in names}
    assert list(subsets) == ['train', 'val']
    assert len(subsets['val']) == 161
    assert sorted([*subsets['train'], *subsets['val']]) == names
    assert max(ranks[name] for name in subsets['val']) < min(
        ranks[name] for name in subsets['train']
    )
    assert ccp.split(names, seed=1)['val'] != subsets['val']


def test_ccp_again(run, ccp_root: Path, tmp_path: Path) -> None:
    """A second run writes the same; a damaged or outdated label map is mended, others are left."""
    out = tmp_path / 'elsewhere'
    assert run('ccp', '--dst', ccp_root, '--out', out)[0] == 0
    assert not (ccp_root.parent / 'ccp-prepared').exists()
    first = content_of(out)
    maps = sorted((out / 'label_maps').glob('*.png'))
    maps[0].write_bytes(b'half')
    Image.fromarray(np.zeros((30, 40), np.uint8)).save(maps[1])
    maps[2].unlink()
    times = [path.stat().st_mtime_ns for path in maps[3:]]
    assert run('ccp', '--dst', ccp_root, '--out', out)[0] == 0
    assert content_of(out) == first
    assert [path.stat().st_mtime_ns for path in maps[3:]] == times


def test_ccp_that_cannot_be_converted(run, ccp_root: Path) -> None:
    """Nothing of an earlier preparation is left, which would be another split."""
    assert run('ccp', '--dst', ccp_root)[0] == 0
    out = ccp_root.parent / 'ccp-prepared'
    (ccp_root / 'annotations/pixel-level/0003.mat').write_bytes(b'half')
    assert run('ccp', '--dst', ccp_root)[0] == 1
    assert not list(out.glob('label_maps/*.txt'))
    assert not list(out.glob('annotations/*.json'))


def test_ccp_unpacked_from_a_macs_archive(run, ccp_root: Path, tmp_path: Path) -> None:
    """What lies hidden beside photos and annotations is neither."""
    assert run('ccp', '--dst', ccp_root, '--out', tmp_path / 'clean')[0] == 0
    for path in [*ccp_root.glob('photos/*.jpg'), *ccp_root.rglob('*.mat')]:
        path.with_name(f'._{path.name}').write_bytes(b'\0\5\x16\7')
    status, said, _ = run('ccp', '--dst', ccp_root, '--out', tmp_path / 'out')
    assert (status, '._' in said) == (0, False)
    assert content_of(tmp_path / 'out') == content_of(tmp_path / 'clean')


def test_ccp_that_fails(run, ccp_root: Path) -> None:
    """Every bad annotation is listed with its reason, and no list or annotation file is left."""
    assert run('ccp', '--dst', ccp_root)[0] == 0
    labels = ccp_root / 'annotations' / 'pixel-level'
    scipy_io.savemat(labels / '0002.mat', {'groundtruth': np.zeros((40, 30), np.uint8)})
    scipy_io.savemat(labels / '0003.mat', {'groundtruth': np.full((30, 40), 59, np.uint8)})
    scipy_io.savemat(labels / '0004.mat', {'other': np.zeros((30, 40), np.uint8)})
    (labels / '0005.mat').write_bytes(b'nonsense' * 30)
    scipy_io.savemat(labels / '0006.mat', {'groundtruth': np.zeros((30, 40, 3), np.uint8)})
    status, said, found = run('ccp', '--dst', ccp_root)
    assert status == 1
    assert 'annotations that cannot be converted, to be fetched again or deleted: 5' in said
    failed = found['details']['failed']
    assert list(failed) == ['0002', '0003', '0004', '0005', '0006']
    assert 'has 30 x 40 pixels, but its photograph has 40 x 30' in failed['0002']
    assert 'must hold labels from 0 to 58, but holds 59' in failed['0003']
    assert 'must hold `groundtruth`, but holds other' in failed['0004']
    assert 'of shape (30, 40, 3)' in failed['0006']
    assert not list((ccp_root.parent / 'ccp-prepared').rglob('*.txt'))


def test_names_of_ccp_that_are_no_numbers_of_their_own(run, ccp_root: Path) -> None:
    """They would be ids that are twice in the annotations, or none."""
    for old, new in (('0001', 'x2'), ('0002', '3')):
        for folder, suffix in (('photos', 'jpg'), ('annotations/pixel-level', 'mat')):
            path = ccp_root / folder / f'{old}.{suffix}'
            path.rename(path.with_stem(new))
    status, said, _ = run('ccp', '--dst', ccp_root)
    assert status == 1
    assert 'must have a number of their own as name: 3\n    0003\n    3\n    x2\n' in said
    assert 'note: nothing was prepared' in said


def test_what_is_no_ccp(run, ccp_root: Path, tmp_path: Path) -> None:
    """Another folder, another list of labels, a missing photograph and one that is broken."""
    (tmp_path / 'other' / 'photos').mkdir(parents=True)
    status, said, _ = run('ccp', '--dst', tmp_path / 'other')
    assert status == 1
    assert 'other is not CCP: it must hold photos/, annotations/pixel-level/ and' in said
    (ccp_root / 'photos' / '0001.jpg').unlink()
    (ccp_root / 'photos' / '0002.jpg').write_bytes(b'no photo')
    names = np.array(['null', 'hat'], object)[None]
    scipy_io.savemat(ccp_root / 'label_list.mat', {'label_list': names})
    status, said, _ = run('ccp', '--dst', ccp_root)
    assert status == 1
    assert 'the 58 labels of CCP, but holds 2: null, hat' in said
    assert 'annotations without a photograph, to be fetched: 1\n    0001' in said
    assert 'unreadable images, to be fetched again or deleted: 1' in said
    assert not (ccp_root.parent / 'ccp-prepared').exists()
    (ccp_root / 'label_list.mat').unlink()
    status, said, _ = run('ccp', '--dst', ccp_root)
    assert status == 1
    assert 'label_list.mat, the list of the labels, cannot be read: FileNotFoundError' in said


def test_copy_and_link_of_ccp(run, ccp_root: Path, tmp_path: Path) -> None:
    """A local folder is copied or linked to its place, and prepared beside it."""
    for name, more in (('copy', []), ('link', ['--link'])):
        dst = tmp_path / name
        status, said, _ = run('ccp', '--dst', dst, '--src', ccp_root, *more)
        assert status == 0, said
        assert dst.is_symlink() == bool(more)
        assert (tmp_path / f'{name}-prepared' / 'label_maps' / 'val.txt').is_file()
        assert content_of(dst) == content_of(ccp_root)


def test_fashionpedia(run, fashionpedia_root: Path, monkeypatch) -> None:
    """Counts, label maps with lists, and the variant with the background in its own folder."""
    status, said, found = run('fashionpedia', fashionpedia_root)
    assert status == 0
    assert 'has 4 images; the published one has 45,623' in said
    assert 'val: 3 images, 9 annotations (3 polygons, 6 RLE; 3 of them crowds' in said
    assert found['tables']['Fashionpedia, instances']['train']['coat'] == 4
    out = fashionpedia_root.parent / 'fashionpedia-prepared'
    assert not out.exists()

    monkeypatch.setattr(fashionpedia, 'IMAGES', {'train': 4, 'val': 3})
    before = content_of(fashionpedia_root)
    status, said, found = run('fashionpedia', fashionpedia_root, '--label-maps')
    assert (status, found['warnings']) == (0, [])
    assert 'train: 4 label maps drawn, 0 were there' in said
    assert run('fashionpedia', fashionpedia_root, '--with-background')[0] == 0
    assert content_of(fashionpedia_root) == before
    plain, full = (content_of(out / name) for name in ('label_maps', 'label_maps_with_background'))
    assert list(plain) == list(full)
    assert plain['val.txt'] == full['val.txt'] == b'val0\nval1\nval2\n'
    for name in (name for name in plain if name.endswith('.png')):
        labels, grounded = (
            np.asarray(Image.open(out / top / name))
            for top in ('label_maps', 'label_maps_with_background')
        )
        assert np.unique(labels).tolist() == [9, 32, 37, 255]
        assert np.array_equal(grounded, np.where(labels == 255, 46, labels))


def test_fashionpedia_again(run, fashionpedia_root: Path) -> None:
    """Maps that are there are left, half ones are drawn; --redraw draws all."""
    assert run('fashionpedia', fashionpedia_root, '--label-maps')[0] == 0
    out = fashionpedia_root.parent / 'fashionpedia-prepared' / 'label_maps'
    first = content_of(out)
    (out / 'train' / 'train0.png').write_bytes(b'half')
    Image.new('RGB', (40, 30)).save(out / 'train' / 'train1.png')
    (out / 'val' / 'val2.png').unlink()
    _, said, _ = run('fashionpedia', fashionpedia_root, '--label-maps')
    assert 'train: 2 label maps drawn, 2 were there' in said
    assert 'val: 1 label maps drawn, 2 were there' in said
    assert content_of(out) == first
    _, said, _ = run('fashionpedia', fashionpedia_root, '--label-maps', '--redraw')
    assert 'train: 4 label maps drawn, 0 were there' in said
    assert content_of(out) == first


@pytest.mark.parametrize('name', ['train.txt', 'val.txt', 'train/train0.png', 'val/val0.png'])
def test_foreign_label_maps_of_fashionpedia(run, fashionpedia_root, tmp_path, name: str) -> None:
    """A list or coloured map that somebody else made stays, and nothing is written beside it."""
    out = tmp_path / 'mine'
    file = out / 'label_maps' / name
    file.parent.mkdir(parents=True)
    if name.endswith('.png'):
        Image.new('RGB', (40, 30), 'red').save(file)
    else:
        file.write_text('my own list\n')
    before = content_of(out)
    status, said, _ = run('fashionpedia', fashionpedia_root, '--label-maps', '--out', out)
    assert status == 1
    assert f'{file} is there, but was not made by this tool. Move it away' in said
    assert content_of(out) == before


@pytest.mark.parametrize(
    'name', ['label_maps/val.txt', 'label_maps/0003.png', 'annotations/instances_val.json']
)
def test_foreign_files_of_ccp(run, ccp_root: Path, tmp_path: Path, name: str) -> None:
    """A list, coloured map or annotation file of somebody else stays, alone."""
    out = tmp_path / 'mine'
    file = out / name
    file.parent.mkdir(parents=True)
    if name.endswith('.png'):
        Image.new('RGB', (40, 30), 'red').save(file)
    else:
        file.write_text('{"info":{}}\n')
    before = content_of(out)
    status, said, _ = run('ccp', '--dst', ccp_root, '--out', out)
    assert status == 1
    assert f'{file} is there, but was not made by this tool. Move it away' in said
    assert content_of(out) == before


def test_folders_of_version_0_1(run, ccp_root: Path, fashionpedia_root: Path) -> None:
    """Without a mark they are known by their lists, or hold grey maps only; both are mended."""
    for arguments, top in (
        (('ccp', '--dst', ccp_root), ccp_root.parent / 'ccp-prepared/label_maps'),
        (
            ('fashionpedia', fashionpedia_root, '--label-maps', '--redraw'),
            fashionpedia_root.parent / 'fashionpedia-prepared/label_maps',
        ),
    ):
        assert run(*arguments)[0] == 0
        first = content_of(top)
        damaged = next(top.rglob('*.png'))
        for leave_lists in (True, False):
            (top / MARK).unlink()
            damaged.write_bytes(b'half')
            if not leave_lists:
                for subset in ('train', 'val'):
                    (top / f'{subset}.txt').unlink()
            assert run(*arguments)[0] == 0
            assert content_of(top) == first


def test_findings_do_not_replace_the_dataset(prepare_tool, fashionpedia_root: Path, capsys) -> None:
    """--json goes over earlier report, even in the dataset's folder, but not over its files."""
    file = fashionpedia_root / fashionpedia.annotation_file('val')
    before = file.read_bytes()
    arguments = ['fashionpedia', str(fashionpedia_root), '--workers', '1', '--json']
    assert prepare_tool.main([*arguments, str(file)]) == 1
    assert 'is a file of the dataset: choose another --json' in capsys.readouterr().err
    assert file.read_bytes() == before
    for _ in range(2):
        assert prepare_tool.main([*arguments, str(fashionpedia_root / 'found.json')]) == 0


def test_fashionpedia_with_faults(run, fashionpedia_root: Path, tmp_path: Path) -> None:
    """Missing, broken and differently sized images are listed; then nothing is drawn."""
    (fashionpedia_root / 'train' / 'train0.jpg').unlink()
    (fashionpedia_root / 'train' / 'train1.jpg').write_bytes(b'no image')
    path = fashionpedia_root / 'test' / 'val0.jpg'
    Image.open(path).resize((20, 30)).save(path)
    status, said, found = run('fashionpedia', fashionpedia_root, '--label-maps')
    assert status == 1
    assert 'no label map was drawn' in said
    assert not (fashionpedia_root.parent / 'fashionpedia-prepared').exists()
    assert found['details']['train']['missing'] == ['train0.jpg']
    assert list(found['details']['train']['wrong']) == ['train1.jpg']
    wrong = found['details']['val']['wrong']
    assert wrong == {'val0.jpg': '20 x 30 pixels, but 40 x 30 in the annotations'}

    status, said, _ = run('fashionpedia', tmp_path / 'nowhere')
    assert status == 1
    assert 'must be the folder of Fashionpedia, but' in said


def test_fashionpedia_with_wrong_files(run, fashionpedia_root: Path) -> None:
    """A file in the wrong place is found; another kind of JSON is refused with what it holds."""
    folder = fashionpedia_root / 'annotations'
    name = 'instances_attributes_train2020.json'
    shutil.move(folder / name, fashionpedia_root / name)
    (folder / 'instances_attributes_val2020.json').write_text('{"images": [], "info": {}}')
    status, said, _ = run('fashionpedia', fashionpedia_root)
    assert status == 1
    assert f'{folder / name} is missing: move {fashionpedia_root / name} there' in said
    assert 'but has no annotations, categories; it holds images, info' in said


def test_masks_that_do_not_fill_their_photo(run, fashionpedia_root: Path) -> None:
    """They are refused before anything is drawn."""
    file = fashionpedia_root / 'annotations' / 'instances_attributes_val2020.json'
    content = json.loads(file.read_text())
    content['annotations'][2]['segmentation']['counts'] = [5, 5]
    file.write_text(json.dumps(content))
    status, said, _ = run('fashionpedia', fashionpedia_root, '--label-maps')
    assert status == 1
    assert 'annotation 3: the counts of a run-length code must add up to' in said
    assert not (fashionpedia_root.parent / 'fashionpedia-prepared').exists()


def test_drawing_that_fails(run, fashionpedia_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A photo whose masks cannot be drawn is listed, the others are drawn."""

    def fail(annotations: list[dict], *size: object) -> np.ndarray:
        if any(each['id'] == 903 for each in annotations):
            msg = 'annotation 903: no memory'
            raise ValueError(msg)
        return draw_label_map(annotations, *size)

    monkeypatch.setattr(fashionpedia, 'draw_label_map', fail)
    file = fashionpedia_root / 'annotations' / 'instances_attributes_val2020.json'
    content = json.loads(file.read_text())
    content['annotations'][2]['id'] = 903
    content['annotations'][3]['id'] = 0
    file.write_text(json.dumps(content))
    status, said, found = run('fashionpedia', fashionpedia_root, '--label-maps', '--workers', '1')
    assert status == 1
    assert 'an annotation has the id 0' in said
    assert list(found['details']['not_drawn']['val']) == ['val0']
    assert 'annotation 903: no memory' in found['details']['not_drawn']['val']['val0']
    out = fashionpedia_root.parent / 'fashionpedia-prepared' / 'label_maps'
    assert sorted(path.name for path in (out / 'val').iterdir()) == ['val1.png', 'val2.png']
    assert not (out / 'val.txt').exists()
    assert (out / 'train.txt').exists()


@pytest.mark.parametrize('number', ['0', '-3'])
def test_wrong_number_of_processes(prepare_tool: ModuleType, capsys, number: str) -> None:
    """It is a wrong command line."""
    with pytest.raises(SystemExit) as caught:
        prepare_tool.main(['ccp', '--workers', number])
    assert caught.value.code == 2
    assert f'--workers: must be at least 1, but got {number}' in capsys.readouterr().err


@pytest.mark.real
def test_real_photographs(run, repository: Path, tmp_path: Path) -> None:
    """Of twenty photographs of the real CCP, foreground and labels stay what they are."""
    real = repository / 'data' / 'ccp'
    files = sorted((real / 'annotations' / 'pixel-level').glob('*.mat'))[::40]
    if len(files) < 20:
        pytest.skip('needs real photographs: link data/ccp')
    root = tmp_path / 'ccp'
    for folder in ('photos', 'annotations/pixel-level'):
        (root / folder).mkdir(parents=True)
    (root / 'label_list.mat').symlink_to(real / 'label_list.mat')
    for file in files:
        (root / 'annotations' / 'pixel-level' / file.name).symlink_to(file)
        photo = f'{file.stem}.jpg'
        (root / 'photos' / photo).symlink_to(real / 'photos' / photo)
    status, said, _ = run('ccp', '--dst', root)
    assert status == 0, said
    prepared = tmp_path / 'ccp-prepared'
    areas = 0
    for file in files:
        truth = scipy_io.loadmat(file)['groundtruth'].astype(int)
        labels = np.asarray(Image.open(prepared / 'label_maps' / f'{file.stem}.png')).astype(int)
        assert np.array_equal(labels[labels < 255] + 1, truth[truth > 0])
        assert np.array_equal(labels == 255, truth == 0)
        areas += (truth > 0).sum()
    contents = [
        json.loads((prepared / 'annotations' / f'instances_{subset}.json').read_text())
        for subset in ('train', 'val')
    ]
    assert sum(each['area'] for c in contents for each in c['annotations']) == areas > 0
