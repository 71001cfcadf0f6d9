"""Kobs, Hotho: background bias in deep metric learning."""

from bgremoval_mm.experiments.base import Dataset, Metric, Work
from bgremoval_mm.experiments.papers.kobs2022.claims import CLAIMS
from bgremoval_mm.experiments.papers.kobs2022.classifiers import CLASSIFIERS, Classifier
from bgremoval_mm.experiments.papers.kobs2022.experiments import EXPERIMENTS, ITEM
from bgremoval_mm.experiments.papers.kobs2022.published import (
    ATTENTION,
    CLEAN,
    PUBLISHED,
    REPLACED,
)

__all__ = ['WORK']

WORK = Work(
    name='kobs2022',
    title='Kobs and Hotho 2022',
    citation='Kobs, Hotho: On Background Bias in Deep Metric Learning, ICMV 2022',
    experiments=(*EXPERIMENTS, *CLASSIFIERS),
    metrics={
        ITEM: (
            Metric(CLEAN, 'MAP@R, test photos as they are', 'percent'),
            Metric(REPLACED, 'MAP@R, test backgrounds replaced', 'percent'),
            Metric(ATTENTION, 'attention score', 'fraction', counted_by='attention/photos'),
        ),
        Classifier.item: (
            Metric('accuracy/top1', 'top-1 accuracy', 'percent', over_images='accuracy'),
        ),
    },
    datasets={
        'cars196': Dataset('Cars196'),
        'cub200': Dataset('CUB-200-2011'),
        'sop': Dataset('Stanford Online Products'),
        'grocery-store': Dataset('Grocery Store', is_own=False, prepare='grocerystore'),
        'clothing10': Dataset('Clothing10', is_own=False, prepare='clothing10'),
    },
    published=PUBLISHED,
    claims=CLAIMS,
)
