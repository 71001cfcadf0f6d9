"""The paper's experiments as data: what was trained, and with which settings.

Liang, Liu, Vlassov, "The Impact of Background Removal on Performance of Neural Networks for Fashion
Image Classification and Segmentation" (arXiv 2308.09764), section III. Only what the paper states
stands here; what it leaves open is in docs/defaults.md. The configs say the same numbers where a
user looks for them, and the tests hold both together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

__all__ = ['ARMS', 'CLASSIFICATION', 'CLASSIFICATION_DATASETS', 'Classification']

ARMS = ('original', 'rembg')
"""Images as they are, and with their background removed."""

CLASSIFICATION_DATASETS = {'fashionstyle14': 14, 'clothing10': 10}
"""Data set, as configs are named, to its number of classes. The paper's is FashionStyle14;
Clothing10 is this package's open stand-in for it."""


@dataclass(frozen=True)
class Classification:
    """One cell of Fig. 5 or Fig. 6: a network, trained on original and on removed images.

    Attributes:
        model: The network, as configs are named.
        title: The network, for people.
        family: Folder below ``configs/classification``.
        pretrained: Whether training starts from ImageNet weights (Fig. 6) or from none (Fig. 5).
        batch_size: Images a step, all on one GPU.
        epochs: Length of the training.
        optimiser: 'SGD' or 'AdamW'.
        lr: Learning rate, absolute: not to be scaled with the batch size.
        schedule: 'step', 'cosine' (after a linear warm-up) or 'fixed'.
    """

    model: str
    title: str
    family: str
    pretrained: bool
    batch_size: int
    epochs: int
    optimiser: Literal['SGD', 'AdamW']
    lr: float
    schedule: Literal['step', 'cosine', 'fixed']

    @property
    def figure(self) -> str:
        """Where the paper shows the result."""
        return 'Fig. 6' if self.pretrained else 'Fig. 5'

    def config(self, dataset: str, arm: str = 'original') -> str:
        """Path of the config below ``configs``, with ``/``.

        Args:
            dataset: A key of `CLASSIFICATION_DATASETS`.
            arm: One of `ARMS`.

        Raises:
            ValueError: If either is none of these.
        """
        if dataset not in CLASSIFICATION_DATASETS:
            allowed = ', '.join(CLASSIFICATION_DATASETS)
            msg = f'`dataset` must be one of {allowed}, but got {dataset!r}'
            raise ValueError(msg)
        if arm not in ARMS:
            msg = f'`arm` must be one of {", ".join(ARMS)}, but got {arm!r}'
            raise ValueError(msg)
        parts = [self.model, *(['in1k-pre'] if self.pretrained else [])]
        parts += [f'1xb{self.batch_size}', dataset + ('-rembg' if arm == 'rembg' else '')]
        return f'classification/{self.family}/{"_".join(parts)}.py'


def _vgg(pretrained: bool) -> Iterator[Classification]:
    for depth in (11, 13, 16, 19):
        for suffix, title, lr in (('', '', 1e-2), ('bn', ' BN', 5e-3)):
            yield Classification(
                f'vgg{depth}{suffix}',
                f'VGG-{depth}{title}',
                'vgg',
                pretrained,
                32,
                100,
                'SGD',
                1e-4 if pretrained else lr,
                'step',
            )


def _resnet(pretrained: bool) -> Iterator[Classification]:
    for depth in (50, 101):
        common = (f'resnet{depth}', f'ResNet-{depth}', 'resnet', pretrained, 32)
        if pretrained:
            yield Classification(*common, 300, 'SGD', 1e-5, 'fixed')
        else:
            yield Classification(*common, 100, 'SGD', 1e-1, 'step')


_RESNEST = ('resnest101', 'ResNeSt-101', 'resnest')
_SWIN = ('swin-tiny', 'Swin-T', 'swin_transformer')
_VIT = ('vit-base-p16', 'ViT-B/16', 'vision_transformer')

CLASSIFICATION: tuple[Classification, ...] = (
    *_vgg(pretrained=False),
    *_resnet(pretrained=False),
    Classification(*_RESNEST, False, 16, 300, 'SGD', 6e-3, 'cosine'),
    Classification(*_SWIN, False, 16, 400, 'AdamW', 1e-4, 'cosine'),
    *_vgg(pretrained=True),
    *_resnet(pretrained=True),
    Classification(*_RESNEST, True, 32, 200, 'SGD', 5e-5, 'step'),
    Classification(*_SWIN, True, 32, 100, 'AdamW', 1e-5, 'fixed'),
    Classification(*_VIT, True, 32, 100, 'AdamW', 1e-5, 'fixed'),
)
"""Fig. 5 (12 networks from scratch), then Fig. 6 (13 networks from ImageNet weights). Each stands
for two trainings, one an arm."""
