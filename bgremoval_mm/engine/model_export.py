"""From a checkpoint to an ONNX file: what it is of, how it is fed, and its card."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bgremoval_mm.engine.literal_config import read_literals
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.zoo.card import ModelCard
from bgremoval_mm.removal.zoo.catalogue import CATALOGUE, is_model_file
from bgremoval_mm.removal.zoo.model_file import read_model_file
from bgremoval_mm.utils.class_names import class_name
from bgremoval_mm.utils.json_io import read_json_object
from bgremoval_mm.utils.messages import first_few
from bgremoval_mm.utils.text import printable
from bgremoval_mm.version import __version__

if TYPE_CHECKING:
    from bgremoval_mm.removal.networks.u2net import U2Net

__all__ = ['ExportReport', 'export_model']

_SEGMENTOR = 'U2NetSegmentor'


@dataclass(frozen=True)
class ExportReport:
    """What `export_model` has written.

    Attributes:
        path: The file.
        card: Its card.
        gap: The largest difference of its maps from the checkpoint's, as a probability.
        notes: What the file does otherwise than the test of the training, or does not know.
    """

    path: Path
    card: ModelCard
    gap: float
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Trained:
    """A network, and what is known of it."""

    network: U2Net
    card: ModelCard
    notes: list[str] = field(default_factory=list)


def export_model(
    checkpoint: str | Path,
    out: str | Path,
    config: str | Path | None = None,
    *,
    name: str | None = None,
    licence: str | None = None,
    metrics: str | Path | None = None,
    manifest: str | Path | None = None,
    overwrite: bool = False,
) -> ExportReport:
    """Write a trained U2-Net or U2-NetP as an ONNX file, with a card, if it computes the same.

    Args:
        checkpoint: A checkpoint of a training with `U2NetSegmentor`; a ``.pth`` file of weights
            with the names of the authors of U2-Net; or an ``.onnx`` file of these networks, whose
            card is taken over.
        out: The file, ``.onnx``.
        config: Config of the training, where the checkpoint holds none or another one is meant.
        name: Of the model; None takes that of `out`.
        licence: Of the weights, such as ``'Apache-2.0'``.
        metrics: JSON file of the scores of a test, as ``tools/test.py --out`` writes it.
        manifest: Manifest of the pairs that it was trained on, for the card; None takes that of
            the config, if it is there.
        overwrite: Replace a file that is there.

    Returns:
        What was written.

    Raises:
        ArgumentError: If an argument is not allowed, or the checkpoint is not of these networks.
        ParityError: If the file's maps differ from the network's by more than 0.0001.
        OSError: If a file cannot be read or written.
    """
    from bgremoval_mm.removal.networks.u2net_export import check_target, export_onnx

    checkpoint, out = Path(checkpoint), Path(out)
    check_target(out, overwrite)
    content = checkpoint.read_bytes()
    if is_model_file(str(checkpoint)):
        if config is not None:
            msg = f'`config` is for checkpoints, but {printable(checkpoint)} is an ONNX file'
            raise ArgumentError(msg)
        trained = _from_onnx(checkpoint, content)
    else:
        trained = _from_checkpoint(checkpoint, config, manifest is None)
    given: dict[str, Any] = {'name': out.stem if name is None else name}
    if licence is not None:
        given['licence'] = licence
    if metrics is not None:
        given['metrics'] = read_json_object(metrics)
    if manifest is not None:
        given['training_manifest'] = _sha256(Path(manifest))
    card = replace(
        trained.card,
        checkpoint=hashlib.sha256(content).hexdigest(),
        date=datetime.now(UTC).date().isoformat(),
        package_version=__version__,
        **given,
    )
    gap = export_onnx(trained.network, out, card, overwrite)
    return ExportReport(out, card, gap, trained.notes)


def _from_onnx(path: Path, content: bytes) -> _Trained:
    from bgremoval_mm.removal.networks.u2net_export import NETWORKS
    from bgremoval_mm.removal.networks.u2net_onnx import load_onnx

    file = read_model_file(path)
    spec = file.spec
    if spec.architecture not in NETWORKS:
        msg = f'{printable(path)} must be of {" or ".join(NETWORKS)}, but is of another network'
        raise ArgumentError(msg)
    network = NETWORKS[spec.architecture]()
    load_onnx(network, content)
    if file.card is not None:
        return _Trained(network, file.card)
    notes = ['the file has no card: it is fed as u2net is, as rembg feeds it']
    return _Trained(network, _usual_card(spec.architecture), notes)


def _from_checkpoint(path: Path, config: str | Path | None, wants_manifest: bool) -> _Trained:
    from bgremoval_mm.removal.networks.u2net_export import network_of

    loaded = _load(path)
    state = loaded.get('state_dict', loaded)
    text = (loaded.get('meta') or {}).get('cfg') if state is not loaded else None
    settings: Mapping[str, Any] | None = None
    if config is not None:
        from bgremoval_mm.engine.run_config import read_config

        settings = read_config(config).to_dict()
    elif isinstance(text, str):
        settings = read_literals(text)
    try:
        if settings is not None:
            return _described(state, settings, wants_manifest)
        arch, network = network_of(state)
    except ArgumentError as err:
        msg = f'{printable(path)}: {err}'
        raise ArgumentError(msg) from err
    notes = ['there is no config: the network is fed as u2net is, at 320 x 320']
    return _Trained(network, _usual_card(arch), notes)


def _load(path: Path) -> dict[str, Any]:
    import torch

    import bgremoval_mm  # noqa: F401  (allows the classes that a checkpoint of mmengine holds)

    try:
        loaded = torch.load(path, map_location='cpu', weights_only=True)
    except OSError:
        raise
    except Exception as err:
        # What is no pickle makes it raise many kinds of errors.
        reason = ' '.join(f'{type(err).__name__}: {err}'.split())[:200]
        msg = f'{printable(path)} must be a checkpoint of PyTorch, or an .onnx file ({reason})'
        raise ArgumentError(msg) from err
    state = loaded.get('state_dict', loaded) if isinstance(loaded, dict) else None
    if not state or not all(isinstance(each, torch.Tensor) for each in state.values()):
        msg = f'{printable(path)} must hold weights by name (a state dict), but does not'
        raise ArgumentError(msg)
    return dict(loaded)


def _described(
    state: Mapping[str, Any], settings: Mapping[str, Any], wants_manifest: bool
) -> _Trained:
    """Read off a config which network it is, how it is fed, and what it was trained on."""
    from bgremoval_mm.removal.networks.u2net_export import network_of

    model: Mapping[str, Any] = settings.get('model') or {}
    if _type_of(model) != _SEGMENTOR:
        msg = f'its config must be of {_SEGMENTOR}, but has the model {model.get("type")!r}'
        raise ArgumentError(msg)
    arch, network = network_of(state, model.get('arch', 'u2net'))
    notes: list[str] = []
    given = model.get('data_preprocessor') or settings.get('data_preprocessor') or {}
    usual = _usual_card(arch)
    if not given.get('bgr_to_rgb', False):
        msg = 'its data_preprocessor must have bgr_to_rgb=True: the engine feeds networks with RGB'
        raise ArgumentError(msg)
    how = {}
    for key in ('mean', 'std'):
        values = given.get(key)
        if values is None:
            msg = f'its data_preprocessor must have a `{key}`'
            raise ArgumentError(msg)
        how[key] = tuple(round(float(each) / 255, 9) for each in values)
    pipeline = _test_pipeline(settings)
    types = [_type_of(step) for step in pipeline]
    resize = next((step for step in pipeline if _type_of(step) == 'Resize'), {})
    size, scale = usual.size, resize.get('scale')
    if isinstance(scale, list | tuple) and len(scale) == 2 and scale[0] == scale[1]:
        size = int(scale[0])
    else:
        notes.append(f'the test pipeline resizes to no square: the file takes {size} x {size}')
    if resize.get('keep_ratio'):
        notes.append('the test pipeline keeps the aspect of photos, the engine does not')
    if 'ScaleToFullRange' not in types:
        notes.append('the test pipeline has no ScaleToFullRange, which the engine does to photos')
    card = replace(usual, size=size, **how)  # type: ignore[arg-type]
    files = sorted(set(_manifests(settings.get('train_dataloader')))) if wants_manifest else []
    if len(files) == 1 and Path(files[0]).is_file():
        card = replace(card, training_manifest=_sha256(Path(files[0])))
    elif files:
        notes.append(
            f'the card names no training data, since {printable(first_few(files))} is not here: '
            'give the manifest'
        )
    return _Trained(network, card, notes)


def _usual_card(arch: str) -> ModelCard:
    spec = CATALOGUE['u2net']
    return ModelCard('model', arch, spec.size, spec.mean, spec.std, spec.activation)


def _test_pipeline(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    for key in ('test_dataloader', 'val_dataloader'):
        dataset = (settings.get(key) or {}).get('dataset') or {}
        while isinstance(dataset, Mapping) and not dataset.get('pipeline'):
            # Of several, as in a ConcatDataset, the first.
            dataset = dataset.get('dataset') or next(iter(dataset.get('datasets') or ()), None)
        if isinstance(dataset, Mapping) and dataset.get('pipeline'):
            return [step for step in dataset['pipeline'] if isinstance(step, Mapping)]
    return []


def _type_of(node: Mapping[str, Any]) -> str:
    """Return the type that a part of a config names, without the scope before it."""
    return class_name(node.get('type', ''))


def _manifests(node: Any) -> Iterator[str]:
    """Find the manifests in a part of a config."""
    if isinstance(node, Mapping):
        if isinstance(node.get('manifest'), str):
            yield node['manifest']
        for value in node.values():
            yield from _manifests(value)
    elif isinstance(node, list | tuple):
        for each in node:
            yield from _manifests(each)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
