"""How sure a score, and a difference between a variant and its baseline, is: intervals and tests.

Every difference is "variant minus baseline", as in "removed minus original". Both see the same
images in the same order, and the two runs of a seed are a pair. The names are those of
``estimates`` (intervals over seeds), ``bootstrap`` (over images and products) and ``significance``.
"""

from __future__ import annotations

from bgremoval_mm.evaluation.bootstrap import (
    RESAMPLES,
    accuracy_difference,
    bootstrap_mean,
    clustered_accuracy,
    clustered_accuracy_difference,
    draw_weights,
    iou_difference,
    iou_interval,
    resampled_difference,
    resampled_scores,
)
from bgremoval_mm.evaluation.estimates import LEVEL, Estimate, percentile_interval, seed_interval
from bgremoval_mm.evaluation.functional import mean_iou
from bgremoval_mm.evaluation.significance import Discordance, holm, mcnemar

__all__ = [
    'LEVEL',
    'RESAMPLES',
    'Discordance',
    'Estimate',
    'accuracy_difference',
    'bootstrap_mean',
    'clustered_accuracy',
    'clustered_accuracy_difference',
    'draw_weights',
    'holm',
    'iou_difference',
    'iou_interval',
    'mcnemar',
    'mean_iou',
    'percentile_interval',
    'resampled_difference',
    'resampled_scores',
    'seed_interval',
]
