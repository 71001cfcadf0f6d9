#!/usr/bin/env python
"""Benchmark of the quality flags: bad masks caught, and false alarms.

Without arguments, on the masks that were judged by eye (tests/data/mask_labels.csv):

    python benchmarks/quality_flags.py

150 of Clothing10's garments and 150 of Luma's products and people, u2net in bf16. A mask is bad if
a shop could not use the cut-out: a part of the object is missing, or much of the background is
there. Doubtful ones, with small faults, are not counted. The photos were drawn at random from
three strata each, of which those with suspicious figures are over-represented; `estimate` weights
each photo by how many of its stratum it represents. The thresholds were chosen on the first half.

With a store and the label maps of Clothing Co-Parsing, on its people; a mask is bad if its IoU with
the annotated pixels is below 0.8, and the first half is the first, third, fifth ... photo:

    python tools/prepare_dataset.py ccp
    python tools/remove_background.py data/ccp/photos data/masks/ccp
    python benchmarks/quality_flags.py data/masks/ccp data/ccp-prepared/label_maps
    python tools/remove_background.py data/ccp/photos data/masks/ccp --model u2netp
    python benchmarks/quality_flags.py data/masks/ccp data/ccp-prepared/label_maps --second u2netp

`--choose` prints the first half alone, for several thresholds of `undecided`, and compares the rule
with a logistic regression of the same figures, fitted on the first half.

`--update luma=data/masks/luma` computes the figures of mask_labels.csv again, from a store.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.stats import binomtest, rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bgremoval_mm.removal import MaskQuality, MaskStore
from bgremoval_mm.removal.masks import quality
from bgremoval_mm.removal.masks.iou import iou
from bgremoval_mm.removal.masks.quality import SMALL_SHARE, THRESHOLDS, judged

LABELS = Path(__file__).parents[1] / 'tests/data/mask_labels.csv'
BAD = 0.8
FIGURES = [
    'foreground', 'confidence', 'border', 'components', 'largest', 'undecided', 'apart', 'seam'
]  # fmt: skip


def judged_by_eye() -> pd.DataFrame:
    """Return the judged masks: figures, dataset, half, bad, and how many each represents."""
    table = pd.read_csv(LABELS)
    table = table[table['label'] != 'doubtful']
    table['bad'] = table['label'] == 'bad'
    table['weight'] = table['in_stratum'] / table['judged']
    return table


def annotated(masks: Path, labels: Path, model: str, second: str | None) -> pd.DataFrame:
    """Return the masks of CCP in the same form."""
    store, others = MaskStore(masks, model), MaskStore(masks, second) if second else None
    rows = []
    for name, record in sorted(store.manifest.read().items()):
        stored, label_map = store.get(name), labels / f'{Path(name).stem}.png'
        if record.status != 'ok' or stored is None or not label_map.is_file():
            continue
        other = others and others.get(name)
        figures = quality(stored.mask, second=other.mask if other else None)
        with Image.open(label_map) as image:
            overlap = iou(stored.full_size() > 127, np.asarray(image) != 255, empty=0.0)
        rows.append(asdict(figures) | {'dataset': 'ccp', 'bad': overlap < BAD, 'weight': 1.0})
    table = pd.DataFrame(rows)
    table['half'] = np.where(np.arange(len(table)) % 2 == 0, 'first', 'second')
    return table


def by_present_rule(row: pd.Series) -> tuple[str, ...]:
    """Return the flags that the package raises for these figures."""
    names = [*FIGURES, *(['disagreement'] if 'disagreement' in row else [])]
    return judged(MaskQuality(**{name: row[name] for name in names})).flags


def by_earlier_rule(row: pd.Series) -> tuple[str, ...]:
    """Return the flags that this rule replaced, chosen on CCP alone."""
    figures = {
        'uncertain': row['confidence'] < 0.975,
        'fragmented': row['largest'] < 0.95,
        'cut off': row['border'] > 0.05,
    }
    return tuple(name for name, raised in figures.items() if raised)


def describe(table: pd.DataFrame, raised: pd.Series) -> str:
    """Return how many bad masks have the flag, and how many good ones."""
    texts = []
    for name, part in (('bad', table['bad']), ('good', ~table['bad'])):
        caught, number = int(raised[part].sum()), int(part.sum())
        low, high = binomtest(caught, number).proportion_ci(method='wilson')
        weight = table['weight'][part]
        estimate = (weight * raised[part]).sum() / weight.sum()
        texts.append(
            f'{caught:3} of {number:3} {name} ({caught / number:4.0%}, {low:.0%} to {high:.0%}; '
            f'estimate {estimate:5.1%})'
        )
    return ', '.join(texts)


def auc(values: pd.Series, bad: pd.Series) -> float:
    """Return the probability that a bad mask has a higher value than a good one (Mann-Whitney)."""
    ranks = rankdata(values)
    count, others = int(bad.sum()), int((~bad).sum())
    return float((ranks[bad].sum() - count * (count + 1) / 2) / (count * others))


def report(table: pd.DataFrame) -> None:
    """Print the table of one dataset."""
    quality_of = [judged(MaskQuality(**row[FIGURES])) for _, row in table.iterrows()]
    scores = {
        'suspicion': pd.Series([each.suspicion for each in quality_of], table.index),
        '1 - confidence': 1 - table['confidence'],
    }
    flags = {
        'before': table.apply(by_earlier_rule, axis=1, result_type='reduce'),
        'now': table.apply(by_present_rule, axis=1, result_type='reduce'),
    }
    for half in ('first', 'second'):
        part = table[table['half'] == half]
        print(f'  {half} half')
        for rule, each in flags.items():
            raised = each[part.index]
            print(f'    {rule:<12} any         {describe(part, raised.map(bool))}')
            for flag in sorted({name for row in raised for name in row}):
                text = describe(part, raised.map(lambda row, flag=flag: flag in row))
                print(f'    {"":<12} {flag:<11} {text}')
        areas = {name: auc(value[part.index], part['bad']) for name, value in scores.items()}
        print('    AUC: ' + ', '.join(f'{name} {area:.3f}' for name, area in areas.items()))


def sweep(table: pd.DataFrame) -> None:
    """Print what several thresholds of `undecided` give on the first half."""
    part = table[table['half'] == 'first']
    others = (part['apart'] > THRESHOLDS['apart']) | (part['seam'] > THRESHOLDS['seam'])
    others |= part['foreground'] < SMALL_SHARE
    for limit in (0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.06):
        print(f'  {limit:<7}{describe(part, others | (part["undecided"] > limit))}')


def logistic(table: pd.DataFrame) -> None:
    """Print what a logistic regression gives that flags 5 % of the first half's good masks."""
    names = ['foreground', 'confidence', 'undecided', 'apart', 'seam']
    values = table[names].assign(confidence=1 - table['confidence'])
    inputs = np.log(values + 1e-3)
    first = table['half'] == 'first'
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(inputs[first], table['bad'][first])
    scores = pd.Series(model.decision_function(inputs), table.index)
    for dataset, part in table.groupby('dataset'):
        good = part.index[(part['half'] == 'first') & ~part['bad']]
        second = part[part['half'] == 'second']
        raised = scores[second.index] > np.quantile(scores[good], 0.95)
        print(f'  {dataset}, second half: {describe(second, raised)}')


