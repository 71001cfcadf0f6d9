"""tools/audit_background.py on hand-made models, one of which sees nothing but the background."""

from __future__ import annotations

import json
import runpy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.registry import MODELS, DefaultScope
from PIL import Image

from bgremoval_mm.removal import MaskStore, read_image

CONFIG = """
default_scope = 'mmpretrain'
model = dict(type='PixelReader', row={row})
pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
dataset = dict(type='CustomDataset', data_root='photos', data_prefix='test', pipeline=pipeline)
train_dataloader = dict(batch_size=4, dataset=dict(type='Nothing'))
train_cfg = dict(by_epoch=True, max_epochs=1)
optim_wrapper = dict(optimizer=dict(type='SGD', lr=0.1))
test_dataloader = dict(
    batch_size=4, num_workers={workers}, persistent_workers={workers} > 0, dataset=dataset,
    sampler=dict(type='DefaultSampler', shuffle=False), collate_fn=dict(type='default_collate'))
test_cfg = dict()
test_evaluator = dict(type='Accuracy', topk=(1,))
"""
# A class: colour of the wall, colour of the thing before it.
CLASSES = {'hat': ((200, 0, 0), (0, 200, 0)), 'shoe': ((0, 0, 200), (200, 200, 0))}
HATS = {0: 200, 16: 0}  # the red of a hat's photo, by row: wall, thing


@pytest.fixture
def reader() -> Iterator[None]:
    """A model that says "hat" if a single pixel is as red as a hat's photo there."""
    pytest.importorskip('mmpretrain')

    @MODELS.register_module(name='PixelReader')
    class PixelReader(BaseModel):
        """Looks at one pixel."""

        def __init__(self, row: int, data_preprocessor: dict | None = None) -> None:
            super().__init__({'type': 'mmpretrain.ClsDataPreprocessor'})
            self.row = row
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, inputs: torch.Tensor, data_samples: list, mode: str) -> list:
            """Predict."""
            assert mode == 'predict'
            red = inputs[:, 2, self.row, self.row]
            for value, sample in zip(red, data_samples, strict=True):
                hat = float(abs(value - HATS[self.row]) < 60)
                sample.set_pred_score(torch.tensor([hat, 1 - hat]))
            return data_samples

    yield
    MODELS.module_dict.pop('PixelReader')


@pytest.fixture
def audit(
    reader: None, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., int]:
    """`main` of the tool, in a folder with ten photos a class and their masks."""
    pytest.importorskip('matplotlib')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(DefaultScope, '_instance_dict', DefaultScope._instance_dict.copy())
    store = MaskStore('masks', 'u2net')
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 255
    for name, (wall, thing) in CLASSES.items():
        folder = tmp_path / 'photos' / 'test' / name
        folder.mkdir(parents=True)
        for index in range(10):
            pixels = np.full((32, 32, 3), wall, np.uint8)
            pixels[8:24, 8:24] = thing
            path = folder / f'{name}{index}.png'
            Image.fromarray(pixels).save(path)
            store.put(f'test/{name}/{path.name}', read_image(path), mask, constant=False)
    for row, name in ((0, 'wall'), (16, 'thing')):
        Path(f'{name}.py').write_text(CONFIG.format(row=row, workers=2 * (row == 0)))
    torch.save({'state_dict': {'weight': torch.zeros(1)}}, 'model.pth')
    main = runpy.run_path(str(repository / 'tools/audit_background.py'))['main']
    return lambda *arguments: main(list(arguments))


def scores(out: str) -> dict[str, float]:
    """Accuracy by condition."""
    summary = json.loads(Path(out, 'audit.json').read_text())['summary']
    return {name: each['accuracy/top1']['mean'] for name, each in summary.items()}


