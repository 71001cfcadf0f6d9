"""The paper's experiments as data: what was trained, and with which settings.

Liang, Liu, Vlassov, "The Impact of Background Removal on Performance of Neural Networks for Fashion
Image Classification and Segmentation" (arXiv 2308.09764), section III. Only what the paper states
stands here; what it leaves open is in docs/defaults.md. The configs say the same numbers where a
user looks for them, and the tests hold both together.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

__all__ = [
    'ARMS',
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

ARMS = ('original', 'rembg')
"""Images as they are, and with their background removed."""


@dataclass(frozen=True)
class Experiment(ABC):
    """A network, trained on original and on removed images.

    Attributes:
        model: The network, as configs are named.
        title: The network, for people.
    """

    model: str
    title: str

    datasets: ClassVar[Mapping[str, int]]
    """Data set, as configs are named, to its number of classes. The first is the paper's."""

    @property
    @abstractmethod
    def place(self) -> str:
        """Where the paper shows it: 'Fig. 5', 'Fig. 6', 'Fig. 7', 'Table I' or 'Table II'."""

    @property
    @abstractmethod
    def folder(self) -> str:
        """Folder of the configs, below ``configs``, with ``/``."""

    @abstractmethod
    def _name(self, dataset: str, arm: str) -> str:
        """Name of the config; `dataset` is one of `datasets`, `arm` is '' or '-rembg'."""

    def config(self, dataset: str, arm: str = 'original') -> str:
        """Path of the config below ``configs``, with ``/``.

        Args:
            dataset: A key of `datasets`.
            arm: One of `ARMS`.

        Raises:
            ValueError: If either is none of these.
        """
        for name, value, allowed in (('dataset', dataset, self.datasets), ('arm', arm, ARMS)):
            if value not in allowed:
                msg = f'`{name}` must be one of {", ".join(allowed)}, but got {value!r}'
                raise ValueError(msg)
        return f'{self.folder}/{self._name(dataset, "-rembg" if arm == "rembg" else "")}.py'


@dataclass(frozen=True)
class Classification(Experiment):
    """One cell of Fig. 5 or Fig. 6.

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

    @property
    def place(self) -> str:
        """Where the paper shows the result."""
        return 'Fig. 6' if self.pretrained else 'Fig. 5'

    @property
    def folder(self) -> str:
        """Folder of the configs."""
        return f'classification/{self.family}'

    def _name(self, dataset: str, arm: str) -> str:
        start = '_in1k-pre' if self.pretrained else ''
        return f'{self.model}{start}_1xb{self.batch_size}_{dataset}{arm}'


@dataclass(frozen=True)
class Augmentation(Classification):
    """ResNet-50 of Fig. 5 with one augmentation more, which the paper shows in Fig. 7 or names.

    The paper trains none of them; the baseline is Fig. 5's ResNet-50.
    """

    @property
    def place(self) -> str:
        """Where the paper shows the augmentations."""
        return 'Fig. 7'

    @property
    def folder(self) -> str:
        """Folder of the configs."""
        return 'classification/augmentation'


@dataclass(frozen=True)
class InstanceSegmentation(Experiment):
    """One line of Table I: Mask R-CNN with a backbone, at 512 x 512, for 12 epochs.

    Attributes:
        optimiser: 'SGD' or 'AdamW'.
        lr: Learning rate, absolute.
        warm_up: Whether the paper names a linear warm-up before the steps.
        batch_size: Images a step as the paper states it, or None where it does not.
        bbox_map: The paper's mAP of boxes, a fraction: original, removed.
        segm_map: The paper's mAP of masks, a fraction: original, removed.
    """

    optimiser: Literal['SGD', 'AdamW']
    lr: float
    warm_up: bool
    batch_size: int | None
    bbox_map: tuple[float, float]
    segm_map: tuple[float, float]

    datasets: ClassVar[Mapping[str, int]] = {'fashionpedia': 46, 'ccp': 58}
    epochs: ClassVar[int] = 12
    size: ClassVar[int] = 512

    @property
    def place(self) -> str:
        """Where the paper shows the result."""
        return 'Table I'

    @property
    def folder(self) -> str:
        """Folder of the configs."""
        return 'detection/mask_rcnn'

    def _name(self, dataset: str, arm: str) -> str:
        return f'mask-rcnn_{self.model}_fpn_1xb4-1x_{dataset}{arm}'


@dataclass(frozen=True)
class SemanticSegmentation(Experiment):
    """Table II: a network of which the paper states nothing but the name.

    Attributes:
        miou: The paper's mIoU in percent: original, removed.
        macc: The paper's mean accuracy of the classes in percent: original, removed.
    """

    miou: tuple[float, float]
    macc: tuple[float, float]

    datasets: ClassVar[Mapping[str, int]] = {'fashionpedia': 46, 'fashionpedia47': 47, 'ccp': 58}
    """The paper has 46 classes, and ignores the background; with it as a class there are 47."""

    @property
    def place(self) -> str:
        """Where the paper shows the result."""
        return 'Table II'

    @property
    def folder(self) -> str:
        """Folder of the configs."""
        return 'segmentation/upernet'

    def _name(self, dataset: str, arm: str) -> str:
        length = '20k' if dataset == 'ccp' else '160k'
        return f'{self.model}_upernet_1xb2-{length}_{dataset}{arm}-512x512'


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

AUGMENTATIONS: tuple[Augmentation, ...] = tuple(
    Augmentation(f'resnet50_{name}', title, 'resnet', False, 32, 100, 'SGD', 1e-1, 'step')
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
        'x101-32x4d', 'ResNeXt-101', 'SGD', 2e-2, True, 4, (0.317, 0.316), (0.279, 0.277)
    ),
    InstanceSegmentation(
        's101', 'ResNeSt-101', 'SGD', 2e-2, True, 4, (0.357, 0.354), (0.315, 0.313)
    ),
    InstanceSegmentation(
        'swin-t-p4-w7', 'Swin-T', 'AdamW', 1e-3, False, None, (0.345, 0.325), (0.320, 0.299)
    ),
    InstanceSegmentation(
        'pvt-s', 'PVT-Small', 'AdamW', 1e-3, False, None, (0.314, 0.306), (0.293, 0.278)
    ),
)
"""Table I. The paper prints two differences that are not those of its columns: masks of Swin-T
-0.020 (-0.021), boxes of PVT -0.009 (-0.008)."""

SEMANTIC_SEGMENTATION: tuple[SemanticSegmentation, ...] = (
    SemanticSegmentation(
        'swin-base-patch4-window7-in1k-pre', 'Swin-B', (31.98, 31.74), (39.68, 39.43)
    ),
)
"""Table II."""

EXPERIMENTS: tuple[Experiment, ...] = (
    *CLASSIFICATION,
    *AUGMENTATIONS,
    *INSTANCE_SEGMENTATION,
    *SEMANTIC_SEGMENTATION,
)
"""All of them. Each stands for two trainings a data set, one an arm."""


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