def update(folders: list[str]) -> None:
    """Compute the figures of mask_labels.csv again."""
    table = pd.read_csv(LABELS)
    for each in folders:
        dataset, _, folder = each.partition('=')
        store = MaskStore(folder)
        for index in table.index[table['dataset'] == dataset]:
            stored = store.get(table.loc[index, 'image'])
            if stored is None:
                msg = f'{folder} has no mask of {table.loc[index, "image"]}'
                raise SystemExit(msg)
            figures = asdict(quality(stored.mask))
            table.loc[index, FIGURES] = [figures[name] for name in FIGURES]
    table.to_csv(LABELS, index=False, lineterminator='\n')


def main() -> None:
    """Evaluate the flags and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('masks', type=Path, nargs='?', help='root of a store of CCP')
    parser.add_argument('labels', type=Path, nargs='?', help='label maps of CCP')
    parser.add_argument('--model', default='u2net')
    parser.add_argument('--second', help='a second model, whose masks are in the folder too')
    parser.add_argument('--choose', action='store_true', help='try other thresholds, and weights')
    parser.add_argument('--update', nargs='+', default=[], metavar='DATASET=STORE')
    args = parser.parse_args()
    if (args.masks is None) != (args.labels is None) or (args.second and not args.masks):
        parser.error('a store goes with its label maps, and --second with both')
    update(args.update)
    if args.masks is None:
        table = judged_by_eye()
    else:
        table = annotated(args.masks, args.labels, args.model, args.second)
    for dataset, part in table.groupby('dataset'):
        print(f'{dataset}: {len(part)} masks, {part["bad"].sum()} bad')
        if args.choose:
            sweep(part)
        else:
            report(part)
    if args.choose:
        print('logistic regression of the same figures')
        logistic(table)


if __name__ == '__main__':
    main()
