"""Weights that are arrays: found, made into parameters, refused; and real answers of three."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner.checkpoint import CheckpointLoader

from bgremoval_mm.pretrained import FOLDER_VARIABLE, PretrainedWeightsError, load_from_arrays

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / 'configs/classification/catalogue'
ADDRESS = 'npz://net.npz'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the variable names; torch's cache is an empty one."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))
    path = tmp_path / 'weights'
    path.mkdir()
    monkeypatch.setenv(FOLDER_VARIABLE, str(path))
    return path


def test_parameters(folder: Path) -> None:
    """Half-precision numbers become float32, whole ones stay; a counter of batches is added."""
    arrays = {
        'fc.weight': np.array([[0.5, -2]], np.float16),
        'bn.running_mean': np.array([1.5], np.float64),
        'steps': np.array([3], np.int64),
    }
    np.savez(folder / 'net.npz', **arrays)
    found = CheckpointLoader.load_checkpoint(ADDRESS)
    assert {name: (each.dtype, each.tolist()) for name, each in found.items()} == {
        'fc.weight': (torch.float32, [[0.5, -2]]),
        'bn.running_mean': (torch.float32, [1.5]),
        'bn.num_batches_tracked': (torch.int64, 0),
        'steps': (torch.int64, [3]),
    }


def test_counter_that_is_there(folder: Path) -> None:
    """It stays as it is."""
    np.savez(
        folder / 'net.npz', running_mean=np.zeros(2, np.float32), num_batches_tracked=np.array(7)
    )
    assert load_from_arrays(ADDRESS)['num_batches_tracked'] == 7


def test_nowhere(folder: Path) -> None:
    """The error names the file and both folders."""
    with pytest.raises(PretrainedWeightsError, match=r'^net\.npz is not to be downloaded') as err:
        load_from_arrays(ADDRESS)
    assert FOLDER_VARIABLE in str(err.value)
    assert str(folder.parent / 'torch') in str(err.value)


@pytest.mark.parametrize('kind', ['text', 'cut', 'objects', 'words', 'array'])
def test_no_numbers(folder: Path, kind: str) -> None:
    """Other files, broken ones, and arrays of something else are refused by the file's name."""
    file = folder / 'net.npz'
    np.savez(file, a=np.arange(100))
    if kind == 'text':
        file.write_text('no weights')
    elif kind == 'cut':
        file.write_bytes(file.read_bytes()[:-30])
    elif kind == 'objects':
        np.savez(file, a=np.array([{}, None], dtype=object))
    elif kind == 'words':
        np.savez(file, a=np.array(['x', 'y']))
    else:
        with file.open('wb') as opened:
            np.save(opened, np.arange(3))
    with pytest.raises(PretrainedWeightsError, match=r'net\.npz is damaged or no file of numbers'):
        load_from_arrays(ADDRESS)


# Photos of scikit-image, and what ImageNet calls what they show.
SHOWN = {
    'chelsea.png': {'tabby', 'tiger cat', 'Egyptian cat'},
    'rocket.jpg': {'missile', 'projectile'},
    'coffee.png': {'espresso'},
}


@pytest.mark.real
@pytest.mark.parametrize(
    'name',
    [
        'catalogue/efficientnet-lite0_in1k-pre_1xb32_luma',
        'catalogue/mobilenet-v2_in1k-pre_1xb32_luma',
        'efficientnet_lite/efficientnet-lite2_in1k-pre_1xb32_clothing10',
    ],
)
def test_answers(name: str) -> None:
    """Every parameter has its value, and with ImageNet's last layer the answers are right."""
    pytest.importorskip('mmpretrain')
    pytest.importorskip('timm')
    skimage = pytest.importorskip('skimage')
    import cv2
    from mmpretrain.datasets.categories import IMAGENET_CATEGORIES

    config = Config.fromfile(CONFIGS.parent / f'{name}.py')
    config.model.head.num_classes = 1000
    try:
        weights = CheckpointLoader.load_checkpoint(config.pretrained)
    except PretrainedWeightsError as err:
        pytest.skip(str(err))
    preprocessor = {**config.data_preprocessor, 'type': 'ClsDataPreprocessor'}
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build({**config.model, 'data_preprocessor': preprocessor})
    model.load_state_dict(weights, strict=True)
    model.eval()
    for file, names in SHOWN.items():
        photo = cv2.imread(str(Path(skimage.__file__).parent / 'data' / file))
        side = min(photo.shape[:2])
        top, left = ((length - side) // 2 for length in photo.shape[:2])
        photo = photo[top : top + side, left : left + side]
        photo = cv2.resize(photo, (224, 224), interpolation=cv2.INTER_AREA)
        inputs = torch.from_numpy(photo.transpose(2, 0, 1).copy())
        with torch.no_grad():
            scores = model(model.data_preprocessor({'inputs': [inputs]})['inputs'])
        # Lite2 sees the tower beside the rocket first, as a drilling platform.
        best = scores[0].topk(2 if file == 'rocket.jpg' else 1).indices.tolist()
        said = [name for index in best for name in IMAGENET_CATEGORIES[index].split(', ')]
        assert names & set(said), f'{file}: {said}'
