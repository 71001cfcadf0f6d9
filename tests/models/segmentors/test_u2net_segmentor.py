"""U2NetSegmentor: the authors' network, loss and names in mmseg, from scratch and from files."""

from __future__ import annotations

import copy
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

pytest.importorskip('mmseg')

from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from bgremoval_mm.models.segmentors.folded_norm import folded_norms
from bgremoval_mm.models.segmentors.u2net import U2NetSegmentor
from bgremoval_mm.removal import find_weights
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.networks.u2net import U2Net, u2net, u2netp
from bgremoval_mm.removal.networks.u2net_onnx import _convolutions


def samples(labels: torch.Tensor, **meta: Any) -> list[SegDataSample]:
    """Data samples with label maps, (N, H, W)."""
    made = []
    for each in labels:
        sample = SegDataSample(metainfo={'ori_shape': tuple(each.shape), **meta})
        sample.gt_sem_seg = PixelData(data=each[None])
        made.append(sample)
    return made


def square(count: int = 2, size: int = 64) -> torch.Tensor:
    """Label maps with a square of foreground."""
    labels = torch.zeros(count, size, size, dtype=torch.uint8)
    labels[:, size // 4 : -size // 4, size // 4 : -size // 4] = 1
    return labels


def trained_network() -> U2Net:
    """A network whose batch normalisations have statistics, weights and biases of their own."""
    torch.manual_seed(0)
    network = u2netp()
    for each in network.modules():
        if isinstance(each, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(each.weight, 0.7, 1.3)
            torch.nn.init.uniform_(each.bias, -0.2, 0.4)
            torch.nn.init.uniform_(each.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(each.running_var, 0.5, 1.5)
    return network.eval()


@pytest.fixture
def onnx_file(tmp_path: Path) -> tuple[Path, U2Net]:
    """The convolutions of a network as an ONNX file, each with the normalisation after it in it."""
    onnx = pytest.importorskip('onnx')
    network = trained_network()
    nodes, weights = [], []
    with torch.no_grad():
        for index, (convolution, norm) in enumerate(_convolutions(network)):
            weight, bias = convolution.weight, convolution.bias
            if norm is not None:
                scale = norm.weight / (norm.running_var + norm.eps).sqrt()
                weight = weight * scale.view(-1, 1, 1, 1)
                bias = (bias - norm.running_mean) * scale + norm.bias
            names = [f'w{index}', f'b{index}']
            for name, values in zip(names, (weight, bias), strict=True):
                weights.append(onnx.numpy_helper.from_array(values.numpy(), name))
            nodes.append(onnx.helper.make_node('Conv', ['x', *names], [f'y{index}']))
    graph = onnx.helper.make_graph(nodes, 'folded', [], [], weights)
    path = tmp_path / 'folded.onnx'
    path.write_bytes(onnx.helper.make_model(graph).SerializeToString())
    return path, network


@pytest.mark.parametrize(
    ('arch', 'make', 'count'), [('u2net', u2net, 44_009_869), ('u2netp', u2netp, 1_131_181)]
)
def test_parameters_and_names_are_the_authors(arch: str, make: Any, count: int) -> None:
    """Their number, and a state dict that either network can load, built under mmseg's scope."""
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(
            dict(
                type='U2NetSegmentor',
                arch=arch,
                data_preprocessor=dict(type='SegDataPreProcessor', mean=[0] * 3, std=[1] * 3),
            )
        )
    assert sum(each.numel() for each in model.parameters()) == count
    network = make()
    network.load_state_dict(model.state_dict(), strict=True)
    model.load_state_dict(make().state_dict(), strict=True)


def test_the_loss_is_the_sum_of_seven() -> None:
    """Each map's mean binary cross-entropy, computed from the sigmoid by hand."""
    torch.manual_seed(0)
    model = U2NetSegmentor('u2netp')
    photos, labels = torch.rand(2, 3, 64, 64), square()
    losses = model(photos, samples(labels), mode='loss')
    assert list(losses) == [f'loss_d{level}' for level in range(7)]
    with torch.no_grad():
        network = u2netp()
        network.load_state_dict(model.state_dict())
        maps = [torch.sigmoid(each).double() for each in network.logits(photos)]
    truth = labels[:, None].double()
    for level, each in enumerate(maps):
        expected = -(truth * each.log() + (1 - truth) * (1 - each).log()).mean()
        # Another order of the channels in memory is rounded otherwise, which the statistics of the
        # smallest maps, of eight numbers, magnify.
        assert losses[f'loss_d{level}'].item() == pytest.approx(expected.item(), abs=1e-4)
    total, _ = model.parse_losses(losses)
    assert total.item() == pytest.approx(sum(each.item() for each in losses.values()), abs=1e-5)


def test_ignored_pixels_have_no_part_in_the_loss() -> None:
    """The loss is that of the other pixels, and without any it is 0."""
    torch.manual_seed(0)
    model = U2NetSegmentor('u2netp').eval()
    photos, labels = torch.rand(1, 3, 64, 64), square(1)
    labels[:, :32] = 255
    with torch.no_grad():
        found = model(photos, samples(labels), mode='loss')['loss_d0'].item()
        probability = model(photos).sigmoid()
        expected = functional.binary_cross_entropy(
            probability[:, 0, 32:], (labels[:, 32:] == 1).float()
        )
        assert found == pytest.approx(expected.item(), abs=1e-5)
        nothing = model(photos, samples(torch.full_like(labels, 255)), mode='loss')
    assert all(each.item() == 0 for each in nothing.values())


def test_other_labels_are_refused() -> None:
    """A label map of several classes, or of 0 and 254, is not one of foreground."""
    labels = square(1)
    labels[0, 0, 0] = 2
    with pytest.raises(ArgumentError, match=r'must hold 0, 1 and 255 \(ignored\), but one holds 2'):
        U2NetSegmentor('u2netp')(torch.rand(1, 3, 64, 64), samples(labels), mode='loss')


def test_mixed_precision() -> None:
    """Under autocast the losses are float32 and finite, also where the network is very sure."""
    torch.manual_seed(0)
    model = U2NetSegmentor('u2netp')
    with torch.no_grad():
        model.outconv.bias.fill_(300.0)  # e^300 is infinite in float32
    with torch.autocast('cpu', torch.bfloat16):
        losses = model(torch.rand(2, 3, 64, 64), samples(square()), mode='loss')
    assert all(each.dtype == torch.float32 for each in losses.values())
    total, _ = model.parse_losses(losses)
    assert math.isfinite(total.item())
    total.backward()
    assert all(torch.isfinite(each.grad).all() for each in model.parameters())


@pytest.mark.parametrize(
    'test_cfg',
    [None, dict(mode='slide', crop_size=(48, 48), stride=(32, 32))],
    ids=['whole', 'slide'],
)
def test_predictions_have_the_size_of_the_photo(test_cfg: dict | None) -> None:
    """Whole or in windows, resized, padded and flipped, the mask is that of the photo."""
    torch.manual_seed(0)
    model = U2NetSegmentor('u2netp', threshold=0.4, test_cfg=test_cfg).eval()
    meta = dict(img_shape=(60, 64), padding_size=[0, 0, 0, 4], flip=True)
    sample = samples(square(1), **meta, flip_direction='horizontal')
    sample[0].set_metainfo({'ori_shape': (91, 133)})
    with torch.no_grad():
        (found,) = model(torch.rand(1, 3, 64, 64), sample, mode='predict')
    probability, mask = found.seg_logits.data, found.pred_sem_seg.data
    assert probability.shape == mask.shape == (1, 91, 133)
    assert 0 <= probability.min() <= probability.max() <= 1
    assert torch.equal(mask.bool(), probability > 0.4)


def test_a_prediction_is_the_networks_probability() -> None:
    """At its own size, without data samples or flipped back, to 1e-6."""
    network = trained_network()
    model = U2NetSegmentor('u2netp').eval()
    model.load_state_dict(network.state_dict())
    photo = torch.rand(1, 3, 64, 48)
    with torch.no_grad():
        expected = network(photo)[0]
        (found,) = model(photo, mode='predict')
        sample = samples(torch.zeros(1, 64, 48), flip=True, flip_direction='vertical')
        (flipped,) = model(photo, sample, mode='predict')
    torch.testing.assert_close(found.seg_logits.data, expected)
    torch.testing.assert_close(flipped.seg_logits.data, expected.flip(1))


def test_from_an_onnx_file(onnx_file: tuple[Path, U2Net]) -> None:
    """The map is the network's; training changes no map at the first batch, then trains all."""
    path, network = onnx_file
    model = U2NetSegmentor('u2netp', pretrained=path)
    model.init_weights()
    photos, labels = torch.rand(2, 3, 64, 64), square()
    with torch.no_grad():
        expected = network(photos)
        torch.testing.assert_close(model.eval()(photos).sigmoid(), expected, atol=1e-5, rtol=0)
        assert len(folded_norms(model)) == 112
        # As it is, training would change what the network says.
        changed = copy.deepcopy(model).train()(photos).sigmoid()
        assert (changed - expected).abs().max() > 0.01
    model.train()
    losses = model(photos, samples(labels), mode='loss')
    truth = labels[:, None].float()
    assert losses['loss_d0'].item() == pytest.approx(
        functional.binary_cross_entropy(expected, truth).item(), abs=1e-4
    )
    assert folded_norms(model) == []
    with torch.no_grad():
        torch.testing.assert_close(model.train()(photos).sigmoid(), expected, atol=1e-4, rtol=0)
    total, _ = model.parse_losses(losses)
    total.backward()
    norm = model.stage1.rebnconv3.bn_s1
    assert norm.weight.grad.abs().sum() > 0
    assert norm.bias.grad.abs().sum() > 0


def test_an_onnx_file_with_frozen_normalisation(onnx_file: tuple[Path, U2Net]) -> None:
    """With `norm_eval` the identities stay, in training too."""
    path, network = onnx_file
    model = U2NetSegmentor('u2netp', pretrained=path, norm_eval=True)
    model.init_weights()
    model.train()
    photos = torch.rand(2, 3, 64, 64)
    model(photos, samples(square()), mode='loss')
    assert len(folded_norms(model)) == 112
    assert not model.stage1.rebnconv3.bn_s1.training
    with torch.no_grad():
        torch.testing.assert_close(model(photos).sigmoid(), network(photos), atol=1e-5, rtol=0)


def test_from_a_checkpoint(tmp_path: Path) -> None:
    """A bare state dict of the authors and a checkpoint of mmengine are both loaded."""
    network = trained_network()
    for content in (network.state_dict(), {'state_dict': network.state_dict(), 'meta': {}}):
        torch.save(content, tmp_path / 'u2netp.pth')
        model = U2NetSegmentor('u2netp', pretrained=tmp_path / 'u2netp.pth')
        model.init_weights()
        for name, value in model.state_dict().items():
            assert torch.equal(value, network.state_dict()[name])


def test_a_checkpoint_of_another_network(tmp_path: Path) -> None:
    """A part that is missing or too much is an error, not a warning."""
    torch.save({'side1.bias': torch.zeros(1)}, tmp_path / 'part.pth')
    model = U2NetSegmentor('u2netp', pretrained=tmp_path / 'part.pth')
    with pytest.raises(ArgumentError, match=r'must be of u2netp, but .*part\.pth is not: '):
        model.init_weights()


@pytest.mark.parametrize('name', ['text.pth', 'list.pth', 'text.onnx', 'empty.onnx'])
def test_files_that_hold_no_weights(name: str, tmp_path: Path) -> None:
    """Whatever they are, the error names them."""
    torch.save([1, 2], tmp_path / 'list.pth')
    for each in ('text.pth', 'text.onnx'):
        (tmp_path / each).write_text('not a model')
    (tmp_path / 'empty.onnx').touch()
    model = U2NetSegmentor('u2netp', pretrained=tmp_path / name)
    with pytest.raises(ArgumentError, match=rf'must be of u2netp, but .*{name} is not: '):
        model.init_weights()
    (tmp_path / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        model.init_weights()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (dict(arch='u3net'), "`arch` must be one of 'u2net', 'u2netp', but got 'u3net'"),
        (dict(threshold=1.5), '`threshold` must be from 0 to below 1, but got 1.5'),
        (dict(pretrained='u2net.pt'), 'must be None, a .pth or an .onnx file, or one of u2net, '),
        (dict(test_cfg=dict(mode='tile')), "must be 'whole' or 'slide', but got 'tile'"),
        (dict(test_cfg=dict(mode='slide')), "mode='slide' must have crop_size and stride"),
    ],
)
def test_bad_arguments(arguments: dict, message: str) -> None:
    """Each error names the argument and what is allowed."""
    with pytest.raises(ArgumentError, match=message):
        U2NetSegmentor(**arguments)


def test_copies() -> None:
    """It can be pickled and copied, as hooks that average weights do."""
    model = U2NetSegmentor('u2netp').eval()
    photo = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        expected = model(photo)
        for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
            assert torch.equal(other.eval()(photo), expected)


@pytest.mark.real
def test_the_published_weights() -> None:
    """rembg's file of U2-NetP, as ONNX Runtime computes it."""
    path, runtime = find_weights('u2netp'), pytest.importorskip('onnxruntime')
    if path is None:
        pytest.skip('u2netp.onnx is not here')
    model = U2NetSegmentor('u2netp', pretrained='u2netp').eval()
    model.init_weights()
    photo = np.random.default_rng(0).normal(size=(1, 3, 320, 320)).astype(np.float32)
    session = runtime.InferenceSession(path, providers=['CPUExecutionProvider'])
    expected = session.run(None, {session.get_inputs()[0].name: photo})[0]
    with torch.no_grad():
        found = model(torch.from_numpy(photo)).sigmoid().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)
