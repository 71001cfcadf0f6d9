"""The conditions of a test: only tests under the same ones are compared.

Where this package took part in a test (``tools/test.py``, or a DiffMetricsHook under any tool) it
leaves ``bgremoval-test.json`` beside the results. Of other tests the config that mmengine dumps
there (``vis_data/config.py``) tells the same, but for the number of images.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sized
from dataclasses import asdict, dataclass, fields
from importlib.util import find_spec
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner

from bgremoval_mm.removal.errors import BgremovalError
from bgremoval_mm.utils.class_names import class_name
from bgremoval_mm.utils.json_io import write_json
from bgremoval_mm.utils.text import printable

__all__ = [
    'FILE_NAME',
    'Conditions',
    'conditions_of',
    'fixed_seed',
    'read_conditions',
    'removals',
    'seed_of_training',
    'unlike',
    'unlike_validations',
    'write_conditions',
]

FILE_NAME = 'bgremoval-test.json'
# What does not change which images a dataset has.
_ASIDE = frozenset(
    (
        *('type', '_scope_', 'pipeline', 'metainfo', 'lazy_init', 'test_mode'),
        *('backend_args', 'file_client_args', 'serialize_data', 'max_refetch'),
    )
)
# Names of steps that only one config of a pair has, or that differ, begin so.
_OF_BACKGROUNDS = ('LoadImage', 'RemoveBackground', 'ReplaceBackground', 'ChangeBackground')
# What does not change which backgrounds are drawn, or how attention is measured: where masks are
# kept, which a pair of configs may say in different places, and how they are computed.
_OF_MASKS = ('type', 'mask_dir', 'img_root', 'model', 'on_missing', 'backend', 'device')
_OF_LOOPS = frozenset((*_OF_MASKS, 'fp16'))
_OF_HOOKS = frozenset((*_OF_MASKS, 'at_once', 'priority'))
_REMOVAL = ('model', 'precision', 'fill', 'threshold', 'resize', 'prob', 'mask_dir')


@dataclass(frozen=True)
class Conditions:
    """The conditions of a test; None is not known.

    Attributes:
        tta: Whether it was augmented at test time.
        images: Number of images.
        datasets: The config of each dataset, and of wrappers, but for its pipeline, as JSON.
        pipeline: The steps but for the loader and those of masks and backgrounds, as JSON.
        removal: How the background was removed, one entry per way; empty for the originals.
        replaced: How BackgroundTestLoop draws backgrounds, as JSON; None without it, too.
        attention: How AttentionScoreHook measures, as JSON; None without it, too.
    """

    tta: bool | None = None
    images: int | None = None
    datasets: tuple[str, ...] | None = None
    pipeline: tuple[str, ...] | None = None
    removal: tuple[Mapping[str, Any], ...] | None = None
    replaced: str | None = None
    attention: str | None = None


def conditions_of(runner: Runner) -> Conditions:
    """Return the conditions of a Runner's test, of stock tools too."""
    dataset = getattr(getattr(runner.test_loop, 'dataloader', None), 'dataset', None)
    from_config = _of_config(runner.cfg)
    return Conditions(
        tta=_is_tta(runner.model),
        images=len(dataset) if isinstance(dataset, Sized) else None,
        datasets=from_config.datasets,
        pipeline=from_config.pipeline,
        removal=removals(dataset),
        replaced=from_config.replaced,
        attention=from_config.attention,
    )


def removals(dataset: Any) -> tuple[dict[str, Any], ...] | None:
    """Return in which ways a dataset's images have their background removed, each once.

    Args:
        dataset: The dataset.

    Returns:
        Empty for original images; None where it is not known what the dataset wraps.
    """
    if find_spec('mmcv') is None:  # then there is no transform of ours
        return ()
    from bgremoval_mm.datasets.pipeline import find_removals
    from bgremoval_mm.datasets.removal_settings import RemovalSettings
    from bgremoval_mm.datasets.unwrap import base_datasets

    found: list[dict[str, Any]] = []
    try:
        steps = [step for base in base_datasets(dataset) for step in find_removals(base.pipeline)]
    except BgremovalError:
        return None
    for settings in map(RemovalSettings.of_step, steps):
        arguments = settings.arguments
        if settings.kind == 'masks':
            removal = {name: arguments[name] for name in _REMOVAL}
            if settings.condition not in ('removed', 'replaced'):
                removal['condition'] = settings.condition
            if settings.bank:
                removal['bank'] = list(settings.bank)
        else:
            removal = {'image_dir': arguments['image_dir'], **settings.made_with}
        if removal not in found:
            found.append(removal)
    return tuple(found)


