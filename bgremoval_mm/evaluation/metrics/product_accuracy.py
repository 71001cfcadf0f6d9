"""ProductAccuracy: accuracy by photo and by product, and which classes are confused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from bgremoval_mm.evaluation.product_tables import (
    as_text,
    class_rows,
    matrix_rows,
    prediction_rows,
)
from bgremoval_mm.evaluation.products import (
    RULES,
    confusion_matrix,
    errors_by_parent,
    merge_classes,
    parents_of,
    predict_products,
    read_parents,
)
from bgremoval_mm.registry import METRICS
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.utils.atomic import write_atomically
from bgremoval_mm.utils.messages import first_few
from bgremoval_mm.utils.tables import csv_bytes

__all__ = ['ProductAccuracy', 'ProductError']

Result = tuple[np.ndarray, int, str, str]
"""Probabilities, label, product and file of a photo."""


class ProductError(BgremovalError, ValueError):
    """Predictions cannot be measured by product."""


@METRICS.register_module(force=True)
class ProductAccuracy(BaseMetric):
    """Accuracy by photo and by product, in percent, for catalogues with several photos a product.

    The metrics are ``accuracy/image``, and for each rule ``accuracy/product/<rule>``:

    - ``sum``: the class with the largest sum of probabilities over the photos of a product;
    - ``max``: the class with the largest probability in any photo;
    - ``vote``: the class of most photos; of as many, the one with the larger sum.

    With a `hierarchy`, ``accuracy/image/parent`` and ``accuracy/product/parent`` count a class of
    the same parent as right. A table in the log has the accuracy of each class.

    Samples need the id of their product, which ``PackInputs(algorithm_keys=('product_id',))`` takes
    from datasets such as ``Catalogue``.

    Args:
        rules: Which rules. The first one is that of the tables and of ``parent``.
        hierarchy: Class to parent; or a CSV file with the columns ``child`` and ``parent``.
        out_dir: Folder for tables: ``classes.csv``, ``products.csv``, ``images.csv``,
            ``confusion_images.csv``, ``confusion_products.csv``, and with a hierarchy
            ``confusion_parents.csv``. ``bgremoval catalogue confusion`` draws the matrices, and
            ``bgremoval catalogue label`` puts predictions into a manifest. None: none are written.
        product_key: Name of the field of data samples that has the product.
        collect_device: 'cpu' or 'gpu', where results of several processes are collected.
        prefix: In place of 'accuracy'.

    Raises:
        ArgumentError: If a rule is unknown, or a class has no parent.
        ProductError: On evaluation, if samples have no product or no probabilities, probabilities
            are not finite, or a product has photos with different labels.

    Examples:
        >>> test_evaluator = [dict(type='Accuracy'), dict(
        ...     type='ProductAccuracy', hierarchy={'jeans': 'trousers', 'chinos': 'trousers'})]
    """

    default_prefix = 'accuracy'

    def __init__(
        self,
        rules: Sequence[str] = RULES,
        hierarchy: Mapping[str, str] | str | Path | None = None,
        out_dir: str | Path | None = None,
        product_key: str = 'product_id',
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        rules = (rules,) if isinstance(rules, str) else tuple(rules)
        if not rules or set(rules) - set(RULES):
            msg = f'`rules` must be of {", ".join(map(repr, RULES))}, but got {rules}'
            raise ArgumentError(msg)
        self.rules = rules
        if isinstance(hierarchy, str | Path):
            hierarchy = read_parents(Path(hierarchy))
        self.hierarchy = None if hierarchy is None else dict(hierarchy)
        self.out_dir = None if out_dir is None else Path(out_dir)
        self.product_key = product_key

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Collect the probabilities, the label and the product of each photo.

        Args:
            data_batch: Not used.
            data_samples: Dicts with ``pred_score``, float of shape (C,), ``gt_label``, a tensor of
                one label, and the product, as of mmpretrain's ``DataSample``.
        """
        for sample in data_samples:
            product = sample.get(self.product_key)
            if product is None:
                msg = (
                    f'ProductAccuracy needs `{self.product_key}` in data samples: let the dataset '
                    f"give it, and pack it by PackInputs(algorithm_keys=('{self.product_key}',))"
                )
                raise ProductError(msg)
            if 'pred_score' not in sample:
                msg = 'ProductAccuracy needs `pred_score` in data samples, probabilities of classes'
                raise ProductError(msg)
            scores = sample['pred_score'].detach().float().cpu().numpy()
            path = str(sample.get('img_path', ''))
            self.results.append((scores, int(sample['gt_label'].item()), str(product), path))

    def compute_metrics(self, results: list[Result]) -> dict[str, float]:
        """Return the accuracies; log the table, and write the others.

        Args:
            results: What :meth:`process` has collected of all photos.
        """
        classes = self._class_names()
        scores = np.stack([each for each, *_ in results])
        labels = np.array([label for _, label, *_ in results], np.int64)
        names, first, products, sizes = np.unique(
            np.array([product for _, _, product, _ in results]),
            return_index=True,
            return_inverse=True,
            return_counts=True,
        )
        truth = labels[first]
        _check(scores, labels, truth[products], names[products])
        seen = scores.argmax(axis=1)
        predicted = {rule: predict_products(scores, products, rule) for rule in self.rules}
        main = predicted[self.rules[0]]
        metrics = {'image': _percent(seen == labels)}
        metrics |= {f'product/{rule}': _percent(each == truth) for rule, each in predicted.items()}
        matrices = {
            'images': confusion_matrix(labels, seen, len(classes)),
            'products': confusion_matrix(truth, main, len(classes)),
        }
        rows = class_rows(classes, (labels, seen), (truth, main))
        if self.hierarchy is not None:
            parents, index = parents_of(classes, self.hierarchy)
            metrics['image/parent'] = _percent(index[seen] == index[labels])
            metrics['product/parent'] = _percent(index[main] == index[truth])
            split = errors_by_parent(matrices['products'], index)
            for row, number, (_, within, outside) in zip(rows, index, split, strict=True):
                row['parent'] = parents[number]
                row['errors_within_parent'] = int(within)
                row['errors_outside_parent'] = int(outside)
            merged = merge_classes(matrices['products'], index, len(parents))
            self._write('confusion_parents', matrix_rows(parents, merged))
        print_log(as_text(rows, self.rules[0]), 'current')
        self._write('classes', rows)
        for kind, matrix in matrices.items():
            self._write(f'confusion_{kind}', matrix_rows(classes, matrix))
        columns: dict[str, Any] = {self.product_key: names, 'images': sizes}
        found = {'label': truth, **predicted}
        self._write('products', prediction_rows(classes, columns, found))
        columns = {
            'img_path': [path for *_, path in results],
            self.product_key: names[products],
            'probability': [f'{each:.6f}' for each in scores.max(axis=1)],
        }
        found = {'label': labels, 'predicted': seen}
        self._write('images', prediction_rows(classes, columns, found))
        return metrics

    def _write(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write a table, if there is a folder for it."""
        if self.out_dir is not None:
            self.out_dir.mkdir(parents=True, exist_ok=True)
            write_atomically(self.out_dir / f'{name}.csv', csv_bytes(list(rows[0]), rows))

    def _class_names(self) -> Sequence[str]:
        names: Sequence[str] | None = (self.dataset_meta or {}).get('classes')
        if not names:
            msg = 'ProductAccuracy needs a dataset whose metainfo has `classes`'
            raise ProductError(msg)
        return names


def _check(scores: np.ndarray, labels: np.ndarray, truth: np.ndarray, names: np.ndarray) -> None:
    """Check that scores are finite, and that all photos of a product have one label."""
    broken = ~np.isfinite(scores).all(axis=1)
    if broken.any():
        msg = (
            f'{broken.sum():,} of {len(scores):,} predictions have NaN or infinity, of products '
            f'{first_few(sorted(set(names[broken])))}. Has the training diverged?'
        )
        raise ProductError(msg)
    mixed = sorted(set(names[labels != truth]))
    if mixed:
        msg = (
            f'all photos of a product must have one label, but those of {len(mixed):,} have '
            f'several: {first_few(mixed)}'
        )
        raise ProductError(msg)


def _percent(right: np.ndarray) -> float:
    return float(100 * right.mean())
