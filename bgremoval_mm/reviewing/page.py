"""The review page. It loads nothing from other hosts."""

from __future__ import annotations

from importlib.resources import files

from bgremoval_mm.serving import pages
from bgremoval_mm.serving.limits import Limits
from bgremoval_mm.version import __version__

__all__ = ['HEADERS', 'review_page']

HEADERS = {**pages.HEADERS, 'Cross-Origin-Resource-Policy': 'same-origin'}


def review_page(title: str, limits: Limits, needs_token: bool, lease: float) -> str:
    """Return the page.

    Args:
        title: What is reviewed.
        limits: What is accepted.
        needs_token: Whether requests need a token, for which the page then asks.
        lease: Seconds for which a photo is held for the person who paints on it.
    """
    data = {
        'title': title,
        'maxBytes': limits.max_bytes,
        'needsToken': needs_token,
        'lease': lease,
        'version': __version__,
    }
    folder = files('bgremoval_mm.reviewing').joinpath('templates')
    page = folder.joinpath('page.html').read_text(encoding='utf-8')
    script = folder.joinpath('painter.js').read_text(encoding='utf-8')
    return pages.fill(page.replace('/* painter.js */', script), data)
