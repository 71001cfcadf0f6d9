"""How the backgrounds of a dataset are removed or replaced, read off it or off its config."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from bgremoval_mm.datasets.pipeline import find_removals, loads_images
from bgremoval_mm.datasets.transforms.background_bank import sources_of
from bgremoval_mm.datasets.transforms.change_background import ChangeBackground
from bgremoval_mm.datasets.transforms.load_removed import LoadImageFromRemoved
from bgremoval_mm.datasets.transforms.remove_background import DEFAULTS, RemoveBackground
from bgremoval_mm.datasets.transforms.replace_background import ReplaceBackground
from bgremoval_mm.datasets.unwrap import base_datasets, children_of, type_name
from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['RemovalSettings']


@dataclass(frozen=True)
class RemovalSettings:
    """How the backgrounds of a dataset are removed.

    Attributes:
        kind: ``'none'``; ``'masks'``, by a RemoveBackground; ``'images'``, by loading images whose
            background was removed before.
        arguments: Of ``'masks'``, every argument of RemoveBackground; of ``'images'``, `image_dir`
            and `img_root`. Of a dataset ``precision='auto'`` is resolved; a config keeps it.
        condition: What becomes of the background, see ChangeBackground.
        bank: Of ``'replaced'`` by photos of a bank, its folders and list files.
        made_with: Of ``'images'`` that a dataset loads, what they were made with: model,
            precision, fill...
    """

    kind: Literal['none', 'masks', 'images']
    arguments: dict[str, Any] = field(default_factory=dict)
    condition: str = 'removed'
    bank: tuple[str, ...] = ()
    made_with: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def removes(self) -> bool:
        """Whether there are images whose background is removed."""
        if self.kind == 'masks':
            return self.condition == 'removed' and self.arguments['prob'] > 0
        return self.kind == 'images'

    @classmethod
    def of(cls, dataset: Any) -> list[RemovalSettings]:
        """Return the settings of each base dataset, in the order of ``base_datasets``.

        Args:
            dataset: A dataset, or the config of one. The config of a RembgConcatDataset gives
                those of the originals, then those of the removed images, as the dataset does.

        Raises:
            ArgumentError: If a pipeline has several removals that differ.
        """
        if isinstance(dataset, dict):
            return list(_of_config(dataset, None, None))
        return [
            _only([cls.of_step(each) for each in find_removals(base.pipeline)])
            for base in base_datasets(dataset)
        ]

    @classmethod
    def of_step(cls, step: RemoveBackground | LoadImageFromRemoved) -> RemovalSettings:
        """Return the settings of one step of a pipeline, see ``find_removals``."""
        if isinstance(step, RemoveBackground):
            arguments = {name: getattr(step, name) for name in DEFAULTS}
            arguments['precision'] = step.masks.precision
            return cls('masks', arguments, _condition(step), _bank(step))
        images = step.images
        arguments = {'image_dir': images.image_dir, 'img_root': images.img_root}
        return cls('images', arguments, made_with=dict(images.settings))


def _condition(step: RemoveBackground) -> str:
    if isinstance(step, ReplaceBackground):
        return 'replaced'
    return step.condition if isinstance(step, ChangeBackground) else 'removed'


def _bank(step: RemoveBackground) -> tuple[str, ...]:
    bank = getattr(step, 'bank', None)
    return () if bank is None else sources_of(bank)


def _only(found: list[RemovalSettings]) -> RemovalSettings:
    if any(each != found[0] for each in found):
        msg = (
            'the pipeline must remove the background in one way, but has '
            f'{len(found)} RemoveBackground that differ'
        )
        raise ArgumentError(msg)
    return found[0] if found else RemovalSettings('none')


def _of_config(
    config: Any, given: dict[str, Any] | None, pipeline: Any
) -> Iterator[RemovalSettings]:
    """Follow a config down to its base datasets.

    Args:
        config: The config, or a dataset inside one.
        given: Arguments of the wrappers of ours around it; None if there is none.
        pipeline: The pipeline that they put in the place of the base datasets'.
    """
    if not isinstance(config, dict):
        for base, settings in zip(base_datasets(config), RemovalSettings.of(config), strict=True):
            yield _given_to(base, given) if settings.kind == 'none' else settings
        return
    inner = children_of(config)
    own = config.get('pipeline')
    if pipeline is None and own and (not inner or loads_images(own)):
        pipeline = own
    if not inner:
        removals = list(_find_configs(pipeline or []))
        yield _only(removals) if removals else _given_to(config, given)
        return
    name = type_name(config)
    if name == 'RembgConcatDataset':
        for each in inner.values():
            yield from _of_config(each, given, pipeline)
    if name in ('RembgDataset', 'RembgConcatDataset'):
        keys = (*DEFAULTS, 'image_dir', 'bank', 'condition')
        own_arguments = {key: config[key] for key in keys if key in config}
        given = (given or {}) | own_arguments
    for each in inner.values():
        yield from _of_config(each, given, pipeline)


def _given_to(base: Any, given: dict[str, Any] | None) -> RemovalSettings:
    """Return the settings that wrappers of ours give to a base dataset."""
    if given is None:
        return RemovalSettings('none')
    root = base.get('data_root') if isinstance(base, dict) else getattr(base, 'data_root', None)
    root = given.get('img_root') or root or None
    if given.get('image_dir') is not None:
        return RemovalSettings('images', {'image_dir': given['image_dir'], 'img_root': root})
    if given.get('mask_dir') is None:
        root = given.get('img_root')
    arguments = {key: value for key, value in given.items() if key in DEFAULTS}
    arguments = DEFAULTS | arguments | {'img_root': root}
    if given.get('bank') is not None:
        return RemovalSettings('masks', arguments, 'replaced', sources_of(given['bank']))
    return RemovalSettings('masks', arguments, given.get('condition', 'removed'))


def _find_configs(node: Any) -> Iterator[RemovalSettings]:
    """Find the removals in the config of a pipeline."""
    if isinstance(node, dict):
        name = type_name(node)
        if name in ('RemoveBackground', 'ChangeBackground', 'ReplaceBackground'):
            arguments = DEFAULTS | {key: value for key, value in node.items() if key in DEFAULTS}
            default = 'removed' if name == 'RemoveBackground' else 'replaced'
            bank = sources_of(node['bank']) if node.get('bank') is not None else ()
            yield RemovalSettings('masks', arguments, node.get('condition', default), bank)
        else:
            yield from _find_configs(list(node.values()))
    elif isinstance(node, list | tuple):
        for each in node:
            yield from _find_configs(each)
    elif isinstance(node, RemoveBackground):
        yield RemovalSettings.of_step(node)
