"""Liang, Liu, Vlassov: background removal for fashion classification and segmentation."""

from bgremoval_mm.experiments.base import Dataset, Metric, Work
from bgremoval_mm.experiments.papers.liang2023.claims import CLAIMS
from bgremoval_mm.experiments.papers.liang2023.experiments import EXPERIMENTS
from bgremoval_mm.experiments.papers.liang2023.open_claims import OPEN_CLAIMS, open_exhibits
from bgremoval_mm.experiments.papers.liang2023.open_weights import OPEN
from bgremoval_mm.experiments.papers.liang2023.published import MISPRINTS, PUBLISHED

__all__ = ['WORK']

_TOP1 = (Metric('accuracy/top1', 'top-1 accuracy', 'percent', over_images='accuracy'),)

WORK = Work(
    name='liang2023',
    title='Liang et al. 2023',
    citation=(
        'Liang, Liu, Vlassov: The Impact of Background Removal on Performance of Neural Networks '
        'for Fashion Image Classification and Segmentation, 2023, arXiv 2308.09764'
    ),
    experiments=EXPERIMENTS,
    metrics={
        'Fig. 5': _TOP1,
        'Fig. 6': _TOP1,
        'Fig. 7': _TOP1,
        'Table I': (
            Metric('coco/bbox_mAP', 'box mAP', 'fraction', over_images='bbox'),
            Metric('coco/segm_mAP', 'mask mAP', 'fraction', over_images='segm'),
        ),
        'Table II': (
            Metric('mIoU', 'mIoU', 'percent', over_images='iou'),
            Metric('mAcc', 'mean accuracy', 'percent'),
        ),
        OPEN: _TOP1,
    },
    datasets={
        'fashionstyle14': Dataset('FashionStyle14', prepare='fashionstyle14'),
        'clothing10': Dataset('Clothing10', is_own=False, prepare='clothing10'),
        'fashionpedia': Dataset('Fashionpedia', prepare='fashionpedia'),
        'fashionpedia47': Dataset(
            'Fashionpedia, background as a class', is_own=False, prepare='fashionpedia'
        ),
        'ccp': Dataset('Clothing Co-Parsing', is_own=False, prepare='ccp', prepared='-prepared'),
    },
    published=PUBLISHED,
    misprints=MISPRINTS,
    claims=(*CLAIMS, *OPEN_CLAIMS),
    exhibits={OPEN: open_exhibits},
)
