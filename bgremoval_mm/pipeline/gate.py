"""Gate: which masks may be published without a look."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.masks.edge_contrast import weak_edge
from bgremoval_mm.removal.masks.quality import FLAGS, MaskQuality, quality

__all__ = ['Gate']


@dataclass(frozen=True)
class Gate:
    """Which masks may be published without a look.

    Attributes:
        suspicion: `MaskQuality.suspicion` above which a mask goes to review: 1 where a quality flag
            is raised; lower values send more. 0 sends all.
        flags: Flags that send a mask to review, whatever its suspicion.
        confidence: `MaskQuality.confidence` below which it goes to review; 0: never.
        weak_edge: `MaskQuality.weak_edge` above which it goes to review; 1: never.
        thin: `MaskQuality.thin` above which it goes to review; 1: never.
    """

    suspicion: float = 1.0
    flags: tuple[str, ...] = ('constant', 'empty', 'full')
    confidence: float = 0.0
    weak_edge: float = 1.0
    thin: float = 1.0

    def __post_init__(self) -> None:
        for name in ('suspicion', 'confidence', 'weak_edge', 'thin'):
            value, highest = getattr(self, name), 100 if name == 'suspicion' else 1
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not is_number or not 0 <= value <= highest:
                msg = f'`{name}` must be a number from 0 to {highest}, but got {value!r}'
                raise ArgumentError(msg)
        unknown = sorted(set(self.flags) - set(FLAGS))
        if unknown:
            msg = f'`flags` must be of {", ".join(FLAGS)}, but got {", ".join(unknown)}'
            raise ArgumentError(msg)

    def measure(
        self, mask: np.ndarray, image: np.ndarray, second: np.ndarray | None = None
    ) -> MaskQuality:
        """Compute the figures that the gate looks at; the photo only if it does.

        Args:
            mask: uint8 array of shape (h, w).
            image: The photo, uint8 of shape (H, W, 3), RGB.
            second: Another model's mask, uint8 of any shape.
        """
        found = quality(mask, second=second)
        if self.weak_edge < 1:
            found = replace(found, weak_edge=weak_edge(image, mask))
        return found

    def reasons(self, quality: MaskQuality) -> tuple[str, ...]:
        """Return why a mask needs a look; nothing if it does not."""
        found = [flag for flag in quality.flags if flag in self.flags]
        if quality.confidence < self.confidence:
            found.append(f'confidence {quality.confidence:.3f}')
        if quality.weak_edge is not None and quality.weak_edge > self.weak_edge:
            found.append(f'low contrast along {quality.weak_edge:.0%} of its outline')
        if quality.thin is not None and quality.thin > self.thin:
            found.append(f'{quality.thin:.0%} of it is thin')
        if self.suspicion == 0:
            found.append('every mask is reviewed')
        elif quality.suspicion >= self.suspicion:
            others = [flag for flag in quality.flags if flag not in found]
            found += others or ([] if found else [f'suspicion {quality.suspicion:.2f}'])
        return tuple(found)
