"""How a run and its baseline are named."""

from __future__ import annotations

import pytest

from bgremoval_mm.engine.pairs import baseline_name, what_is_changed


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('vgg11_8xb32_clothing10-rembg', 'vgg11_8xb32_clothing10'),
        ('upernet_fashionpedia-rembg-512x512', 'upernet_fashionpedia-512x512'),
        ('fashionpedia-rembg_instance', 'fashionpedia_instance'),
        ('vgg11_clothing10-bgaug', 'vgg11_clothing10'),
        ('bn-inception_triplet_cars196-bgval', 'bn-inception_triplet_cars196'),
        ('lite0_clothing10-rembg-mean', 'lite0_clothing10'),
        ('lite0_clothing10-rembg-sure_v2', 'lite0_clothing10_v2'),
        ('lite0_clothing10-rembg-meaning', 'lite0_clothing10-meaning'),
        ('vgg11_clothing10', None),
        ('vgg11-rembgs', None),
        ('rembg', None),
    ],
)
def test_baseline_name(name: str, expected: str | None) -> None:
    """Only a whole suffix is taken away, wherever it stands."""
    assert baseline_name(name) == expected


@pytest.mark.parametrize(
    ('name', 'expected'),
    [
        ('upernet_fashionpedia-rembg-512x512', 'background removed'),
        ('vgg11_clothing10-bgaug', 'background replaced'),
        ('bn-inception_triplet_cars196-bgval', 'selected on replaced backgrounds'),
        ('lite0_clothing10-rembg-blur', 'background blurred'),
        ('vgg11-rembgs', ''),
    ],
)
def test_what_is_changed(name: str, expected: str) -> None:
    """The suffix says it; a baseline has none."""
    assert what_is_changed(name) == expected
