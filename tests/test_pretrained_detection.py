"""Initialisation weights of Table I and II: files of the published names and layouts fit.

The files themselves are not at hand here. Their keys and shapes are written down below as the
repositories say that published them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from bgremoval_mm.pretrained import FOLDER_VARIABLE, HOSTS

ROOT = Path(__file__).resolve().parents[1]

State = dict[str, torch.Tensor]
Shapes = dict[str, tuple[int, ...]]


def norm(name: str, channels: int) -> Shapes:
    """Layer normalisation."""
    return {f'{name}.weight': (channels,), f'{name}.bias': (channels,)}


def batch_norm(name: str, channels: int) -> Shapes:
    """Batch normalisation, without the count of batches."""
    statistics = {f'{name}.running_mean': (channels,), f'{name}.running_var': (channels,)}
    return norm(name, channels) | statistics


def affine(name: str, *shape: int) -> Shapes:
    """A linear or convolutional layer with its bias."""
    return {f'{name}.weight': shape, f'{name}.bias': shape[:1]}


def resnext101() -> Shapes:
    """ResNeXt-101 32x4d as PyTorch names it, its classifier among it."""
    from torchvision.models.resnet import Bottleneck, ResNet

    with torch.device('meta'):
        network = ResNet(Bottleneck, [3, 4, 23, 3], groups=32, width_per_group=4)
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


def resnest101() -> Shapes:
    """ResNeSt-101 of zhanghang1989/ResNeSt as converted for mmdet (open-mmlab/mmdetection#5056).

    `conv1` was renamed `stem` and `bn1` `stem.7`; classifier and counts of batches were dropped.
    """
    shapes: Shapes = {}
    for layer, (inner, outer) in zip((0, 3, 6), ((3, 64), (64, 64), (64, 128)), strict=True):
        shapes |= {f'stem.{layer}.weight': (outer, inner, 3, 3)}
        shapes |= batch_norm(f'stem.{layer + 1}', outer)
    channels = 128
    for stage, depth in enumerate((3, 4, 23, 3)):
        width, out = 64 * 2**stage, 256 * 2**stage
        reduced = width // 2  # radix 2, reduction factor 4
        for block in range(depth):
            at = f'layer{stage + 1}.{block}'
            shapes |= {f'{at}.conv1.weight': (width, channels, 1, 1)}
            shapes |= batch_norm(f'{at}.bn1', width)
            shapes |= {f'{at}.conv2.conv.weight': (2 * width, width // 2, 3, 3)}
            shapes |= batch_norm(f'{at}.conv2.bn0', 2 * width)
            shapes |= affine(f'{at}.conv2.fc1', reduced, width, 1, 1)
            shapes |= batch_norm(f'{at}.conv2.bn1', reduced)
            shapes |= affine(f'{at}.conv2.fc2', 2 * width, reduced, 1, 1)
            shapes |= {f'{at}.conv3.weight': (out, width, 1, 1)} | batch_norm(f'{at}.bn3', out)
            if block == 0:  # 0 is the average pooling
                shapes |= {f'{at}.downsample.1.weight': (out, channels, 1, 1)}
                shapes |= batch_norm(f'{at}.downsample.2', out)
            channels = out
    return shapes


def swin(width: int, depths: tuple[int, ...], heads: tuple[int, ...]) -> Shapes:
    """Swin for photos of 224 x 224, windows of 7 x 7, as microsoft/Swin-Transformer names it."""
    shapes = affine('patch_embed.proj', width, 3, 4, 4) | norm('patch_embed.norm', width)
    for stage, (depth, count) in enumerate(zip(depths, heads, strict=True)):
        side, channels = 56 // 2**stage, width * 2**stage
        for block in range(depth):
            at = f'layers.{stage}.blocks.{block}'
            if block % 2 and side > 7:  # of windows that are shifted
                shapes |= {f'{at}.attn_mask': ((side // 7) ** 2, 49, 49)}
            shapes |= norm(f'{at}.norm1', channels)
            shapes |= {
                f'{at}.attn.relative_position_bias_table': (169, count),
                f'{at}.attn.relative_position_index': (49, 49),
            }
            shapes |= affine(f'{at}.attn.qkv', 3 * channels, channels)
            shapes |= affine(f'{at}.attn.proj', channels, channels)
            shapes |= norm(f'{at}.norm2', channels)
            shapes |= affine(f'{at}.mlp.fc1', 4 * channels, channels)
            shapes |= affine(f'{at}.mlp.fc2', channels, 4 * channels)
        if stage < 3:
            at = f'layers.{stage}.downsample'
            shapes |= {f'{at}.reduction.weight': (2 * channels, 4 * channels)}
            shapes |= norm(f'{at}.norm', 4 * channels)
    return shapes | norm('norm', channels) | affine('head', 1000, channels)


def swin_tiny() -> Shapes:
    """Swin-T."""
    return swin(96, (2, 2, 6, 2), (3, 6, 12, 24))


def swin_base() -> Shapes:
    """Swin-B as mmsegmentation's swin2mmseg.py names it: without classifier, already converted."""
    shapes = swin(128, (2, 2, 18, 2), (4, 8, 16, 32))
    return {_mm_swin(key): shape for key, shape in shapes.items() if not key.startswith('head')}


def pvt_small() -> Shapes:
    """PVT-Small as classification/pvt.py of whai362/PVT names it."""
    stages = zip((64, 128, 320, 512), (8, 8, 4, 4), (3, 4, 6, 3), (8, 4, 2, 1), strict=True)
    shapes: Shapes = {}
    inner = 3
    for stage, (width, ratio, depth, reduction) in enumerate(stages, 1):
        patch = 4 if stage == 1 else 2
        shapes |= affine(f'patch_embed{stage}.proj', width, inner, patch, patch)
        shapes |= norm(f'patch_embed{stage}.norm', width)
        tokens = (112 // 2**stage) ** 2 + (stage == 4)  # the last with a class token
        shapes |= {f'pos_embed{stage}': (1, tokens, width)}
        for block in range(depth):
            at = f'block{stage}.{block}'
            shapes |= norm(f'{at}.norm1', width) | norm(f'{at}.norm2', width)
            shapes |= affine(f'{at}.attn.q', width, width)
            shapes |= affine(f'{at}.attn.kv', 2 * width, width)
            shapes |= affine(f'{at}.attn.proj', width, width)
            if reduction > 1:
                shapes |= affine(f'{at}.attn.sr', width, width, reduction, reduction)
                shapes |= norm(f'{at}.attn.norm', width)
            shapes |= affine(f'{at}.mlp.fc1', ratio * width, width)
            shapes |= affine(f'{at}.mlp.fc2', width, ratio * width)
        inner = width
    return shapes | {'cls_token': (1, 1, 512)} | norm('norm', 512) | affine('head', 1000, 512)


def _mm_swin(key: str) -> str:
    """OpenMMLab's name of a parameter of Swin."""
    for theirs, ours in (
        ('layers.', 'stages.'),
        ('.attn.', '.attn.w_msa.'),
        ('.mlp.fc1.', '.ffn.layers.0.0.'),
        ('.mlp.fc2.', '.ffn.layers.1.'),
        ('patch_embed.proj.', 'patch_embed.projection.'),
    ):
        key = key.replace(theirs, ours)
    return key


def same(state: State) -> State:
    """A file whose names and values are the backbone's own."""
    return {key: value for key, value in state.items() if not key.startswith('fc.')}


def from_swin(state: State) -> State:
    """What OpenMMLab's Swin must hold: channels of a merged patch are in another order.

    Swin joins the four pixels of a patch, upper left, lower left, upper right, lower right, and in
    each the channels; torch's Unfold the channels, and in each the pixels row by row.
    """
    found: State = {}
    for key, value in state.items():
        if key.startswith(('head', 'norm.')) or key.endswith('attn_mask'):
            continue
        if 'downsample' in key:
            channels = value.shape[-1] // 4
            place = [
                pixel * channels + channel
                for channel, pixel in product(range(channels), (0, 2, 1, 3))
            ]
            value = value[..., place]
        found[_mm_swin(key)] = value
    return found


def from_converted_swin(state: State) -> State:
    """What mmsegmentation's Swin must hold of a file that was converted to its names and order."""
    return {
        key: value
        for key, value in state.items()
        if not key.startswith('norm.') and not key.endswith('attn_mask')
    }


def from_pvt(state: State) -> State:
    """What mmdet's PVT must hold: queries, keys and values are one matrix, linear layers 1 x 1."""
    found: State = {}
    for stage in range(1, 5):
        at = f'layers.{stage - 1}'
        # The last of them stands for 7 x 7 tokens; the class token's comes first.
        found[f'{at}.1.0.pos_embed'] = state[f'pos_embed{stage}'][:, -((112 // 2**stage) ** 2) :]
        for part in ('weight', 'bias'):
            found[f'{at}.0.projection.{part}'] = state[f'patch_embed{stage}.proj.{part}']
            found[f'{at}.0.norm.{part}'] = state[f'patch_embed{stage}.norm.{part}']
        blocks = [key.split('.')[1] for key in state if key.startswith(f'block{stage}.')]
        for block, part in product(dict.fromkeys(blocks), ('weight', 'bias')):
            theirs, ours = f'block{stage}.{block}', f'{at}.1.{int(block) + 1}'
            both = [state[f'{theirs}.attn.{name}.{part}'] for name in ('q', 'kv')]
            found[f'{ours}.attn.attn.in_proj_{part}'] = torch.cat(both)
            found[f'{ours}.attn.attn.out_proj.{part}'] = state[f'{theirs}.attn.proj.{part}']
            for name in ('norm1', 'norm2', 'attn.sr', 'attn.norm'):
                if f'{theirs}.{name}.{part}' in state:
                    found[f'{ours}.{name}.{part}'] = state[f'{theirs}.{name}.{part}']
            for name, place in (('fc1', 0), ('fc2', 3)):
                value = state[f'{theirs}.mlp.{name}.{part}']
                value = value[..., None, None] if part == 'weight' else value
                found[f'{ours}.ffn.layers.{place}.{part}'] = value
    return found


@dataclass(frozen=True)
class Published:
    """A file of weights and a config that starts from it.

    Attributes:
        config: The config, below `configs`.
        name: The file's name.
        shapes: Its keys and their shapes.
        top: The key under which it has them; empty if it has nothing else.
        expected: What the backbone must hold then.
        new: Keys of the backbone that are in no such file: they are initialised as usual.
    """

    config: str
    name: str
    shapes: Callable[[], Shapes]
    top: str
    expected: Callable[[State], State]
    new: frozenset[str] = frozenset()


# Detection and segmentation look at all four stages, through norms that classification has not.
STAGE_NORMS = frozenset(f'norm{i}.{part}' for i in range(4) for part in ('weight', 'bias'))
MASK_RCNN = 'detection/mask_rcnn/mask-rcnn_{}_fpn_1xb4-1x_ccp.py'
UPERNET = 'segmentation/upernet/swin-base-patch4-window7-in1k-pre_upernet_1xb2-20k_ccp-512x512.py'
FILES = {
    'x101-32x4d': Published(
        MASK_RCNN.format('x101-32x4d'),
        'resnext101_32x4d-a5af3160.pth',
        resnext101, 'state_dict', same,
    ),
    's101': Published(
        MASK_RCNN.format('s101'),
        'resnest101_d2-f3b931b2.pth',
        resnest101, 'state_dict', same,
    ),
    'swin-t': Published(
        MASK_RCNN.format('swin-t-p4-w7'),
        'swin_tiny_patch4_window7_224.pth',
        swin_tiny, 'model', from_swin, STAGE_NORMS,
    ),
    'pvt-s': Published(
        MASK_RCNN.format('pvt-s'),
        'pvt_small.pth',
        pvt_small, '', from_pvt,
    ),
    'swin-b': Published(
        UPERNET,
        'swin_base_patch4_window7_224_20220317-e9b98025.pth',
        swin_base, '', from_converted_swin, STAGE_NORMS,
    ),
}  # fmt: skip


def relative_positions() -> torch.Tensor:
    """Swin's index of the bias of two pixels in a window of 7 x 7, as the paper defines it."""
    table = torch.zeros(49, 49, dtype=torch.long)
    for (y, x), (v, u) in product(product(range(7), repeat=2), repeat=2):
        table[7 * y + x, 7 * v + u] = (y - v + 6) * 13 + (x - u + 6)
    return table


def filled(shapes: Shapes) -> State:
    """Random numbers for all keys; what is no number of a network's is what it is in the file."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for key, shape in shapes.items():
        if key.endswith('num_batches_tracked'):
            state[key] = torch.tensor(1000)
        elif key.endswith('relative_position_index'):
            state[key] = relative_positions()
        else:
            state[key] = torch.rand(shape, generator=generator)
    return state


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder that the variable names, emptied afterwards: such files are large. No network."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))
    yield tmp_path
    for path in tmp_path.glob('*.pth'):
        path.unlink()


def start(published: Published, folder: Path) -> tuple[State, Any]:
    """Write the file, and initialise the backbone of the config with it."""
    config = Config.fromfile(ROOT / 'configs' / published.config)
    scope = config.default_scope
    pytest.importorskip(scope)
    settings = config.model.backbone
    url = settings.init_cfg.checkpoint
    assert url.startswith(HOSTS)
    assert Path(url).name == published.name
    state = filled(published.shapes())
    content = {published.top: state, 'meta': {}} if published.top else state
    torch.save(content, folder / published.name)
    with DefaultScope.overwrite_default_scope(scope):
        backbone = MODELS.build(settings)
    for each in backbone.parameters():
        torch.nn.init.zeros_(each)
    backbone.init_weights()
    return state, backbone


@pytest.mark.parametrize('name', FILES)
@pytest.mark.usefixtures('no_initialisation')
def test_every_key_of_the_backbone_is_loaded(name: str, folder: Path) -> None:
    """All of the backbone's numbers are the file's, in the place that the two networks' maths say.

    Swin's norms behind each stage are in no file of a classifier, and are the only new ones.
    """
    published = FILES[name]
    state, backbone = start(published, folder)
    found = backbone.state_dict()
    expected = published.expected(state)
    counts = {key for key in found if key.endswith('num_batches_tracked')}
    assert set(found) - counts - set(expected) == published.new
    assert set(expected) - set(found) == set()
    different = [key for key, value in expected.items() if not torch.equal(found[key], value)]
    assert different == []


@pytest.mark.usefixtures('no_initialisation')
def test_merged_patches_of_swin(folder: Path) -> None:
    """Patch merging gives what the original's definition gives with the published numbers."""
    state, backbone = start(FILES['swin-t'], folder)
    at = 'layers.0.downsample'
    image = torch.rand(1, 4, 6, 96)
    corners = [(0, 0), (1, 0), (0, 1), (1, 1)]
    joined = torch.cat([image[:, y::2, x::2] for y, x in corners], dim=-1)
    weight, bias = state[f'{at}.norm.weight'], state[f'{at}.norm.bias']
    normal = torch.nn.functional.layer_norm(joined, (384,), weight, bias)
    expected = normal @ state[f'{at}.reduction.weight'].T
    found, size = backbone.stages[0].downsample(image.flatten(1, 2), (4, 6))
    assert size == (2, 3)
    torch.testing.assert_close(found, expected.flatten(1, 2))


@pytest.mark.usefixtures('no_initialisation')
def test_a_file_that_lacks_a_block_is_found_out(folder: Path) -> None:
    """The comparison is not vacuous: without a block, the block's keys are those that are missing.

    OpenMMLab says so in a warning only, and trains.
    """
    published = FILES['pvt-s']

    def shorter() -> Shapes:
        """PVT-Small without the last block of the third stage."""
        return {k: v for k, v in pvt_small().items() if not k.startswith('block3.5.')}

    state, backbone = start(replace(published, shapes=shorter), folder)
    missing = set(backbone.state_dict()) - set(published.expected(state))
    assert missing
    assert all(key.startswith('layers.2.1.6.') for key in missing)
