"""Options of a command line that are meant for all datasets of a config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config

__all__ = ['LOADERS', 'of_all_datasets', 'owners_of']

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
_PREFIX = 'datasets.'


def of_all_datasets(config: Config, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options, those of ``datasets`` by the datasets of training, validation and test.

    ``datasets.fold`` is the argument ``fold`` of the datasets that load the images, inside whatever
    wrappers: one option for a config and for its pair with backgrounds removed, in which they lie
    one level deeper.

    Args:
        config: The config. One that has ``datasets`` itself means its own.
        options: Dotted key to value, as of ``--cfg-options``.

    Returns:
        Options that the config takes, in the same order.

    Examples:
        >>> dataset = dict(type='RembgDataset', dataset=dict(type='Catalogue'))
        >>> config = Config(dict(train_dataloader=dict(dataset=dataset)))
        >>> of_all_datasets(config, {'datasets.fold': 1})
        {'train_dataloader.dataset.dataset.fold': 1}
    """
    if 'datasets' in config or not any(key.startswith(_PREFIX) for key in options):
        return dict(options)
    found: dict[str, Any] = {}
    for key, value in options.items():
        if not key.startswith(_PREFIX):
            found[key] = value
            continue
        for name in LOADERS:
            loader = config.get(name)
            option = key.removeprefix(_PREFIX)
            for inner in [] if loader is None else owners_of(loader.dataset, option):
                path = '.'.join(filter(None, (name, 'dataset', inner)))
                found[f'{path}.{option}'] = value
    return found


def owners_of(dataset: Any, option: str) -> list[str]:
    """Return the keys of the configs that an option of the photos' dataset has an effect in.

    Args:
        dataset: Config of a dataset, perhaps of a wrapper.
        option: Dotted key, below the dataset. A pipeline is a wrapper's where that has one.

    Returns:
        Keys in ``--cfg-options`` notation, '' for the dataset itself.
    """
    # Here, since `--help` must not wait for torch.
    from bgremoval_mm.datasets.pipeline import loads_images
    from bgremoval_mm.datasets.unwrap import base_keys

    wins = option.partition('.')[0] == 'pipeline' and dataset.get('pipeline')
    return [''] if wins and loads_images(dataset['pipeline']) else base_keys(dataset)
