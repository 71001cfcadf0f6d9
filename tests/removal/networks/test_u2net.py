"""U2-Net in PyTorch: the published network, and the weights of ONNX files in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from bgremoval_mm.removal import ModelSpec, find_weights
from bgremoval_mm.removal.networks.u2net import u2net, u2netp
from bgremoval_mm.removal.networks.u2net_onnx import FusedLogits, load_onnx


@pytest.mark.parametrize(
    ('make', 'count'), [(u2net, 44_009_869), (u2netp, 1_131_181)], ids=['u2net', 'u2netp']
)
def test_network_has_the_originals_parameters(make: Callable, count: int) -> None:
    """Their number, and names of the published checkpoints from every part of the network."""
    network = make()
    assert sum(each.numel() for each in network.parameters()) == count
    names = set(network.state_dict())
    assert {
        'stage1.rebnconvin.conv_s1.weight',
        'stage1.rebnconv7.bn_s1.running_mean',
        'stage2.rebnconv5d.conv_s1.bias',
        'stage4.rebnconv4.conv_s1.weight',
        'stage5.rebnconv3d.bn_s1.weight',
        'stage1d.rebnconv1d.conv_s1.weight',
        'side6.weight',
        'outconv.bias',
    } <= names
    assert 'stage4.rebnconv5.conv_s1.weight' not in names
    dilations = [
        getattr(network.stage5, f'rebnconv{level}').conv_s1.dilation[0] for level in (1, 2, 3, 4)
    ]
    assert dilations == [1, 2, 4, 8]
    assert network.stage1.rebnconv7.conv_s1.dilation == (2, 2)


@pytest.mark.parametrize('size', [32, 45, 64])
def test_network_takes_any_size(size: int) -> None:
    """Maps of the input's size, 0 to 1; one fused and six of the levels."""
    network = u2netp().eval()
    photo = torch.rand(2, 3, size, size + 7)
    with torch.no_grad():
        assert network(photo).shape == (2, 1, size, size + 7)
        maps = network.logits(photo)
        assert [tuple(each.shape) for each in maps] == [(2, 1, size, size + 7)] * 7
        assert 0 <= network(photo).min() <= network(photo).max() <= 1


def test_network_can_be_trained() -> None:
    """A step on a square lowers the loss, and every parameter gets a gradient."""
    torch.manual_seed(0)
    network = u2netp()
    photo, target = torch.rand(2, 3, 64, 64), torch.zeros(2, 1, 64, 64)
    target[..., 16:48, 16:48] = 1
    optimiser = torch.optim.Adam(network.parameters(), 1e-3)
    losses = []
    for _ in range(3):
        maps = network.logits(photo)
        loss = sum(
            torch.nn.functional.binary_cross_entropy_with_logits(each, target) for each in maps
        )
        optimiser.zero_grad()
        loss.backward()
        assert all(each.grad is not None for each in network.parameters())
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_network_that_runs_leaves_the_other_as_it_is() -> None:
    """The copy without batch normalisation gives the same map; the other can still be trained."""
    torch.manual_seed(0)
    network = u2netp().eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.fill_(1.0 - module.eps)  # the identity, as `load_onnx` leaves it
    before = {name: value.clone() for name, value in network.state_dict().items()}
    photo = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        found = FusedLogits(network)(photo)
        torch.testing.assert_close(found, network.logits(photo)[0])
    assert network.state_dict().keys() == before.keys()
    assert not any('bn_s1' in name for name in FusedLogits(network).state_dict())


def test_weights_of_another_network(tiny_model: Callable[..., ModelSpec]) -> None:
    """A file with other convolutions is refused."""
    tiny_model('u2netp')
    path = find_weights('u2netp')
    assert path is not None
    with pytest.raises(ValueError, match='must hold 119 convolutions of this network, but has 1'):
        load_onnx(u2netp(), path.read_bytes())


def test_documented_path_of_load_onnx() -> None:
    """It was documented as a part of the network's own module."""
    from bgremoval_mm.removal.networks import u2net as module

    assert module.load_onnx is load_onnx
    with pytest.raises(AttributeError, match='has no attribute'):
        module.load_tensorflow  # noqa: B018
