"""Networks as ONNX files: what is in them, and that only what computes the same is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from bgremoval_mm.removal import BackgroundRemover, get_model, release_sessions
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.masks.functional import stretch
from bgremoval_mm.removal.networks import u2net_export
from bgremoval_mm.removal.networks.preprocessing import preprocess
from bgremoval_mm.removal.networks.u2net import U2Net, u2netp
from bgremoval_mm.removal.networks.u2net_export import (
    ParityError,
    export_onnx,
    fold_norms,
    network_of,
)
from bgremoval_mm.removal.networks.u2net_onnx import load_onnx
from bgremoval_mm.removal.zoo.card import ModelCard

CARD = ModelCard('small', 'u2netp', 32, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.fixture(scope='module')
def network() -> U2Net:
    """U2-NetP at random, with normalisations that are not the identity."""
    torch.manual_seed(0)
    made = u2netp()
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.8, 1.4)
            module.bias.data.normal_(0, 0.1)
    return made.eval()


@pytest.fixture(scope='module')
def exported(network: U2Net, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network's file, for 32 x 32 pixels."""
    path = tmp_path_factory.mktemp('exported') / 'small.onnx'
    assert export_onnx(network, path, CARD) <= u2net_export.LIMIT
    return path


def test_folding_changes_no_map(network: U2Net) -> None:
    """The convolutions alone compute what they and the normalisations computed."""
    folded, photos = fold_norms(network), torch.randn(2, 3, 32, 32)
    assert not any(isinstance(each, torch.nn.BatchNorm2d) for each in folded.modules())
    assert any(isinstance(each, torch.nn.BatchNorm2d) for each in network.modules())
    with torch.inference_mode():
        assert torch.allclose(folded(photos), network(photos), atol=1e-5)


def test_file_is_like_rembgs(exported: Path) -> None:
    """The names are those of rembg's files, the batch is open, and the card is inside."""
    model = onnx.load(exported)
    onnx.checker.check_model(model)
    (image,), (output,) = model.graph.input, model.graph.output
    assert (image.name, output.name) == ('input.1', '1959')
    for tensor in (image, output):
        first, *rest = tensor.type.tensor_type.shape.dim
        assert first.dim_param == 'batch'
        assert [each.dim_value for each in rest][1:] == [32, 32]
    assert not [node for node in model.graph.node if node.op_type == 'BatchNormalization']
    assert get_model(exported).architecture == 'u2netp'
    assert {each.key: each.value for each in model.metadata_props} == CARD.to_properties()


@pytest.mark.parametrize('backend', ['onnxruntime', 'openvino', 'torch'])
@pytest.mark.parametrize('batch_size', [1, 2])
def test_every_backend_runs_it(
    exported: Path, network: U2Net, picture, backend: str, batch_size: int
) -> None:
    """Each computes the network's map of three photos, alone and in batches."""
    if backend == 'openvino':
        pytest.importorskip('openvino')
    remover = BackgroundRemover(exported, backend, 'cpu', batch_size=batch_size)
    pictures = [picture(seed=seed) for seed in range(3)]
    inputs = np.stack([preprocess(each, remover.spec) for each in pictures])
    with torch.inference_mode():
        wanted = network(torch.from_numpy(inputs)).numpy()
    if not remover.backend.takes_pixels:
        assert np.abs(remover.backend.run(inputs) - wanted).max() < 1e-4
    for (mask, constant), (saliency,) in zip(remover.low_resolution(pictures), wanted, strict=True):
        assert not constant
        assert np.abs(mask.astype(int) - stretch(saliency)[0]).max() <= 1


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float64])
def test_default_dtype_rounds_no_weights(
    network: U2Net, exported: Path, picture, tmp_path: Path, dtype: torch.dtype
) -> None:
    """Networks are in float32, whatever a program has set for its own tensors."""
    weights = exported.read_bytes()
    expected = BackgroundRemover(exported, 'torch', 'cpu').low_resolution([picture()])[0][0]
    release_sessions()
    torch.set_default_dtype(dtype)
    try:
        found = BackgroundRemover(exported, 'torch', 'cpu').low_resolution([picture()])[0][0]
        again = network_of(network.state_dict())[1]
        load_onnx(u2netp().float(), weights)
        gap = export_onnx(network, tmp_path / 'again.onnx', CARD)
    finally:
        torch.set_default_dtype(torch.float32)
        release_sessions()
    np.testing.assert_array_equal(found, expected)
    assert torch.equal(again.outconv.weight, network.outconv.weight)
    assert gap <= u2net_export.LIMIT


def test_what_differs_is_not_written(
    network: U2Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of other weights than the network's is refused, and nothing is left behind."""
    other = u2netp().eval()
    monkeypatch.setattr(u2net_export, 'fold_norms', lambda _: fold_norms(other))
    with pytest.raises(ParityError, match=r'differs from the checkpoint by .*; 1e-04 is the limit'):
        export_onnx(network, tmp_path / 'a.onnx', CARD)
    assert list(tmp_path.iterdir()) == []


def test_targets_that_are_refused(network: U2Net, tmp_path: Path) -> None:
    """The file must be an .onnx that is not there yet."""
    there = tmp_path / 'a.onnx'
    there.touch()
    with pytest.raises(ArgumentError, match='is there already'):
        export_onnx(network, there, CARD)
    with pytest.raises(ArgumentError, match=r'must be written to a file that ends in \.onnx'):
        export_onnx(network, tmp_path / 'a.pth', CARD)


def test_network_is_found_by_its_weights(network: U2Net) -> None:
    """Also with the prefix that DataParallel leaves; weights of something else are refused."""
    state = {f'module.{name}': value for name, value in network.state_dict().items()}
    arch, found = network_of(state)
    assert arch == 'u2netp'
    assert not found.training
    assert torch.equal(found.outconv.weight, network.outconv.weight)
    with pytest.raises(ArgumentError, match='must be of u2net, but they are not'):
        network_of(state, 'u2net')
    with pytest.raises(ArgumentError, match="must be one of u2net, u2netp, but got 'isnet'"):
        network_of(state, 'isnet')
    with pytest.raises(ArgumentError, match='must be of u2net or u2netp, but they are not'):
        network_of({'weight': torch.zeros(1)})
