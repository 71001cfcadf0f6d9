"""The numbers that the paper prints, in Tables I and II, and those of them that cannot be right."""

from __future__ import annotations

from collections.abc import Iterator

from bgremoval_mm.experiments.base import Misprint, Published

__all__ = ['MISPRINTS', 'PUBLISHED']


def _table(
    item: str, datasets: tuple[str, ...], metrics: tuple[str, ...], text: str
) -> Iterator[Published]:
    """Read a table: a network a line, of each metric original, removed and the difference."""
    for line in text.strip().splitlines():
        model, *cells = line.split()
        numbers = [float(cell) for cell in cells]
        for metric, start in zip(metrics, range(0, len(numbers), 3), strict=True):
            original, removed, difference = numbers[start : start + 3]
            yield Published(
                item=item,
                model=model,
                metric=metric,
                values={'original': original, 'rembg': removed},
                difference=difference,
                datasets=datasets,
            )


PUBLISHED: tuple[Published, ...] = (
    *_table(
        'Table I',
        ('fashionpedia',),
        ('coco/bbox_mAP', 'coco/segm_mAP'),
        """
        x101-32x4d    0.317 0.316 -0.001  0.279 0.277 -0.002
        s101          0.357 0.354 -0.003  0.315 0.313 -0.002
        swin-t-p4-w7  0.345 0.325 -0.020  0.320 0.299 -0.020
        pvt-s         0.314 0.306 -0.009  0.293 0.278 -0.015
        """,
    ),
    *_table(
        'Table II',
        ('fashionpedia', 'fashionpedia47'),
        ('mIoU', 'mAcc'),
        """
        swin-base-patch4-window7-in1k-pre  31.98 31.74 -0.24  39.68 39.43 -0.25
        """,
    ),
)
"""Table I (fractions) and Table II (percent). Fig. 5 and 6 have no numbers."""

MISPRINTS: tuple[Misprint, ...] = (
    Misprint(
        'Table I',
        'The paper prints two differences that are not those of its columns',
        (
            {
                'network': 'Swin-T',
                'metric': 'mask mAP',
                'paper: original': '0.320',
                'paper: removed': '0.299',
                'difference printed': '-0.020',
                'difference of the columns': '-0.021',
            },
            {
                'network': 'PVT-Small',
                'metric': 'box mAP',
                'paper: original': '0.314',
                'paper: removed': '0.306',
                'difference printed': '-0.009',
                'difference of the columns': '-0.008',
            },
        ),
    ),
)
"""A test holds them against :data:`PUBLISHED`."""
