"""Cut-outs as they are finished: edges, matting, frames, shadows, colours, and their records."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal import (
    CutoutFolder,
    Framing,
    Manifest,
    SourceImage,
    compose,
    cut_out,
    estimate_foreground,
    remove_tree,
)
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.images.colour import profile_of_chunks
from bgremoval_mm.removal.images.reading import decode_image
from bgremoval_mm.removal.options import OutputOptions
from bgremoval_mm.removal.outputs import matting, rendering
from bgremoval_mm.removal.outputs.cutouts import encode_image
from bgremoval_mm.removal.outputs.matting import MattingError
from bgremoval_mm.removal.outputs.results import describe_settings
from bgremoval_mm.removal.outputs.shadow import add_shadow, cast_shadow


def source_of(pixels: np.ndarray, **options: Any) -> SourceImage:
    """The picture as it is read from a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, 'PNG', **options)
    return decode_image(buffer.getvalue())


@pytest.fixture
def source(picture) -> SourceImage:
    """A picture of 24 x 16 pixels."""
    return source_of(picture())


@pytest.fixture
def mask() -> np.ndarray:
    """Its mask: a box from (6, 4) to (18, 12) with a soft rim of one pixel."""
    found = np.zeros((16, 24), np.uint8)
    found[4:12, 6:18] = 100
    found[5:11, 7:17] = 255
    return found


def rendered(source: SourceImage, mask: np.ndarray, kind: str, **options: Any) -> np.ndarray:
    """The pixels of a result."""
    return rendering.render(source, mask, OutputOptions(kind, **options)).pixels


@pytest.mark.parametrize(
    ('kind', 'edges', 'is_clean'),
    [
        ('rgba', None, True),
        ('rgba', 'clean', True),
        ('rgba', 'straight', False),
        ('rgb', None, False),
        ('rgb', 'clean', True),
    ],
)
def test_edges(source: SourceImage, mask, kind: str, edges: str | None, is_clean: bool) -> None:
    """Colours under the edge are estimated where that was chosen; alpha stays the mask."""
    image = estimate_foreground(source.rgb, mask) if is_clean else source.rgb
    expected = cut_out(image, mask) if kind == 'rgba' else compose(image, mask, (9, 8, 7))
    fill = {'fill': (9, 8, 7)} if kind == 'rgb' else {}
    found = rendered(source, mask, kind, edges=edges, **fill)
    np.testing.assert_array_equal(found, expected)
    assert is_clean is not np.array_equal(
        found, rendered(source, mask, kind, edges='straight', **fill)
    )


def test_threshold(source: SourceImage, mask) -> None:
    """A hard edge at the share, in the photo's colours."""
    hard = np.where(mask > 127, np.uint8(255), np.uint8(0))
    np.testing.assert_array_equal(rendered(source, mask, 'mask', threshold=0.5), hard)
    found = rendered(source, mask, 'rgba', threshold=0.5)
    np.testing.assert_array_equal(found, cut_out(source.rgb, hard))
    assert rendered(source, mask, 'mask', threshold=0.39).sum() > hard.sum()


def test_framed_alike(source: SourceImage, mask) -> None:
    """Mask, rgba and rgb of one frame lie over each other; outside the photo is background."""
    framing = Framing(crop='8px')
    grey = rendered(source, mask, 'mask', framing=framing)
    assert grey.shape == (24, 28)
    np.testing.assert_array_equal(grey[4:20, 2:26], mask)
    rgba = rendered(source, mask, 'rgba', framing=framing, edges='straight')
    np.testing.assert_array_equal(rgba[4:20, 2:26], cut_out(source.rgb, mask))
    assert rgba[..., 3].sum() == mask.sum()
    rgb = rendered(source, mask, 'rgb', framing=framing, fill=77)
    np.testing.assert_array_equal(rgb[4:20, 2:26], compose(source.rgb, mask, 77))
    assert (rgb[:4] == 77).all()


def test_scaling_keeps_colours_apart() -> None:
    """A hidden green background gives a red object no green rim, at either scale."""
    pixels = np.full((16, 16, 3), (0, 255, 0), np.uint8)
    mask = np.zeros((16, 16), np.uint8)
    mask[5:11, 5:11] = 255
    pixels[mask > 0] = (255, 0, 0)
    for side in (7, 40):
        found = rendered(source_of(pixels), mask, 'rgba', framing=Framing(canvas=f'{side}x{side}'))
        visible = found[..., 3] > 8
        assert found.shape == (side, side, 4)
        assert visible.any()
        assert (found[visible][:, 0] > 250).all()
        assert (found[visible][:, 1] == 0).all()
        assert not found[~(found[..., 3] > 0)].any()
    share = mask.mean() / 255
    half = rendered(source_of(pixels), mask, 'mask', framing=Framing(canvas='8x8'))
    assert half.mean() / 255 == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize('canvas', ['7x9', '90x80'])