def write_conditions(runner: Runner, conditions: Conditions) -> None:
    """Write the conditions of a Runner's test beside its results."""
    write_json(Path(runner.log_dir) / FILE_NAME, {'version': 1, **asdict(conditions)})


def read_conditions(start: Path) -> Conditions:
    """Read the conditions of a test.

    Args:
        start: The timestamped folder of the test.
    """
    try:
        content = json.loads((start / FILE_NAME).read_text(encoding='utf-8'))
        known = {each.name: content.get(each.name) for each in fields(Conditions)}
    except (OSError, ValueError, AttributeError):
        return _of_dumped_config(start / 'vis_data' / 'config.py')
    for name in ('datasets', 'pipeline', 'removal'):
        known[name] = tuple(known[name]) if isinstance(known[name], list) else None
    return Conditions(**known)


def unlike(theirs: Conditions, mine: Conditions) -> dict[str, str]:
    """Compare the conditions of two tests.

    Args:
        theirs: Of the baseline.
        mine: Of this run.

    Returns:
        Name of a condition to a sentence on how the two differ; empty if they can be compared. Of
        TTA, not known counts as no; of the others nothing is said where one is not known.
    """
    found = {}
    if bool(theirs.tta) != bool(mine.tta):
        words = ('without', 'with') if mine.tta else ('with', 'without')
        found['tta'] = f'it was tested {words[0]} TTA, this run {words[1]}'
    if None not in (theirs.images, mine.images) and theirs.images != mine.images:
        found['images'] = f'it was tested on {theirs.images} images, this run on {mine.images}'
    for name, what in (('datasets', 'its dataset'), ('pipeline', 'its pipeline')):
        there, here = getattr(theirs, name), getattr(mine, name)
        if there is not None and here is not None and there != here and 'tta' not in found:
            pair = [printable(_first_difference(*each)) for each in ((there, here), (here, there))]
            found[name] = f'{what} has {pair[0]}, that of this run {pair[1]}'
    for name, what in (
        ('replaced', 'its BackgroundTestLoop'),
        ('attention', 'its AttentionScoreHook'),
    ):
        there, here = getattr(theirs, name), getattr(mine, name)
        if None not in (there, here) and there != here:
            found[name] = f'{what} has {printable(there)}, that of this run {printable(here)}'
    return found


def unlike_validations(original: Path, cfg: Config) -> list[str]:
    """Compare the validations of two trainings by their configs.

    Args:
        original: The work_dir of the baseline.
        cfg: The config of this run.

    Returns:
        A sentence on each difference; none where a config is not known.
    """
    dumped = max(original.glob('*/vis_data/config.py'), default=None)
    if dumped is None:
        return []
    theirs = _of_dumped_config(dumped, 'val_dataloader')
    return list(unlike(theirs, _of_config(cfg, 'val_dataloader')).values())


def seed_of_training(run: Path) -> int | None:
    """Return the seed that the newest training of a run fixes; None: none, or not known.

    Args:
        run: A work_dir, or one of its timestamped folders.
    """
    dumped = sorted([*run.glob('*/vis_data/config.py'), *run.glob('vis_data/config.py')])
    # A test logs no scalars, and the seed of its config need not be that of the training.
    trained = [file for file in dumped if file.with_name('scalars.json').is_file()]
    for file in (trained or dumped)[-1:]:
        try:
            return fixed_seed(Config.fromfile(file, import_custom_modules=False))
        except Exception:  # noqa: BLE001  # it is Python, which may raise anything
            return None
    return None


def fixed_seed(cfg: Config) -> int | None:
    """Return the seed that a config fixes; mmengine draws one where there is none."""
    seed = (cfg.get('randomness') or {}).get('seed')
    return None if seed is None else int(seed)


def _first_difference(one: tuple[str, ...], other: tuple[str, ...]) -> str:
    """Return the first element that the other does not have at its index."""
    for index, each in enumerate(one):
        if index >= len(other) or each != other[index]:
            return each
    return 'no more'


