"""The numbers that the work prints, in Tables 1 and 2.

They are those of the notebooks beside its code, where Table 1 has the standard deviation of five
tests of one training on other backgrounds, and Table 2 that of the test photos.
"""

from __future__ import annotations

from collections.abc import Iterator

from bgremoval_mm.experiments.base import Published
from bgremoval_mm.experiments.papers.kobs2022.experiments import ITEM

__all__ = ['ATTENTION', 'CLEAN', 'PUBLISHED', 'REPLACED']

CLEAN = 'retrieval/MAP@R'
"""Of the test photos as they are."""

REPLACED = 'replaced/retrieval/MAP@R'
"""Of the test photos on replaced backgrounds, the mean of five tests."""

ATTENTION = 'attention/score'
"""Mean over the test photos."""

_DATASETS = ('cars196', 'cub200', 'sop')

# A line a loss and dataset: original and replaced backgrounds in training (clean MAP@R, MAP@R on
# replaced backgrounds and its deviation, attention score and its deviation, of each).
_TABLES = {
    'cars196': """
        arcface             16.25 13.63 .08 .4931 .104   16.19 16.23 .04 .5632 .099
        contrastive         15.22 13.31 .15 .5046 .090   16.43 16.31 .03 .5336 .100
        multi-similarity    18.80 16.25 .06 .5178 .090   15.61 15.48 .05 .4998 .089
        normalized-softmax  18.06 15.36 .03 .5126 .090   18.15 18.12 .05 .5624 .089
        triplet             15.33 13.40 .04 .5034 .091   15.28 15.19 .05 .5444 .089
    """,
    'cub200': """
        arcface             20.66 12.87 .16 .2464 .077   20.91 17.92 .08 .3305 .087
        contrastive         20.27 12.47 .08 .2513 .078   19.39 15.46 .08 .3173 .098
        multi-similarity    19.19 12.21 .16 .2592 .081   18.93 15.65 .16 .3009 .089
        normalized-softmax  20.18 12.41 .10 .2426 .079   20.60 17.39 .10 .2998 .084
        triplet             18.29 10.94 .05 .2419 .076   18.56 15.33 .16 .3331 .089
    """,
    'sop': """
        arcface             40.50  6.98 .05 .1322 .137   22.25 16.53 .05 .2630 .170
        contrastive         37.98  4.17 .05 .0659 .161   31.52 24.09 .04 .3092 .204
        multi-similarity    39.65  6.51 .06 .1058 .167   32.67 24.00 .07 .2803 .194
        normalized-softmax  41.52  7.67 .04 .1247 .137   32.16 24.60 .03 .2767 .202
        triplet             36.71  6.05 .06 .0763 .166   29.63 21.39 .07 .2613 .215
    """,
}


def _table(dataset: str, text: str) -> Iterator[Published]:
    for line in text.strip().splitlines():
        loss, *cells = line.split()
        numbers = [float(cell) for cell in cells]
        columns = list(zip(numbers[:5], numbers[5:], strict=True))
        for metric, value, deviation in (
            (CLEAN, columns[0], None),
            (REPLACED, columns[1], columns[2]),
            (ATTENTION, columns[3], columns[4]),
        ):
            yield Published(
                item=ITEM,
                model=loss,
                metric=metric,
                values=dict(zip(('original', 'bgaug'), value, strict=True)),
                deviations=dict(zip(('original', 'bgaug'), deviation or (), strict=False)),
                datasets=(dataset,),
            )


PUBLISHED: tuple[Published, ...] = tuple(
    number for dataset in _DATASETS for number in _table(dataset, _TABLES[dataset])
)
"""MAP@R in percent, attention scores as fractions."""
