"""EfficientNet-Lite's parameters, from the names of efficientnet_pytorch to those of mmpretrain."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeVar

from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['from_efficientnet_pytorch', 'is_lite']

Value = TypeVar('Value')

#: Blocks in all to the blocks of each stage: Lite0; Lite1 and Lite2; Lite3; Lite4.
STAGES = {
    16: (1, 2, 2, 3, 3, 4, 1),
    21: (1, 3, 3, 4, 4, 5, 1),
    24: (1, 3, 3, 5, 5, 6, 1),
    30: (1, 4, 4, 6, 6, 8, 1),
}
#: Names outside the blocks: those of efficientnet_pytorch to those of mmpretrain's ImageClassifier
#: with a TIMMBackbone.
OUTSIDE = {
    '_conv_stem': 'backbone.timm_model.conv_stem',
    '_bn0': 'backbone.timm_model.bn1',
    '_conv_head': 'backbone.timm_model.conv_head',
    '_bn1': 'backbone.timm_model.bn2',
    '_fc': 'head.fc',
}
#: Names in a block of the first stage, which does not widen its input.
PLAIN = {'_depthwise_conv': 'conv_dw', '_bn1': 'bn1', '_project_conv': 'conv_pw', '_bn2': 'bn2'}
#: Names in the other blocks.
WIDENING = {
    '_expand_conv': 'conv_pw',
    '_bn0': 'bn1',
    '_depthwise_conv': 'conv_dw',
    '_bn1': 'bn2',
    '_project_conv': 'conv_pwl',
    '_bn2': 'bn3',
}

_NAME = re.compile(r'(?:_blocks\.(?P<block>\d+)\.)?(?P<layer>\w+)\.(?P<tensor>\w+)')


def is_lite(parameters: Mapping[str, object]) -> bool:
    """Return whether parameters have the names of an EfficientNet in efficientnet_pytorch."""
    return '_conv_stem.weight' in parameters and '_blocks.0._bn1.weight' in parameters


def from_efficientnet_pytorch(parameters: Mapping[str, Value]) -> dict[str, Value]:
    """Rename the parameters of EfficientNet-Lite0 to Lite4.

    Args:
        parameters: By the names of efficientnet_pytorch; no squeeze-and-excitation.

    Returns:
        By those of mmpretrain's ``ImageClassifier`` with ``TIMMBackbone`` (timm's
        ``tf_efficientnet_lite0`` and so on) and a linear head.

    Raises:
        ArgumentError: If there are not as many blocks as in one of them, or a name is not known.
    """
    found = {name: _NAME.fullmatch(name) for name in parameters}
    blocks = {int(each['block']) for each in found.values() if each and each['block']}
    if len(blocks) not in STAGES:
        known = ', '.join(map(str, STAGES))
        msg = f'an EfficientNet-Lite has {known} blocks, but the weights have {len(blocks)}'
        raise ArgumentError(msg)
    places = [
        (stage, index) for stage, count in enumerate(STAGES[len(blocks)]) for index in range(count)
    ]
    renamed = {}
    for name, parts in found.items():
        if parts is None:
            new = None
        elif parts['block'] is None:
            new = OUTSIDE.get(parts['layer'])
        else:
            stage, index = places[int(parts['block'])]
            layer = (WIDENING if stage else PLAIN).get(parts['layer'])
            new = layer and f'backbone.timm_model.blocks.{stage}.{index}.{layer}'
        if parts is None or new is None:
            msg = f'the weights of an EfficientNet-Lite have no {name!r}'
            raise ArgumentError(msg)
        renamed[f'{new}.{parts["tensor"]}'] = parameters[name]
    return renamed
