"""Framing: boxes, margins, canvases, and where the pixels go."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from bgremoval_mm.removal import Framing
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.outputs.framing import Placement, object_box, place, placement_of

BOX = (10, 20, 30, 60)  # 20 wide, 40 high
SIZE = (100, 80)


def test_object_box() -> None:
    """Faint levels that a network leaves anywhere are no object."""
    mask = np.zeros((8, 10), np.uint8)
    mask[0, 0] = 25
    assert object_box(mask) is None
    mask[2:5, 3:7] = 26
    assert object_box(mask) == (3, 2, 7, 5)


@pytest.mark.parametrize(
    ('options', 'left', 'top', 'size'),
    [
        ({'crop': '0%'}, -10, -20, (20, 40)),
        ({'crop': '10%'}, -6, -16, (28, 48)),  # 4 pixels: a tenth of the longer side
        ({'crop': '25px'}, 15, 5, (70, 90)),  # beyond the photo
        ({'crop': '0px', 'aspect': '1:1'}, 0, -20, (40, 40)),  # around the box's centre, (20, 40)
        ({'crop': '0px', 'aspect': '1:4'}, -10, 0, (20, 80)),
        ({'aspect': '5:4'}, 0, 0, (100, 80)),  # as the photo is
        ({'aspect': '1:1'}, 0, 10, (100, 100)),
    ],
)
def test_without_scaling(options: dict, left: int, top: int, size: tuple[int, int]) -> None:
    """Computed by hand."""
    assert placement_of(Framing(**options), BOX, SIZE) == Placement(1, left, top, size)


def test_canvas_centres() -> None:
    """The frame fits, and its centre is the canvas's."""
    placed = placement_of(Framing(crop='0%', canvas='100x50'), BOX, SIZE)
    assert placed == Placement(1.25, 50 - 1.25 * 20, 25 - 1.25 * 40, (100, 50))
    placed = placement_of(Framing(canvas='50x80'), BOX, SIZE)  # of the whole photo
    assert placed == Placement(0.5, 0, 20, (50, 80))


def test_aligned_objects_share_their_line() -> None:
    """Boxes of all sizes stand on one line, in the middle, at the height that was asked for."""
    framing = Framing(canvas='200x100', align='height=80%')
    for box in (BOX, (0, 0, 10, 10), (40, 1, 90, 79)):
        placed = placement_of(framing, box, SIZE)
        assert placed.scale * (box[3] - box[1]) == pytest.approx(80)
        assert placed.top + placed.scale * box[3] == pytest.approx(90)
        assert placed.left + placed.scale * (box[0] + box[2]) / 2 == pytest.approx(100)
        assert not placed.is_reduced
    wide = placement_of(Framing(canvas='200x100', align='width=10%'), BOX, SIZE)
    assert wide.scale * 20 == pytest.approx(20)


def test_what_does_not_fit_is_reduced() -> None:
    """An object that is too wide at the asked height is shown whole, with half the margin."""
    placed = placement_of(Framing(canvas='30x100', align='height=80%'), BOX, SIZE)
    assert (placed.scale * 20, placed.is_reduced) == (pytest.approx(27), True)
    placed = placement_of(Framing(canvas='100x100', align='width=80%'), BOX, SIZE)
    assert placed.scale * 40 == pytest.approx(90)  # up to the line
    assert placed.is_reduced


def test_shadow_has_room_and_nothing_has_a_place() -> None:
    """Below a cropped object there is room for its shadow; without an object the photo is taken."""
    placed = placement_of(Framing(crop='1px'), BOX, SIZE, below=5)
    assert (placed.top, placed.size) == (-19, (22, 46))
    assert placement_of(Framing(crop='9px'), None, SIZE) == Placement(1, 0, 0, SIZE)
    placed = placement_of(Framing(canvas='50x50', align='height=50%'), None, SIZE)
    assert placed.size == (50, 50)


