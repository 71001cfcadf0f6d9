"""CutoutFolder: full-size masks or images without their background, as PNG files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image

from bgremoval_mm.removal import masks
from bgremoval_mm.removal.catalogue import ModelSpec, get_model
from bgremoval_mm.removal.images import SourceImage
from bgremoval_mm.removal.manifest import Record
from bgremoval_mm.removal.output import OutputFolder

Kind = Literal['mask', 'rgb', 'rgba']

# zlib's fastest level: on photographs the slower ones save little space for their time.
_COMPRESS_LEVEL = 1


class CutoutFolder(OutputFolder):
    """A folder of full-size results that mirrors a folder of images.

    Args:
        root: Folder of the results; made when something is first put in.
        kind: ``'mask'``: the mask, grey. ``'rgb'``: the foreground on a plain colour.
            ``'rgba'``: the image with the mask as its transparency; colours are those of
            the image (straight alpha), so that soft edges do not darken. Where the image
            itself has transparency, the two are multiplied.
        model: Name of the model, or a ModelSpec.
        fill: Colour behind the foreground for ``'rgb'``: one value or (R, G, B), 0 to 255.
        precision: Precision that the masks are computed with.

    Raises:
        ValueError: If `kind` or `fill` is none of these.
    """

    def __init__(
        self,
        root: str | Path,
        kind: Kind,
        model: str | ModelSpec = 'u2net',
        fill: float | Sequence[float] = 0,
        precision: str = 'fp32',
    ) -> None:
        if kind not in get_args(Kind):
            msg = f'`kind` must be one of {", ".join(get_args(Kind))}, but got {kind!r}'
            raise ValueError(msg)
        self.kind = kind
        self.fill = masks.check_fill(fill)
        params: dict[str, Any] = {'output': kind, 'precision': precision}
        if kind == 'rgb':
            params['fill'] = list(self.fill)
        super().__init__(Path(root), get_model(model), params)

    def encode(self, source: SourceImage, mask: np.ndarray, record: Record) -> bytes:
        """The full-size result as a PNG, with the image's colour profile."""
        full = masks.resize(mask, source.size)
        if self.kind == 'mask':
            pixels = full
        elif self.kind == 'rgb':
            pixels = masks.compose(source.rgb, full, self.fill)
        else:
            if source.alpha is not None:
                full = masks.attenuate(full, source.alpha)
            pixels = np.dstack([source.rgb, full])
        profile = None if self.kind == 'mask' else source.icc_profile
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(
            buffer, 'PNG', compress_level=_COMPRESS_LEVEL, icc_profile=profile
        )
        return buffer.getvalue()
