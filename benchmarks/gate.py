#!/usr/bin/env python
r"""Benchmark of the gate: how many bad masks a given share of manual work catches.

    python tools/prepare_dataset.py ccp
    bgremoval masks data/ccp/photos data/masks/ccp
    bgremoval masks data/ccp/photos data/masks/ccp --model u2netp
    python benchmarks/gate.py data/ccp/photos data/masks/ccp data/ccp-prepared/label_maps \
        --figure docs/_static/gate.jpg

A mask is bad if its IoU with the annotated pixels is below 0.9. For each figure that masks can be
ordered by, the worst 2, 4, 6 ... percent go to a person; counted is how many of the bad ones are
among them. A figure that takes a threshold of its own is also judged as it will be used: the
threshold that sends 6 % of the first half (first, third, fifth ... photo) to a person is applied to
the second half, and the other way round. `all` is a logistic regression of all figures, fitted on
the other half: about what no rule of these figures can surpass.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bgremoval_mm.removal import MaskStore
from bgremoval_mm.removal.images.reading import read_image
from bgremoval_mm.removal.masks import quality
from bgremoval_mm.removal.masks.edge_contrast import weak_edge
from bgremoval_mm.removal.masks.iou import iou
from bgremoval_mm.visualization.canvas import new_figure, render, save_sheet

BAD = 0.9
RATES = (0.02, 0.04, 0.06, 0.1, 0.2)
RATE = 0.06
# What masks are put in order by; higher is worse.
ORDERS = {
    'suspicion': 'suspicion',
    'suspicion, second model': 'suspicion2',
    '1 - confidence': 'doubt',
    'disagreement': 'disagreement',
    'thin': 'thin',
    'weak_edge': 'weak_edge',
    'all': 'all',
}
FIGURES = ['doubt', 'undecided', 'apart', 'seam', 'disagreement', 'thin', 'weak_edge']


def measure(photos: Path, masks: Path, labels: Path, model: str, second: str) -> pd.DataFrame:
    """Return the figures of each mask, and its IoU with the annotated pixels."""
    store, others = MaskStore(masks, model), MaskStore(masks, second)
    rows = []
    for name, record in sorted(store.manifest.read().items()):
        stored, other, label_map = store.get(name), others.get(name), labels / f'{name[:-4]}.png'
        if record.status != 'ok' or stored is None or not label_map.is_file():
            continue
        if other is None:
            msg = f'{masks} has no mask of {name} by {second}'
            raise SystemExit(msg)
        both = quality(stored.mask, second=other.mask)
        edge = weak_edge(read_image(photos / name).rgb, stored.mask)
        with Image.open(label_map) as image:
            overlap = iou(stored.full_size() > 127, np.asarray(image) != 255, empty=0.0)
        row = asdict(replace(both, weak_edge=edge))
        row |= {'suspicion': quality(stored.mask).suspicion, 'suspicion2': both.suspicion}
        rows.append(row | {'doubt': 1 - both.confidence, 'bad': overlap < BAD})
    table = pd.DataFrame(rows)
    table['half'] = np.arange(len(table)) % 2
    table['all'] = _by_regression(table)
    return table


def _by_regression(table: pd.DataFrame) -> np.ndarray:
    inputs = np.log(table[FIGURES].to_numpy(float) + 1e-3)
    scores = np.zeros(len(table))
    for half in (0, 1):
        fitted = table['half'] != half
        model = make_pipeline(StandardScaler(), LogisticRegression())
        model.fit(inputs[fitted], table['bad'][fitted])
        scores[~fitted] = model.decision_function(inputs[~fitted])
    return scores


def caught(table: pd.DataFrame, order: str, rate: float) -> int:
    """Return how many bad masks are among the worst ones."""
    worst = table.sort_values(order, ascending=False, kind='stable')
    return int(worst['bad'].head(round(rate * len(table))).sum())


def at_thresholds(table: pd.DataFrame, order: str) -> str:
    """Return what the other half's threshold gives, in both directions."""
    texts = []
    for half in (0, 1):
        chosen, judged = table[table['half'] == half], table[table['half'] != half]
        limit = np.quantile(chosen[order], 1 - RATE)
        over = judged[order] > limit
        texts.append(
            f'above {limit:.3g}: {over.mean():.1%} manual, '
            f'{int(judged["bad"][over].sum())} of {int(judged["bad"].sum())}'
        )
    return '; '.join(texts)


def report(table: pd.DataFrame) -> None:
    """Print the counts of each order."""
    total = int(table['bad'].sum())
    print(f'{len(table)} masks, {total} with an IoU below {BAD}')
    print(f'{"bad masks caught at":<26}' + ''.join(f'{rate:>8.0%}' for rate in RATES))
    for name, order in ORDERS.items():
        counts = [caught(table, order, rate) for rate in RATES]
        print(f'{name:<26}' + ''.join(f'{count / total:>8.0%}' for count in counts))
        low, high = binomtest(caught(table, order, RATE), total).proportion_ci(method='wilson')
        print(f'{"":<4}at {RATE:.0%}: {low:.0%} to {high:.0%} (95 %)', end='')
        print('' if order == 'all' else f'; {at_thresholds(table, order)}')


def draw(table: pd.DataFrame, file: Path) -> None:
    """Draw the share of bad masks that is caught over the share of manual work."""
    figure = new_figure(8.0, 4.0)
    axes = figure.add_subplot()
    rates = np.arange(0, 0.305, 0.005)
    total = int(table['bad'].sum())
    for name in ('suspicion', 'suspicion, second model', '1 - confidence', 'thin', 'weak_edge'):
        shares = [caught(table, ORDERS[name], rate) / total for rate in rates]
        axes.plot(100 * rates, 100 * np.array(shares), label=name)
    best = 100 * np.minimum(rates * len(table) / total, 1)
    axes.plot(100 * rates, best, color='grey', linestyle=':', label='if each bad one were known')
    axes.plot(100 * rates, 100 * rates, color='grey', linestyle='--', label='at random')
    axes.axvline(100 * RATE, color='grey', linewidth=0.5)
    axes.set_xlabel('masks that a person looks at, %')
    axes.set_ylabel(f'masks with an IoU below {BAD} among them, %')
    axes.legend(fontsize=8, loc='center left', bbox_to_anchor=(1.01, 0.5))
    figure.tight_layout()
    save_sheet(render(figure), file)


def main() -> None:
    """Measure the masks and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('photos', type=Path)
    parser.add_argument('masks', type=Path, help='root of a store with both models')
    parser.add_argument('labels', type=Path, help='label maps of CCP')
    parser.add_argument('--model', default='u2net')
    parser.add_argument('--second', default='u2netp', help='the model to compare with')
    parser.add_argument('--figure', type=Path, help='also draw the curves into this file')
    args = parser.parse_args()
    table = measure(args.photos, args.masks, args.labels, args.model, args.second)
    report(table)
    if args.figure is not None:
        draw(table, args.figure)


if __name__ == '__main__':
    main()
