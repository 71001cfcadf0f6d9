"""The work's experiments as data: the rows of its Table I, the person detector, and open photos.

Schindler, Lidy, Karner and Hecker, "Fashion and Apparel Classification using Convolutional Neural
Networks" (FMT 2017, arXiv 1811.04374). Its photos are not public: everything is on those of the
demonstration shop Luma, in three folds of products.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from bgremoval_mm.experiments.base import BGAUG, ORIGINAL, REMBG, Experiment, Variant

__all__ = ['EXPERIMENTS', 'OPEN', 'PERSONS', 'TABLE', 'Catalogue']

TABLE = 'Table I'
PERSONS = 'Person detector'
OPEN = 'Open photos'


@dataclass(frozen=True, kw_only=True)
class Catalogue(Experiment):
    """A classifier of product photos, in each fold and on each kind of background.

    The names of the configs end in the task: ``luma`` has categories, ``luma-gender`` genders,
    ``luma-person`` whether there is a person.
    """

    folder: ClassVar[str] = 'classification/catalogue'
    variants: ClassVar[tuple[Variant, ...]] = (ORIGINAL, REMBG, BGAUG)
    folds: ClassVar[tuple[int, ...]] = (0, 1, 2)
    per_image: ClassVar[str] = 'PerImageAccuracy'

    def config_name(self, dataset: str, suffix: str) -> str:
        """Return the name of a config."""
        return f'{self.model}_1xb32_{dataset}{suffix}'


@dataclass(frozen=True, kw_only=True)
class Category(Catalogue):
    """A row of Table I on the categories of products."""

    item: ClassVar[str] = TABLE
    datasets: ClassVar[Mapping[str, int]] = {'luma': 10}


@dataclass(frozen=True, kw_only=True)
class WithDetector(Category):
    """The row whose network has the person detector as a layer.

    The detector is that of the same fold, on photos as they are, with the seed 0: it has not seen
    the photos that are tested.
    """

    def fold_options(self, fold: int) -> Sequence[str]:
        """Return what selects a fold, and its detector."""
        checkpoint = f'{{root}}/vgg-like_1xb32_luma-person/fold{fold}/seed0/epoch_50.pth'
        return [
            *super().fold_options(fold),
            f'model.backbone.detector.init_cfg.checkpoint={checkpoint}',
        ]


@dataclass(frozen=True, kw_only=True)
class Gender(Catalogue):
    """A row of Table I on the gender that products are for."""

    item: ClassVar[str] = TABLE
    datasets: ClassVar[Mapping[str, int]] = {'luma-gender': 3}


@dataclass(frozen=True, kw_only=True)
class Person(Catalogue):
    """The person detector, whose accuracy is given in the text."""

    item: ClassVar[str] = PERSONS
    datasets: ClassVar[Mapping[str, int]] = {'luma-person': 2}


@dataclass(frozen=True, kw_only=True)
class Small(Catalogue):
    """A small network, not the work's, that is trained in minutes, on all three tasks."""

    item: ClassVar[str] = OPEN
    datasets: ClassVar[Mapping[str, int]] = {'luma': 10, 'luma-gender': 3, 'luma-person': 2}


_CATEGORY = {
    'inception-v3_in1k-pre': 'InceptionV3, fine-tuned',
    'vgg16_in1k-pre': 'VGG-16, fine-tuned',
    'inception-v3_in1k-pre_person-layer': 'InceptionV3, fine-tuned, person detector as a layer',
    'vgg19_in1k-pre': 'VGG-19, fine-tuned',
    'inception-v3_in1k-pre_no-aug': 'InceptionV3, fine-tuned, no augmentation',
    'vgg19_in1k-pre_top': 'VGG-19, top layers only',
    'vgg16_in1k-pre_top': 'VGG-16, top layers only',
    'inception-v3_in1k-pre_top': 'InceptionV3, top layer only',
    'inception-v3_in1k-pre_no-person': 'InceptionV3, fine-tuned, photos without a person',
    'inception-v3': 'InceptionV3, from scratch',
    'custom-cnn': 'custom CNN',
    'custom-cnn_no-aug': 'custom CNN, no augmentation',
    'vgg-like': 'custom VGG-like',
    'vgg16': 'VGG-16, from scratch',
    'vgg19': 'VGG-19, from scratch',
}
_GENDER = {
    'vgg19_in1k-pre_top': 'VGG-19, top layers only',
    'inception-v3_in1k-pre': 'InceptionV3, fine-tuned',
    'vgg19_in1k-pre': 'VGG-19, fine-tuned',
}
_SMALL = {
    'efficientnet-lite0_in1k-pre': 'EfficientNet-Lite0, fine-tuned',
    'efficientnet-lite0_in1k-pre_top': 'EfficientNet-Lite0, top layer only',
    'mobilenet-v2_in1k-pre': 'MobileNetV2, fine-tuned',
    'mobilenet-v2_in1k-pre_top': 'MobileNetV2, top layer only',
}

EXPERIMENTS: tuple[Catalogue, ...] = (
    Person(model='vgg-like', title='custom VGG-like'),
    *(
        (WithDetector if model.endswith('person-layer') else Category)(model=model, title=title)
        for model, title in _CATEGORY.items()
    ),
    *(Gender(model=model, title=title) for model, title in _GENDER.items()),
    *(Small(model=model, title=title) for model, title in _SMALL.items()),
)
"""The person detector, which a row needs, then the rows in their order."""