@pytest.mark.parametrize('kind', ['mask', 'rgba'])
def test_hard_edges_stay_hard_on_a_canvas(source: SourceImage, kind: str, canvas: str) -> None:
    """Scaling a hard mask makes soft edges, in which the old background would be seen."""
    mask = cv2.GaussianBlur(np.pad(np.full((6, 10), 255, np.uint8), ((5, 5), (7, 7))), (0, 0), 2)
    found = rendered(source, mask, kind, threshold=0.5, framing=Framing(canvas=canvas))
    share = found if kind == 'mask' else found[..., 3]
    assert set(np.unique(share)) == {0, 255}


def test_nothing_to_frame(source: SourceImage) -> None:
    """An empty mask leaves the photo's frame, with a note; a canvas still has its size."""
    empty = np.zeros((16, 24), np.uint8)
    for framing, shape in ((Framing('5%'), (16, 24)), (Framing(canvas='30x40'), (40, 30))):
        made = rendering.render(source, empty, OutputOptions('rgba', framing=framing, shadow=True))
        assert made.pixels.shape == (*shape, 4)
        assert not made.pixels.any()
        assert made.note == 'there is nothing to frame: the whole photo was taken for the object'


def test_note_on_what_does_not_fit(source: SourceImage, mask) -> None:
    """The alignment that cannot be kept is told."""
    framing = Framing(canvas='10x100', align='height=80%')
    made = rendering.render(source, mask, OutputOptions('rgba', framing=framing))
    assert made.note == (
        'the object does not fit into the canvas at height=80%: it was made smaller'
    )


def test_shadow_by_definition() -> None:
    """On any background it is ``a F + (1 - a) (1 - s) B``, s the shadow's share."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (40, 40, 3), np.uint8)
    mask = np.zeros((40, 40), np.uint8)
    mask[8:30, 10:30] = 255
    mask[8:30, 10] = 130
    shadow = cast_shadow(mask)
    assert shadow[30, 12:28].all()
    assert not shadow[:20].any()
    assert not shadow[36:].any()
    colours, together = add_shadow(image, mask)
    a, s, background = mask[..., None] / 255, shadow[..., None] / 255, 180
    seen = together[..., None] / 255 * colours + (1 - together[..., None] / 255) * background
    np.testing.assert_allclose(seen, a * image + (1 - a) * (1 - s) * background, atol=1.5)
    np.testing.assert_array_equal(colours[mask == 255], image[mask == 255])


def test_shadow_has_room(source: SourceImage, mask) -> None:
    """A tight crop is longer below, by the shadow."""
    tight = rendered(source, mask, 'rgba', framing=Framing('0%'))
    shaded = rendered(source, mask, 'rgba', framing=Framing('0%'), shadow=True)
    assert tight.shape[1] == shaded.shape[1] == 12
    assert tight.shape[0] == 8 < shaded.shape[0]
    assert shaded[8, :, 3].any()


def test_matting(source: SourceImage, mask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The estimated alpha is the mask; where it cannot be estimated, the mask is, with a note."""
    alpha = np.roll(mask, 1)
    monkeypatch.setattr(rendering, 'refine_mask', lambda image, mask: alpha)
    np.testing.assert_array_equal(rendered(source, mask, 'mask', matting=True), alpha)

    def fail(*_: np.ndarray) -> None:
        msg = 'the solver failed'
        raise MattingError(msg)

    monkeypatch.setattr(rendering, 'refine_mask', fail)
    made = rendering.render(source, mask, OutputOptions('mask', matting=True))
    np.testing.assert_array_equal(made.pixels, mask)
    assert made.note == 'no alpha matting, the plain mask was used: the solver failed'


def test_srgb(mask) -> None:
    """Colours are converted by their profile, which the result then has no more."""
    photo = Image.new('RGB', (24, 16), (200, 100, 50))
    wide = profile_of_chunks(((b'cICP', bytes((12, 13, 0, 1))),))  # Display P3
    source = source_of(np.asarray(photo), icc_profile=wide)
    kept = rendering.render(source, mask, OutputOptions('rgb'))
    assert kept.icc_profile == wide
    assert tuple(kept.pixels[8, 12]) == (200, 100, 50)
    made = rendering.render(source, mask, OutputOptions('rgb', convert_srgb=True))
    assert (made.icc_profile, made.colour, made.note) == (None, (), '')
    # Computed from the primaries by ITU-R and SMPTE formulas.
    np.testing.assert_allclose(made.pixels[8, 12].astype(int), (215, 93, 31), atol=3)


@pytest.mark.parametrize(
    ('chunks', 'note'),
    [
        ((), ''),
        (((b'sRGB', b'\0'),), ''),
        (
            ((b'cICP', bytes((9, 16, 0, 1))),),  # BT.2020 with the PQ curve
            'the colours were not converted to sRGB: HDR or unknown',
        ),
    ],
)
def test_what_is_not_converted(source: SourceImage, mask, chunks, note: str) -> None:
    """What is sRGB needs nothing; what cannot be converted keeps its description."""
    described = replace(source, colour=chunks)
    made = rendering.render(described, mask, OutputOptions('rgb', convert_srgb=True))
    np.testing.assert_array_equal(made.pixels, rendered(source, mask, 'rgb'))
    assert (made.note, made.colour) == (note, chunks if note else ())


