"""Other masks than those of the configs: set wherever a config removes or replaces backgrounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bgremoval_mm.datasets.unwrap import type_name
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.zoo.catalogue import get_model, is_model_file

__all__ = ['PREFIX', 'mask_options', 'parse_masks', 'set_masks']

PREFIX = 'removal.'
"""How the keys of these options begin, such as ``removal.model=u2netp``."""

_ARGUMENTS = ('mask_dir', 'model', 'precision')
_TYPES = (
    *('RembgDataset', 'RembgConcatDataset', 'RemoveBackground'),
    *('ReplaceBackground', 'ChangeBackground', 'LoadForegroundMask'),
    *('BackgroundTestLoop', 'AttentionScoreHook'),
)


def mask_options(
    mask_dir: str | None = None, model: str | None = None, precision: str | None = None
) -> tuple[str, ...]:
    """Return the options of runs that set these arguments; None is that of the config.

    Args:
        mask_dir: A mask store.
        model: Name of the model that made the masks, or the path of its ONNX file.
        precision: In which they were made.

    Raises:
        ArgumentError: If there is no such file, or it is not that of a model that can be run.
    """
    if model is not None and is_model_file(model):
        get_model(model)  # a wrong path is told now, not by each of the runs
    given = {'mask_dir': mask_dir, 'model': model, 'precision': precision}
    return tuple(f'{PREFIX}{name}={value}' for name, value in given.items() if value is not None)


def parse_masks(options: Sequence[str]) -> tuple[dict[str, str | None], list[str]]:
    """Take the options about masks out of the others, as arguments for `set_masks`.

    Their values are texts to the letter, since ``--cfg-options`` would take spaces out of a path
    and make several of one with a comma. ``None`` is none.

    Args:
        options: ``KEY=VALUE`` each.

    Returns:
        The arguments, and the other options.
    """
    masks: dict[str, str | None] = {}
    others = []
    for option in options:
        key, equals, text = option.partition('=')
        if equals and key.startswith(PREFIX):
            value = text.strip('\'"')
            masks[key.removeprefix(PREFIX)] = None if value == 'None' else value
        else:
            others.append(option)
    return masks, others


def set_masks(config: Any, arguments: Mapping[str, Any]) -> None:
    """Set which masks a config uses, in every dataset and transform that removes backgrounds.

    A config of the originals has none of these and stays as it is.

    Args:
        config: The config, which is changed.
        arguments: Of mask_dir, model and precision.

    Raises:
        ArgumentError: If there is another argument, or a dataset loads images whose background was
            removed in advance.
    """
    for name in arguments:
        if name not in _ARGUMENTS:
            allowed = ', '.join(f'{PREFIX}{each}' for each in _ARGUMENTS)
            msg = f'an option of masks must be one of {allowed}, but got {PREFIX}{name}'
            raise ArgumentError(msg)
    if not arguments:
        return
    for settings in _removals(config):
        if settings.get('image_dir'):
            msg = (
                f'{type_name(settings)} loads images from {settings["image_dir"]} whose background '
                f'was removed in advance: it has no masks, so that {", ".join(arguments)} of them '
                'cannot be set'
            )
            raise ArgumentError(msg)
        settings.update(arguments)


def _removals(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        if type_name(value).rsplit('.', 1)[-1] in _TYPES:
            yield value
        for each in value.values():
            yield from _removals(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _removals(each)
