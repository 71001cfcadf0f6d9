"""The numbers that the work prints: its Table I, and the person detector's accuracy.

The table's text does not say which rows are of which set. The differences that the prose names
(fine-tuning gains 5.9 points with VGG-16, 7.9 with InceptionV3) and its "best 88 %" of gender do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bgremoval_mm.experiments.base import BEST_FOLD, Misprint, Published
from bgremoval_mm.experiments.papers.schindler2017.experiments import PERSONS, TABLE

__all__ = [
    'BEST_IMAGE',
    'BEST_PRODUCT',
    'IMAGE',
    'MISPRINTS',
    'PRODUCT',
    'PUBLISHED',
    'ROWS',
    'Row',
]

IMAGE = 'accuracy/image'
"""Accuracy of photos, in percent, mean of the folds."""

PRODUCT = 'accuracy/product/sum'
"""Accuracy of products by the sum of their photos' probabilities, mean of the folds."""

BEST_IMAGE, BEST_PRODUCT = BEST_FOLD + IMAGE, BEST_FOLD + PRODUCT
"""The same in the best fold."""


@dataclass(frozen=True)
class Row:
    """A row of Table I.

    Attributes:
        number: Counted from the top of the table.
        photos: Of which set: '234K', '23K' or 'gender'.
        model: As configs are named.
        image: Accuracy of photos in the best fold, a fraction.
        product: Accuracy of products ("cum max") in the best fold.
        mean: Accuracy of products, mean of the folds.
    """

    number: int
    photos: str
    model: str
    image: float
    product: float
    mean: float

    @property
    def dataset(self) -> str:
        """Beside the results of which dataset it is shown; '' for the large set."""
        return {'23K': 'luma', 'gender': 'luma-gender'}.get(self.photos, '')


_TABLE = """
    1   234K    inception-v3_in1k-pre               .706  .794  .791
    2   23K     inception-v3_in1k-pre               .658  .729  .716
    3   23K     vgg16_in1k-pre                      .646  .711  .691
    4   23K     inception-v3_in1k-pre_person-layer  .569  .685  .658
    5   23K     vgg19_in1k-pre                      .579  .673  .634
    6   23K     inception-v3_in1k-pre_no-aug        .564  .673  .647
    7   23K     vgg19_in1k-pre_top                  .578  .669  .343
    8   23K     vgg16_in1k-pre_top                  .603  .652  .368
    9   23K     inception-v3_in1k-pre_top           .585  .650  .643
    10  23K     inception-v3_in1k-pre_no-person     .640  .636  .614
    11  23K     inception-v3                        .492  .594  .580
    12  23K     custom-cnn                          .506  .568  .538
    13  23K     custom-cnn_no-aug                   .463  .556  .523
    14  23K     vgg-like                            .438  .549  .519
    15  23K     vgg16                               .439  .455  .443
    16  23K     vgg19                               .437  .447  .430
    17  gender  vgg19_in1k-pre_top                  .819  .887  .880
    18  gender  inception-v3_in1k-pre               .798  .863  .836
    19  gender  vgg19_in1k-pre                      .762  .846  .830
"""

ROWS: tuple[Row, ...] = tuple(
    Row(int(number), photos, model, *map(float, values))
    for number, photos, model, *values in map(str.split, _TABLE.strip().splitlines())
)
"""All nineteen. The first is the network of the second, trained on all 234,884 photos."""


def _numbers() -> Iterator[Published]:
    for row in ROWS:
        for metric, value in (
            (PRODUCT, row.mean),
            (BEST_PRODUCT, row.product),
            (BEST_IMAGE, row.image),
        ):
            if row.dataset:
                yield Published(
                    item=TABLE,
                    model=row.model,
                    metric=metric,
                    values={'original': round(100 * value, 1)},
                    datasets=(row.dataset,),
                )
    yield Published(
        item=PERSONS,
        model='vgg-like',
        metric=IMAGE,
        values={'original': 91.07},
        datasets=('luma-person',),
    )


PUBLISHED: tuple[Published, ...] = tuple(_numbers())
"""In percent. Of the work's own photos, shown beside results on others."""


def _shown(*numbers: int) -> tuple[dict[str, str], ...]:
    return tuple(
        {
            'row': f'{row.number}',
            'network': row.model,
            'photos': row.photos,
            'paper: image, best fold': f'{row.image:.3f}',
            'paper: product, best fold': f'{row.product:.3f}',
            'paper: product, mean': f'{row.mean:.3f}',
        }
        for row in ROWS
        if row.number in numbers
    )


MISPRINTS: tuple[Misprint, ...] = (
    Misprint(
        TABLE,
        'Of two rows, the mean of three folds does not fit the best one: the other two would have '
        'to average 0.180 and 0.226. Folds collapsed, or the numbers are wrong',
        _shown(7, 8),
    ),
    Misprint(
        TABLE,
        'Fine-tuned networks are called the best throughout, but of gender the row at the top has '
        'trained top layers only',
        _shown(17, 18, 19),
    ),
    Misprint(
        TABLE,
        'In one row products are less often right than single photos, in the best folds of each',
        _shown(10),
    ),
    Misprint(
        TABLE,
        'The large set has 234,884 photos where it is described, and 234,408 further on, twice; '
        'its only row is not repeated, as there is one set here',
        _shown(1),
    ),
)
"""A test holds them against :data:`ROWS`."""
