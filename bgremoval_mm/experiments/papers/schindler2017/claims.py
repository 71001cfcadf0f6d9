"""The claims of the text and of Table I, held against results.

The work compares the best of three folds and gives no spread. Here a difference between two
networks is that of the folds' means, paired over products: the same products, in the same folds,
with the same seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bgremoval_mm.experiments.base import ORIGINAL, Claim, Verdict
from bgremoval_mm.experiments.papers.schindler2017.experiments import OPEN, TABLE
from bgremoval_mm.experiments.papers.schindler2017.published import PRODUCT
from bgremoval_mm.experiments.report.groups import Group, OtherImagesError, Pair
from bgremoval_mm.experiments.report.judging import Others, judge_signs, show

__all__ = ['CLAIMS']
Judge = Callable[[Group, Others], Verdict]

_OTHER_PHOTOS = 'tested on other photos'


def _gap(group: Group, model: str, other: str) -> tuple[int | None, str]:
    """Compare the originals of two networks by products: the first minus the second.

    Returns:
        The sign, None where one was not run or both were not tested on the same photos, 0 where it
        is open; and the figures. It is open unless all folds were run, and the whole interval over
        products and every one of at least two seeds lie on one side of 0.
    """
    first, second = group.cell(model), group.cell(other)
    if first is None or second is None:
        return None, 'not run'
    pair = Pair(
        first.experiment,
        ORIGINAL,
        second.results.get(ORIGINAL.name, {}),
        first.results.get(ORIGINAL.name, {}),
    )
    (metric,) = (each for each in group.metrics if each.key == PRODUCT)
    try:
        estimate = pair.over_images(metric)
    except OtherImagesError:
        return None, _OTHER_PHOTOS
    if estimate is None:
        return None, 'not run'
    by_seed = pair.differences(PRODUCT)
    number = len(by_seed)
    same = number > 1 and all(value * estimate.sign > 0 for value in by_seed.values())
    whole = all(len(each.runs) == len(pair.experiment.folds) for each, _ in pair.matched.values())
    seeds = f'{number} seed{"" if number == 1 else "s"}{"" if whole else ", not in all folds"}'
    return (estimate.sign if same and whole else 0), f'{show(estimate)} ({seeds})'


def _compares(pairs: Sequence[tuple[str, str]], wanted: int = 1) -> Judge:
    """Judge whether the first of each pair is better, or worse, than the second."""

    def judge(group: Group, _: Others) -> Verdict:
        gaps = [_gap(group, *pair) for pair in pairs]
        # A network that saw other photos can be compared with none.
        signs = [sign for sign, text in gaps if text != _OTHER_PHOTOS]
        figures = []
        for pair, gap in zip(pairs, gaps, strict=True):
            cells = map(group.cell, pair)
            titles = ' minus '.join(cell.experiment.title for cell in cells if cell is not None)
            figures.append(f'{titles}: {gap[1]}')
        return Verdict(judge_signs(signs, wanted), '; '.join(figures))

    return judge


_WHOLE = (
    'The difference by product, mean of the folds: 95 % interval over products, and each of at '
    'least two seeds, {side} 0{of}.'
)
_ABOVE = _WHOLE.format(side='above', of=' for each network')
_FINE, _TOP = '{}_in1k-pre', '{}_in1k-pre_top'


def _pairs(first: str, second: str, networks: Sequence[str]) -> list[tuple[str, str]]:
    return [(first.format(name), second.format(name)) for name in networks]


_LARGE = ('inception-v3', 'vgg16', 'vgg19')

CLAIMS: tuple[Claim, ...] = (
    Claim(
        'I-a',
        TABLE,
        'Fine-tuning all layers is better than training the top layers only: by 7.9 points '
        'with InceptionV3 and 5.9 with VGG-16, best folds.',
        _ABOVE,
        _compares(_pairs(_FINE, _TOP, _LARGE)),
        datasets=('luma',),
    ),
    Claim(
        'I-b',
        TABLE,
        'Top layers on weights of ImageNet are better than the whole network from scratch: by 5.6 '
        'points with InceptionV3, 19.7 with VGG-16, 22.2 with VGG-19, best folds.',
        _ABOVE,
        _compares(_pairs(_TOP, '{}', _LARGE)),
        datasets=('luma',),
    ),
    Claim(
        'I-c',
        TABLE,
        'Augmentation helps: 5.6 points with InceptionV3, 1.2 with the custom CNN, best folds.',
        _ABOVE,
        _compares(
            [
                ('inception-v3_in1k-pre', 'inception-v3_in1k-pre_no-aug'),
                ('custom-cnn', 'custom-cnn_no-aug'),
            ]
        ),
        datasets=('luma',),
    ),
    Claim(
        'I-d',
        TABLE,
        'Detecting persons does not help: as a layer it costs 4.4 points, and leaving their '
        'photos out 9.3, best folds.',
        _WHOLE.format(side='below', of='; of networks that are tested on the same photos only'),
        _compares(
            [
                ('inception-v3_in1k-pre_person-layer', 'inception-v3_in1k-pre'),
                ('inception-v3_in1k-pre_no-person', 'inception-v3_in1k-pre'),
            ],
            wanted=-1,
        ),
        datasets=('luma',),
    ),
    Claim(
        'I-e',
        TABLE,
        'Fine-tuned networks are the best. Of gender the table contradicts: VGG-19 has 4.1 '
        'points more with top layers only.',
        _WHOLE.format(side='above', of=''),
        _compares(_pairs(_FINE, _TOP, ['vgg19'])),
        datasets=('luma-gender',),
    ),
    Claim(
        'O-a',
        OPEN,
        'Fine-tuning all layers is better than training the top layers only.',
        _ABOVE,
        _compares(_pairs(_FINE, _TOP, ['efficientnet-lite0', 'mobilenet-v2'])),
    ),
)
