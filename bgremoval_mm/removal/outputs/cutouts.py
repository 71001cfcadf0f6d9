"""CutoutFolder, a folder of full-size masks, or images without their background."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bgremoval_mm.removal import masks
from bgremoval_mm.removal.images.colour import Chunks, is_srgb, profile_of_chunks
from bgremoval_mm.removal.images.source import SourceImage
from bgremoval_mm.removal.io.manifest import Record
from bgremoval_mm.removal.options import FILE_FORMATS, OutputOptions, check_fill
from bgremoval_mm.removal.options.values import check_choice
from bgremoval_mm.removal.outputs.base import OutputFolder
from bgremoval_mm.removal.zoo.catalogue import ModelSpec, get_model

Kind = Literal['mask', 'rgb', 'rgba']

# Chosen by benchmarks/encoders.py. PNG: slower levels of zlib save little space for their time.
# WebP: its fastest lossless setting is faster and smaller than any PNG.
_ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    'png': ('PNG', {'compress_level': 1}),
    'webp': ('WEBP', {'lossless': True, 'quality': 0, 'method': 0}),
    # With subsampled colours (4:2:0), as photos are, it is decoded as fast as they are.
    'jpeg': ('JPEG', {'quality': 95, 'subsampling': 2}),
}
_WEBP_SIDE = 16_383


class CutoutFolder(OutputFolder):
    """A folder of full-size results that mirrors a folder of images.

    Args:
        root: Folder of the results, a path or an address that fsspec opens; made when
            something is first put in.
        kind: ``'mask'``: the mask, grey. ``'rgb'``: the foreground on a plain colour.
            ``'rgba'``: the image with the mask as its transparency (see ``cut_out``). Where the
            image itself has transparency, the two are multiplied.
        model: Name of the model, or a ModelSpec.
        fill: Colour behind the foreground for ``'rgb'``: one value or (R, G, B), 0 to 255.
        precision: Precision that the masks are computed with.
        file_format: ``'png'`` or ``'webp'``, both lossless, or, for ``'rgb'``, ``'jpeg'`` of
            quality 95.

    Raises:
        ArgumentError: If an argument is none of these.
    """

    def __init__(
        self,
        root: str | Path,
        kind: Kind,
        model: str | ModelSpec = 'u2net',
        fill: float | Sequence[float] = 0,
        precision: str = 'fp32',
        file_format: str = 'png',
    ) -> None:
        check_choice('kind', kind, get_args(Kind))
        OutputOptions(kind, fill, file_format)  # refuses what does not go together
        self.kind = kind
        self.file_format = file_format
        self.fill = check_fill(fill)
        params: dict[str, Any] = {'output': kind, 'precision': precision}
        if kind == 'rgb':
            params['fill'] = list(self.fill)
        if kind == 'rgba':
            params['hidden'] = 0  # version 0.1 kept the colours of hidden pixels
        if file_format != 'png':
            params['format'] = file_format
        super().__init__(root, get_model(model), params, FILE_FORMATS[file_format])

    def encode(self, source: SourceImage, mask: np.ndarray, record: Record) -> bytes:
        """Return the full-size result as an image file."""
        return self.render(source, mask)

    def write(
        self,
        image: str,
        source: SourceImage,
        mask: np.ndarray,
        constant: bool = False,
        second: tuple[str, np.ndarray] | None = None,
    ) -> Record:
        """Write the result of an image; its record says if the colours lost their description."""
        lost = (
            self.kind != 'mask'
            and self.file_format != 'png'
            and not source.icc_profile
            and not is_srgb(source.colour)
            and profile_of_chunks(source.colour) is None
        )
        if lost:
            said = f'the colour description was dropped: {self.file_format} cannot hold it'
            source = replace(source, note='; '.join(filter(None, [source.note, said])))
        return super().write(image, source, mask, constant, second)

    def render(self, source: SourceImage, mask: np.ndarray) -> bytes:
        """Return the full-size result as an image file, with the image's colour description.

        Args:
            source: The image.
            mask: Its mask, uint8 of shape (h, w), at any resolution.
        """
        full = masks.resize(mask, source.size)
        if self.kind == 'mask':
            pixels = full
        elif self.kind == 'rgb':
            pixels = masks.compose(source.rgb, full, self.fill)
        else:
            if source.alpha is not None:
                full = masks.multiply_alpha(full, source.alpha)
            pixels = masks.cut_out(source.rgb, full)
        if self.kind == 'mask':
            return encode_image(pixels, self.file_format)
        return encode_image(pixels, self.file_format, source.icc_profile, source.colour)


def encode_image(
    pixels: np.ndarray,
    file_format: str,
    icc_profile: bytes | None = None,
    colour: Chunks = (),
) -> bytes:
    """Encode an image file.

    Args:
        pixels: uint8 array of shape (H, W), (H, W, 3) RGB or (H, W, 4) RGBA, straight alpha.
        file_format: Of ``FILE_FORMATS``.
        icc_profile: Colour profile to embed.
        colour: Colour description as PNG's chunks. WebP and JPEG get an ICC profile made of it,
            unless they have one that outranks it or none can be made (see ``CutoutFolder.write``).

    Raises:
        OSError: If the format cannot hold such an image: WebP's sides end at 16,383 pixels.
    """
    name, options = _ENCODERS[file_format]
    if name == 'WEBP' and max(pixels.shape[:2]) > _WEBP_SIDE:
        msg = f'WebP holds {_WEBP_SIDE} pixels a side at most: take png'
        raise OSError(msg)
    if name == 'WEBP' and pixels.shape[-1] == 4:
        options = {**options, 'exact': True}
    if name == 'PNG':
        described = PngInfo()
        for chunk, body in colour:
            described.add(chunk, body)
        options = {**options, 'pnginfo': described}
    else:
        made = profile_of_chunks(colour)
        outranked = b'cICP' in dict(colour) and (made or is_srgb(colour))
        icc_profile = made if outranked else icc_profile or made
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, name, icc_profile=icc_profile, **options)
    return buffer.getvalue()
