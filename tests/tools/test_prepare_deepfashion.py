"""tools/prepare_dataset.py on DeepFashion's benchmarks: counts, what is missing, how it is had."""

from __future__ import annotations

from pathlib import Path

import pytest

from bgremoval_mm.datasets.deepfashion.category import DeepFashionCategory
from bgremoval_mm.datasets.deepfashion.consumer_to_shop import DeepFashionConsumerToShop
from bgremoval_mm.datasets.deepfashion.in_shop import DeepFashionInShop

KINDS = {
    'deepfashion_category': DeepFashionCategory,
    'deepfashion_inshop': DeepFashionInShop,
    'deepfashion_consumer2shop': DeepFashionConsumerToShop,
}
SIZES = {
    'deepfashion_category': {'photos': 15, 'categories': 5},
    'deepfashion_inshop': {'photos': 12, 'items': 4, 'train': 6, 'query': 2, 'gallery': 4},
    'deepfashion_consumer2shop': {'pairs': 12},
}


@pytest.mark.parametrize('name', KINDS)
def test_check(
    prepare, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A part of a benchmark is an error that counts; a whole copy can be used."""
    root, command = request.getfixturevalue(name), name.replace('_', '-')
    status, said, found = prepare(command, root)
    assert status == 1
    assert 'complete=False uses what is there' in said
    assert found['tables'][KINDS[name].__name__]['train']
    monkeypatch.setattr(KINDS[name], 'SIZE', SIZES[name])
    status, said, found = prepare(command, root)
    assert (status, found['errors']) == (0, [])
    assert 'there under several names' in said  # the photos were read: all are alike
    status, said, found = prepare(command, root, '--names-only')
    assert (status, found['warnings']) == (0, [])
    counts = {subset: sum(each.values()) for subset, each in found['tables'].popitem()[1].items()}
    assert (
        counts
        == {
            'deepfashion_category': {'train': 5, 'val': 5, 'test': 5},
            'deepfashion_inshop': {'train': 6, 'query': 2, 'gallery': 4},
            'deepfashion_consumer2shop': {'train': 4, 'val': 6, 'test': 6},
        }[name]
    )


@pytest.mark.parametrize('name', KINDS)
def test_what_is_missing(
    prepare, request: pytest.FixtureRequest, tmp_path: Path, name: str
) -> None:
    """Without a copy the way to one is said; a photo that is gone is named."""
    command = name.replace('_', '-')
    status, said, _ = prepare(command, tmp_path / 'nothing')
    assert status == 1
    assert 'sign its agreement: see https://mmlab.ie.cuhk.edu.hk' in said
    assert KINDS[name].TITLE in said
    root = request.getfixturevalue(name)
    photo = sorted(root.rglob('*.jpg'))[0]
    photo.unlink()
    status, said, found = prepare(command, root, '--names-only')
    assert status == 1
    assert 'photos that are missing: 1' in said
    assert found['details']['missing'] == [str(photo)]


def test_query_without_its_item(
    prepare, deepfashion_inshop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query whose item is not in the gallery is counted and named, as a warning."""
    listed = deepfashion_inshop / 'Eval/list_eval_partition.txt'
    lines = listed.read_text().splitlines()
    kept = [line for line in lines if not line.endswith('id_00000004 gallery')]
    listed.write_text('\n'.join([str(len(kept) - 2), *kept[1:]]))
    monkeypatch.setattr(DeepFashionInShop, 'SIZE', {})
    status, said, found = prepare('deepfashion-inshop', deepfashion_inshop, '--names-only')
    assert status == 0
    assert 'queries whose item is not in the gallery: 1' in said
    assert found['details']['queries_without_item'] == [
        'Img/img/MEN/Pants/id_00000004/01_1_front.jpg'
    ]


def test_link(prepare, deepfashion_inshop: Path, tmp_path: Path) -> None:
    """A copy elsewhere is linked to its place; what is no copy is refused."""
    root = tmp_path / 'data' / 'link'
    status, said, _ = prepare('deepfashion-inshop', root, '--src', tmp_path)
    assert status == 1
    assert '--src must be a folder with Eval in it' in said
    assert not root.exists()
    _, said, _ = prepare('deepfashion-inshop', root, '--src', deepfashion_inshop, '--names-only')
    assert f'{deepfashion_inshop} was linked to {root}' in said
    assert root.readlink() == deepfashion_inshop
    _, said, _ = prepare('deepfashion-inshop', root, '--src', deepfashion_inshop, '--names-only')
    assert 'was there already' in said
