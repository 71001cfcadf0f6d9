"""SaliencyTTAModel: the mean over views, and the configs' views end to end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.registry import TRANSFORMS
from mmseg.structures import SegDataSample
from PIL import Image
from torch import nn

from bgremoval_mm.models.segmentors.saliency_tta import SaliencyTTAModel
from bgremoval_mm.models.segmentors.u2net import U2NetSegmentor

CONFIGS = Path(__file__).parents[3] / 'configs'


def view(*levels: float) -> SegDataSample:
    """A prediction of a photo of one row."""
    sample = SegDataSample(metainfo={'img_path': 'a.jpg'})
    sample.seg_logits = PixelData(data=torch.tensor([[levels]]))
    return sample


def test_probabilities_are_averaged() -> None:
    """They are not put through a sigmoid again, and the threshold is that of the network."""
    model = SaliencyTTAModel(U2NetSegmentor('u2netp', threshold=0.6))
    views = [view(1.0, 0.5, 0.0), view(0.5, 0.5, 0.5)]
    views[0].gt_sem_seg = PixelData(data=torch.tensor([[[1, 0, 0]]]))
    (merged,) = model.merge_preds([views])
    torch.testing.assert_close(merged.seg_logits.data, torch.tensor([[[0.75, 0.5, 0.25]]]))
    assert merged.pred_sem_seg.data.tolist() == [[[1, 0, 0]]]
    assert merged.gt_sem_seg.data.tolist() == [[[1, 0, 0]]]
    assert merged.img_path == 'a.jpg'


@pytest.mark.parametrize('size', [320, 256])
def test_views_of_the_configs(size: int, tmp_path: Path) -> None:
    """The photo and its mirror image, each turned back; the annotation is not mirrored."""
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (30, 40, 3), np.uint8)).save(tmp_path / 'a.png')
    mask = np.zeros((30, 40), np.uint8)
    mask[:, :10] = 255
    Image.fromarray(mask).save(tmp_path / 'mask.png')
    config = Config.fromfile(CONFIGS / f'_base_/pipelines/saliency{size}.py')
    about = {
        'img_path': str(tmp_path / 'a.png'),
        'seg_map_path': str(tmp_path / 'mask.png'),
        'seg_fields': [],
        'reduce_zero_label': False,
    }
    with DefaultScope.overwrite_default_scope('mmseg'):
        steps = [TRANSFORMS.build(step) for step in config.tta_pipeline]
    sample = about
    for step in steps:
        sample = step(sample)
    torch.manual_seed(0)
    network = U2NetSegmentor(
        'u2netp',
        data_preprocessor={
            'type': 'mmseg.SegDataPreProcessor',
            'mean': [0.0] * 3,
            'std': [255.0] * 3,
        },
    ).eval()
    with torch.no_grad():
        (merged,) = SaliencyTTAModel(network).test_step(pseudo_collate([sample]))
        photo = sample['inputs'][0][None].float() / 255
        plain, mirrored = (network(each).sigmoid() for each in (photo, photo.flip(3)))
    both = [
        nn.functional.interpolate(each, (30, 40), mode='bilinear')
        for each in (plain, mirrored.flip(3))
    ]
    torch.testing.assert_close(merged.seg_logits.data, (both[0] + both[1])[0] / 2)
    np.testing.assert_array_equal(merged.gt_sem_seg.data[0], mask // 255)
