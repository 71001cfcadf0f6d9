"""The paper's experiments as data: what was trained, and with which settings.

Liang, Liu, Vlassov, "The Impact of Background Removal on Performance of Neural Networks for Fashion
Image Classification and Segmentation" (arXiv 2308.09764), section III. Only what the paper states
stands here; what it leaves open is in docs/defaults.md. The configs give the same numbers where a
user looks for them, and the tests hold both together.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from bgremoval_mm.experiments.base import Experiment
from bgremoval_mm.experiments.papers.liang2023.open_weights import OPEN_WEIGHTS

__all__ = [
    'AUGMENTATIONS',
    'CLASSIFICATION',
    'EXPERIMENTS',
    'INSTANCE_SEGMENTATION',
    'SEMANTIC_SEGMENTATION',
    'Augmentation',
    'Classification',
    'Experiment',
    'InstanceSegmentation',
    'SemanticSegmentation',
    'shown_augmentations',
]


@dataclass(frozen=True, kw_only=True)
class Classification(Experiment):
    """One network of Fig. 5 or Fig. 6.

    Attributes:
        family: Folder below ``configs/classification``.
        pretrained: Whether training starts from ImageNet weights (Fig. 6) or from none (Fig. 5).
        batch_size: Images a step, all on one GPU.
        epochs: Length of the training.
        optimiser: 'SGD' or 'AdamW'.
        lr: Learning rate, absolute: not to be scaled with the batch size.
        schedule: 'step', 'cosine' (after a linear warm-up) or 'fixed'.
    """

    family: str
    pretrained: bool
    batch_size: int
    epochs: int
    optimiser: Literal['SGD', 'AdamW']
    lr: float
    schedule: Literal['step', 'cosine', 'fixed']

    datasets: ClassVar[Mapping[str, int]] = {'fashionstyle14': 14, 'clothing10': 10}
    per_image: ClassVar[str] = 'PerImageAccuracy'

    @property
    def item(self) -> str:
        """Where the paper shows the result."""
        return 'Fig. 6' if self.pretrained else 'Fig. 5'

    @property
    def folder(self) -> str:
        """Folder of the configs."""
        return f'classification/{self.family}'

    def config_name(self, dataset: str, suffix: str) -> str:
        """Return the name of a config."""
        start = '_in1k-pre' if self.pretrained else ''
        return f'{self.model}{start}_1xb{self.batch_size}_{dataset}{suffix}'


@dataclass(frozen=True, kw_only=True)
class Augmentation(Classification):
    """ResNet-50 of Fig. 5 with one augmentation more, which the paper shows in Fig. 7 or names.

    The paper trains none of them; their settings are those of Fig. 5's ResNet-50.
    """

    family: str = 'resnet'
    pretrained: bool = False
    batch_size: int = 32
    epochs: int = 100
    optimiser: Literal['SGD', 'AdamW'] = 'SGD'
    lr: float = 1e-1
    schedule: Literal['step', 'cosine', 'fixed'] = 'step'

    item: ClassVar[str] = 'Fig. 7'
    folder: ClassVar[str] = 'classification/augmentation'


@dataclass(frozen=True, kw_only=True)
class InstanceSegmentation(Experiment):
    """One line of Table I: Mask R-CNN with a backbone, at 512 x 512, for 12 epochs.

    Attributes:
        optimiser: 'SGD' or 'AdamW'.
        lr: Learning rate, absolute.
        warm_up: Whether the paper names a linear warm-up before the steps.
        batch_size: Images a step as the paper states it, or None where it does not.
    """

    optimiser: Literal['SGD', 'AdamW']
    lr: float
    warm_up: bool
    batch_size: int | None = None

    datasets: ClassVar[Mapping[str, int]] = {'fashionpedia': 46, 'ccp': 58}
    item: ClassVar[str] = 'Table I'
    folder: ClassVar[str] = 'detection/mask_rcnn'
    epochs: ClassVar[int] = 12
    size: ClassVar[int] = 512

    def config_name(self, dataset: str, suffix: str) -> str:
        """Return the name of a config."""
        return f'mask-rcnn_{self.model}_fpn_1xb4-1x_{dataset}{suffix}'


@dataclass(frozen=True, kw_only=True)
class SemanticSegmentation(Experiment):
    """Table II: a network of which the paper states nothing but the name."""

    item: ClassVar[str] = 'Table II'
    folder: ClassVar[str] = 'segmentation/upernet'
    per_image: ClassVar[str] = 'PerImageIoU'
    datasets: ClassVar[Mapping[str, int]] = {'fashionpedia': 46, 'fashionpedia47': 47, 'ccp': 58}
    """The paper has 46 classes, and ignores the background; with it as a class there are 47."""

    def config_name(self, dataset: str, suffix: str) -> str:
        """Return the name of a config."""
        length = '20k' if dataset == 'ccp' else '160k'
        return f'{self.model}_upernet_1xb2-{length}_{dataset}{suffix}-512x512'


_CLASSIFICATION = """
figure, model,        title,       family,             batch_size, epochs, optimiser, lr,   schedule
Fig. 5, vgg11,        VGG-11,      vgg,                32,         100,    SGD,       1e-2, step
Fig. 5, vgg11bn,      VGG-11 BN,   vgg,                32,         100,    SGD,       5e-3, step
Fig. 5, vgg13,        VGG-13,      vgg,                32,         100,    SGD,       1e-2, step
Fig. 5, vgg13bn,      VGG-13 BN,   vgg,                32,         100,    SGD,       5e-3, step
Fig. 5, vgg16,        VGG-16,      vgg,                32,         100,    SGD,       1e-2, step
Fig. 5, vgg16bn,      VGG-16 BN,   vgg,                32,         100,    SGD,       5e-3, step
Fig. 5, vgg19,        VGG-19,      vgg,                32,         100,    SGD,       1e-2, step
Fig. 5, vgg19bn,      VGG-19 BN,   vgg,                32,         100,    SGD,       5e-3, step
Fig. 5, resnet50,     ResNet-50,   resnet,             32,         100,    SGD,       1e-1, step
Fig. 5, resnet101,    ResNet-101,  resnet,             32,         100,    SGD,       1e-1, step
Fig. 5, resnest101,   ResNeSt-101, resnest,            16,         300,    SGD,       6e-3, cosine
Fig. 5, swin-tiny,    Swin-T,      swin_transformer,   16,         400,    AdamW,     1e-4, cosine
Fig. 6, vgg11,        VGG-11,      vgg,                32,         100,    SGD,       1e-4, step
Fig. 6, vgg11bn,      VGG-11 BN,   vgg,                32,         100,    SGD,       1e-4, step
Fig. 6, vgg13,        VGG-13,      vgg,                32,         100,    SGD,       1e-4, step
Fig. 6, vgg13bn,      VGG-13 BN,   vgg,                32,         100,    SGD,       1e-4, step
Fig. 6, vgg16,        VGG-16,      vgg,                32,         100,    SGD,       1e-4, step
Fig. 6, vgg16bn,      VGG-16 BN,   vgg,                32,         100,    SGD,       1e-4, step
Fig. 6, vgg19,        VGG-19,      vgg,                32,         100,    SGD,       1e-4, step
Fig. 6, vgg19bn,      VGG-19 BN,   vgg,                32,         100,    SGD,       1e-4, step
Fig. 6, resnet50,     ResNet-50,   resnet,             32,         300,    SGD,       1e-5, fixed
Fig. 6, resnet101,    ResNet-101,  resnet,             32,         300,    SGD,       1e-5, fixed
Fig. 6, resnest101,   ResNeSt-101, resnest,            32,         200,    SGD,       5e-5, step
Fig. 6, swin-tiny,    Swin-T,      swin_transformer,   32,         100,    AdamW,     1e-5, fixed
Fig. 6, vit-base-p16, ViT-B/16,    vision_transformer, 32,         100,    AdamW,     1e-5, fixed
"""


def _classification(row: dict[str, str]) -> Classification:
    convert = {'batch_size': int, 'epochs': int, 'lr': float}
    settings: dict[str, Any] = {key: convert.get(key, str)(value) for key, value in row.items()}
    return Classification(pretrained=settings.pop('figure') == 'Fig. 6', **settings)


CLASSIFICATION: tuple[Classification, ...] = tuple(
    map(
        _classification, csv.DictReader(_CLASSIFICATION.strip().splitlines(), skipinitialspace=True)
    )
)
"""Fig. 5 (12 networks from scratch), then Fig. 6 (13 networks from ImageNet weights)."""

AUGMENTATIONS: tuple[Augmentation, ...] = tuple(
    Augmentation(model=f'resnet50_{name}', title=title)
    for name, title in (
        ('solarize', 'Solarize'),
        ('posterize', 'Posterize'),
        ('sharpen', 'Sharpen'),
        ('color-jitter', 'ColorJitter'),
        ('equalize', 'Equalize'),
        ('to-gray', 'ToGray'),
        ('brightness', 'RandomBrightness'),
        ('cutout', 'Cutout'),
        ('mixup', 'MixUp'),
        ('cutmix', 'CutMix'),
        ('randaugment', 'RandAugment'),
    )
)
"""Fig. 7's eight augmentations, and three more, each as a training. Not the paper's."""

INSTANCE_SEGMENTATION: tuple[InstanceSegmentation, ...] = (
    InstanceSegmentation(
        model='x101-32x4d',
        title='ResNeXt-101',
        optimiser='SGD',
        lr=2e-2,
        warm_up=True,
        batch_size=4,
    ),
    InstanceSegmentation(
        model='s101', title='ResNeSt-101', optimiser='SGD', lr=2e-2, warm_up=True, batch_size=4
    ),
    InstanceSegmentation(
        model='swin-t-p4-w7', title='Swin-T', optimiser='AdamW', lr=1e-3, warm_up=False
    ),
    InstanceSegmentation(
        model='pvt-s', title='PVT-Small', optimiser='AdamW', lr=1e-3, warm_up=False
    ),
)
"""Table I."""

SEMANTIC_SEGMENTATION: tuple[SemanticSegmentation, ...] = (
    SemanticSegmentation(model='swin-base-patch4-window7-in1k-pre', title='Swin-B'),
)
"""Table II."""

EXPERIMENTS: tuple[Experiment, ...] = (
    *CLASSIFICATION,
    *AUGMENTATIONS,
    *INSTANCE_SEGMENTATION,
    *SEMANTIC_SEGMENTATION,
    *OPEN_WEIGHTS,
)
"""All of them. Each is trained once a dataset, variant and seed."""


def shown_augmentations(configs: Path) -> dict[str, Path]:
    """Return the augmentations that Fig. 7 shows: title to the config that defines each.

    These are the first eight of the list; the others mix whole batches or move pictures.

    Args:
        configs: Folder of the configs.
    """
    folder = configs / '_base_' / 'pipelines' / 'augmentations'
    return {
        experiment.title: folder / f'{experiment.model.removeprefix("resnet50_")}.py'
        for experiment in AUGMENTATIONS[:8]
    }
