"""The sheet of attention maps."""

from __future__ import annotations

import numpy as np
import pytest

from bgremoval_mm.engine.attention import AttentionView
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.visualization.attention_sheet import (
    AttentionTile,
    draw_attention,
    draw_attention_sheet,
)


def view(size: int = 8) -> AttentionView:
    """Attention in the left half of a grey photo, and a mask of the right half."""
    attention = np.zeros((size, size))
    attention[:, : size // 2] = 1
    return AttentionView(np.full((size, size, 3), 100, np.uint8), 1 - attention, attention)


def test_colours() -> None:
    """Attention is white, none is black, each mixed with a quarter of the photo in grey."""
    shown = view()
    drawn = draw_attention(shown.picture, shown.attention)
    assert drawn.dtype == np.uint8
    assert drawn[0, 0].tolist() == [216] * 3  # 0.75 * 255 + 0.25 * 100
    np.testing.assert_allclose(drawn[0, -1], [25 + 0.75 * 255 * 0.0416, 25, 25], atol=1)


@pytest.mark.parametrize('networks', [1, 2])
def test_sheet(networks: int) -> None:
    """A column for each network; other sizes and undefined scores are drawn, too."""
    views = [view(8), view(300)][:networks]
    tiles = [
        AttentionTile('photos/$a$.jpg', views, [float('nan'), -0.25][:networks], 'lowest'),
        AttentionTile('photos/b.jpg', views, [0.5, 0.25][:networks]),
    ]
    sheet = draw_attention_sheet(tiles, ['before', 'after'][:networks], ('Title', 'below'))
    assert sheet.mode == 'RGB'
    assert sheet.width == pytest.approx(150 * max(7, 0.22 + 2 * ((2 + networks) * 1.74 + 0.18)), 1)


def test_maps_that_are_missing() -> None:
    """Each network needs its map."""
    tile = AttentionTile('a.jpg', [view()], [0.5])
    with pytest.raises(ArgumentError, match=r'a\.jpg must have 2 views and scores, .* has 1 and 1'):
        draw_attention_sheet([tile], ['before', 'after'], ('', ''))
