"""BASNetSegmentor: eight supervised maps and the loss of three parts, in mmseg."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

pytest.importorskip('mmseg')

from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from bgremoval_mm.models.losses.saliency import soft_iou_loss, ssim_loss
from bgremoval_mm.models.segmentors.basnet import BASNetSegmentor


@pytest.fixture(scope='module')
def model() -> Iterator[BASNetSegmentor]:
    """The network at random, built as from a config."""
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmseg'):
        yield MODELS.build({'type': 'BASNetSegmentor', 'threshold': 0.4})


def sample(**meta: object) -> SegDataSample:
    """A data sample whose left half is foreground, one row of it not annotated."""
    labels = torch.zeros(1, 64, 64, dtype=torch.uint8)
    labels[..., :32] = 1
    labels[:, 5] = 255
    made = SegDataSample(metainfo={'ori_shape': (64, 64), **meta})
    made.gt_sem_seg = PixelData(data=labels)
    return made


def test_parameters(model: BASNetSegmentor) -> None:
    """As many as in the authors' network."""
    assert sum(each.numel() for each in model.parameters()) == 87_060_360


def test_the_loss_is_the_sum_of_three(model: BASNetSegmentor) -> None:
    """Of each of eight maps, in float32 under autocast; every parameter is trained."""
    photos, samples = torch.rand(1, 3, 64, 64), [sample()]
    model.eval()  # so that a second pass gives the same maps
    losses = model(photos, samples, mode='loss')
    assert list(losses) == [f'loss_d{level}' for level in range(8)]
    total, _ = model.parse_losses(losses)
    total.backward()
    assert all(each.grad is not None for each in model.parameters())
    with torch.no_grad():
        labels = samples[0].gt_sem_seg.data[None]
        known, truth = labels != 255, (labels == 1).float()
        for level, each in enumerate(model.extract_feat(photos)):
            p = each.sigmoid().double()
            entropy = -(truth * p.log() + (1 - truth) * (1 - p).log())[known].mean()
            others = ssim_loss(p, truth, known) + soft_iou_loss(p, truth.double(), known)
            assert losses[f'loss_d{level}'].item() == pytest.approx(
                (entropy + others).item(), abs=1e-5
            )
        with torch.autocast('cpu', torch.bfloat16):
            rough = model(photos, samples, mode='loss')
    assert all(each.dtype == torch.float32 for each in rough.values())
    assert rough['loss_d0'].item() == pytest.approx(losses['loss_d0'].item(), rel=0.05)


def test_predictions_have_the_size_of_the_photo(model: BASNetSegmentor) -> None:
    """The refined map, as probability and as mask."""
    model.eval()
    photo = torch.rand(1, 3, 48, 64)
    with torch.no_grad():
        expected = model.extract_feat(photo)[0].sigmoid()[0]
        (found,) = model(photo, mode='predict')
        (large,) = model(photo, [sample(ori_shape=(91, 133))], mode='predict')
    torch.testing.assert_close(found.seg_logits.data, expected)
    assert torch.equal(found.pred_sem_seg.data.bool(), found.seg_logits.data > 0.4)
    assert large.seg_logits.data.shape == large.pred_sem_seg.data.shape == (1, 91, 133)
