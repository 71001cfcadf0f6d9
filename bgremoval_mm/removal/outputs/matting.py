"""Alpha matting: the mask's edge is computed from the photo's colours, for hair and fur.

PyMatting does it, which comes with rembg or the extra `matting`. It is imported at the first photo:
its first use on a machine compiles it for half a minute, later ones load it in a second.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np

from bgremoval_mm.removal.errors import BgremovalError

__all__ = ['MattingError', 'check_installed', 'make_trimap', 'refine_mask']

_SURE_FOREGROUND, _SURE_BACKGROUND = 240, 10  # levels of the mask, those of rembg
# Chosen among nine on eight JPEG photos that benchmarks/edges.py does not take. A wider band, or
# PyMatting's own 1e-7, lets alpha follow JPEG's blocks into plain backgrounds.
_BAND = 0.006  # of the longer side: how far a sure pixel is from any other
_EPSILON = 1e-5  # regularization of the local colour model
_LARGEST = 2048  # pixels: longer side at which alpha is estimated, as time and memory grow with it


class MattingError(BgremovalError, RuntimeError):
    """The alpha of a photo could not be estimated."""


def check_installed() -> None:
    """Find out whether PyMatting is there, without importing it.

    Raises:
        ImportError: If it is not; the message has the command that installs it.
    """
    if find_spec('pymatting') is None:
        msg = 'alpha matting needs PyMatting: `pip install "bgremoval_mm[matting]"`'
        raise ImportError(msg)


def refine_mask(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Estimate alpha along the mask's edge.

    Closed-form matting (Levin, Lischinski and Weiss, A Closed-Form Solution to Natural Image
    Matting, PAMI 2008) with the trimap of `make_trimap`. Larger photos are reduced to a longer side
    of 2048 pixels for it.

    Args:
        image: uint8 array of shape (H, W, 3), RGB.
        mask: uint8 array of shape (H, W).

    Returns:
        uint8 array of shape (H, W): 255 and 0 where the trimap is sure.

    Raises:
        ImportError: If PyMatting is not installed.
        MattingError: If the mask leaves no sure foreground or background, or the solver fails.
    """
    height, width = mask.shape
    scale = min(1.0, _LARGEST / max(height, width))
    if scale < 1:
        small = (max(1, round(scale * width)), max(1, round(scale * height)))
        image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        mask = cv2.resize(mask, small, interpolation=cv2.INTER_AREA)
    trimap = make_trimap(mask)
    if not ((trimap == 255).any() and (trimap == 0).any()):
        msg = 'the mask has no sure foreground or no sure background'
        raise MattingError(msg)
    try:
        estimate, precondition = _load()
        alpha = estimate(
            image / 255.0,
            trimap / 255.0,
            preconditioner=precondition,
            laplacian_kwargs={'epsilon': _EPSILON},
        )
    except (ValueError, ArithmeticError, MemoryError, RuntimeError) as err:
        msg = f'the solver failed: {str(err) or type(err).__name__}'
        raise MattingError(msg) from err
    if not np.isfinite(alpha).all():
        msg = 'the solver gave no finite alpha'
        raise MattingError(msg)
    found: np.ndarray = np.rint(alpha.clip(0, 1) * 255).astype(np.uint8)
    return (
        cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR) if scale < 1 else found
    )


def make_trimap(mask: np.ndarray) -> np.ndarray:
    """Return what the mask is sure of: 255 foreground, 0 background, 128 unknown.

    A pixel is sure if it is clearly one or the other, and so is all around it.

    Args:
        mask: uint8 array of shape (H, W).
    """
    reach = max(1, round(_BAND * max(mask.shape)))
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    foreground = cv2.erode(cv2.inRange(mask, _SURE_FOREGROUND, 255), around)
    background = cv2.erode(cv2.inRange(mask, 0, _SURE_BACKGROUND), around)
    trimap = np.full(mask.shape, 128, np.uint8)
    trimap[foreground > 0] = 255
    trimap[background > 0] = 0
    return trimap


@cache
def _load() -> tuple[Any, Any]:
    """Import PyMatting; return its estimator, and a preconditioner that keeps quiet."""
    check_installed()
    from pymatting.alpha.estimate_alpha_cf import estimate_alpha_cf
    from pymatting.preconditioner.ichol import ichol

    # It prints when a factorisation must be tried again, to where a pipe's cut-out goes.
    ichol.__globals__['print'] = _say_nothing
    return estimate_alpha_cf, ichol


def _say_nothing(*_: object) -> None:
    """Print nothing."""