def test_place_copies_pixels() -> None:
    """At a scale of 1 they are moved, and 0 is around them."""
    layers = np.arange(1, 13, dtype=np.uint8).reshape(2, 2, 3)
    found = place(layers, Placement(1, 1, 2, (4, 5)))
    expected = np.zeros((5, 4, 3), np.uint8)
    expected[2:4, 1:3] = layers
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(place(layers, Placement(1, -1, -1, (1, 1))), layers[1:, 1:])
    assert not place(layers, Placement(1, 9, 9, (4, 4))).any()
    assert not place(layers, Placement(1, -9, 0, (4, 4))).any()


@pytest.mark.parametrize('missing', [1, 2, 3, 20, 21])
def test_place_between_two_pixels(missing: int) -> None:
    """A photo that fits the canvas as it is loses no column and no row, wherever its middle is."""
    layers = np.arange(1, 1 + 40 * (50 - missing), dtype=np.float32).reshape(40, 50 - missing)
    framing = Framing(canvas='50x40')
    found = place(layers, placement_of(framing, None, (50 - missing, 40)))
    assert sorted(found[found > 0]) == sorted(layers.ravel())
    turned = placement_of(Framing(canvas='40x50'), None, (40, 50 - missing))
    assert sorted(place(layers.T, turned)[place(layers.T, turned) > 0]) == sorted(layers.ravel())


def test_place_averages_areas() -> None:
    """Half the size: means of 2 x 2 pixels."""
    layers = np.random.default_rng(0).random((4, 6), np.float32)
    found = place(layers, Placement(0.5, 1, 0, (5, 3)))
    np.testing.assert_allclose(found[:2, 1:4], layers.reshape(2, 2, 3, 2).mean((1, 3)), rtol=1e-5)
    assert not found[:, [0, 4]].any()
    assert not found[2].any()


def test_place_enlarges_what_is_seen() -> None:
    """A far enlargement computes no more than the canvas; the centre is where it should be."""
    layers = np.zeros((100, 100), np.float32)
    layers[50, 50] = 1
    found = place(layers, Placement(200, 32 - 200 * 50.5, 32 - 200 * 50.5, (64, 64)))
    assert found.shape == (64, 64)
    assert found[32, 32] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'crop': 5}, "`crop` must be a margin such as '5%' or '20px', but got 5"),
        ({'crop': '-5%'}, "`crop` must be a margin such as '5%' or '20px', but got '-5%'"),
        ({'crop': '101%'}, "`crop` must be at most '100%', but got '101%'"),
        ({'crop': '16384px'}, "`crop` must be at most '16383px', but got '16384px'"),
        ({'crop': '1.5px'}, "`crop` must be a whole number of pixels, but got '1.5px'"),
        ({'aspect': '4x5'}, "`aspect` must be 'W:H' such as '4:5', but got '4x5'"),
        ({'aspect': '0:5'}, "`aspect` must be a ratio from '1:20' to '20:1', but got '0:5'"),
        ({'canvas': (9, 9)}, r"`canvas` must be 'WxH' in pixels, .* but got \(9, 9\)"),
        ({'canvas': '9x16384'}, "up to 16383 a side, but got '9x16384'"),
        ({'canvas': '9x9', 'align': 'height=0%'}, "`align` must be .*, but got 'height=0%'"),
        ({'canvas': '9x9', 'align': 'depth=9%'}, "`align` must be .*, but got 'depth=9%'"),
        ({'align': 'height=80%'}, '`align` needs `canvas`'),
        ({'canvas': '9x9', 'align': 'height=80%', 'crop': '5%'}, 'does not go with `crop`'),
        ({'canvas': '9x9', 'aspect': '1:1'}, 'does not go with `aspect`'),
        ({}, 'needs at least one of `crop`, `aspect` and `canvas`'),
    ],
)
def test_wrong_framings(options: dict, message: str) -> None:
    """The message names the argument, what is allowed and what came."""
    with pytest.raises(ArgumentError, match=message):
        Framing(**options)


def test_framing_is_a_value() -> None:
    """It can be compared, hashed and pickled; what was given is what the manifest records."""
    framing = Framing(crop='5%', aspect='4:5')
    assert pickle.loads(pickle.dumps(framing)) == framing
    assert len({framing, Framing('5%', '4:5')}) == 1
    assert framing.given == {'crop': '5%', 'aspect': '4:5'}
