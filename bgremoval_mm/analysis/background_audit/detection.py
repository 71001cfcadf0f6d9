"""How sure the mAP of an audit is: predictions that are kept, and a bootstrap over photos."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bgremoval_mm.analysis.background_audit.summary import Audit
from bgremoval_mm.analysis.background_audit.uncertainty import Uncertainty
from bgremoval_mm.evaluation.coco_bootstrap import ResampledMap, map_estimates
from bgremoval_mm.utils.atomic import write_atomically

__all__ = ['keep_predictions', 'measure_detection']

_KINDS = {'coco/bbox_mAP': 'bbox', 'coco/segm_mAP': 'segm'}
_ANNOTATIONS = 'annotations.json'
_ROUNDED = 0.0011  # mmdet gives three decimals


def keep_predictions(predictions: Path, annotations: Path | None, folder: Path, name: str) -> None:
    """Keep what CocoMetric wrote of a test, and what it was tested with.

    Args:
        predictions: What the names of its files begin with.
        annotations: The file of annotations; None: nothing is kept.
        folder: Where both are kept.
        name: Of the test.
    """
    for kind in _KINDS.values():
        written, kept = Path(f'{predictions}.{kind}.json'), folder / f'{name}.{kind}.json'
        kept.unlink(missing_ok=True)
        if annotations is not None and annotations.is_file() and written.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            write_atomically(kept, written.read_bytes())
            write_atomically(folder / _ANNOTATIONS, annotations.read_bytes())
        written.unlink(missing_ok=True)


def measure_detection(
    audit: Audit, names: Mapping[str, list[str]], folder: Path
) -> Uncertainty | None:
    """Return the intervals of an audit's leading mAP, as a fraction.

    Args:
        audit: Its scores.
        names: Condition to the names of its tests.
        folder: Where :func:`keep_predictions` keeps.

    Returns:
        None if there are no predictions. A condition under which nothing was detected has no
        interval.
    """
    metric = audit.metrics[0]
    truth = folder / _ANNOTATIONS
    if metric not in _KINDS or not truth.is_file():
        return None
    kind = _KINDS[metric]
    tests = {}
    for condition, outcome in audit.outcomes.items():
        files = [folder / f'{name}.{kind}.json' for name in names[condition]]
        if not all(file.is_file() and file.read_bytes().strip() != b'[]' for file in files):
            continue
        maps = [ResampledMap(truth, file, kind) for file in files]
        drawn = [draw.get(metric) for draw in outcome.draws]
        if all(
            score is not None and abs(score - each.whole()) < _ROUNDED
            for score, each in zip(drawn, maps, strict=True)
        ):
            tests[condition] = maps  # they are those of the scores, not of another audit
    if not tests:
        return None
    scores, changes = map_estimates(tests, audit.reference)
    photos = next(iter(tests.values()))[0].images_of_classes()
    return Uncertainty(metric, None, scores, changes, photos)
