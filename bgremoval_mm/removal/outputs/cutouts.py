"""CutoutFolder, a folder of full-size masks, or images without their background."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Self, cast, get_args

import numpy as np
from PIL import Image

from bgremoval_mm.removal.images.colour import Chunks, is_srgb, profile_of_chunks
from bgremoval_mm.removal.images.source import SourceImage
from bgremoval_mm.removal.io.manifest import Record
from bgremoval_mm.removal.options import FILE_FORMATS, Framing, OutputOptions, check_fill
from bgremoval_mm.removal.options.values import check_choice
from bgremoval_mm.removal.outputs.base import OutputFolder
from bgremoval_mm.removal.outputs.matting import check_installed
from bgremoval_mm.removal.outputs.png import encode_png, profile_chunk
from bgremoval_mm.removal.outputs.rendering import render
from bgremoval_mm.removal.zoo.catalogue import ModelSpec, get_model

Kind = Literal['mask', 'rgb', 'rgba']

# Chosen by benchmarks/encoders.py, as PNG's (see png.py). WebP: its fastest lossless setting is
# smaller than any PNG.
_ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    'webp': ('WEBP', {'lossless': True, 'quality': 0, 'method': 0}),
    # With subsampled colours (4:2:0), as photos are, it is decoded as fast as they are.
    'jpeg': ('JPEG', {'quality': 95, 'subsampling': 2}),
}
# Pixels a side: WebP's own limit, and that of libjpeg.
_LARGEST = {'webp': ('WebP', 16_383), 'jpeg': ('JPEG', 65_500)}


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
        edges, matting, threshold, framing, shadow, convert_srgb: How it is finished, see
            OutputOptions.

    Raises:
        ArgumentError: If an argument is none of these, or two do not go together.
        ImportError: If `matting` needs a package that is not installed.
    """

    def __init__(
        self,
        root: str | Path,
        kind: Kind,
        model: str | Path | ModelSpec = 'u2net',
        fill: float | Sequence[float] = 0,
        precision: str = 'fp32',
        file_format: str = 'png',
        *,
        edges: str | None = None,
        matting: bool = False,
        threshold: float | None = None,
        framing: Framing | None = None,
        shadow: bool = False,
        convert_srgb: bool = False,
    ) -> None:
        check_choice('kind', kind, get_args(Kind))
        self.options = OutputOptions(
            kind, fill, file_format, edges=edges, matting=matting, threshold=threshold,
            framing=framing, shadow=shadow, convert_srgb=convert_srgb,
        )  # fmt: skip
        if matting:
            check_installed()
        params: dict[str, Any] = {'output': kind, 'precision': precision}
        if kind == 'rgb':
            params['fill'] = list(check_fill(fill))
        if kind == 'rgba':
            params['hidden'] = 0  # version 0.1 kept the colours of hidden pixels
        if file_format != 'png':
            params['format'] = file_format
        params |= self.options.finish()
        super().__init__(root, get_model(model), params, FILE_FORMATS[file_format])

    @classmethod
    def from_options(
        cls, root: str | Path, options: OutputOptions, model: str | Path | ModelSpec, precision: str
    ) -> Self:
        """Return a folder of what the options of a job say; they are not for a mask store."""
        passed = ('fill', 'file_format', 'edges', 'matting', 'threshold', 'framing', 'shadow')
        given = {name: getattr(options, name) for name in (*passed, 'convert_srgb')}
        return cls(root, cast(Kind, options.output), model, precision=precision, **given)

    @property
    def needs_pixels(self) -> bool:
        """Whether there is more to be written than the mask, or it is refined by the image."""
        return self.options.output != 'mask' or self.options.matting

    def encode(self, source: SourceImage, mask: np.ndarray, record: Record) -> tuple[bytes, str]:
        """Return the full-size result as an image file, and what a user should know of it."""
        return self.render(source, mask)

    def render(self, source: SourceImage, mask: np.ndarray) -> tuple[bytes, str]:
        """Return the full-size result as an image file, with its colours' description, and a note.

        Args:
            source: The image.
            mask: Its mask, uint8 of shape (h, w), at any resolution.
        """
        made = render(source, mask, self.options)
        file_format, note = self.options.file_format, made.note
        if file_format != 'png' and not made.icc_profile and _is_lost(made.colour):
            said = f'the colour description was dropped: {file_format} cannot hold it'
            note = '; '.join(filter(None, [note, said]))
        return encode_image(made.pixels, file_format, made.icc_profile, made.colour), note


def _is_lost(colour: Chunks) -> bool:
    """Return whether a colour description needs a profile, but none can be made of it."""
    return not is_srgb(colour) and profile_of_chunks(colour) is None


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
        OSError: If the format cannot hold such an image: WebP's sides end at 16,383 pixels, JPEG's
            at 65,500.
    """
    if file_format == 'png':
        described = list(colour)
        if icc_profile:
            # A file may have a profile or the chunk sRGB (PNG specification, 11.3.2.3).
            described = [each for each in colour if each[0] != b'sRGB']
            described.insert(0, profile_chunk(icc_profile))
        return encode_png(pixels, described)
    written, most = _LARGEST[file_format]
    if max(pixels.shape[:2]) > most:
        msg = f'{written} holds {most} pixels a side at most: take png'
        raise OSError(msg)
    name, options = _ENCODERS[file_format]
    if name == 'WEBP' and pixels.shape[-1] == 4:
        options = {**options, 'exact': True}
    made = profile_of_chunks(colour)
    outranked = b'cICP' in dict(colour) and (made or is_srgb(colour))
    icc_profile = made if outranked else icc_profile or made
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, name, icc_profile=icc_profile, **options)
    return buffer.getvalue()
