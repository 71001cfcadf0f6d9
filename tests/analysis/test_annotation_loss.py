"""What masks erase of annotations: figures from the definition, and the tool on small data."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from PIL import Image

from bgremoval_mm.analysis import annotation_loss as loss
from bgremoval_mm.removal import MaskStore, read_image, remove_tree
from bgremoval_mm.removal.masks.iou import iou

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'annotation_loss.py'


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """A function that runs the tool in a folder of its own."""
    pytest.importorskip('mmdet')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())
    main = runpy.run_path(str(TOOL))['main']
    return lambda *argv: main([*map(str, argv), '--workers', '1'])


@pytest.fixture
def masks(tiny_model, prepared_ccp: Path, tmp_path: Path) -> Path:
    """Masks of the small CCP."""
    tiny_model('u2netp')
    folder = tmp_path / 'data' / 'masks' / 'ccp'
    remove_tree(prepared_ccp, folder, 'u2netp', device='cpu', progress=False)
    return folder


def test_instance_loss() -> None:
    """Soft and hard shares are the definition's; 128 of 255 is kept, 127 is erased."""
    mask = np.array([[0, 127, 128, 255], [255, 255, 255, 255]], np.uint8)
    inside = np.array([[True, True, True, False], [True, False, False, False]])
    found = loss.instance_loss(7, inside, mask)
    assert (found.category, found.pixels, found.hard) == (7, 4, 2)
    assert found.soft == pytest.approx(sum(1 - v / 255 for v in (0, 127, 128, 255)))
    assert not found.wiped_out


@pytest.mark.parametrize(('erased', 'wiped_out'), [(9, False), (10, True)])
def test_wiped_out(erased: int, wiped_out: bool) -> None:
    """An instance is wiped out when more than nine tenths of it are erased."""
    assert loss.InstanceLoss(0, 10, float(erased), erased).wiped_out == wiped_out


def test_intersection_over_union() -> None:
    """Two of four pixels are in both; two empty masks agree."""
    first, second = np.array([True, True, True, False]), np.array([False, True, True, True])
    assert iou(first, second) == 0.5
    assert iou(first & False, second & False) == 1.0


def test_by_category() -> None:
    """Pixels are pooled over instances, and the most erased category comes first."""
    instances = (
        loss.InstanceLoss(0, 100, 10.0, 5),
        loss.InstanceLoss(1, 10, 10.0, 10),
        loss.InstanceLoss(0, 300, 30.0, 15),
    )
    image = loss.ImageLoss(pixels=410, erased=30, iou=0.5, instances=instances)
    bag, coat = loss.by_category([image], ('coat', 'bag'))
    assert (bag.name, bag.instances, bag.hard, bag.wiped_out) == ('bag', 1, 1.0, 1)
    assert (coat.name, coat.instances, coat.pixels) == ('coat', 2, 400)
    assert (coat.soft, coat.hard) == (pytest.approx(0.1), pytest.approx(0.05))


def test_tool_against_a_slow_loop(masks: Path, prepared_ccp: Path, run, capsys) -> None:
    """Every figure of the JSON, pixel by pixel from label maps and masks."""
    assert run('ccp', '--data-root', prepared_ccp, '--model', 'u2netp') == 0
    report = json.loads(Path('work_dirs/annotation_loss/ccp/annotation_loss.json').read_text())
    assert Path('work_dirs/annotation_loss/ccp/worst.png').is_file()
    store = MaskStore(masks, 'u2netp')
    erased: dict[int, list[bool]] = {}
    ious = []
    for file in sorted(prepared_ccp.with_name('ccp-prepared').glob('label_maps/*.png')):
        labels = np.asarray(Image.open(file))
        mask = store.get(f'photos/{file.stem}.jpg').full_size()
        both = either = 0
        for label, share in zip(labels.ravel(), mask.ravel(), strict=True):
            kept = share / 255 > 0.5
            both += bool(label != 255 and kept)
            either += bool(label != 255 or kept)
            if label != 255:
                erased.setdefault(int(label), []).append(not kept)
        ious.append(both / either)
    assert report['summary']['images'] == len(ious) == 9
    assert report['summary']['iou']['mean'] == pytest.approx(np.mean(ious))
    every = [pixel for pixels in erased.values() for pixel in pixels]
    assert report['summary']['erased_hard'] == pytest.approx(np.mean(every))
    found = sorted((c['pixels'], round(c['hard'], 9)) for c in report['categories'])
    assert found == sorted((len(p), round(float(np.mean(p)), 9)) for p in erased.values())
    assert 'IoU of mask and annotated foreground' in capsys.readouterr().out


