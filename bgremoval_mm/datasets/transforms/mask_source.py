"""The masks of images: out of a store, else from the network."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.logging import print_log

from bgremoval_mm.datasets.transforms.mask_fit import explain_misfit, explain_move, fits, moves_of
from bgremoval_mm.removal import (
    BackgroundRemover,
    ImageError,
    MaskStore,
    StoredMask,
    read_image,
)
from bgremoval_mm.removal.errors import ArgumentError, BgremovalError
from bgremoval_mm.removal.io.paths import path_below
from bgremoval_mm.removal.options import EngineOptions
from bgremoval_mm.removal.outputs.mask_store import mask_problem, other_precision
from bgremoval_mm.removal.zoo.catalogue import is_model_file
from bgremoval_mm.utils.text import printable

__all__ = [
    'FG_MASK',
    'FG_MASK_MOVES',
    'ON_MISSING',
    'MaskMissingError',
    'MaskSource',
    'OtherPrecisionError',
    'check_image',
    'mask_problem',
]

FG_MASK = 'fg_mask'
"""Key of a sample: its foreground mask, uint8 of shape (H, W), 0 to 255."""

FG_MASK_MOVES = 'fg_mask_moves'
"""Key of a sample: what `moves_of` found in it when it got its mask."""

ON_MISSING = ('compute', 'error')


class MaskMissingError(BgremovalError, FileNotFoundError):
    """A store has no mask of an image, or one that was made of something else."""


class OtherPrecisionError(ArgumentError, FileNotFoundError):
    """A store has a mask of another precision than was asked for."""


class MaskSource:
    """The masks of one folder of images, by one model in one precision. It can be pickled.

    Args:
        model: Name of the model, or the path of its ONNX file, which is read here, once.
        mask_dir: Root of a MaskStore, or None: then the network runs on each image.
        img_root: Folder that the store mirrors.
        on_missing: ``'compute'`` or ``'error'``, see RemoveBackground.
        **engine: Further fields of EngineOptions: backend, device, precision, accept_licence,
            calibration. ``precision='auto'`` is decided here, once, for all processes that this
            source goes to.

    Raises:
        ArgumentError: If an argument is not one of the above.
    """

    #: Whether a mask of another precision is made again. In a store that somebody made, never.
    replaces_other_precisions = False

    def __init__(
        self,
        model: str = 'u2net',
        mask_dir: str | None = None,
        img_root: str | None = None,
        on_missing: str = 'compute',
        **engine: Any,
    ) -> None:
        if on_missing not in ON_MISSING:
            msg = f'`on_missing` must be one of {", ".join(ON_MISSING)}, but got {on_missing!r}'
            raise ArgumentError(msg)
        if mask_dir is not None and img_root is None:
            msg = (
                '`img_root` must be given with `mask_dir`: the folder of images that was SRC of '
                'tools/remove_background.py'
            )
            raise ArgumentError(msg)
        self.model = model
        self.mask_dir = mask_dir
        self.img_root = img_root
        self.on_missing = on_missing
        options = EngineOptions(model, **engine)  # checks the arguments; loads nothing
        self.precision = options.resolved.precision
        made_by = options.spec if is_model_file(model) else model
        self._options = replace(options, model=made_by, precision=self.precision)
        self.store = None if mask_dir is None else MaskStore(mask_dir, made_by, self.precision)
        self._known_upright: set[str] = set()

    def mask_of(self, results: Mapping[str, Any], resize: str = 'lanczos') -> np.ndarray:
        """Return the mask of a sample's image, see `mask`.

        Args:
            results: The sample: ``img`` and, if it has a file, ``img_path``.
            resize: See `mask`.

        Raises:
            ArgumentError: If a transform has moved the image before a stored mask was asked for;
                as `mask` does.
        """
        path = results.get('img_path')
        path = None if path is None else str(path)
        return self.mask(results['img'], path, resize, moved=bool(moves_of(results)))

    def mask(
        self,
        image: np.ndarray,
        path: str | None,
        resize: str = 'lanczos',
        moved: bool = False,
    ) -> np.ndarray:
        """Return the mask of a loaded image: the stored one, else the network's.

        Args:
            image: uint8 or float32 array of shape (H, W, 3), BGR, as the image loader gives it.
            path: Its file; None for an array that was never a file, as inferencers load them.
            resize: Filter that brings a stored mask to the image's size: ``'lanczos'`` or
                ``'linear'``.
            moved: Whether a transform has moved the image's pixels: only its own mask fits then.

        Returns:
            uint8 array of shape (H, W), 0 for background to 255 for foreground.

        Raises:
            ArgumentError: If the stored mask was made for another size or orientation; see `find`.
            FileNotFoundError: See `find`.
            KeyError: If `path` is None where masks must come from the store.
        """
        if path is None and self.mask_dir is not None and self.on_missing == 'error':
            msg = (
                "the mask is found by results['img_path'], which is not there. For images "
                "without files take on_missing='compute'."
            )
            raise KeyError(msg)
        stored = None if path is None else self.find(path)
        if path is None or stored is None:
            return self.compute(image)
        self._check_fit(image, stored, path)
        if moved:
            raise ArgumentError(explain_move(path))
        return stored.full_size(resize)

    def find(self, path: str) -> StoredMask | None:
        """Return the stored mask of an image, which is made and stored if need be.

        Returns:
            None if there is no store, or if only an image loader can read the image.

        Raises:
            ArgumentError: If the image does not lie in `img_root`.
            MaskMissingError: If there is no mask that can serve, with ``on_missing='error'``.
            OtherPrecisionError: If there is one of another precision, whatever `on_missing` says:
                to make it again would destroy it.
        """
        if self.store is None:
            return None
        stored, problem = self.look_up(path)
        if problem is None:
            return stored
        precision = other_precision(self.store, stored)
        if precision is not None and not self.replaces_other_precisions:
            raise OtherPrecisionError(self._explain(path, problem, precision))
        if self.on_missing == 'error':
            raise MaskMissingError(self._explain(path, problem))
        return self._make(self.store, path)

    def look_up(self, path: str) -> tuple[StoredMask | None, str | None]:
        """Return what the store has for an image, and why it cannot serve, if it cannot."""
        if self.store is None:
            return None, 'there is no mask store'
        stored = self.store.get(self._name_of(path))
        return stored, mask_problem(self.store, stored, path)

    def compute(self, image: np.ndarray) -> np.ndarray:
        """Return the network's mask of an image, uint8 of shape (H, W).

        Args:
            image: uint8 or float32 array of shape (H, W, 3), BGR.
        """
        rgb = np.ascontiguousarray(image[..., ::-1])
        if rgb.dtype != np.uint8:
            rgb = np.rint(rgb).clip(0, 255).astype(np.uint8)
        return self._make_remover()([rgb])[0]

    def command(self) -> str:
        """Return the command that makes the masks of all images."""
        words = [str(self.img_root), str(self.mask_dir), '--model', self.model]
        if self.precision != 'fp32':
            words += ['--precision', self.precision]
        if self._options.calibration is not None:
            words += ['--calibration', str(self._options.calibration)]
        return f'python tools/remove_background.py {printable(shlex.join(words))}'

    def _name_of(self, path: str) -> str:
        """Return the name that the store has for an image."""
        assert self.img_root is not None  # there is a store
        try:
            return path_below(path, self.img_root)
        except ArgumentError as err:
            # Strict whatever `on_missing` says: a mistyped folder would compute all masks again.
            msg = (
                f'{err}. For photos from elsewhere, as an inferencer gets them, leave `mask_dir` '
                'and `img_root` out: their masks are computed'
            )
            raise ArgumentError(msg) from err

    def _make(self, store: MaskStore, path: str) -> StoredMask | None:
        """Make and store the mask of a file, or None if only the loader can read it."""
        try:
            source = read_image(Path(path))
        except (ImageError, OSError) as err:
            msg = f'no mask can be stored for {path} ({err}); computed from the loaded image'
            print_log(printable(msg), 'current', logging.WARNING)
            return None
        name = self._name_of(path)
        store.put(name, source, *self._make_remover().low_resolution([source.rgb])[0])
        return store.get(name)

    def _make_remover(self) -> BackgroundRemover:
        from torch.utils.data import get_worker_info

        # Workers share the machine: each takes one thread, and leaves the GPU, which
        # cannot be used after a fork anyway, to the training.
        options = self._options
        if get_worker_info() is not None:
            device = 'cpu' if options.device == 'auto' else options.device
            options = replace(options, device=device, num_threads=1)
        return BackgroundRemover.from_options(options)

    def _explain(self, path: str, problem: str, precision: str | None = None) -> str:
        assert self.store is not None
        file = self.store.path(self._name_of(path))
        msg = f'{problem} for {printable(path)} at {printable(file)}. '
        if precision is None:
            return f'{msg}Make it: {self.command()}'
        return (
            f"{msg}To use the masks that are there, write precision='{precision}' in the config; "
            f'or replace them by those of {self.precision}: {self.command()}'
        )

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}({self._options!r}, mask_dir={self.mask_dir!r}, '
            f'img_root={self.img_root!r}, on_missing={self.on_missing!r})'
        )

    def _check_fit(self, image: np.ndarray, stored: StoredMask, path: str) -> None:
        """Refuse a mask that was made for the image in another size or orientation."""
        if path in self._known_upright and image.shape[1::-1] == stored.size:
            return
        if not fits(image, stored, path):
            raise ArgumentError(explain_misfit(image, stored, path, self.command()))
        if stored.orientation != 1:
            self._known_upright.add(path)


def check_image(image: Any, transform: str) -> None:
    """Check that an image is what a loader of OpenMMLab gives.

    Args:
        image: What the sample holds.
        transform: Name of the transform that needs it, for the error.

    Raises:
        TypeError: If it is not a uint8 or float32 array of shape (H, W, 3).
    """
    if (
        isinstance(image, np.ndarray)
        and image.dtype in (np.uint8, np.float32)
        and image.ndim == 3
        and image.shape[2] == 3
    ):
        return
    got = (
        f'{image.dtype} of shape {image.shape}'
        if isinstance(image, np.ndarray)
        else type(image).__name__
    )
    if image is None:
        got = 'none: it must stand behind the image loader'
    msg = (
        f"{transform} needs results['img'] to be a uint8 or float32 array of shape (H, W, 3), "
        f'BGR, but got {got}'
    )
    raise TypeError(msg)