def test_a_model_of_backgrounds(
    audit: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Perfect on originals and on backgrounds alone, at chance without or with others' ones.

    Its loader has two worker processes that want to live on, which see every change all the same.
    """
    arguments = ('wall.py', 'model.pth', '--mask-dir', 'masks', '--out', 'out', '--draws', '3')
    assert audit(*arguments) == 0
    found = scores('out')
    assert found['original'] == found['blurred'] == found['background_only'] == 100.0
    assert found['removed'] == 50.0  # all shoes, as black is not red
    assert 25 < found['replaced'] < 75
    content = json.loads(Path('out/audit.json').read_text())
    draws = [each['accuracy/top1'] for each in content['outcomes']['replaced']['draws']]
    assert len(set(draws)) > 1
    assert content['trained_on'] == 'original'
    assert content['images'] == 20
    with Image.open('out/audit.png') as image:
        assert image.width > 800
    out = capsys.readouterr().out
    assert 'classes that lose most when the background is replaced' in out


def test_a_model_of_things(audit: Callable[..., int]) -> None:
    """Whatever the background, it is right; without the thing it is at chance."""
    assert audit('thing.py', 'model.pth', '--mask-dir', 'masks', '--out', 'out') == 0
    found = scores('out')
    assert [found[name] for name in ('original', 'removed', 'replaced', 'blurred')] == [100.0] * 4
    assert found['background_only'] <= 50.0


def test_backgrounds_of_a_bank(
    audit: Callable[..., int], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """With walls as red as a hat's, the model of walls says "hat" to everything: 50 percent.

    The bank is among the settings, its photos too: others are evaluated anew. Photos that the
    config trains with are refused.
    """
    for name, red in (('red', 200), ('grey', 90)):
        (tmp_path / name).mkdir()
        for index in range(3):
            colour = (red, 90, 90 + index)
            Image.new('RGB', (64, 48), colour).save(tmp_path / name / f'{index}.png')
    options = ('--mask-dir', 'masks', '--out', 'out', '--draws', '2', '--conditions', 'replaced')
    arguments = ('wall.py', 'model.pth', *options)
    assert audit(*arguments, '--bank', 'red') == 0
    content = json.loads(Path('out/audit.json').read_text())
    draws = [each['accuracy/top1'] for each in content['outcomes']['replaced']['draws']]
    assert draws == [50.0, 50.0]
    hats = content['outcomes']['replaced']['classes']
    assert hats == {'hat': 100.0, 'shoe': 0.0}
    assert content['settings']['removal'][0]['bank'] == ['red']
    capsys.readouterr()
    assert audit(*arguments, '--bank', 'red') == 0
    assert 'replaced: evaluated before' in capsys.readouterr().out
    assert audit(*arguments, '--bank', 'grey') == 0
    assert json.loads(Path('out/audit.json').read_text())['outcomes']['replaced']['classes'] == {
        'hat': 0.0,
        'shoe': 100.0,
    }
    trained = ('--cfg-options', 'train_dataloader.dataset.bank=grey')
    assert audit(*arguments, '--bank', 'red', 'grey', *trained) == 1
    assert 'share 3: grey/0.png = grey/0.png' in capsys.readouterr().err
    assert audit(*arguments, '--bank', 'nowhere') == 1
    assert 'nowhere is neither' in capsys.readouterr().err


def test_what_was_evaluated_is_kept(
    audit: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """A second call adds what is missing; other settings begin anew."""
    arguments = ('thing.py', 'model.pth', '--mask-dir', 'masks', '--out', 'out', '--draws', '2')
    assert audit(*arguments, '--conditions', 'original') == 0
    assert audit(*arguments, '--conditions', 'original', 'removed') == 0
    assert 'original: evaluated before' in capsys.readouterr().out
    assert list(scores('out')) == ['original', 'removed']
    assert audit(*arguments, '--conditions', 'original', '--number', '6') == 0
    assert 'evaluated before' not in capsys.readouterr().out
    assert json.loads(Path('out/audit.json').read_text())['images'] == 6


def test_another_test_of_the_same_name_begins_anew(
    audit: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    """What the config says of a test, and the photos of its folder, are settings, too."""
    arguments = ('mine.py', 'model.pth', '--mask-dir', 'masks', '--out', 'out')
    one = ('--conditions', 'original')
    Path('mine.py').write_text(Path('thing.py').read_text())
    assert audit(*arguments, *one) == audit(*arguments, *one) == 0
    assert 'original: evaluated before' in capsys.readouterr().out
    # What a training is made of does not matter.
    Path('mine.py').write_text(Path('thing.py').read_text().replace('lr=0.1', 'lr=0.2'))
    assert audit(*arguments, *one) == 0
    assert 'original: evaluated before' in capsys.readouterr().out
    Path('mine.py').write_text(Path('thing.py').read_text() + 'test_dataloader["batch_size"] = 3\n')
    assert audit(*arguments, *one) == 0
    assert 'evaluated before' not in capsys.readouterr().out
    Path('photos/test/hat/hat9.png').unlink()
    assert audit(*arguments, *one) == 0
    assert 'evaluated before' not in capsys.readouterr().out
    assert json.loads(Path('out/audit.json').read_text())['images'] == 19


def test_forms_of_evaluators(audit: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """An Evaluator's metrics are taken; one for several test sets is refused, as is no score."""
    for name, evaluator in (
        ('plain', "dict(type='Evaluator', metrics=[dict(type='Accuracy', topk=(1,))])"),
        ('several', "dict(type='MultiDatasetEvaluator', metrics=[], dataset_prefixes=[])"),
        ('none', "dict(type='DumpResults', out_file_path='results.pkl')"),
    ):
        text = f'{Path("thing.py").read_text()}test_evaluator = {evaluator}\n'
        Path(f'{name}.py').write_text(text)
    arguments = ('model.pth', '--mask-dir', 'masks', '--out', 'out', '--conditions', 'original')
    assert audit('plain.py', *arguments) == 0
    assert scores('out') == {'original': 100.0}
    assert audit('several.py', *arguments) == 1
    assert 'test_evaluator must be a metric or a list of' in capsys.readouterr().err
    assert audit('none.py', *arguments) == 1
    assert 'the test of none.py gives no score under any condition' in capsys.readouterr().err


def test_classes_without_names(audit: Callable[..., int]) -> None:
    """A list of numbered classes has scores, but no table of classes."""
    files = sorted(Path('photos/test').rglob('*.png'))
    lines = [f'{each.relative_to("photos/test")} {int("shoe" in each.name)}' for each in files]
    Path('photos/list.txt').write_text('\n'.join(lines))
    Path('mine.py').write_text(f"{Path('wall.py').read_text()}dataset['ann_file'] = 'list.txt'\n")
    arguments = ('mine.py', 'model.pth', '--mask-dir', 'masks', '--out', 'out', '--draws', '1')
    assert audit(*arguments, '--conditions', 'original', 'removed') == 0
    assert scores('out') == {'original': 100.0, 'removed': 50.0}
    content = json.loads(Path('out/audit.json').read_text())
    assert [each['classes'] for each in content['outcomes'].values()] == [{}, {}]
    assert content['leaning'] == []
    assert content['uncertainty']['chance'] == 50.0


@pytest.mark.parametrize('row', ['wall', 'thing'])
def test_masks_of_another_precision_stay(
    audit: Callable[..., int], capsys: pytest.CaptureFixture[str], row: str
) -> None:
    """A store in bf16 is read by the config that names it, and refused without its precision.

    The removal that is audited is the config's: colour, threshold and resizing arrive.
    """
    shutil.rmtree('masks')
    store = MaskStore('masks', 'u2net', precision='bf16')
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 200
    for path in Path('photos').rglob('*.png'):
        name = path.relative_to('photos').as_posix()
        store.put(name, read_image(path), mask, constant=False)
    before = {path: path.read_bytes() for path in Path('masks').rglob('*') if path.is_file()}
    removal = "fill=200, threshold=0.5, resize='linear', on_missing='error', precision='bf16'"
    text = Path(f'{row}.py').read_text()
    text += f"test_dataloader['dataset'] = dict(type='RembgDataset', dataset=dataset, {removal},\n"
    Path('mine.py').write_text(f"{text}    mask_dir='masks')\n")
    draws = ('--draws', '1')
    assert audit('mine.py', 'model.pth', '--out', 'out', *draws) == 0
    # Before a wall of 200 all are hats; of a thing, which the threshold leaves whole, all is seen.
    assert scores('out')['removed'] == {'wall': 50.0, 'thing': 100.0}[row]
    content = json.loads(Path('out/audit.json').read_text())
    assert content['trained_on'] == 'rembg'
    (found,) = content['settings']['removal']
    expected = {'precision': 'bf16', 'threshold': 0.5, 'resize': 'linear', 'fill': 200}
    assert {name: found[name] for name in expected} == expected
    assert audit(f'{row}.py', 'model.pth', '--mask-dir', 'masks', '--out', 'other', *draws) == 1
    assert 'asks for fp32: give --precision bf16' in capsys.readouterr().err
    arguments = ('--mask-dir', 'masks', '--precision', 'bf16', '--out', 'other', *draws)
    assert audit(f'{row}.py', 'model.pth', *arguments) == 0
    after = {path: path.read_bytes() for path in Path('masks').rglob('*') if path.is_file()}
    assert after == before
    assert not Path('out/masks').exists()
    assert not Path('other/masks').exists()


def test_evidence_of_the_config_is_not_written(audit: Callable[..., int], tmp_path: Path) -> None:
    """The saved config of a reproduced run names its evidence, which the audit leaves alone."""
    evidence = f"dict(type='ClassEvidence', file='{tmp_path}/mine.npz', root='photos')"
    text = Path('thing.py').read_text()
    text += f"test_evaluator = [dict(type='Accuracy', topk=(1,)), {evidence}]\n"
    Path('saved.py').write_text(text)
    arguments = ('saved.py', 'model.pth', '--mask-dir', 'masks', '--conditions', 'original')
    assert audit(*arguments, '--out', 'out') == 0
    assert scores('out') == {'original': 100.0}
    assert not (tmp_path / 'mine.npz').exists()


@pytest.mark.slow
def test_a_detector(
    audit: Callable[..., int], detection: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Mmdet: predictions of each test are kept, with the annotations that it was tested with."""
    pytest.importorskip('mmdet', reason='mmdet is missing')
    files = sorted(Path('photos').rglob('*.png'))
    images = [
        {'id': i, 'file_name': file.relative_to('photos').as_posix(), 'width': 32, 'height': 32}
        for i, file in enumerate(files)
    ]
    box = {'bbox': [8, 8, 16, 16], 'area': 256, 'iscrowd': 0, 'category_id': 1}
    boxes = [{'id': i + 1, 'image_id': i, **box} for i in range(len(files))]
    content = {'images': images, 'annotations': boxes, 'categories': [{'id': 1, 'name': 'thing'}]}
    Path('instances.json').write_text(json.dumps(content))
    Path('toy.py').write_text(detection.replace("img='images/'", "img='photos/'"))
    model = Config.fromfile('toy.py', import_custom_modules=False).model
    with DefaultScope.overwrite_default_scope('mmdet'):
        torch.save({'state_dict': MODELS.build(model).state_dict()}, 'toy.pth')
    conditions = ('--conditions', 'original', 'replaced', '--draws', '2')
    arguments = ('--mask-dir', 'masks', '--img-root', 'photos', '--out', 'audit', '--number', '6')
    assert audit('toy.py', 'toy.pth', *arguments, *conditions) == 0
    for name in ('original_0', 'replaced_0', 'replaced_1'):
        assert Path(f'audit/per_image/{name}.bbox.json').is_file()
    assert len(json.loads(Path('audit/per_image/annotations.json').read_text())['images']) == 6
    known = json.loads(Path('audit/audit.json').read_text())['uncertainty']
    assert known['metric'] == 'coco/bbox_mAP'
    assert known['class_photos'] == {'thing': 6}
    assert 'minus original' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('none.py', 'model.pth'), 'there is no file none.py'),
        (('thing.py', 'none.pth'), 'there is no checkpoint none.pth'),
        (('thing.py', 'model.pth', '--cfg-options', 'test_evaluator=None'), 'no test_evaluator'),
    ],
)
def test_errors(
    arguments: tuple[str, ...],
    message: str,
    audit: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What cannot be audited is said in one line."""
    assert audit(*arguments, '--out', 'out') == 1
    assert message in capsys.readouterr().err


def test_senseless_numbers(audit: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    """Are refused before anything is loaded."""
    with pytest.raises(SystemExit):
        audit('thing.py', 'model.pth', '--draws', '0')
    assert "--draws: must be a whole number, 1 or more, but got '0'" in capsys.readouterr().err


@pytest.mark.parametrize('name', ['audit.json', 'audit.png'])
def test_foreign_results_are_left_alone(
    audit: Callable[..., int], capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """What somebody else wrote into OUT is neither read as an audit nor replaced."""
    Path('mine').mkdir()
    Path('mine', name).write_text('{"mine": 1}')
    assert audit('wall.py', 'model.pth', '--out', 'mine') == 1
    assert f'{name} is there, but was not written by this tool' in capsys.readouterr().err
    assert [path.name for path in Path('mine').iterdir()] == [name]
    assert Path('mine', name).read_text() == '{"mine": 1}'
