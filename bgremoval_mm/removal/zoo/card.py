"""The card of a model: what a file tells of itself, in the metadata of the ONNX file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, get_args

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.zoo.catalogue import Activation

__all__ = ['NAME_RULE', 'ModelCard', 'check_metrics']

_PREFIX = 'bgremoval_mm.'
_NAME = re.compile(r'\w[\w.-]{0,63}')
NAME_RULE = 'at most 64 letters, digits, dots, hyphens and underscores, not beginning with a dot'


@dataclass(frozen=True)
class ModelCard:
    """What a model is, how it is fed, and how it was made.

    Attributes:
        name: Of the model; see `NAME_RULE`.
        architecture: Of the network, such as ``'u2netp'``.
        size: Input side in pixels.
        mean: Mean of each channel (R, G, B), of values in [0, 1].
        std: Standard deviation of each channel (R, G, B), of values in [0, 1].
        activation: What turns the first output into a mask, as in ModelSpec.
        licence: Of the weights.
        date: When it was exported, ``YYYY-MM-DD``.
        package_version: Version of bgremoval_mm that exported it.
        training_manifest: SHA-256 of the manifest of the pairs that it was trained on.
        checkpoint: SHA-256 of the checkpoint.
        metrics: Scores of a test by name.

    Raises:
        ArgumentError: If a value is not allowed.
    """

    name: str
    architecture: str
    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    activation: str = 'minmax'
    licence: str = ''
    date: str = ''
    package_version: str = ''
    training_manifest: str = ''
    checkpoint: str = ''
    metrics: Mapping[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            msg = f'`name` must be {NAME_RULE}, but got {self.name!r}'
            raise ArgumentError(msg)
        if not _is_whole(self.size) or self.size < 1:
            msg = f'`size` must be a number of pixels, but got {self.size!r}'
            raise ArgumentError(msg)
        for name, least in (('mean', -math.inf), ('std', 0.0)):
            values = getattr(self, name)
            valid = isinstance(values, tuple) and len(values) == 3 and all(map(_is_number, values))
            if not valid or min(values) <= least:
                what = 'three numbers' if name == 'mean' else 'three numbers above 0'
                msg = f'`{name}` must be {what}, of R, G and B, but got {values!r}'
                raise ArgumentError(msg)
        if self.activation not in get_args(Activation):
            allowed = ', '.join(get_args(Activation))
            msg = f'`activation` must be one of {allowed}, but got {self.activation!r}'
            raise ArgumentError(msg)
        check_metrics(self.metrics)

    def to_properties(self) -> dict[str, str]:
        """Return the card as an ONNX file's metadata has it: texts as they are, the rest JSON."""
        return {
            _PREFIX + each.name: _text(getattr(self, each.name))
            for each in fields(self)
            if getattr(self, each.name) or each.default is each.default_factory is MISSING
        }

    @classmethod
    def from_properties(cls, properties: Mapping[str, str]) -> ModelCard | None:
        """Return the card in an ONNX file's metadata; None if there is none.

        Properties of later versions are left out.

        Raises:
            ArgumentError: If it is not a card.
        """
        found = {
            each.name: properties[_PREFIX + each.name]
            for each in fields(cls)
            if _PREFIX + each.name in properties
        }
        if not found:
            return None
        values: dict[str, Any] = dict(found)
        try:
            for name in ('size', 'mean', 'std', 'metrics'):
                if name in values:
                    values[name] = json.loads(values[name])
            for name in ('mean', 'std'):
                values[name] = tuple(values[name])
            return cls(**values)
        except (ValueError, TypeError, KeyError) as err:
            if isinstance(err, ArgumentError):
                raise
            msg = f'it lacks a value, or has one that cannot be read: {err}'
            raise ArgumentError(msg) from err

    def lines(self) -> list[str]:
        """Return the card for people, a line for each value that is given."""
        rows = {each.name.replace('_', ' '): getattr(self, each.name) for each in fields(self)}
        rows.pop('metrics')
        rows |= dict(self.metrics)
        width = max(map(len, rows))
        return [f'{name:<{width}}  {_shown(value)}' for name, value in rows.items() if value != '']


def check_metrics(metrics: object) -> None:
    """Refuse what are not scores by name.

    Raises:
        ArgumentError: If it is not a mapping of names to numbers or None.
    """
    if not isinstance(metrics, Mapping):
        msg = f'`metrics` must be scores by name, but got {type(metrics).__name__}'
        raise ArgumentError(msg)
    for name, value in metrics.items():
        if not isinstance(name, str) or not (value is None or _is_number(value)):
            msg = f'`metrics` must hold numbers, but {name!r} is {value!r}'
            raise ArgumentError(msg)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ', '.join(f'{each:.6g}' for each in value)
    return f'{value:.6g}' if isinstance(value, float) else str(value)
