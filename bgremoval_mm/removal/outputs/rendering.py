"""From a photo and its mask to the pixels of a full-size result."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bgremoval_mm.removal import masks
from bgremoval_mm.removal.images.colour import Chunks, to_srgb
from bgremoval_mm.removal.images.source import SourceImage
from bgremoval_mm.removal.options import OutputOptions, check_fill
from bgremoval_mm.removal.outputs.foreground import estimate_foreground
from bgremoval_mm.removal.outputs.framing import Placement, object_box, place, placement_of
from bgremoval_mm.removal.outputs.matting import MattingError, refine_mask
from bgremoval_mm.removal.outputs.shadow import REACH, add_shadow

__all__ = ['Rendered', 'render']


@dataclass(frozen=True)
class Rendered:
    """A full-size result.

    Attributes:
        pixels: uint8 array of shape (H, W) for a mask, else (H, W, 3) RGB or (H, W, 4) RGBA.
        icc_profile: Colour profile that they are to be read with, or None.
        colour: Other description of their colours, as PNG's chunks.
        note: What a user should know, or nothing.
    """

    pixels: np.ndarray
    icc_profile: bytes | None = None
    colour: Chunks = ()
    note: str = ''


def render(source: SourceImage, mask: np.ndarray, options: OutputOptions) -> Rendered:
    """Make the full-size result of a photo.

    Args:
        source: The photo.
        mask: Its mask, uint8 of shape (h, w), at any resolution.
        options: What is made: ``'mask'``, ``'rgb'`` or ``'rgba'``, and how.
    """
    full, notes = _refine(source, masks.resize(mask, source.size), options)
    if options.output == 'mask':
        placement, said = _placement(full, options)
        if placement is not None:
            full = _harden(place(full, placement), options)
        return Rendered(full, note=_join(*notes, said))
    image, profile, colour = source.rgb, source.icc_profile, source.colour
    if options.convert_srgb:
        image, said = to_srgb(image, profile, colour)
        notes.append(said)
        if not said:
            profile, colour = None, ()
    if options.output == 'rgba' and source.alpha is not None:
        full = masks.multiply_alpha(full, source.alpha)
    if options.has_clean_edges:
        image = estimate_foreground(image, full)
    placement, said = _placement(full, options)
    notes.append(said)
    if placement is not None:
        image, full = _place_both(image, full, placement, options)
    if options.shadow:
        image, full = add_shadow(image, full)
    if options.output == 'rgb':
        pixels = masks.compose(image, full, check_fill(options.fill))
    else:
        pixels = masks.cut_out(image, full)
    return Rendered(pixels, profile, colour, _join(*notes))


def _refine(
    source: SourceImage, mask: np.ndarray, options: OutputOptions
) -> tuple[np.ndarray, list[str]]:
    """Return the mask with the edge that was asked for, and notes."""
    if options.threshold is not None:
        return masks.binarise(mask, options.threshold), []
    if not options.matting or not mask.any():
        return mask, []
    try:
        return refine_mask(source.rgb, mask), []
    except MattingError as err:
        return mask, [f'no alpha matting, the plain mask was used: {err}']


def _placement(mask: np.ndarray, options: OutputOptions) -> tuple[Placement | None, str]:
    """Return where the photo comes to lie, None where it stays as it is; and a note or nothing."""
    framing = options.framing
    if framing is None:
        return None, ''
    box = object_box(mask)
    if box is None:
        said = 'there is nothing to frame: the whole photo was taken for the object'
        return placement_of(framing, None, (mask.shape[1], mask.shape[0])), said
    below = REACH * max(box[2] - box[0], box[3] - box[1]) if options.shadow else 0.0
    placement = placement_of(framing, box, (mask.shape[1], mask.shape[0]), below)
    if placement.is_reduced:
        said = f'the object does not fit into the canvas at {framing.align}: it was made smaller'
        return placement, said
    return placement, ''


def _harden(mask: np.ndarray, options: OutputOptions) -> np.ndarray:
    """Return a mask that was scaled with hard edges again, if those were asked for."""
    return mask if options.threshold is None else masks.binarise(mask, 0.5)


def _place_both(
    image: np.ndarray, mask: np.ndarray, placement: Placement, options: OutputOptions
) -> tuple[np.ndarray, np.ndarray]:
    """Place colours and mask; where they are scaled, hidden pixels give visible ones no colour."""
    if placement.scale == 1:
        return place(image, placement), place(mask, placement)
    share = mask.astype(np.float32) / 255
    weighted = place(image * share[..., None], placement)
    share = place(share, placement).clip(0, 1)
    colours = np.divide(weighted, share[..., None], where=share[..., None] > 0, out=weighted)
    return _to_uint8(colours), _harden(_to_uint8(255 * share), options)


def _join(*notes: str) -> str:
    return '; '.join(filter(None, notes))


def _to_uint8(values: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.rint(values).clip(0, 255).astype(np.uint8)
    return result
