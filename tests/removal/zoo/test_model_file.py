"""Models in files of one's own: what is read off them, and what is refused."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from bgremoval_mm.removal import (
    BackgroundRemover,
    MaskStore,
    WeightsError,
    find_weights,
    get_model,
    read_image,
    remove_tree,
)
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.review.page import open_results
from bgremoval_mm.removal.zoo.card import ModelCard
from bgremoval_mm.removal.zoo.model_file import read_model_file

MakeFile = Callable[..., Path]


def test_spec_is_what_the_card_says(model_file: MakeFile) -> None:
    """Size, normalisation and licence are the card's; name and hash tell files apart."""
    card = {'mean': (0.1, 0.2, 0.3), 'std': (0.5, 0.25, 1.0), 'licence': 'MIT'}
    path = model_file('shoes', card)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    spec = get_model(str(path))
    assert (spec.size, spec.mean, spec.std) == (8, card['mean'], card['std'])
    assert (spec.name, spec.hash) == (f'shoes-{sha256[:8]}', f'sha256:{sha256}')
    assert (spec.licence, spec.path, spec.argument) == ('MIT', str(path), str(path))
    assert get_model(path) is spec
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert find_weights(spec) == path


def test_file_without_a_card_is_fed_as_u2net(model_file: MakeFile) -> None:
    """As rembg feeds its `u2net_custom`: 320 x 320, ImageNet's mean and deviation, stretched."""
    path = model_file('my model (2)', has_card=False, size=320)
    spec, usual = get_model(path), get_model('u2net')
    for name in ('size', 'mean', 'std', 'activation'):
        assert getattr(spec, name) == getattr(usual, name)
    assert spec.name.startswith('my_model_2_-')
    assert read_model_file(path).card is None


def test_card_comes_back_from_the_file() -> None:
    """What is written into the metadata is read out of it again; later properties are left out."""
    card = ModelCard(
        'a', 'u2netp', 320, (0.1, 0.2, 0.3), (1.0, 1.0, 1.0), licence='MIT', date='2026-01-02',
        training_manifest='ab', metrics={'saliency/IoU': 0.9, 'x': None},
    )  # fmt: skip
    properties = card.to_properties()
    assert properties['bgremoval_mm.name'] == 'a'
    assert properties['bgremoval_mm.mean'] == '[0.1, 0.2, 0.3]'
    assert ModelCard.from_properties(properties | {'bgremoval_mm.later': '1'}) == card
    assert ModelCard.from_properties({'producer': 'x'}) is None
    assert 'saliency/IoU       0.9' in card.lines()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'name': 'a/b'}, '`name` must be at most 64 letters'),
        ({'size': 0}, '`size` must be a number of pixels, but got 0'),
        ({'mean': (0.0, 1.0)}, '`mean` must be three numbers'),
        ({'std': (1.0, 0.0, 1.0)}, '`std` must be three numbers above 0'),
        ({'activation': 'relu'}, '`activation` must be one of minmax, sigmoid-minmax, argmax'),
        ({'metrics': {'IoU': 'high'}}, "`metrics` must hold numbers, but 'IoU' is 'high'"),
    ],
)
def test_card_is_checked(changes: dict[str, Any], message: str) -> None:
    """A card with a value that is not allowed is refused, by the name of the value."""
    usual = {
        'name': 'a', 'architecture': 'u2net', 'size': 8, 'mean': (0.0,) * 3, 'std': (1.0,) * 3
    }  # fmt: skip
    with pytest.raises(ArgumentError, match=message):
        ModelCard(**usual | changes)


def test_files_that_are_refused(model_file: MakeFile, tmp_path: Path) -> None:
    """A missing file, a folder, no ONNX, and graphs of other shapes are told apart."""
    text, folder, empty = tmp_path / 'a.onnx', tmp_path / 'f.onnx', tmp_path / 'e.onnx'
    text.write_text('<html>')
    folder.mkdir()
    empty.write_bytes(b'')
    for path, message in (
        (tmp_path / 'none.onnx', r'`model`: there is no file .*none\.onnx'),
        (folder, r'f\.onnx cannot be read: Is a directory'),
        (text, r'a\.onnx is not an ONNX file'),
        (empty, r'e\.onnx is not an ONNX file: it holds no graph'),
        (
            model_file('small', has_card=False),
            r'320 x 320, the size that a file without a card is run at',
        ),
        (model_file('other', {'size': 16}), r'must take N x 3 x 16 x 16, the size that its card'),
        (model_file('named', {'architecture': 'u2net'}), r"the network is 'u2net', but its conv"),
    ):
        with pytest.raises(ArgumentError, match=message):
            BackgroundRemover(path)


def make_graph(inputs: list[Any], output: list[int]) -> onnx.ModelProto:
    """A graph of these inputs that hands out a constant."""
    constant = helper.make_tensor('c', TensorProto.FLOAT, output, np.zeros(np.prod(output)))
    node = helper.make_node('Constant', [], ['y'], value=constant)
    result = helper.make_tensor_value_info('y', TensorProto.FLOAT, output)
    return helper.make_model(helper.make_graph([node], 'g', inputs, [result]))


