"""A whole audit: every condition, the file of figures, the picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from bgremoval_mm.analysis.background_audit.evaluate import Auditor
from bgremoval_mm.analysis.background_audit.picture import draw_audit, example_photos
from bgremoval_mm.analysis.background_audit.summary import Audit, ConditionScores
from bgremoval_mm.datasets.transforms.background_bank import BackgroundBank
from bgremoval_mm.datasets.transforms.change_background import Condition
from bgremoval_mm.engine.run_config import read_config
from bgremoval_mm.removal.io.targets import check_report
from bgremoval_mm.utils.json_io import read_json, write_json
from bgremoval_mm.visualization.canvas import save_png

__all__ = ['run_audit']


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
        out: Folder of ``audit.json``, ``audit.png`` and the masks that the config's store lacks.
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
            metrics, of_classes = zip(
                *(auditor.evaluate(condition, each) for each in seeds), strict=True
            )
            scores = ConditionScores(condition, list(metrics), _mean_of(of_classes))
            audit.outcomes[condition] = scores
            write_json(file, audit.as_json())
        in_order = [name for name in get_args(Condition) if name in audit.outcomes]
        audit.outcomes = {name: audit.outcomes[name] for name in in_order}
        write_json(file, audit.as_json())
        save_png(draw_audit(audit, example_photos(auditor, in_order)), picture)
    return audit


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
