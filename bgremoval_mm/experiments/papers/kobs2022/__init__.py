"""Kobs, Hotho: background bias in deep metric learning."""

from bgremoval_mm.experiments.base import Dataset, Metric, Work
from bgremoval_mm.experiments.papers.kobs2022.classifiers import CLASSIFIERS

__all__ = ['WORK']

_TOP1 = Metric('accuracy/top1', 'top-1 accuracy', 'percent', over_images='accuracy')

WORK = Work(
    name='kobs2022',
    title='Kobs and Hotho 2022',
    citation='Kobs, Hotho: On Background Bias in Deep Metric Learning, ICMV 2022',
    experiments=CLASSIFIERS,
    metrics={'Classifiers': (_TOP1,)},
    datasets={'clothing10': Dataset('Clothing10', is_own=False, prepare='clothing10')},
)
