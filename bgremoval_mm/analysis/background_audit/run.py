"""A whole audit: every condition, the file of figures, the picture."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from mmengine.config import Config

from bgremoval_mm.analysis.background_audit.detection import (
    keep_predictions,
    measure_detection,
)
from bgremoval_mm.analysis.background_audit.evaluate import Auditor
from bgremoval_mm.analysis.background_audit.picture import draw_audit, example_photos
from bgremoval_mm.analysis.background_audit.summary import Audit, ConditionScores
from bgremoval_mm.analysis.background_audit.uncertainty import Uncertainty, measure_uncertainty
from bgremoval_mm.datasets.transforms.background_bank import BackgroundBank
from bgremoval_mm.datasets.transforms.change_background import Condition
from bgremoval_mm.engine.run_config import read_config
from bgremoval_mm.evaluation.metrics.per_image import read_per_image, write_per_image
from bgremoval_mm.evaluation.paired import main_score
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.targets import check_report
from bgremoval_mm.utils.json_io import read_json, write_json
from bgremoval_mm.visualization.canvas import save_png

__all__ = ['run_audit']

_OF_A_TEST = (
    'custom_hooks',
    'data_preprocessor',
    'default_scope',
    'model',
    'test_cfg',
    'test_dataloader',
    'test_evaluator',
)
_ROUNDED = 0.011  # mmseg gives two decimals


def run_audit(
    config: Path,
    checkpoint: Path,
    out: Path,
    *,
    conditions: Sequence[Condition] = get_args(Condition),
    draws: int = 5,
    seed: int = 0,
    number: int | None = None,
    removal: Mapping[str, Any] | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    bank: Any = None,
    report: Callable[[str], object] = print,
) -> Audit:
    """Evaluate what an earlier audit of the same settings has not, and write the results.

    Args:
        config: Config file of mmpretrain, mmdet or mmsegmentation.
        checkpoint: Checkpoint of its model.
        out: Folder of ``audit.json``, ``audit.png``, the per-image results, and the masks that the
            config's store lacks.
        conditions: What to do with the background.
        draws: How often other backgrounds are drawn for 'replaced'.
        seed: Of the first draw.
        number: How many test images, evenly spaced; None takes all.
        removal: Arguments of `RemoveBackground`; a value of None is the config's.
        cfg_options: Changes of the config, dotted names to values.
        bank: Photos of backgrounds for 'replaced', in any form that BackgroundBank has in a
            config; None: the backgrounds of other test photos.
        report: Takes lines about the progress.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        BgremovalError: If the config cannot be audited, or `out` holds files of something else.
    """
    content = read_config(config, cfg_options)
    if not checkpoint.is_file():
        msg = f'there is no checkpoint {checkpoint}'
        raise FileNotFoundError(msg)
    file, picture = out / 'audit.json', out / 'audit.png'
    check_report(file, picture, ('settings', 'outcomes'))
    own_masks = str(out / 'masks')
    scenes = None if bank is None else BackgroundBank.of(bank)
    with Auditor(
        content, checkpoint, out, dict(removal or {}), number, own_masks, scenes
    ) as auditor:
        status = checkpoint.stat()
        settings: dict[str, Any] = {
            'config': str(config),
            'checkpoint': str(checkpoint),
            'checkpoint_bytes': status.st_size,
            'checkpoint_mtime_ns': status.st_mtime_ns,
            'cfg_options': cfg_options or {},
            'test': _digest(content, auditor.paths),
            'model': auditor.changes[0].model,
            'removal': [change.settings() for change in auditor.changes],
            'seed': seed,
            'draws': draws,
            'number': number,
        }
        settings = json.loads(json.dumps(settings))  # as they are read back from audit.json
        audit = _load_earlier(file, settings) or Audit(settings, auditor.trained_on, len(auditor))
        for condition in conditions:
            if condition in audit.outcomes:
                report(f'{condition}: evaluated before')
                continue
            seeds = range(seed, seed + (draws if condition == 'replaced' else 1))
            found = [_evaluate(auditor, condition, each, out) for each in seeds]
            metrics, of_classes = zip(*found, strict=True)
            scores = ConditionScores(condition, list(metrics), _mean_of(of_classes))
            audit.outcomes[condition] = scores
            audit.uncertainty = None
            write_json(file, audit.as_json())
        if not audit.metrics:
            msg = (
                f'the test of {config} gives no score under any condition: nothing is detected, or '
                'its test_evaluator does not measure (`format_only`)'
            )
            raise ArgumentError(msg)
        in_order = [name for name in get_args(Condition) if name in audit.outcomes]
        audit.outcomes = {name: audit.outcomes[name] for name in in_order}
        if audit.uncertainty is None:
            report('intervals over photos')
            audit.uncertainty = _uncertainty(audit, out, seed)
        write_json(file, audit.as_json())
        save_png(draw_audit(audit, example_photos(auditor, in_order)), picture)
    return audit


def _digest(content: Config, paths: Sequence[str]) -> str:
    """Return a hash of what is tested: the config's parts that matter to a test, and the photos."""
    parts = {name: content.get(name) for name in _OF_A_TEST}
    told = json.dumps([Config(parts).to_dict(), list(paths)], default=_name_of, skipkeys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _name_of(each: Any) -> str:
    """Return a name of a class or an object in a config that is the same in another process."""
    kind = each if hasattr(each, '__qualname__') else type(each)
    return f'{kind.__module__}.{kind.__qualname__}'


def _evaluate(
    auditor: Auditor, condition: Condition, seed: int, out: Path
) -> tuple[dict[str, float], dict[str, float | None]]:
    """Test, and keep the per-image results for intervals: a later start may need them."""
    found = auditor.evaluate(condition, seed)
    file = _per_image_file(out, condition, seed)
    file.unlink(missing_ok=True)
    if auditor.per_image.is_file():
        write_per_image(file, **read_per_image(auditor.per_image))
    keep_predictions(auditor.predictions, auditor.annotations, file.parent, file.stem)
    return found


def _per_image_file(out: Path, condition: str, seed: int) -> Path:
    return out / 'per_image' / f'{condition}_{seed}.npz'


def _uncertainty(audit: Audit, out: Path, seed: int) -> Uncertainty | None:
    """Return the intervals, of the conditions whose per-image results are all there."""
    kept = {
        name: [_per_image_file(out, name, seed + i) for i in range(len(outcome.draws))]
        for name, outcome in audit.outcomes.items()
    }
    tests = {}
    for name, outcome in audit.outcomes.items():
        files = kept[name]
        if not all(file.is_file() for file in files):
            continue
        results = [read_per_image(file) for file in files]
        found = [main_score(each) for each in results]
        scores = zip(outcome.draws, found, strict=True)
        if all(
            abs(draw.get(metric, math.inf) - score) < _ROUNDED for draw, (metric, score) in scores
        ):
            tests[name] = results  # they are those of the scores, not of another audit
    if tests:
        return measure_uncertainty(tests, audit.reference)
    names = {name: [file.stem for file in files] for name, files in kept.items()}
    return measure_detection(audit, names, out / 'per_image')


def _load_earlier(file: Path, settings: dict[str, Any]) -> Audit | None:
    content = read_json(file)
    if content is None or content.get('settings') != settings:
        return None
    return Audit.from_json(content)


def _mean_of(classes: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Return the mean score of each class over draws; None for a class without a score."""
    values = {
        name: [score for each in classes if (score := each.get(name)) is not None]
        for name in classes[0]
    }
    return {name: sum(each) / len(each) if each else None for name, each in values.items()}
