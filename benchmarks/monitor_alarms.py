"""False alarms and delays of `bgremoval monitor`, simulated with the IoU of real masks.

    python benchmarks/monitor_alarms.py data/masks/ccp/u2net data/masks/ccp-people

MASKS are a network's, PEOPLE's have the same names without the photo's suffix. Verdicts are drawn
from the fifth of the masks with the highest suspicion (as a gate would choose them; from an IoU of
0.965 on a mask counts as accepted, hence as 1), or from all. A drop of three points is either taken
off every IoU of a cluster, or comes from masks that fail altogether, with an IoU of 0.4.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from bgremoval_mm.monitoring.shifts import Rule, Series, find_shifts
from bgremoval_mm.pipeline.measurements import agreement
from bgremoval_mm.removal.images.reading import read_image
from bgremoval_mm.removal.masks.quality import quality

WEEKS = 435  # 100 months
DROP_AT, DROP_WEEKS = 100, 200
CLUSTERS = 5


def read_ious(masks: Path, people: Path) -> np.ndarray:
    """Return IoU and suspicion of each mask, shape (n, 2)."""
    rows = []
    for file in sorted(masks.rglob('*.png')):
        right = people / f'{file.name.partition(".")[0]}.png'
        if right.is_file():
            mask, truth = (np.ascontiguousarray(read_image(f).rgb[..., 0]) for f in (file, right))
            rows.append((agreement(mask, truth), quality(mask).suspicion))
    return np.array(rows)


def simulate(
    ious: np.ndarray, a_week: float, weeks: int, rng: np.random.Generator, kind: str = ''
) -> dict[tuple[str, str], Series]:
    """Return the verdicts of all clusters; those of the first one drop as `kind` says."""
    made = {}
    for cluster in range(CLUSTERS):
        at = np.repeat(np.arange(weeks), rng.poisson(a_week, weeks))
        values = rng.choice(ious, at.size)
        if cluster == 0 and kind:
            after = at >= DROP_AT
            if kind == 'every mask':
                values = np.where(after, np.clip(values - 0.03, 0, 1), values)
            else:
                fails = rng.random(at.size) < 0.03 / (ious.mean() - 0.4)
                values = np.where(after & fails, 0.4, values)
        made[str(cluster), 'model'] = Series(at, values)
    return made


def main() -> None:
    """Print a line for each population, volume and kind of drop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('masks', type=Path)
    parser.add_argument('people', type=Path)
    parser.add_argument('--runs', type=int, default=30)
    parser.add_argument('--false-alarms', type=float, default=0.01)
    args = parser.parse_args()
    rule, rows = Rule(args.false_alarms), read_ious(args.masks, args.people)
    doubtful = rows[rows[:, 1] >= np.quantile(rows[:, 1], 0.8), 0]
    populations = {
        'the most suspicious fifth': np.where(doubtful >= 0.965, 1.0, doubtful),
        'all': rows[:, 0],
    }
    for name, ious in populations.items():
        print(f'{name}: {ious.size} masks, mean {ious.mean():.3f}, sd {ious.std(ddof=1):.3f}')
        for a_month in (40, 200):
            a_week = a_month * 12 / 365.25 * 7
            false = 0
            for seed in range(args.runs):
                rng = np.random.default_rng(seed)
                found = find_shifts(simulate(ious, a_week, WEEKS, rng), WEEKS, rule)
                false += sum(each.is_drop for each in found)
            print(f'  {a_month} a month: {false} false alarms in {args.runs} x 100 months')
            for kind in ('every mask', 'some masks'):
                delays, elsewhere, twice = [], 0, 0
                for seed in range(args.runs):
                    rng = np.random.default_rng([seed, 1])
                    series = simulate(ious, a_week, DROP_WEEKS, rng, kind)
                    drops = [d for d in find_shifts(series, DROP_WEEKS, rule) if d.is_drop]
                    mine = [d for d in drops if d.cluster == '0' and d.period >= DROP_AT]
                    elsewhere += len(drops) - len(mine)
                    twice += len(mine) > 1
                    delays += [d.period - DROP_AT + 1 for d in mine[:1]]
                middle = f'{np.median(delays):.0f} weeks (at most {max(delays)})' if delays else '-'
                print(
                    f'    drop in {kind}: found in {len(delays)} of {args.runs} within '
                    f'{DROP_WEEKS - DROP_AT} weeks, median {middle}; twice {twice}; elsewhere '
                    f'{elsewhere}',
                    flush=True,
                )


if __name__ == '__main__':
    main()
