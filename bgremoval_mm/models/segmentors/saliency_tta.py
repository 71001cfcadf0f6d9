"""SaliencyTTAModel: the mean of what a network finds in several views of a photo."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseTTAModel
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from bgremoval_mm.registry import MODELS

__all__ = ['SaliencyTTAModel']


@MODELS.register_module(force=True)
class SaliencyTTAModel(BaseTTAModel):
    """Averages the foreground probabilities of a SaliencySegmentor over views of each photo.

    mmseg's SegTTAModel cannot: it takes ``seg_logits`` for maps before the sigmoid, and asks a
    decode head for the threshold.

    Args:
        module: The network, or its config.
        data_preprocessor: As of any model of mmengine; that of the network if it has one.

    Examples:
        >>> tta_model = dict(type='SaliencyTTAModel')  # for `tools/test.py --tta`
    """

    def merge_preds(
        self, data_samples_list: Sequence[Sequence[SegDataSample]]
    ) -> list[SegDataSample]:
        """Return a data sample for each photo, with the mean probability of each pixel.

        Args:
            data_samples_list: The predictions of each photo's views, all at the size of the photo
                and turned back; annotations and names are those of the first view.
        """
        merged = []
        for views in data_samples_list:
            probability = torch.stack([each.seg_logits.data for each in views]).mean(dim=0)
            found = (probability > self.module.threshold).to(torch.uint8)
            sample = views[0]
            sample.set_data(
                {'seg_logits': PixelData(data=probability), 'pred_sem_seg': PixelData(data=found)}
            )
            merged.append(sample)
        return merged
