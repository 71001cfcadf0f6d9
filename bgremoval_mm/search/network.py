"""Network: photos in, vectors of length 1 out, with what an index records of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import Compose
from mmengine.registry import DefaultScope
from mmengine.utils import import_modules_from_strings

from bgremoval_mm.evaluation.nearest import normalise
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.search.definition import BACKBONES, Definition, of_backbone, of_config
from bgremoval_mm.search.records import NetworkRecord
from bgremoval_mm.search.weights import (
    NetworkError,
    absolute,
    config_of,
    copied,
    hash_parameters,
    load_weights,
    state_of,
)
from bgremoval_mm.utils.text import printable

__all__ = ['Network', 'NetworkError']

_SCOPE = 'mmpretrain'


class Network:
    """A network of mmpretrain that turns photos into vectors.

    What the vector is: the embedding, if the model predicts one (``EmbeddingHead`` and whatever
    gives its data samples the field ``embedding``); else the feature before the last linear layer
    (mmpretrain's ``pre_logits``), or the pooled feature of a model without a head; of an
    ``ImageToImageRetriever``, what its encoder gives.

    Args:
        definition: Of model and preprocessing.
        weights: Path or address of a checkpoint that mmengine loads.
        name: What it is called.
        device: ``'cpu'``, ``'cuda'``, ``'cuda:N'``; ``'auto'``: a GPU where there is one.
        state: Parameters of `weights`, if they are loaded already.

    Attributes:
        record: What an index keeps. The hash is of the names, types, shapes and bytes of everything
            in the model's ``state_dict``: it is the same for a checkpoint with and without an
            optimiser.

    Raises:
        NetworkError: If the weights lack parameters of the model, or have them in other shapes.
        OSError: If the weights cannot be read.
    """

    def __init__(
        self,
        definition: Definition,
        weights: str,
        name: str,
        device: str = 'auto',
        state: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        from mmpretrain.registry import MODELS, TRANSFORMS

        if definition.imports:
            import_modules_from_strings(list(definition.imports))
        if state is None:
            state = state_of(load_weights(weights))
        with DefaultScope.overwrite_default_scope(_SCOPE):
            self.model: Any = MODELS.build(copied(definition.model))
            self._pipeline = Compose(
                [TRANSFORMS.build(copied(step)) for step in definition.pipeline]
            )
        self.definition = definition
        self._fill(state, weights)
        self.record = NetworkRecord(name, weights, hash_parameters(self.model), definition.text())
        if device == 'auto':
            device = 'cuda' if torch.cuda.is_available() else 'cpu'
        self.device = device
        self.model.to(device).eval()
        self._gives_embeddings: bool | None = None

    @classmethod
    def from_checkpoint(
        cls, checkpoint: str | Path, config: str | Path | None = None, device: str = 'auto'
    ) -> Network:
        """Return the network of a training.

        Args:
            checkpoint: A checkpoint that mmengine has written, or only its ``state_dict``.
            config: Its config; None: the one that mmengine put into the checkpoint.
            device: See the class.

        Raises:
            ArgumentError: If there is no config, or it cannot be used, see ``of_config``.
            NetworkError: If the checkpoint does not fit the config.
        """
        path = str(checkpoint)
        content = load_weights(path)
        cfg = config_of(content, path, config, '--config')
        definition = of_config(cfg, f'the config in {path}' if config is None else config)
        return cls(definition, absolute(path), Path(path).name, device, state_of(content))

    @classmethod
    def from_backbone(cls, name: str, device: str = 'auto') -> Network:
        """Return a backbone with ImageNet weights.

        Args:
            name: Of ``BACKBONES``, or a model of mmpretrain with published weights, such as
                ``'resnet50_8xb32_in1k'``.
            device: See the class.

        Raises:
            ArgumentError: If there is no such backbone.
        """
        if name in BACKBONES:
            definition, weights = of_backbone(name)
            return cls(definition, weights, name, device)
        from mmpretrain.apis import ModelHub, list_models

        published = set(list_models(task='Image Classification'))
        found = ModelHub.get(name) if name in published else None
        if found is None or not found.weights:
            msg = (
                f'`backbone` must be one of {", ".join(BACKBONES)}, or a classifier of mmpretrain '
                f"with weights, such as 'resnet50_8xb32_in1k', but got {name!r}"
            )
            raise ArgumentError(msg)
        return cls(of_config(found.config, name), found.weights, name, device)

    @classmethod
    def from_record(cls, record: NetworkRecord, device: str = 'auto') -> Network:
        """Return the network of an index.

        Raises:
            NetworkError: If the weights at that place are others now; the message names both.
            OSError: If there are none.
        """
        definition = Definition.parse(record.definition)
        network = cls(definition, record.weights, record.name, device)
        if network.record.sha256 != record.sha256:
            msg = (
                f'the index was made by {record}, but {printable(record.weights)} has other '
                f'weights now: {network.record}'
            )
            raise NetworkError(msg)
        return network

    def embed(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return the vectors of photos.

        Args:
            images: uint8 arrays of shape (H, W, 3), RGB; the sizes may differ.

        Returns:
            float32 of shape (N, D), each row of length 1.

        Raises:
            NetworkError: If the network gives something else than a finite vector for each photo.
        """
        packed = [self._preprocess(image) for image in images]
        shapes = {tuple(each['inputs'].shape) for each in packed}
        # Photos of different sizes would be padded, and the padding differ from batch to batch.
        groups = [packed] if len(shapes) == 1 else [[each] for each in packed]
        with torch.no_grad():
            vectors = [self._forward(group).float().cpu().numpy() for group in groups]
        whole = np.concatenate(vectors)
        if not np.isfinite(whole).all():
            msg = f'{self.record.name} gives vectors with NaN or infinity'
            raise NetworkError(msg)
        return normalise(whole)

    def _preprocess(self, image: np.ndarray) -> dict[str, Any]:
        size = image.shape[:2]
        pixels = np.ascontiguousarray(image[..., ::-1])
        if self.definition.as_float:
            pixels = pixels.astype(np.float32)
        packed: dict[str, Any] | None = self._pipeline(
            {'img': pixels, 'img_shape': size, 'ori_shape': size, 'img_path': ''}
        )
        if packed is None or not isinstance(packed.get('inputs'), torch.Tensor):
            msg = 'the test pipeline must give one image for each photo, as PackInputs does'
            raise NetworkError(msg)
        return packed

    def _forward(self, packed: Sequence[dict[str, Any]]) -> torch.Tensor:
        batch = {
            'inputs': torch.stack([each['inputs'] for each in packed]),
            'data_samples': [each.get('data_samples') for each in packed],
        }
        data = self.model.data_preprocessor(batch, False)
        inputs = data['inputs']
        found: Any = None
        if self._gives_embeddings is not False and getattr(self.model, 'head', None) is not None:
            samples = self.model(inputs, data['data_samples'], mode='predict')
            self._gives_embeddings = all('embedding' in each for each in samples)
            if self._gives_embeddings:
                found = torch.stack([each.embedding for each in samples])
        if found is None:
            found = self._feature(inputs)
        if not isinstance(found, torch.Tensor) or found.shape[:-1] != (len(packed),):
            got = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
            msg = (
                f'{self.record.name} must give a vector for each photo, but gives {got} for '
                f'{len(packed)}: add a neck that pools, such as GlobalAveragePooling'
            )
            raise NetworkError(msg)
        return found

    def _feature(self, inputs: torch.Tensor) -> Any:
        head = getattr(self.model, 'head', None)
        if hasattr(self.model, 'image_encoder'):
            found = self.model.extract_feat(inputs)
        elif hasattr(head, 'pre_logits'):
            found = self.model.extract_feat(inputs, stage='pre_logits')
        else:
            found = self.model.extract_feat(inputs)
        return found[-1] if isinstance(found, list | tuple) else found

    def _fill(self, state: Mapping[str, torch.Tensor], weights: str) -> None:
        own = self.model.state_dict()
        missing = sorted(own.keys() - state.keys())
        # Not every program counts batches, and no result depends on it.
        missing = [each for each in missing if not each.endswith('num_batches_tracked')]
        other = sorted(
            f'{name} {tuple(state[name].shape)} instead of {tuple(own[name].shape)}'
            for name in own.keys() & state.keys()
            if state[name].shape != own[name].shape
        )
        if missing or other:
            words = f'lacks {len(missing):,} of {len(own):,} parameters, such as {missing[:1]}'
            if other:
                words = f'has parameters of other shapes: {other[0]}'
            msg = f'{printable(weights)} does not fit the config: it {words}'
            raise NetworkError(msg)
        self.model.load_state_dict({name: state[name] for name in own if name in state}, False)