@pytest.mark.parametrize(('file_format', 'most'), [('webp', 16_383), ('jpeg', 65_500)])
def test_sides_that_a_format_cannot_hold(file_format: str, most: int, capfd) -> None:
    """The reason says so and what to take; one pixel less is written."""
    assert encode_image(np.zeros((1, most, 3), np.uint8), file_format)
    for shape in ((1, most + 1, 3), (most + 1, 1, 3)):
        with pytest.raises(OSError, match=f'holds {most} pixels a side at most: take png'):
            encode_image(np.zeros(shape, np.uint8), file_format)
    assert capfd.readouterr().err == ''


def test_damaged_profile(source: SourceImage, mask) -> None:
    """It is told, and kept."""
    damaged = replace(source, icc_profile=b'no profile')
    made = rendering.render(damaged, mask, OutputOptions('rgb', convert_srgb=True))
    assert made.note == 'the colours were not converted to sRGB: their profile is damaged'
    assert made.icc_profile == b'no profile'


def test_records(source: SourceImage, mask, tmp_path: Path) -> None:
    """The manifest has what was chosen, and a note that was made while rendering."""
    framing = Framing(canvas='10x100', align='height=80%')
    target = CutoutFolder(tmp_path, 'rgb', 'u2netp', 255, framing=framing, shadow=True)
    record = target.put('a', source, mask, False)
    assert record.params == {
        'output': 'rgb', 'precision': 'fp32', 'fill': [255] * 3, 'shadow': True,
        'canvas': '10x100', 'align': 'height=80%',
    }  # fmt: skip
    assert record.note.startswith('the object does not fit')
    assert Manifest(tmp_path).read()['a'] == record
    assert describe_settings(record) == (
        'model u2netp, output rgb, precision fp32, fill 255,255,255, shadow True, canvas 10x100, '
        'align height=80%'
    )
    plain = CutoutFolder(tmp_path, 'rgb', 'u2netp').params
    assert plain == {'output': 'rgb', 'precision': 'fp32', 'fill': [0] * 3}
    clean = CutoutFolder(tmp_path, 'rgba', 'u2netp').params
    assert clean == {'output': 'rgba', 'precision': 'fp32', 'hidden': 0, 'edges': 'clean'}


def test_changed_options_are_done_again(tiny_model, image_tree: Path, tmp_path: Path) -> None:
    """Each option is part of what a result is; the same again is skipped."""
    tiny_model('u2netp')

    def run(**options: Any) -> int:
        summary = remove_tree(
            image_tree, tmp_path / 'out', 'u2netp', device='cpu', progress=False, output='rgba',
            **options,
        )  # fmt: skip
        assert not summary.failed
        return summary.done

    changes: list[dict[str, Any]] = [
        {},
        {'edges': 'straight'},
        {'threshold': 0.5},
        {'shadow': True},
        {'convert_srgb': True},
        {'framing': Framing(crop='5%')},
        {'framing': Framing(crop='6%')},
    ]
    assert [run(**each) for each in changes] == [6] * len(changes)
    assert run(framing=Framing(crop='6%')) == 0


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'output': 'mask', 'edges': 'clean'}, r"`edges` is for output='rgb' and 'rgba', but got"),
        ({'output': 'store', 'matting': True}, r"`matting` is for output='mask', 'rgb' and 'rgba'"),
        ({'output': 'store', 'framing': Framing('5%')}, '`framing` is for output='),
        ({'output': 'mask', 'shadow': True}, '`shadow` is for output='),
        ({'output': 'rgba', 'edges': 'soft'}, "`edges` must be one of straight, clean, but got 's"),
        (
            {'output': 'rgba', 'threshold': 1},
            '`threshold` must be None or a share between 0 and 1, but go',
        ),
        ({'output': 'rgba', 'threshold': 0.5, 'matting': True}, '`matting` is for soft ones'),
        ({'output': 'rgba', 'threshold': 0.5, 'edges': 'clean'}, "edges='clean' is for soft ones"),
        ({'output': 'rgba', 'framing': '5%'}, "`framing` must be a Framing, but got '5%'"),
    ],
)
def test_wrong_options(options: dict, message: str) -> None:
    """The message names the option, what is allowed and what came."""
    with pytest.raises(ArgumentError, match=message):
        OutputOptions(**options)


def test_matting_is_checked_at_the_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is missing ends the job before it begins."""
    monkeypatch.setattr(matting, 'find_spec', lambda name: None)
    with pytest.raises(ImportError, match='needs PyMatting'):
        CutoutFolder(tmp_path, 'rgba', 'u2netp', matting=True)
