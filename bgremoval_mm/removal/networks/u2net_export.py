"""A trained network as an ONNX file that every backend runs, checked against PyTorch.

Input and output are called as in rembg's files. The batch may have any size; batch normalisation
is folded into the convolutions; the one output is the fused map, 0 to 1.
"""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.removal.networks.preprocessing import preprocess
from bgremoval_mm.removal.networks.u2net import ConvBNReLU, U2Net, u2net, u2netp
from bgremoval_mm.removal.zoo.card import ModelCard
from bgremoval_mm.removal.zoo.catalogue import ModelSpec
from bgremoval_mm.utils.atomic import write_atomically

__all__ = ['LIMIT', 'NETWORKS', 'ParityError', 'export_onnx', 'fold_norms', 'network_of']

NETWORKS = {'u2net': u2net, 'u2netp': u2netp}
LIMIT = 1e-4  # of the probability
_INPUT, _OUTPUT = 'input.1', '1959'
_OPSET = 11  # of rembg's files


class ParityError(BgremovalError, RuntimeError):
    """An exported file does not compute what the network computes."""


def network_of(state: Mapping[str, torch.Tensor], arch: str | None = None) -> tuple[str, U2Net]:
    """Return the network that a state dict with the authors' names is of, in evaluation mode.

    Args:
        state: Weights by name. A prefix ``module.`` of all, which DataParallel leaves, is dropped.
        arch: Of `NETWORKS`; None finds it out.

    Returns:
        The name of the architecture, and the network with these weights.

    Raises:
        ArgumentError: If they are of no such network.
    """
    if state and all(name.startswith('module.') for name in state):
        state = {name.removeprefix('module.'): value for name, value in state.items()}
    if arch is not None and arch not in NETWORKS:
        msg = f'`arch` must be one of {", ".join(NETWORKS)}, but got {arch!r}'
        raise ArgumentError(msg)
    problems, names = [], tuple(NETWORKS) if arch is None else (arch,)
    for name in names:
        network = NETWORKS[name]().float()
        try:
            network.load_state_dict(state)
        except RuntimeError as err:
            problems.append(f'{name}: {" ".join(str(err).split())[:200]}')
        else:
            return name, network.float().eval()
    msg = f'the weights must be of {" or ".join(names)}, but they are not: {problems[-1]}'
    raise ArgumentError(msg)


def fold_norms(network: U2Net) -> U2Net:
    """Return a copy whose batch normalisations are folded into the convolutions before them."""
    folded = copy.deepcopy(network).double().eval()  # the products are rounded once, at the end
    for module in folded.modules():
        if isinstance(module, ConvBNReLU):
            module.conv_s1 = fuse_conv_bn_eval(module.conv_s1, module.bn_s1)
            module.bn_s1 = nn.Identity()  # type: ignore[assignment]
    return folded.float()


def export_onnx(
    network: U2Net, path: str | Path, card: ModelCard, overwrite: bool = False
) -> float:
    """Write a network as an ONNX file, if the file computes the same.

    Args:
        network: The network. It stays as it is.
        path: The file, ``.onnx``.
        card: What is written into its metadata.
        overwrite: Replace a file that is there.

    Returns:
        The largest difference of the file's maps from the network's, on four fixed pictures, alone
        and as a batch.

    Raises:
        ArgumentError: If the path does not end in ``.onnx``, or is there already.
        ImportError: If ONNX or ONNX Runtime is not installed.
        ParityError: If a map differs by more than `LIMIT`. No file is written then.
    """
    path = Path(path)
    check_target(path, overwrite)
    content = _to_onnx(fold_norms(network), card)
    gap = _gap(network, content, card)
    if not gap <= LIMIT:
        msg = (
            f'the exported network differs from the checkpoint by {gap:.1g} of the probability; '
            f'{LIMIT:.0e} is the limit, so {path} was not written'
        )
        raise ParityError(msg)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
    return gap


def check_target(path: Path, overwrite: bool = False) -> None:
    """Refuse a path that a model cannot be written to.

    Raises:
        ArgumentError: If it does not end in ``.onnx``, or is there already.
    """
    if path.suffix.lower() != '.onnx':
        msg = f'the model must be written to a file that ends in .onnx, but got {path}'
        raise ArgumentError(msg)
    if path.is_dir() or (path.exists() and not overwrite):
        msg = f'{path} is there already: choose another name, or overwrite it'
        raise ArgumentError(msg)


class _Probability(nn.Module):
    """The fused map alone: the others are not computed."""

    def __init__(self, network: U2Net) -> None:
        super().__init__()
        self.network = network

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.network.logits(photos)[0])


def _to_onnx(network: U2Net, card: ModelCard) -> bytes:
    import onnx

    photo = torch.zeros(1, 3, card.size, card.size, dtype=torch.float32)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        file = Path(folder) / 'model.onnx'
        # Of the exporter: it is an old one, and shapes that are compared are taken for constant.
        warnings.simplefilter('ignore')
        # The new one needs onnxscript.
        torch.onnx.export(
            _Probability(network).eval(),
            (photo,),
            file,
            input_names=[_INPUT],
            output_names=['saliency'],
            dynamic_axes={_INPUT: {0: 'batch'}, 'saliency': {0: 'batch'}},
            opset_version=_OPSET,
            dynamo=False,
        )
        model = onnx.load_model(file)
    output = model.graph.output[0]
    for node in model.graph.node:
        for number, name in enumerate(node.output):
            if name == output.name:
                node.output[number] = _OUTPUT  # torch refuses names of digits
    output.name = _OUTPUT
    onnx.helper.set_model_props(model, card.to_properties())
    return bytes(model.SerializeToString())


def _gap(network: U2Net, content: bytes, card: ModelCard) -> float:
    """Return the largest difference of maps; NaN if one has NaN."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=['CPUExecutionProvider'])
    batch = np.stack([preprocess(picture, _spec(card)) for picture in _pictures()])
    with torch.inference_mode():
        wanted = network.eval()(torch.from_numpy(batch)).numpy()
    alone = np.concatenate([session.run(None, {_INPUT: each[None]})[0] for each in batch])
    together = session.run(None, {_INPUT: batch})[0]
    return float(max(np.abs(found - wanted).max() for found in (alone, together)))


def _pictures() -> list[np.ndarray]:
    """Return fixed pictures, uint8 of shape (240, 180, 3): noise, discs, stripes and a dark one."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:240, :180]
    disc = np.hypot(y - 120, x - 90) < 60
    noise = random.integers(0, 256, (240, 180, 3), np.uint8)
    stripes = np.where((x // 15 + y // 30) % 2, 230, 40)
    ramp = y + x // 4
    return [
        noise,
        np.where(disc[..., None], (200, 60, 40), (235, 235, 240)).astype(np.uint8),
        np.dstack([stripes, np.where(disc, 20, 250), ramp]).astype(np.uint8),
        np.where(disc[..., None], noise // 8 + 20, noise // 16).astype(np.uint8),
    ]


def _spec(card: ModelCard) -> ModelSpec:
    return ModelSpec(
        card.name, '', '', '', card.licence, size=card.size, mean=card.mean, std=card.std
    )