@pytest.mark.parametrize(
    ('inputs', 'output', 'message'),
    [
        (['a', 'b'], [1, 1, 4, 4], "must have one input, a batch of images, but has 'a', 'b'"),
        ([], [1, 1, 4, 4], 'must have one input, a batch of images, but has none'),
        (['a'], [1, 5, 4, 4], "the first output must be maps, N x 1 x H x W, but 'y' is 1 x 5 x"),
        (['a'], [1, 10], "must be maps, N x 1 x H x W, but 'y' is 1 x 10"),
    ],
)
def test_graphs_that_are_refused(
    tmp_path: Path, inputs: list[str], output: list[int], message: str
) -> None:
    """A graph that does not map images to maps is refused before it is run."""
    shape = [1, 3, 320, 320]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in inputs]
    path = tmp_path / 'a.onnx'
    path.write_bytes(make_graph(values, output).SerializeToString())
    with pytest.raises(ArgumentError, match=message):
        get_model(path)


def test_damaged_card(model_file: MakeFile) -> None:
    """A card that lacks a value is named as damaged."""
    path = model_file()
    model = onnx.load(path)
    kept = [each for each in model.metadata_props if each.key != 'bgremoval_mm.size']
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ArgumentError, match=r'the card in .* is damaged: it lacks a value'):
        get_model(path)


def test_file_that_changes(model_file: MakeFile, picture: Callable[..., np.ndarray]) -> None:
    """A remover runs what it was made for; a new one takes the file as it is now."""
    path = model_file()
    remover = BackgroundRemover(path, 'onnxruntime', 'cpu')
    model_file(scale=2.0)
    with pytest.raises(WeightsError, match='has changed since it was opened as a model'):
        remover([picture()])
    assert BackgroundRemover(path, 'onnxruntime', 'cpu').spec.hash != remover.spec.hash
    later = BackgroundRemover(path, 'onnxruntime', 'cpu')
    path.unlink()
    with pytest.raises(WeightsError, match='is not there any more'):
        later([picture()])


@pytest.mark.parametrize('backend', ['onnxruntime', 'openvino'])
def test_masks_are_those_of_the_graph(
    model_file: MakeFile, picture: Callable[..., np.ndarray], backend: str
) -> None:
    """The channel sum of the small photo, stretched: with the card's mean and deviation."""
    if backend == 'openvino':
        pytest.importorskip('openvino')
    photo = picture(8, 8)
    remover = BackgroundRemover(model_file(card={'std': (1.0, 2.0, 4.0)}), backend, 'cpu')
    (found,) = pickle.loads(pickle.dumps(remover))([photo])
    total = photo.astype(float) @ [1, 1 / 2, 1 / 4]
    wanted = (total - total.min()) / (total.max() - total.min()) * 255
    assert np.abs(found - wanted).max() <= 1


def test_torch_needs_a_known_network(model_file: MakeFile) -> None:
    """A graph of another network has no counterpart in PyTorch."""
    with pytest.raises(ArgumentError, match=r"backend='torch' has u2net, u2netp, but got 'mine-"):
        BackgroundRemover(model_file(), 'torch')


def test_masks_of_two_files_are_two(model_file: MakeFile, image_tree: Path, tmp_path: Path) -> None:
    """Each file has a folder of the store; its records say hash and parameters."""
    paths = model_file('a'), model_file('b', scale=-1.0)
    for path in paths:
        summary = remove_tree(image_tree, tmp_path / 'store', path, device='cpu', progress=False)
        assert summary.done == 6
    first, second = (MaskStore(tmp_path / 'store', path) for path in paths)
    assert first.folder != second.folder
    record = first.manifest.read()['hat/0.jpg']
    assert (record.model, record.model_hash) == (first.spec.name, first.spec.hash)
    assert record.params['network'] == {
        'size': 8, 'mean': [0.0] * 3, 'std': [1.0] * 3, 'activation': 'minmax'
    }  # fmt: skip
    stored = first.get('hat/0.jpg')
    assert stored is not None
    assert first.is_current(stored, image_tree / 'hat/0.jpg')
    assert not second.is_current(stored, image_tree / 'hat/0.jpg')
    again = remove_tree(image_tree, tmp_path / 'store', paths[0], device='cpu', progress=False)
    assert (again.done, again.skipped) == (0, 6)


def test_results_can_be_reviewed_without_the_file(
    model_file: MakeFile, image_tree: Path, tmp_path: Path
) -> None:
    """Full-size results are opened by their records, whether or not the model is still there."""
    path = model_file()
    remove_tree(image_tree, tmp_path / 'cut', path, output='rgba', device='cpu', progress=False)
    path.unlink()
    results = open_results(tmp_path / 'cut')
    assert results.spec.name.startswith('mine-')
    assert results.path('hat/0.jpg').is_file()
    assert read_image(results.path('hat/0.jpg')).size == (20, 14)
