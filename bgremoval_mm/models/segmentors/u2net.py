"""U2NetSegmentor: U2-Net and U2-NetP for training and testing in mmsegmentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.runner import CheckpointLoader
from mmseg.structures import SegDataSample
from torch import Tensor

from bgremoval_mm.models.losses.saliency import cross_entropy
from bgremoval_mm.models.segmentors.folded_norm import folded_norms, unfold_norms
from bgremoval_mm.models.segmentors.saliency import SaliencySegmentor
from bgremoval_mm.registry import MODELS
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.removal.networks.u2net import run_stages, u2net, u2netp
from bgremoval_mm.removal.networks.u2net_onnx import load_onnx
from bgremoval_mm.removal.zoo.catalogue import CATALOGUE, get_model
from bgremoval_mm.removal.zoo.weights import read_weights

__all__ = ['U2NetSegmentor']

ARCHITECTURES = {'u2net': u2net, 'u2netp': u2netp}


@MODELS.register_module(force=True)
class U2NetSegmentor(SaliencySegmentor):
    """U2-Net or U2-NetP, which find the foreground of photos, with supervision of seven maps.

    Qin et al., "U2-Net: Going Deeper with Nested U-Structure for Salient Object Detection", Pattern
    Recognition 106, 2020. The loss is the sum of the binary cross-entropies of the fused map
    (``loss_d0``) and of the six levels' maps (``loss_d1`` to ``loss_d6``), each with weight 1
    (section 3.3). It is computed in float32 under automatic mixed precision as well.

    Label maps hold 0 for background, 1 for foreground and 255 for what is ignored. Predictions are
    data samples with ``seg_logits``, the foreground's probability of each pixel, float of shape
    (1, H, W), and ``pred_sem_seg``, 1 where that is above `threshold`: both at the size of the
    photo, to which the probabilities are interpolated, as by the authors.

    The names in its state dict are those of github.com/xuebinqin/U-2-Net without a prefix:
    checkpoints of either can be loaded by the other (``load_from``, too).

    Args:
        arch: ``'u2net'`` (44,009,869 parameters) or ``'u2netp'`` (1,131,181).
        pretrained: What a training starts from. None: at random, by PyTorch's own rule, as the
            authors' code does. Else a checkpoint, ``.pth``, or an ONNX file, ``.onnx``, that
            `bgremoval_mm.removal` runs, or the name of one of its models, such as ``'u2netp'``,
            which is fetched if it is not here. An ONNX file has the batch normalisation folded into
            the convolutions: it is the identity at first, and gets the statistics of the first
            batch that is trained on (see
            :func:`~bgremoval_mm.models.segmentors.folded_norm.unfold_norms`), which changes no
            prediction.
        norm_eval: Keep batch normalisation in evaluation mode in training, with the statistics that
            it has: for batches of a few photos.
        threshold: Probability above which a pixel is foreground.
        train_cfg: Not used; configs of mmseg have it.
        test_cfg: ``dict(mode='whole')`` (default), or ``dict(mode='slide', crop_size=(h, w),
            stride=(h, w))``.
        data_preprocessor: As of any segmentor of mmseg.
        init_cfg: Initialisation, as of any mmengine module; `pretrained` comes after it.

    Raises:
        ArgumentError: If an argument is not allowed; on initialisation, if `pretrained` is not of
            this network; in training, if a label map holds other values.

    Examples:
        >>> model = dict(type='U2NetSegmentor', arch='u2netp', data_preprocessor=dict(
        ...     type='mmseg.SegDataPreProcessor', bgr_to_rgb=True, size=(320, 320),
        ...     mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]))
    """

    def __init__(
        self,
        arch: str = 'u2net',
        pretrained: str | Path | None = None,
        norm_eval: bool = False,
        threshold: float = 0.5,
        train_cfg: Mapping[str, Any] | None = None,
        test_cfg: Mapping[str, Any] | None = None,
        data_preprocessor: Mapping[str, Any] | None = None,
        init_cfg: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(norm_eval, threshold, train_cfg, test_cfg, data_preprocessor, init_cfg)
        if arch not in ARCHITECTURES:
            msg = f'`arch` must be one of {", ".join(map(repr, ARCHITECTURES))}, but got {arch!r}'
            raise ArgumentError(msg)
        is_file = pretrained is None or Path(pretrained).suffix in ('.pth', '.onnx')
        if not is_file and pretrained not in CATALOGUE:
            msg = (
                f'`pretrained` must be None, a .pth or an .onnx file, or one of '
                f'{", ".join(CATALOGUE)}, but got {pretrained}'
            )
            raise ArgumentError(msg)
        self.arch, self.pretrained = arch, pretrained
        self._may_be_folded = True
        for name, child in ARCHITECTURES[arch]().named_children():
            self.add_module(name, child)

    def init_weights(self) -> None:
        """Initialise as `init_cfg` says, then load `pretrained`."""
        super().init_weights()
        if self.pretrained is None:
            return
        try:
            self.load_state_dict(_weights_of(self.arch, self.pretrained))
        except OSError:
            raise
        except Exception as err:
            # What is no checkpoint makes torch and onnx raise many kinds of errors.
            if isinstance(err, BgremovalError) and not isinstance(err, ArgumentError):
                raise  # of a download
            found = ' '.join(str(err).split())[:300]
            msg = f'`pretrained` must be of {self.arch}, but {self.pretrained} is not: {found}'
            raise ArgumentError(msg) from err

    def extract_feat(self, inputs: Tensor) -> list[Tensor]:
        """Return the seven maps before the sigmoid, the fused one first, each (N, 1, H, W).

        Args:
            inputs: Normalised photos, float of shape (N, 3, H, W), RGB.
        """
        if not inputs.is_cuda:  # a training step takes 0.85 of the time on a CPU, 0.6 in bfloat16
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return run_stages(self, inputs)

    def map_loss(self, logits: Tensor, truth: Tensor, known: Tensor) -> Tensor:
        """Return the mean binary cross-entropy of the known pixels."""
        return cross_entropy(logits, truth, known)

    def loss(self, inputs: Tensor, data_samples: Sequence[SegDataSample]) -> dict[str, Tensor]:
        """Return the binary cross-entropy of each map, ``loss_d0`` to ``loss_d6``.

        Args:
            inputs: Normalised photos, float of shape (N, 3, H, W), RGB.
            data_samples: One for each photo, with ``gt_sem_seg`` of shape (1, H, W).

        Raises:
            ArgumentError: If a label map holds other values than 0, 1 and 255.
        """
        if self._may_be_folded and not self.norm_eval:
            norms = folded_norms(self)
            if norms:
                unfold_norms(self, norms, lambda: self.extract_feat(inputs))
        self._may_be_folded = False
        return super().loss(inputs, data_samples)


def _weights_of(arch: str, pretrained: str | Path) -> Mapping[str, Tensor]:
    """Read weights by the names of the network."""
    path = Path(pretrained)
    if path.suffix == '.pth':
        loaded = CheckpointLoader.load_checkpoint(str(pretrained), map_location='cpu')
        weights: Mapping[str, Tensor] = loaded.get('state_dict', loaded)
        return weights
    network = ARCHITECTURES[arch]()
    load_onnx(network, path.read_bytes() if path.suffix else read_weights(get_model(str(path))))
    return network.state_dict()
