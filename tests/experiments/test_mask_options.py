"""Other masks than the configs': set in every dataset and step, and nowhere else."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from mmengine.config import ConfigDict

from bgremoval_mm.datasets.removal_settings import RemovalSettings
from bgremoval_mm.datasets.transforms.mask_source import MaskSource
from bgremoval_mm.experiments.runner.mask_options import mask_options, parse_masks, set_masks
from bgremoval_mm.experiments.runner.options import load_config
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.zoo.weights import find_weights

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
RESNET = 'classification/resnet/resnet50_1xb32_clothing10'
OPTIONS = mask_options('elsewhere', 'u2netp', 'bf16')


def test_options() -> None:
    """Only what is given is an option."""
    assert OPTIONS == (
        'removal.mask_dir=elsewhere',
        'removal.model=u2netp',
        'removal.precision=bf16',
    )
    assert mask_options() == ()
    assert mask_options(model='u2net') == ('removal.model=u2net',)


def test_every_subset_gets_them() -> None:
    """Of the variant, all three datasets; what else the config says of the removal stays."""
    before = load_config(CONFIGS / f'{RESNET}-rembg.py')
    after = load_config(CONFIGS / f'{RESNET}-rembg.py', OPTIONS)
    for subset in ('train', 'val', 'test'):
        (old,) = RemovalSettings.of(before[f'{subset}_dataloader'].dataset)
        (new,) = RemovalSettings.of(after[f'{subset}_dataloader'].dataset)
        changed = {name for name in new.arguments if new.arguments[name] != old.arguments[name]}
        assert changed == {'mask_dir', 'model', 'precision'}
        assert new.arguments['mask_dir'] == 'elsewhere'
        assert (new.arguments['model'], new.arguments['precision']) == ('u2netp', 'bf16')


def test_originals_stay() -> None:
    """The baseline's config is the same with these options as without."""
    path = CONFIGS / f'{RESNET}.py'
    assert load_config(path, OPTIONS).to_dict() == load_config(path).to_dict()


def test_steps_of_pipelines() -> None:
    """A transform in a pipeline is found, inside whatever wrappers, with or without a scope."""
    step = {'type': 'bgremoval_mm.RemoveBackground', 'fill': 7}
    other = {'type': 'Resize', 'model': 'x'}
    config = ConfigDict(a={'dataset': {'type': 'Repeat', 'dataset': {'pipeline': [step, other]}}})
    set_masks(config, {'model': 'u2netp'})
    found = config.a.dataset.dataset.pipeline
    assert found[0] == {**step, 'model': 'u2netp'}
    assert found[1] == other


def test_values_are_taken_to_the_letter() -> None:
    """A path may have spaces and commas; quotes around it are not part of it; None is none."""
    path = 'my models/a,b.onnx'
    masks, others = parse_masks([f'removal.model="{path}"', 'removal.mask_dir=None', 'a=1,2'])
    assert masks == {'model': path, 'mask_dir': None}
    assert others == ['a=1,2']
    config = load_config(CONFIGS / f'{RESNET}-rembg.py', [f'removal.model={path}'])
    (found,) = RemovalSettings.of(config.test_dataloader.dataset)
    assert found.arguments['model'] == path


def test_a_model_by_its_file(tiny_model: Callable, tmp_path: Path) -> None:
    """An ONNX file is taken as RemoveBackground takes it; one that is not there is an error."""
    weights = find_weights(tiny_model('u2netp', 320))
    assert weights is not None
    path = Path(shutil.copy(weights, tmp_path / 'my net.onnx'))
    options = mask_options(str(tmp_path / 'masks'), str(path))
    config = load_config(CONFIGS / f'{RESNET}-rembg.py', options)
    (found,) = RemovalSettings.of(config.test_dataloader.dataset)
    source = MaskSource(found.arguments['model'], found.arguments['mask_dir'], str(tmp_path))
    assert source.store is not None
    assert Path(source.store.folder).name.startswith('my_net-')
    with pytest.raises(ArgumentError, match=r'`model`: there is no file .*absent\.onnx'):
        mask_options(model=str(tmp_path / 'absent.onnx'))


def test_what_cannot_be_set() -> None:
    """Another argument, and images that were removed in advance, are errors that say so."""
    with pytest.raises(ArgumentError, match=r'one of removal\.mask_dir, .* but got removal\.fill'):
        load_config(CONFIGS / f'{RESNET}-rembg.py', ['removal.fill=3'])
    images = ConfigDict(d={'type': 'RembgDataset', 'image_dir': 'data/cut'})
    with pytest.raises(ArgumentError, match='RembgDataset loads images from data/cut'):
        set_masks(images, {'model': 'u2netp'})
    set_masks(images, {})
