"""What the work leaves open: whether replaced backgrounds help classifiers, too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bgremoval_mm.experiments.base import BGAUG, ORIGINAL, REMBG, Experiment, Variant

__all__ = ['CLASSIFIERS', 'Classifier']


@dataclass(frozen=True, kw_only=True)
class Classifier(Experiment):
    """A classifier, trained with backgrounds as they are, removed and replaced.

    Attributes:
        family: Folder below ``configs/classification``.
    """

    family: str

    item: ClassVar[str] = 'Classifiers'
    datasets: ClassVar[Mapping[str, int]] = {'clothing10': 10}
    variants: ClassVar[tuple[Variant, ...]] = (ORIGINAL, REMBG, BGAUG)
    per_image: ClassVar[str] = 'PerImageAccuracy'

    @property
    def folder(self) -> str:
        """Folder of the configs."""
        return f'classification/{self.family}'

    def config_name(self, dataset: str, suffix: str) -> str:
        """Return the name of a config."""
        return f'{self.model}_1xb32_{dataset}{suffix}'


CLASSIFIERS = (
    Classifier(model='vgg11', title='VGG-11', family='vgg'),
    Classifier(model='resnet50', title='ResNet-50', family='resnet'),
)
"""The two networks of Liang et al. that there are -bgaug configs for."""
