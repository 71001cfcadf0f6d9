#!/usr/bin/env python
"""Benchmark of the quality flags on Clothing Co-Parsing: bad masks caught, and false alarms.

A mask is bad if its IoU with the annotated pixels is below 0.8. The thresholds in
bgremoval_mm.removal.masks were chosen on the first, third, fifth ... photo; the others were not
looked at for the choice.

    python tools/prepare_dataset.py ccp
    python tools/remove_background.py data/ccp data/masks/ccp
    python benchmarks/quality_flags.py data/masks/ccp data/ccp-prepared/label_maps
    python tools/remove_background.py data/ccp data/masks/ccp --model u2netp
    python benchmarks/quality_flags.py data/masks/ccp data/ccp-prepared/label_maps --second u2netp
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.stats import rankdata

from bgremoval_mm.removal import MaskStore, masks
from bgremoval_mm.removal.masks.iou import iou

BAD = 0.8
FLAGS = ('empty', 'full', 'uncertain', 'fragmented', 'cut off', 'disputed')


def iou_with(labels: Path, mask: np.ndarray) -> float:
    """Return the IoU of the mask above one half with the annotated pixels."""
    with Image.open(labels) as image:
        return iou(mask > 127, np.asarray(image) != 255, empty=0.0)


def auc(values: np.ndarray, bad: np.ndarray) -> float:
    """Return the probability that a bad mask has a higher value than a good one (Mann-Whitney)."""
    ranks = rankdata(values)
    count, others = int(bad.sum()), int((~bad).sum())
    return float((ranks[bad].sum() - count * (count + 1) / 2) / (count * others))


def main() -> None:
    """Evaluate the flags and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('masks', type=Path)
    parser.add_argument('labels', type=Path)
    parser.add_argument('--model', default='u2net')
    parser.add_argument('--second', help='a second model, whose masks are in the folder too')
    args = parser.parse_args()
    store = MaskStore(args.masks, args.model)
    others = MaskStore(args.masks, args.second) if args.second else None
    ious, figures = [], []
    for name, record in sorted(store.manifest.read().items()):
        labels = args.labels / f'{Path(name).stem}.png'
        stored = store.get(name)
        if record.status == 'ok' and stored is not None and labels.is_file():
            other = others and others.get(name)
            figures.append(masks.quality(stored.mask, second=other.mask if other else None))
            ious.append(iou_with(labels, stored.full_size()))
    bad = np.array(ious) < BAD
    print(f'{bad.size} masks of {args.model}, mean IoU {np.mean(ious):.4f}, {bad.sum()} bad')
    signs = {'confidence': -1, 'largest': -1, 'border': 1}
    if others is not None:
        signs['disagreement'] = 1
    for name, sign in signs.items():
        values = sign * np.array([getattr(each, name) for each in figures])
        print(f'  {name:<12} AUC {auc(values, bad):.3f}')
    odd = np.arange(bad.size) % 2 == 0
    for title, half in (('chosen on', odd), ('not looked at', ~odd), ('all', odd | ~odd)):
        print(title)
        for flag in (*FLAGS, 'any'):
            raised = np.array(
                [bool(e.flags) if flag == 'any' else flag in e.flags for e in figures]
            )
            caught, false = int((raised & bad & half).sum()), int((raised & ~bad & half).sum())
            good = int((~bad & half).sum())
            print(
                f'  {flag:<12} {caught} of {int((bad & half).sum())} bad masks caught, '
                f'{false} of {good} good ones flagged ({false / good:.1%})'
            )


if __name__ == '__main__':
    main()
