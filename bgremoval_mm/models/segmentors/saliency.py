"""SaliencySegmentor: what networks that give several saliency maps share in mmsegmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from mmengine.config import ConfigDict
from mmengine.structures import PixelData
from mmseg.models.segmentors import BaseSegmentor, EncoderDecoder
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['SaliencySegmentor']

_IGNORED = 255  # mmseg's label of what is not annotated
_MODES = ('whole', 'slide')


class SaliencySegmentor(EncoderDecoder):
    """A network that finds the foreground of photos, and is supervised at several maps.

    A subclass gives :meth:`extract_feat` and :meth:`map_loss`. The loss is the sum of the maps'
    losses, ``loss_d0`` of the map that is the prediction, ``loss_d1`` ... of the others. It is
    computed in float32 under automatic mixed precision as well.

    Label maps hold 0 for background, 1 for foreground and 255 for what is ignored. Predictions are
    data samples with ``seg_logits``, the foreground's probability of each pixel, float of shape
    (1, H, W), and ``pred_sem_seg``, 1 where that is above `threshold`: both at the size of the
    photo, to which the probabilities are interpolated.

    With several processes, gradients are averaged over them. They are those of one process with
    the whole batch if the processes have equally many annotated pixels (photos of one size,
    nothing ignored) and batch normalisation keeps its statistics (`norm_eval`); else each process
    normalises by the statistics of its own photos.

    Args:
        norm_eval: Keep batch normalisation in evaluation mode in training, with the statistics that
            it has: for batches of a few photos.
        threshold: Probability above which a pixel is foreground.
        train_cfg: Not used; configs of mmseg have it.
        test_cfg: ``dict(mode='whole')`` (default), or ``dict(mode='slide', crop_size=(h, w),
            stride=(h, w))``.
        data_preprocessor: As of any segmentor of mmseg.
        init_cfg: Initialisation, as of any mmengine module.

    Raises:
        ArgumentError: If an argument is not allowed; in training, if a label map holds other
            values.
    """

    def __init__(
        self,
        norm_eval: bool = False,
        threshold: float = 0.5,
        train_cfg: Mapping[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        data_preprocessor: Mapping[str, Any] | None = None,
        init_cfg: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        # EncoderDecoder's inference is wanted, and not its backbone and heads.
        BaseSegmentor.__init__(self, data_preprocessor, init_cfg)
        if not 0 <= threshold < 1:
            msg = f'`threshold` must be from 0 to below 1, but got {threshold!r}'
            raise ArgumentError(msg)
        self.norm_eval, self.threshold = norm_eval, threshold
        self.train_cfg = train_cfg
        self.test_cfg = _check_test_cfg(test_cfg)
        self.align_corners = False
        self.num_classes, self.out_channels = 2, 1

    def map_loss(self, logits: Tensor, truth: Tensor, known: Tensor) -> Tensor:
        """Return the loss of one map.

        Args:
            logits: Before the sigmoid, float32 of shape (N, 1, H, W).
            truth: 0 and 1, of that type and shape.
            known: Bool, of that shape; False where the truth is to be ignored.
        """
        raise NotImplementedError

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode, but see `norm_eval`."""
        super().train(mode)
        if mode and self.norm_eval:
            for each in self.modules():
                if isinstance(each, _BatchNorm):
                    each.eval()
        return self

    def extract_feat(self, inputs: Tensor) -> list[Tensor]:
        """Return the maps before the sigmoid, the prediction first, each (N, 1, H, W).

        Args:
            inputs: Normalised photos, float of shape (N, 3, H, W), RGB.
        """
        raise NotImplementedError

    def encode_decode(self, inputs: Tensor, batch_img_metas: Sequence[Any]) -> Tensor:
        """Return the prediction before the sigmoid, float32 of shape (N, 1, H, W)."""
        return self.extract_feat(inputs)[0].float()

    def _forward(self, inputs: Tensor, data_samples: Any = None) -> Tensor:
        return self.extract_feat(inputs)[0]

    def loss(self, inputs: Tensor, data_samples: Sequence[SegDataSample]) -> dict[str, Tensor]:
        """Return the loss of each map, ``loss_d0`` and so on.

        Args:
            inputs: Normalised photos, float of shape (N, 3, H, W), RGB.
            data_samples: One for each photo, with ``gt_sem_seg`` of shape (1, H, W).

        Raises:
            ArgumentError: If a label map holds other values than 0, 1 and 255.
        """
        labels = torch.stack([each.gt_sem_seg.data for each in data_samples])
        known = labels != _IGNORED
        if bool((labels[known] > 1).any()):
            found = int(labels[known & (labels > 1)][0])
            msg = f'label maps must hold 0, 1 and {_IGNORED} (ignored), but one holds {found}'
            raise ArgumentError(msg)
        losses = {}
        maps = self.extract_feat(inputs)
        with torch.autocast(inputs.device.type, enabled=False):
            for level, each in enumerate(maps):
                exact = each.to(torch.promote_types(each.dtype, torch.float32))
                truth = (labels == 1).to(exact.dtype)
                losses[f'loss_d{level}'] = self.map_loss(exact, truth, known)
        return losses

    def postprocess_result(
        self, seg_logits: Tensor, data_samples: Sequence[SegDataSample] | None = None
    ) -> list[SegDataSample]:
        """Return the data samples with ``seg_logits`` and ``pred_sem_seg``.

        Args:
            seg_logits: Maps before the sigmoid, (N, 1, H, W).
            data_samples: One for each photo, with the meta information of mmseg's pipelines. None:
                new ones, of the size of the maps.
        """
        samples = [SegDataSample() for _ in seg_logits] if data_samples is None else data_samples
        for sample, probability in zip(samples, seg_logits.sigmoid(), strict=True):
            if data_samples is not None:
                probability = _at_size_of_photo(probability, sample.metainfo)
            found = (probability > self.threshold).to(torch.uint8)
            sample.set_data(
                {'seg_logits': PixelData(data=probability), 'pred_sem_seg': PixelData(data=found)}
            )
        return list(samples)


def _at_size_of_photo(probability: Tensor, meta: Mapping[str, Any]) -> Tensor:
    """Undo padding, flip and resizing of a test pipeline; see mmseg's BaseSegmentor."""
    left, right, top, bottom = meta.get('img_padding_size', meta.get('padding_size', [0] * 4))
    height, width = probability.shape[-2:]
    probability = probability[:, top : height - bottom, left : width - right]
    if meta.get('flip'):
        probability = probability.flip(2 if meta['flip_direction'] == 'horizontal' else 1)
    size = tuple(meta['ori_shape'][:2])
    return functional.interpolate(
        probability[None], size=size, mode='bilinear', align_corners=False
    )[0]


def _check_test_cfg(test_cfg: Mapping[str, Any] | None) -> ConfigDict:
    config = ConfigDict(test_cfg or {'mode': 'whole'})
    if config.get('mode', 'whole') not in _MODES:
        msg = f"`test_cfg['mode']` must be 'whole' or 'slide', but got {config['mode']!r}"
        raise ArgumentError(msg)
    config.setdefault('mode', 'whole')
    missing = {'crop_size', 'stride'} - set(config)
    if config['mode'] == 'slide' and missing:
        msg = f"`test_cfg` with mode='slide' must have {' and '.join(sorted(missing))}"
        raise ArgumentError(msg)
    return config
