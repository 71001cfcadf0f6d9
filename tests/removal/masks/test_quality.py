"""Figures, flags and suspicion of masks: from their definitions, and on masks judged by eye."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from bgremoval_mm.removal import masks
from bgremoval_mm.removal.io.manifest import Record
from bgremoval_mm.removal.masks.quality import THRESHOLDS, MaskQuality, flags_of, judged

LABELS = Path(__file__).parents[2] / 'data/mask_labels.csv'
FIGURES = ('foreground', 'confidence', 'border', 'largest', 'undecided', 'apart', 'seam')


def block(side: int = 320) -> np.ndarray:
    """A square of foreground in the middle, half as wide as the mask."""
    mask = np.zeros((side, side), np.uint8)
    mask[side // 4 : -side // 4, side // 4 : -side // 4] = 255
    return mask


def test_figures_are_their_definitions() -> None:
    """Foreground share, confidence and border contact, recomputed pixel by pixel."""
    mask = np.random.default_rng(0).integers(0, 256, (7, 5), np.uint8)
    shares = mask / 255
    edge = [mask[y, x] for y in range(7) for x in range(5) if y in (0, 6) or x in (0, 4)]
    found = masks.quality(mask)
    assert found.foreground == pytest.approx(shares.mean(), abs=5e-5)
    assert found.confidence == pytest.approx(np.abs(2 * shares - 1).mean(), abs=5e-5)
    assert found.border == pytest.approx(np.mean([v > 127 for v in edge]), abs=5e-5)
    assert masks.quality(np.full((7, 5), 255, np.uint8)).flags == ('full',)
    assert masks.quality(np.zeros((7, 5), np.uint8)).flags == ('empty',)
    assert masks.quality(np.uint8([[255]])).border == 1
    assert masks.quality(block()).flags == ()


def test_parts_of_the_foreground() -> None:
    """Parts that touch at a corner are one; specks do not count, but belong to the foreground."""
    mask = np.zeros((40, 40), np.uint8)
    mask[2:12, 2:12] = 255
    mask[12:22, 12:22] = 255  # touches the first at a corner
    mask[30:38, 30:38] = 255
    mask[0, 39] = 255  # a speck: 1 of 265 pixels
    found = masks.quality(mask)
    assert found.components == 2
    assert found.largest == pytest.approx(200 / 265, abs=1e-4)
    assert found.apart == pytest.approx(65 / 265, abs=1e-4)
    assert found.flags == ('fragmented',)


def test_pair_is_whole() -> None:
    """Two shoes are one object; a person and a child of half the size are not."""
    mask = np.zeros((320, 320), np.uint8)
    mask[100:220, 40:140] = mask[100:220, 180:260] = 255  # the second has 80 % of the first
    found = masks.quality(mask)
    assert (found.components, found.apart, found.flags) == (2, 0.0, ())
    mask[250:300, 60:120] = 255  # a third part
    assert masks.quality(mask).apart == pytest.approx(3000 / 24600, abs=1e-4)
    assert masks.quality(mask).flags == ('fragmented',)
    mask[:] = 0
    mask[100:220, 40:140] = mask[100:220, 180:230] = 255  # half of the first
    assert masks.quality(mask).apart == pytest.approx(1 / 3, abs=1e-4)


def test_wide_undecided_regions_count_and_soft_edges_do_not() -> None:
    """A rim of 8 pixels is a soft edge, a strip of 12 is a sleeve that the network lost."""
    mask = block()  # 160 x 160, from 80
    mask[80:240, 240:248] = 128
    assert masks.quality(mask).undecided == 0
    mask[80:240, 240:252] = 128
    found = masks.quality(mask)
    assert found.undecided == pytest.approx(12 * 160 / (160 * 172), abs=1e-4)
    assert found.flags == ('uncertain',)
    mask[mask == 128] = 25  # a share below 10 % is background
    assert masks.quality(mask).undecided == 0
    mask[mask == 25] = 230  # one above 90 % is foreground
    assert masks.quality(mask).undecided == 0


def test_seam_is_thin_long_and_ends_at_the_edge() -> None:
    """The joint of two floorboards from the object to the edge; a strap or an arm is none."""
    mask = block()
    mask[240:, 158:162] = 60  # faint, 4 pixels wide, 80 long
    found = masks.quality(mask)
    assert found.seam == pytest.approx(np.hypot(80 / 320, 4 / 320), abs=0.005)
    assert found.flags == ('seamed',)
    inside = block()
    inside[240:310, 158:162] = 255  # does not reach the edge
    along = block()
    along[:, :4] = 255  # runs along it: the rest of a frame
    arm = block()
    arm[240:, 140:180] = 255
    assert [masks.quality(each).seam for each in (inside, along, arm)] == [0, 0, 0]


def test_thin_is_the_share_that_a_disc_does_not_fit_into() -> None:
    """A strap of 4 of 320 pixels is thin, a square of 100 is not, but for its corners."""
    mask = np.zeros((320, 320), np.uint8)
    mask[100:200, 100:200] = 255
    assert masks.quality(mask).thin == pytest.approx(0, abs=0.005)
    mask[50:100, 140:144] = 255
    assert masks.quality(mask).thin == pytest.approx(50 * 4 / (100 * 100 + 50 * 4), abs=0.005)
    assert masks.quality(np.zeros((320, 320), np.uint8)).thin == 0


def test_seam_across_a_wide_photo() -> None:
    """Lengths are fractions of the side that they run along."""
    mask = np.zeros((160, 320), np.uint8)
    mask[40:120, 80:240] = 255
    mask[120:, 158:162] = 255
    assert masks.quality(mask).seam == pytest.approx(40 / 160, abs=0.01)


def test_large_masks_are_measured_as_small_ones() -> None:
    """The figures of a mask that is enlarged four times stay about the same."""
    mask = block()
    mask[80:240, 240:256] = 128
    mask[240:, 158:162] = 255
    small, large = masks.quality(mask), masks.quality(np.kron(mask, np.ones((4, 4), np.uint8)))
    for name in FIGURES:
        assert getattr(large, name) == pytest.approx(getattr(small, name), abs=0.02), name
    assert large.flags == small.flags == ('uncertain', 'seamed')


def test_small_foreground() -> None:
    """A detail on which the network fell: below a tenth of the photo, unless there is nothing."""
    mask = np.zeros((320, 320), np.uint8)
    mask[100:200, 100:200] = 255  # 9.8 %
    assert masks.quality(mask).flags == ('small',)
    mask[100:205, 100:200] = 255
    assert masks.quality(mask).flags == ()


def test_second_model_and_constant_map() -> None:
    """Both flags come from outside the mask."""
    mask = block()
    other = mask.copy()
    other[80:100] = 0  # an eighth is missing: 1 - 7/8
    found = masks.quality(mask, second=other)
    assert found.disagreement == pytest.approx(1 / 8)
    assert found.flags == ('disputed',)
    assert masks.quality(mask, second=mask).flags == ()
    assert masks.quality(np.zeros_like(mask), constant=True).flags == ('constant', 'empty')


def test_suspicion_is_the_worst_ratio() -> None:
    """Each figure over its threshold, the foreground under its own; 100 where there is no mask."""
    found = MaskQuality(0.4, 0.99, 0.0, undecided=0.01, apart=0.02, seam=0.09)
    assert found.suspicion == pytest.approx(0.5)  # 0.01 / 0.02 and 0.09 / 0.18
    assert MaskQuality(0.05, 0.99, 0.0, undecided=0.0).suspicion == pytest.approx(2.0)
    assert MaskQuality(0.4, 0.9, 0.0, undecided=0.0, disagreement=0.3).suspicion == (
        pytest.approx(3.0)
    )
    assert MaskQuality(0.4, 0.9, 0.0, undecided=50.0).suspicion == 99
    for flag in ('constant', 'empty', 'full', 'no figures'):
        assert MaskQuality(0.4, 0.9, 0.0, (flag,), undecided=0.0).suspicion == 100


@pytest.mark.parametrize('name', [*THRESHOLDS, 'foreground'])
def test_suspicion_passes_one_where_the_flag_is_raised(name: str) -> None:
    """One order for all flags needs one scale."""
    limit = THRESHOLDS.get(name, 0.1)
    figures = {'foreground': 0.4, 'confidence': 0.99, 'border': 0.0, 'undecided': 0.0}
    for factor in (0.9, 1.1):
        found = judged(MaskQuality(**figures | {name: limit * factor}))
        over = factor < 1 if name == 'foreground' else factor > 1
        assert (found.suspicion > 1) == bool(found.flags) == over, (name, factor)


def test_older_figures_can_be_read() -> None:
    """Manifests of the first version have no parts, those of the next no undecided pixels."""
    line = (
        '{"path":"a.jpg","status":"ok","model":"u2net","model_hash":"x",'
        '"quality":{"foreground":0.2,"confidence":0.9,"border":0.0,"flags":[%s]%s}}'
    )
    found = Record.from_json(line % ('', '')).quality
    assert found == MaskQuality(0.2, 0.9, 0.0)
    assert found.suspicion == pytest.approx(0.1 / 0.025)  # by the confidence
    parts = ',"components":2,"largest":0.55,"disagreement":null'
    pair = Record.from_json(line % ('"fragmented","cut off","uncertain"', parts)).quality
    assert pair is not None
    assert pair.flags == ('fragmented', 'cut off', 'uncertain')  # as they are written
    assert flags_of(pair) == ('uncertain',)
    parts = parts.replace('0.55', '0.75')
    torn = Record.from_json(line % ('"fragmented"', parts)).quality
    assert torn is not None
    assert flags_of(torn) == ('fragmented',)
    assert torn.suspicion >= 1


def test_figures_of_later_versions_are_ignored() -> None:
    """So a store that was filled by two versions can be read by both."""
    record = Record('a', 'ok', 'u2net', 'x', quality=masks.quality(block()))
    fields = json.loads(record.to_json())
    fields['quality']['sharpness'] = 0.5
    assert Record.from_json(json.dumps(fields)) == record
    assert Record.from_json(record.to_json()) == record


def labelled() -> list[dict[str, str]]:
    """The masks that were judged by eye."""
    with LABELS.open(encoding='utf-8', newline='') as lines:
        return list(csv.DictReader(lines))


def test_labels_are_a_stratified_sample() -> None:
    """150 masks of each dataset, each once; as many of each stratum as the rows say."""
    rows = labelled()
    assert len({(row['dataset'], row['image']) for row in rows}) == len(rows) == 300
    for dataset in ('clothing10', 'luma'):
        part = [row for row in rows if row['dataset'] == dataset]
        assert len(part) == 150
        for row in part:
            same = [each for each in part if each['stratum'] == row['stratum']]
            assert len(same) == int(row['judged']) <= int(row['in_stratum'])
            assert row['label'] in ('bad', 'doubtful', 'good')
            assert bool(row['reason']) == (row['label'] != 'good')


@pytest.mark.parametrize('dataset', ['clothing10', 'luma'])
def test_rule_finds_the_bad_masks_that_it_was_not_chosen_on(dataset: str) -> None:
    """Of the second half, at least 80 % of the bad masks, and at most 5 % of the good ones."""
    flagged: dict[str, list[bool]] = {'bad': [], 'doubtful': [], 'good': []}
    for row in labelled():
        if row['dataset'] == dataset and row['half'] == 'second':
            figures = {name: float(row[name]) for name in FIGURES}
            found = judged(MaskQuality(**figures, components=int(row['components'])))
            flagged[row['label']].append(bool(found.flags))
    assert np.mean(flagged['bad']) >= 0.8
    assert np.mean(flagged['good']) <= 0.05
    assert min(len(flagged['bad']), len(flagged['good'])) >= 18
