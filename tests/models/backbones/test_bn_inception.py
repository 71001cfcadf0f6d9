"""BNInception: names, sizes and outputs of pretrainedmodels 0.7.4, and loading its checkpoints."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from mmengine.registry import MODELS

from bgremoval_mm.models.backbones.bn_inception import BNInception

# Of the sorted names and shapes, and what the weights of `fill` give, there.
NAMES = 'cf46192c93d6e6a6aecde6bf499dd1af6c1d1a6f1dd5c904ef09a5ad227b0ed0'
OUTPUTS = [0.6030683, 1.01081, 0.3579288, 0.0]


def fill(model: torch.nn.Module) -> None:
    """Set all weights and statistics by a formula."""
    for index, (name, values) in enumerate(sorted(model.state_dict().items())):
        if name.endswith('num_batches_tracked') or name.startswith('last_linear'):
            continue
        wave = torch.cos(torch.arange(values.numel(), dtype=torch.double) * 1.7 + index)
        scale = values[0].numel() ** -0.5 if values.ndim == 4 else 0.3
        around = 1 if name.endswith(('running_var', '_bn.weight')) else 0
        values.copy_((around + scale * wave).reshape(values.shape))


def photo(size: int) -> torch.Tensor:
    """A photo of the values that Caffe's preprocessing gives."""
    return torch.linspace(-100, 150, 3 * size * size).reshape(1, 3, size, size)


@pytest.fixture(scope='module')
def model() -> BNInception:
    """The backbone with weights by a formula."""
    model = BNInception().eval()
    fill(model)
    return model


def test_names_and_sizes(model: BNInception) -> None:
    """As of ``pretrainedmodels.bninception`` without its classifier: 10,270,240 parameters."""
    state = model.state_dict()
    assert len(state) == 483
    assert sum(each.numel() for each in model.parameters()) == 10_270_240
    lines = ''.join(f'{name} {tuple(state[name].shape)}\n' for name in sorted(state))
    assert (
        hashlib.sha256(lines.encode()).hexdigest()
        == 'cf46192c93d6e6a6aecde6bf499dd1af6c1d1a6f1dd5c904ef09a5ad227b0ed0'
    )


def test_outputs(model: BNInception) -> None:
    """As of ``pretrainedmodels.bninception``, with the same weights."""
    with torch.no_grad():
        (found,) = model(photo(100))
    assert found.shape == (1, 1024, 3, 3)
    values = [found.mean(), found.std(), found[0, 5, 0, 0], found[0, 1000, 2, 1]]
    assert [each.item() for each in values] == pytest.approx(
        [0.6030683, 1.01081, 0.3579288, 0.0], rel=1e-4
    )


@pytest.mark.parametrize(('size', 'cells'), [(32, 1), (65, 2), (224, 7)])
def test_sizes_of_photos(model: BNInception, size: int, cells: int) -> None:
    """The last pixels of a photo are not cut off, as in Caffe."""
    with torch.no_grad():
        assert model(photo(size))[0].shape == (1, 1024, cells, cells)


def test_checkpoint_is_loaded(model: BNInception, tmp_path: Path) -> None:
    """By ``init_cfg``, as of any backbone; the classifier in the file is left alone."""
    state = model.state_dict() | {'last_linear.bias': torch.zeros(1000)}
    torch.save(state, tmp_path / 'bn_inception.pth')
    init = dict(type='Pretrained', checkpoint=str(tmp_path / 'bn_inception.pth'))
    built = MODELS.build(dict(type='BNInception', init_cfg=init))
    built.init_weights()
    torch.testing.assert_close(built.state_dict(), model.state_dict())
