"""Alpha matting: the mask's edge refined by the photo's colours, for hair and fur."""

from __future__ import annotations

import cv2
import numpy as np

from bgremoval_mm.removal.errors import BgremovalError

__all__ = ['MattingError', 'check_matting', 'make_trimap', 'refine_mask']

INSTALL = 'alpha matting needs PyMatting: `pip install "bgremoval_mm[matting]"`'
_UNSURE = 0.0125  # of the longer side: half the width of the band in which alpha is estimated
_SURE_FOREGROUND, _SURE_BACKGROUND = 240, 10


class MattingError(BgremovalError, RuntimeError):
    """An alpha could not be estimated."""


def refine_mask(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    trimap = make_trimap(mask)
    from pymatting.alpha.estimate_alpha_cf import estimate_alpha_cf
    alpha = estimate_alpha_cf(image / 255.0, trimap / 255.0)
    return np.rint(alpha.clip(0, 1) * 255).astype(np.uint8)


def make_trimap(mask: np.ndarray) -> np.ndarray:
    reach = max(1, round(_UNSURE * max(mask.shape)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    sure = cv2.erode((mask >= _SURE_FOREGROUND).astype(np.uint8), kernel)
    maybe = cv2.dilate((mask > _SURE_BACKGROUND).astype(np.uint8), kernel)
    return np.where(sure > 0, np.uint8(255), np.where(maybe > 0, np.uint8(128), np.uint8(0)))