def _is_tta(model: Any) -> bool | None:
    while model is not None and is_model_wrapper(model):
        model = model.module
    return None if model is None else isinstance(model, BaseTTAModel)


def _of_dumped_config(path: Path, loader: str = 'test_dataloader') -> Conditions:
    if not path.is_file():
        return Conditions()
    try:
        return _of_config(Config.fromfile(path, import_custom_modules=False), loader)
    except Exception:  # noqa: BLE001  # it is Python, which may raise anything
        return Conditions()


def _of_config(cfg: Any, loader: str = 'test_dataloader') -> Conditions:
    """Read the conditions off a config; stock tools put the TTA model into it."""
    model, section = cfg.get('model'), cfg.get(loader)
    tta = None
    if loader == 'test_dataloader' and isinstance(model, Mapping):
        tta = isinstance(model.get('module'), Mapping)
    replaced, attention = _measures(cfg) if loader == 'test_dataloader' else (None, None)
    dataset = section.get('dataset') if isinstance(section, Mapping) else None
    if not isinstance(dataset, Mapping):
        return Conditions(tta=tta, replaced=replaced, attention=attention)
    datasets = tuple(
        _as_json(own) for each in _walk(dataset) if (own := _own_settings(each)) is not None
    )
    pipeline = next((each['pipeline'] for each in _walk(dataset) if each.get('pipeline')), None)
    steps = None if pipeline is None else tuple(_as_json(step) for step in _kept(pipeline))
    return Conditions(
        tta=tta, datasets=datasets, pipeline=steps, replaced=replaced, attention=attention
    )


def _measures(cfg: Any) -> tuple[str | None, str | None]:
    """Return how a test replaces backgrounds, and how it measures attention, if it does."""
    replaced = attention = None
    loop = cfg.get('test_cfg')
    if _name_of(loop) == 'BackgroundTestLoop':
        from bgremoval_mm.engine.loops.background_test import BackgroundTestLoop

        replaced = _settings(loop, BackgroundTestLoop, _OF_LOOPS)
    for hook in cfg.get('custom_hooks') or ():
        if _name_of(hook) == 'AttentionScoreHook':
            from bgremoval_mm.engine.hooks.attention_score import AttentionScoreHook

            attention = _settings(hook, AttentionScoreHook, _OF_HOOKS)
    return replaced, attention


def _settings(config: Mapping[str, Any], made: type, aside: frozenset[str]) -> str:
    """Return the arguments that a class is made with, those that are not given, too, as JSON."""
    usual = {
        name: each.default
        for name, each in signature(made).parameters.items()
        if each.default is not Parameter.empty
    }
    return _as_json({key: each for key, each in {**usual, **config}.items() if key not in aside})


def _kept(pipeline: Any) -> Iterator[Any]:
    """Yield the steps that both configs of a pair have."""
    for step in pipeline:
        name = _name_of(step)
        if name == 'LoadForegroundMask':
            # It may hold steps that the original has in its place.
            yield from _kept(step.get('transforms') or () if isinstance(step, Mapping) else ())
        elif not name.startswith(_OF_BACKGROUNDS):
            yield {**step, 'type': name} if isinstance(step, Mapping) else step


def _walk(dataset: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield a dataset's config and those that it wraps, outermost first."""
    yield dataset
    for inner in (dataset.get('dataset'), *(dataset.get('datasets') or ())):
        if isinstance(inner, Mapping):
            yield from _walk(inner)


def _own_settings(dataset: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the settings of a dataset, or of a wrapper, that say which images there are.

    Returns:
        None for a wrapper without any, as ConcatDataset is. The fold of a KFoldDataset is one. Of
        those of this package, which only one config of a pair has, the photos that are left out.
    """
    if _name_of(dataset).startswith('Rembg'):
        return {'exclude': dataset['exclude']} if dataset.get('exclude') else None
    aside = {*_ASIDE, 'dataset', 'datasets'}
    own = {key: value for key, value in dataset.items() if key not in aside}
    if not (dataset.get('dataset') or dataset.get('datasets')):
        return own
    return own or None


def _name_of(config: Any) -> str:
    """Return the name of the class that a part of a config names, or is, without its scope."""
    kind = config.get('type', '') if isinstance(config, Mapping) else config
    return class_name(kind)


def _as_json(content: Any) -> str:
    return json.dumps(content, sort_keys=True, default=str)