def test_tool_takes_configs_of_both_codebases(masks: Path, prepared_ccp: Path, run) -> None:
    """Instances and label maps of CCP give the same figures; the config names the masks."""
    found = []
    for scope, kind in (('mmdet', 'CCP'), ('mmseg', 'CCPSemantic')):
        pytest.importorskip(scope)
        Path(f'{scope}.py').write_text(
            f"""default_scope = '{scope}'
custom_imports = dict(imports=['bgremoval_mm'], allow_failed_imports=False)
train_dataloader = dict(dataset=dict(
    type='RembgDataset', model='u2netp', mask_dir={str(masks)!r},
    dataset=dict(type='{kind}', data_root={str(prepared_ccp)!r}, subset='train')))
"""
        )
        assert run(f'{scope}.py', '--number', 0) == 0
        report = json.loads(
            Path(f'work_dirs/annotation_loss/{scope}/annotation_loss.json').read_text()
        )
        found.append((report['summary'], report['categories'], report['images']))
    assert found[0] == found[1]
    assert found[0][0]['images'] == 7


def test_no_iou_where_not_all_foreground_is_annotated(
    tiny_model, fashionpedia_root: Path, tmp_path: Path, run, capsys
) -> None:
    """Fashionpedia annotates garments, not people: shares are given, IoU is not."""
    tiny_model('u2netp')
    folder = tmp_path / 'm'
    remove_tree(fashionpedia_root, folder, 'u2netp', device='cpu', progress=False)
    arguments = ('fashionpedia', '--data-root', fashionpedia_root, '--mask-dir', folder)
    assert run(*arguments, '--model', 'u2netp', '--number', 0) == 0
    out = capsys.readouterr().out
    assert 'No IoU' in out
    assert 'pocket' in out


def test_missing_masks_are_counted(masks: Path, prepared_ccp: Path, run, capsys) -> None:
    """An image without a mask is named with what fixes it, and the exit status is 1."""
    MaskStore(masks, 'u2netp').path('photos/0001.jpg').unlink()
    assert run('ccp', '--data-root', prepared_ccp, '--model', 'u2netp', '--number', 0) == 1
    out = capsys.readouterr().out
    assert '1 of 9 images could not be measured' in out
    assert 'photos/0001.jpg: FileNotFoundError: there is no mask' in out
    assert 'tools/remove_background.py' in out


def test_masks_of_another_precision(prepared_ccp: Path, tmp_path, run, capsys) -> None:
    """The option, or the config, says which precision it is; without, the reason is told."""
    store = MaskStore(tmp_path / 'bf16', 'u2netp', 'bf16')
    for path in (prepared_ccp / 'photos').glob('*.jpg'):
        mask = np.full((8, 8), 255, np.uint8)
        store.put(f'photos/{path.name}', read_image(path), mask, constant=False)
    arguments = ('ccp', '--data-root', prepared_ccp, '--model', 'u2netp', '--mask-dir',
                 tmp_path / 'bf16', '--number', 0)  # fmt: skip
    assert run(*arguments) == 1
    assert 'another precision (bf16, not fp32)' in capsys.readouterr().out
    assert run(*arguments, '--precision', 'bf16') == 0
    Path('mine.py').write_text(
        f"""default_scope = 'mmdet'
custom_imports = dict(imports=['bgremoval_mm'], allow_failed_imports=False)
train_dataloader = dict(dataset=dict(
    type='RembgDataset', model='u2netp', mask_dir={str(tmp_path / 'bf16')!r}, precision='bf16',
    dataset=dict(type='CCP', data_root={str(prepared_ccp)!r}, subset='train')))
"""
    )
    assert run('mine.py', '--number', 0) == 0


