"""Fig. 6's question asked of networks whose ImageNet weights everyone can have. Not the paper's.

Each network from scratch, from ImageNet weights with all layers trained, and with the last one
only; on photos as they are, and with the background removed, replaced, and treated in the ways that
might give back what its removal takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from bgremoval_mm.experiments.base import BGAUG, ORIGINAL, REMBG, Experiment, Variant

__all__ = ['GENTLER', 'OPEN', 'OPEN_WEIGHTS', 'OpenWeights']

OPEN = 'Open weights'

GENTLER: tuple[Variant, ...] = (
    Variant('rembg-mean', '-rembg-mean', 'background in the mean colour', 'mean colour'),
    Variant('rembg-blur', '-rembg-blur', 'background blurred', 'blurred'),
    Variant('rembg-hard', '-rembg-hard', 'background removed, hard edges', 'hard edges'),
    Variant('rembg-sure', '-rembg-sure', 'background removed, sure masks', 'sure masks'),
)
"""What might lessen the loss by a removal, each a variant beside the plain removal."""


@dataclass(frozen=True, kw_only=True)
class OpenWeights(Experiment):
    """A network trained in one of three ways, which its name says.

    Attributes:
        epochs: Length of the training.
        lr: Learning rate.
    """

    epochs: int
    lr: float

    item: ClassVar[str] = OPEN
    folder: ClassVar[str] = 'classification/efficientnet_lite'
    datasets: ClassVar[Mapping[str, int]] = {'clothing10': 10}
    variants: ClassVar[tuple[Variant, ...]] = (ORIGINAL, REMBG, BGAUG, *GENTLER)
    per_image: ClassVar[str] = 'PerImageAccuracy'

    def config_name(self, dataset: str, suffix: str) -> str:
        """Return the name of a config."""
        return f'{self.model}_1xb32_{dataset}{suffix}'

    @property
    def is_fine_tuned(self) -> bool:
        """Whether all layers are trained, from ImageNet weights, as in Fig. 6."""
        return self.model.endswith('_in1k-pre')

    @property
    def from_scratch(self) -> str:
        """The same network trained from scratch, as configs are named."""
        return self.model.partition('_')[0]


OPEN_WEIGHTS: tuple[OpenWeights, ...] = tuple(
    OpenWeights(
        model=f'efficientnet-lite{size}{start}',
        title=f'EfficientNet-Lite{size}, {title}',
        epochs=epochs,
        lr=lr,
    )
    for size in (0, 2)
    for start, title, epochs, lr in (
        ('', 'from scratch', 30, 1e-3),
        ('_in1k-pre', 'fine-tuned', 15, 1e-3),
        ('_in1k-pre_top', 'last layer only', 15, 3e-3),
    )
)
"""Two networks, three ways each."""
