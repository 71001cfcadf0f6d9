"""The parts of BASNet: sizes, channels and parameters, counted from the paper's description."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models import resnet34

from bgremoval_mm.models.basnet.decoder import BASNetDecoder
from bgremoval_mm.models.basnet.encoder import BASNetEncoder
from bgremoval_mm.models.basnet.refinement import ResidualRefinement

SIZES = [(66, 64), (33, 32), (17, 16), (9, 8), (5, 4), (3, 2)]
CHANNELS = [64, 128, 256, 512, 512, 512]


def convolution(inner: int, outer: int, normalised: bool = True, bias: bool = True) -> int:
    """Number of parameters of a 3 x 3 convolution, with batch normalisation after it."""
    return 9 * inner * outer + outer * bias + 2 * outer * normalised


def count(module: nn.Module) -> int:
    """Number of parameters."""
    return sum(each.numel() for each in module.parameters())


@pytest.fixture(scope='module')
def encoder() -> BASNetEncoder:
    """The encoder, at random."""
    torch.manual_seed(0)
    return BASNetEncoder().eval()


def test_encoder(encoder: BASNetEncoder) -> None:
    """Full size in the first stage, then half; odd sizes too. Stages 1 to 4 are ResNet-34's."""
    with torch.no_grad():
        features = encoder(torch.rand(1, 3, 66, 64))
    assert [tuple(each.shape[-2:]) for each in features] == SIZES
    assert [each.shape[1] for each in features] == CHANNELS
    blocks = 6 * 2 * convolution(512, 512, bias=False)
    resnet = resnet34()
    stages = sum(count(resnet.get_submodule(f'layer{stage}')) for stage in range(1, 5))
    assert count(encoder) == convolution(3, 64) + stages + blocks


def test_encoder_takes_the_weights_of_resnet34(encoder: BASNetEncoder, tmp_path) -> None:
    """Those of its four stages, by the names of torchvision's checkpoint."""
    resnet = resnet34()
    torch.save(resnet.state_dict(), tmp_path / 'resnet34.pth')
    encoder.init_cfg = {'type': 'Pretrained', 'checkpoint': str(tmp_path / 'resnet34.pth')}
    encoder.init_weights()
    for stage in range(1, 5):
        name = f'layer{stage}.0.conv1.weight'
        assert torch.equal(encoder.state_dict()[name], resnet.state_dict()[name])


def test_decoder() -> None:
    """Seven maps of the photo's size, the coarsest last; every part has its share in some map."""
    torch.manual_seed(0)
    decoder = BASNetDecoder()
    features = [
        torch.rand(1, channels, *size) for channels, size in zip(CHANNELS, SIZES, strict=True)
    ]
    maps = decoder.eval()(features)
    assert [tuple(each.shape) for each in maps] == [(1, 1, 66, 64)] * 7
    sum(each.sum() for each in maps).backward()
    assert all(each.grad.abs().sum() > 0 for each in decoder.parameters())
    stages = [(1024, 512, 512), (1024, 512, 512), (1024, 512, 256), (512, 256, 128)]
    stages += [(256, 128, 64), (128, 64, 64)]
    expected = 3 * convolution(512, 512) + convolution(512, 1, False)
    for inner, middle, outer in stages:
        expected += convolution(inner, middle) + convolution(middle, middle)
        expected += convolution(middle, outer) + convolution(outer, 1, False)
    assert count(decoder) == expected
    # The bridge and stage 6 reach twice as far: 1 + 3 * 2 * 2 pixels of the coarsest map.
    dilations = [each.conv_s1.dilation for each in (*decoder.bridge, *decoder.stage6)]
    assert dilations == [(2, 2)] * 3 + [(1, 1)] + [(2, 2)] * 2


def test_refinement() -> None:
    """It adds something to the coarse map, and nothing if its last convolution is 0."""
    torch.manual_seed(0)
    module = ResidualRefinement().eval()
    coarse = torch.randn(1, 1, 37, 50)
    with torch.no_grad():
        refined = module(coarse)
        assert refined.shape == coarse.shape
        assert not torch.equal(refined, coarse)
        nn.init.zeros_(module.residual.weight)
        nn.init.zeros_(module.residual.bias)
        assert torch.equal(module(coarse), coarse)
    down, up = 5 * convolution(64, 64), 4 * convolution(128, 64)
    assert count(module) == convolution(1, 64, False) + down + up + convolution(64, 1, False)