def test_unknown_source(run, capsys) -> None:
    """What is neither a dataset nor a config is refused with what is allowed."""
    assert run('imagenet') == 1
    assert 'imagenet is no config, and none of ccp, fashionpedia' in capsys.readouterr().err


@pytest.mark.parametrize('name', ['annotation_loss.json', 'worst.png'])
def test_foreign_results_are_left_alone(
    masks: Path, prepared_ccp: Path, run, capsys, name: str
) -> None:
    """What somebody else wrote into OUT stays; a second run replaces the first one's files."""
    arguments = ('ccp', '--data-root', prepared_ccp, '--model', 'u2netp', '--out')
    Path('mine').mkdir()
    Path('mine', name).write_text('{"mine": 1}')
    assert run(*arguments, 'mine') == 1
    assert f'{name} is there, but was not written by this tool' in capsys.readouterr().err
    assert [path.name for path in Path('mine').iterdir()] == [name]
    assert Path('mine', name).read_text() == '{"mine": 1}'
    assert run(*arguments, 'out') == run(*arguments, 'out') == 0


@pytest.fixture
def configured(tiny_model, tmp_path: Path, run) -> Callable[..., int]:
    """A function that runs the tool on two photos, whose upper halves the masks keep.

    Takes the scope and the settings of the dataset of each loader.
    """
    tiny_model('u2netp')
    store = MaskStore('masks', 'u2netp')
    Path('data/photos').mkdir(parents=True)
    mask = np.zeros((8, 8), np.uint8)
    mask[:4] = 255
    for name in ('a.png', 'b.png'):
        path = Path('data/photos', name)
        Image.new('RGB', (8, 8), (90, 80, 70)).save(path)
        store.put(f'photos/{name}', read_image(path), mask, constant=False)

    def measure(scope: str, **loaders: dict) -> int:
        text = f"default_scope = {scope!r}\ncustom_imports = dict(imports=['bgremoval_mm'])\n"
        for name, settings in loaders.items():
            text += f'{name}_dataloader = dict(dataset={settings!r})\n'
        Path('mine.py').write_text(text)
        return run('mine.py', '--mask-dir', 'masks', '--model', 'u2netp', '--number', 0)

    return measure


def of_label_maps(*classes: str, **labels: np.ndarray) -> dict:
    """Return the settings of a dataset of mmseg; its label maps are written."""
    Path('data/maps').mkdir(exist_ok=True)
    for name, pixels in labels.items():
        Image.fromarray(pixels).save(f'data/maps/{name}.png')
    prefix = {'img_path': 'photos', 'seg_map_path': 'maps'}
    return {'type': 'BaseSegDataset', 'data_root': 'data', 'img_suffix': '.png',
            'data_prefix': prefix, 'metainfo': {'classes': classes}}  # fmt: skip


def of_instances(*segmentations: object, classes: tuple[str, ...] = ('bag',)) -> dict:
    """Return the settings of a dataset of mmdet with these instances of its last class."""
    images = [{'id': i, 'file_name': f'{n}.png', 'height': 8, 'width': 8}
              for i, n in enumerate('ab')]  # fmt: skip
    categories = [{'id': i, 'name': name} for i, name in enumerate(classes)]
    instances = [
        {'id': i + 1, 'image_id': 0, 'category_id': len(classes) - 1, 'bbox': [0, 0, 4, 4],
         'area': 16, 'iscrowd': 0} | ({} if each is None else {'segmentation': each})
        for i, each in enumerate(segmentations)
    ]  # fmt: skip
    file = f'{"_".join(classes)}.json'
    content = {'images': images, 'categories': categories, 'annotations': instances}
    Path('data', file).write_text(json.dumps(content))
    return {'type': 'CocoDataset', 'data_root': 'data', 'ann_file': file,
            'data_prefix': {'img': 'photos'}, 'metainfo': {'classes': classes}}  # fmt: skip


def categories_of(name: str = 'mine') -> list[tuple[str, int, float]]:
    """Return name, pixels and erased share of each category of a report."""
    report = json.loads(Path(f'work_dirs/annotation_loss/{name}/annotation_loss.json').read_text())
    return [(each['name'], each['pixels'], each['hard']) for each in report['categories']]


