"""BASNetSegmentor: BASNet for training and testing in mmsegmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from bgremoval_mm.models.basnet.decoder import BASNetDecoder
from bgremoval_mm.models.basnet.encoder import BASNetEncoder
from bgremoval_mm.models.basnet.refinement import ResidualRefinement
from bgremoval_mm.models.losses.saliency import cross_entropy, soft_iou_loss, ssim_loss
from bgremoval_mm.models.segmentors.saliency import SaliencySegmentor
from bgremoval_mm.registry import MODELS

__all__ = ['BASNetSegmentor']


@MODELS.register_module(force=True)
class BASNetSegmentor(SaliencySegmentor):
    """BASNet, which finds the foreground of photos: a coarse map, and a module that refines it.

    Qin et al., "BASNet: Boundary-Aware Salient Object Detection", CVPR 2019; 87,060,360 parameters.
    Eight maps are supervised: the refined one (``loss_d0``), which is the prediction, those of the
    decoder's stages 1 to 6 (``loss_d1`` to ``loss_d6``) and that of the bridge (``loss_d7``). The
    loss of each is the sum of binary cross-entropy, 1 - structural similarity and 1 - overlap
    (equations 1 to 6), with weight 1.

    In the authors' code, the last convolution of the decoder's sixth stage shares the normalisation
    of the fifth's last one. Here it has its own, as the paper draws it; their checkpoints have
    other names and are not loaded.

    Labels, predictions and arguments are those of
    :class:`~bgremoval_mm.models.segmentors.saliency.SaliencySegmentor`.

    Args:
        encoder_init_cfg: Initialisation of the encoder; the config has ResNet-34's weights of
            ImageNet for its stages 1 to 4.
        **options: See there: ``norm_eval``, ``threshold``, ``test_cfg``, ``data_preprocessor``,
            ``init_cfg`` (of all that `encoder_init_cfg` does not set).

    Examples:
        >>> model = dict(type='BASNetSegmentor', encoder_init_cfg=dict(
        ...     type='Pretrained', checkpoint='torchvision://resnet34'))
    """

    def __init__(
        self,
        encoder_init_cfg: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.encoder = BASNetEncoder(encoder_init_cfg)
        self.decoder = BASNetDecoder()
        self.refinement = ResidualRefinement()

    def extract_feat(self, inputs: Tensor) -> list[Tensor]:
        """Return the eight maps before the sigmoid, the refined one first, each (N, 1, H, W).

        Args:
            inputs: Normalised photos, float of shape (N, 3, H, W), RGB.
        """
        maps = self.decoder(self.encoder(inputs))
        return [self.refinement(maps[0]), *maps]

    def map_loss(self, logits: Tensor, truth: Tensor, known: Tensor) -> Tensor:
        """Return cross-entropy + 1 - structural similarity + 1 - overlap of the known pixels."""
        probability = logits.sigmoid()
        return (
            cross_entropy(logits, truth, known)
            + ssim_loss(probability, truth, known)
            + soft_iou_loss(probability, truth, known)
        )