def test_a_class_of_the_background_is_not_counted(configured, capsys) -> None:
    """To erase it is what removal is for; the figures are those of the other classes."""
    pytest.importorskip('mmseg')
    labels = np.zeros((8, 8), np.uint8)
    labels[:5] = 1
    assert configured('mmseg', train=of_label_maps('Background', 'bag', a=labels, b=labels)) == 0
    assert categories_of() == [('bag', 80, 0.2)]
    assert '2 instances: 20.00% of the annotated pixels erased' in capsys.readouterr().out


def test_ignored_pixels_are_not_counted(configured) -> None:
    """255 and the dataset's own `ignore_index` are no class."""
    pytest.importorskip('mmseg')
    labels = np.full((8, 8), 7, np.uint8)
    labels[0], labels[-1] = 255, 0
    settings = of_label_maps('bag', a=labels, b=labels)
    assert configured('mmseg', train={**settings, 'ignore_index': 7}) == 0
    assert categories_of() == [('bag', 16, 1.0)]


def test_labels_that_are_no_class(configured, capsys) -> None:
    """The label map is named with what it holds, and the other image is measured."""
    pytest.importorskip('mmseg')
    good, bad = np.zeros((8, 8), np.uint8), np.full((8, 8), 3, np.uint8)
    assert configured('mmseg', train=of_label_maps('bag', 'hat', a=good, b=bad)) == 1
    out = capsys.readouterr().out
    assert 'class indices from 0 to 1, but data/maps/b.png holds 3' in out
    assert categories_of() == [('bag', 64, 0.5)]


def test_photos_without_annotated_pixels(configured, capsys) -> None:
    """A dataset of classes, or one without its label maps, is refused with a photo's name."""
    pytest.importorskip('mmseg')
    settings = of_label_maps('bag')
    assert configured('mmseg', train={**settings, 'data_prefix': {'img_path': 'photos'}}) == 1
    expected = 'data/photos/a.png has neither instances nor a label map'
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize('kind', ['PairsDataset', 'mmdet.PairsInstances', 'SaliencyFolders'])
def test_masks_without_categories_are_refused(configured, capsys, kind: str) -> None:
    """Masks of people are no label maps: 0 would be taken for a class, and 255 for none."""
    assert configured('mmseg', train={'type': kind, 'manifest': 'pairs.csv'}) == 1
    err = capsys.readouterr().err
    assert f'has a {kind.rpartition(".")[2]}, whose masks tell foreground from background' in err
    assert 'bgremoval compare-models' in err


def test_instances_without_a_mask(configured, capsys) -> None:
    """One of several is left out, as one without a pixel; if all lack masks, that is said."""
    square = [[0, 2, 4, 2, 4, 6, 0, 6]]
    assert configured('mmdet', train=of_instances(square, [], None)) == 0
    assert categories_of() == [('bag', 16, 0.5)]
    capsys.readouterr()
    assert configured('mmdet', train=of_instances([], None)) == 1
    assert 'the annotations have boxes but no masks' in capsys.readouterr().err


def test_datasets_of_other_classes(configured, capsys) -> None:
    """The numbers of one's classes would be given the names of the other's."""
    square = [[0, 2, 4, 2, 4, 6, 0, 6]]
    loaders = {'train': of_instances(square), 'val': of_instances(square, classes=('hat', 'bag'))}
    assert configured('mmdet', **loaders) == 1
    assert "but class 0 is 'bag' and 'hat'" in capsys.readouterr().err


def test_names_of_categories_are_printed_as_they_are(configured, capsys) -> None:
    """Brackets and colons are no markup."""
    pytest.importorskip('mmseg')
    labels = np.repeat(np.array([0, 1], np.uint8), 32).reshape(8, 8)
    assert configured('mmseg', train=of_label_maps('[/b]', 'a[red]:dog:', a=labels, b=labels)) == 0
    out = capsys.readouterr().out
    assert '[/b] (few)' in out
    assert 'a[red]:dog: (few)' in out
