"""Routes: which photos get which network, output and gate, read from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from bgremoval_mm.pipeline.live import LIVE
from bgremoval_mm.pipeline.product_types import NoTypes, ProductTypes, TypeOptions
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.io.addresses import is_url
from bgremoval_mm.removal.masks.edge_contrast import weak_edge
from bgremoval_mm.removal.masks.quality import FLAGS, MaskQuality, quality
from bgremoval_mm.removal.options import Framing, OutputOptions
from bgremoval_mm.removal.zoo.catalogue import get_model

__all__ = ['DEFAULT', 'Gate', 'Route', 'RouteError', 'Routes', 'read_routes']

_PLACES = ('model', 'folder', 'publish')
_FRAMING = tuple(each.name for each in fields(Framing))
_OUTPUT = (
    'output', 'fill', 'file_format', 'edges', 'matting', 'threshold', 'shadow', 'convert_srgb',
    'second_model',
)  # fmt: skip


class RouteError(ArgumentError):
    """A file of routes is not one; the message names the file and the route."""


@dataclass(frozen=True)
class Gate:
    """Which masks may be published without a look.

    Attributes:
        suspicion: `MaskQuality.suspicion` above which a mask goes to review: 1 where a quality flag
            is raised; lower values send more. 0 sends all.
        flags: Flags that send a mask to review, whatever its suspicion.
        confidence: `MaskQuality.confidence` below which it goes to review; 0: never.
        weak_edge: `MaskQuality.weak_edge` above which it goes to review; 1: never.
        thin: `MaskQuality.thin` above which it goes to review; 1: never.
    """

    suspicion: float = 1.0
    flags: tuple[str, ...] = ('constant', 'empty', 'full')
    confidence: float = 0.0
    weak_edge: float = 1.0
    thin: float = 1.0

    def __post_init__(self) -> None:
        for name in ('suspicion', 'confidence', 'weak_edge', 'thin'):
            value, highest = getattr(self, name), 100 if name == 'suspicion' else 1
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not is_number or not 0 <= value <= highest:
                msg = f'`{name}` must be a number from 0 to {highest}, but got {value!r}'
                raise ArgumentError(msg)
        unknown = sorted(set(self.flags) - set(FLAGS))
        if unknown:
            msg = f'`flags` must be of {", ".join(FLAGS)}, but got {", ".join(unknown)}'
            raise ArgumentError(msg)

    def measure(
        self, mask: np.ndarray, image: np.ndarray, second: np.ndarray | None = None
    ) -> MaskQuality:
        """Compute the figures that the gate looks at; the photo only if it does.

        Args:
            mask: uint8 array of shape (h, w).
            image: The photo, uint8 of shape (H, W, 3), RGB.
            second: Another model's mask, uint8 of any shape.
        """
        found = quality(mask, second=second)
        if self.weak_edge < 1:
            found = replace(found, weak_edge=weak_edge(image, mask))
        return found

    def reasons(self, quality: MaskQuality) -> tuple[str, ...]:
        """Return why a mask needs a look; nothing if it does not."""
        found = [flag for flag in quality.flags if flag in self.flags]
        if quality.confidence < self.confidence:
            found.append(f'confidence {quality.confidence:.3f}')
        if quality.weak_edge is not None and quality.weak_edge > self.weak_edge:
            found.append(f'low contrast along {quality.weak_edge:.0%} of its outline')
        if quality.thin is not None and quality.thin > self.thin:
            found.append(f'{quality.thin:.0%} of it is thin')
        if self.suspicion == 0:
            found.append('every mask is reviewed')
        elif quality.suspicion >= self.suspicion:
            others = [flag for flag in quality.flags if flag not in found]
            found += others or ([] if found else [f'suspicion {quality.suspicion:.2f}'])
        return tuple(found)


@dataclass(frozen=True)
class Route:
    """What is done with one type of product.

    Attributes:
        name: Of the route: the product type.
        match: Patterns of names, such as ``shoes/*``, of which one must fit; ``*`` also stands for
            slashes. Letter case counts.
        model: Network of the catalogue, or its file; ``live`` is the one that is live, see `live`.
        output: What is published; its `second_model` makes a mask to compare with, for the gate.
        folder: Where it is published, below the folder of published results.
        publish: Address in the place of that folder, such as ``s3://bucket/results``.
        gate: Which masks go to review.
        types: Product types, of which the photo must have one; none: every photo fits.
    """

    name: str
    match: tuple[str, ...] = ('*',)
    model: str = 'u2net'
    output: OutputOptions = field(default_factory=lambda: OutputOptions(output='rgba'))
    folder: str = ''
    gate: Gate = field(default_factory=Gate)
    types: tuple[str, ...] = ()
    publish: str = ''

    def __post_init__(self) -> None:
        if self.model != LIVE:
            get_model(self.model)
        if self.output.output not in ('rgba', 'rgb', 'mask'):
            msg = f"`output` must be 'rgba', 'rgb' or 'mask', but got {self.output.output!r}"
            raise ArgumentError(msg)
        if Path(self.folder).is_absolute() or '..' in Path(self.folder).parts:
            msg = f'`folder` must stay below the published results, but got {self.folder!r}'
            raise ArgumentError(msg)
        if self.publish and not is_url(self.publish):
            msg = (
                '`publish` must be an address such as s3://bucket/results, '
                f'but got {self.publish!r}'
            )
            raise ArgumentError(msg)

    @property
    def models(self) -> tuple[str, ...]:
        """Its networks: the one whose masks are used, and the second one if there is one."""
        second = self.output.second_model
        return (self.model,) if second is None else (self.model, str(second))

    def result_name(self, name: str) -> str:
        """Return where the result of a photo is published: its whole name, and the format's end.

        The photo's own ending is kept, so that a.jpg and a.png do not have one result.
        """
        ending = {'jpeg': 'jpg'}.get(self.output.file_format, self.output.file_format)
        return '/'.join(filter(None, (self.folder.strip('/'), f'{name}.{ending}')))


DEFAULT = Route('default')


class Routes:
    """All routes, of which the first one that fits is taken.

    Args:
        routes: In their order.
        types: Where product types come from, if routes ask for any.

    Raises:
        ArgumentError: If there is none, two have one name, or types are asked for, but come from
            nowhere.
    """

    def __init__(
        self, routes: Sequence[Route] = (DEFAULT,), types: TypeOptions | None = None
    ) -> None:
        names = [each.name for each in routes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if not routes or twice:
            msg = f'routes need names of their own, but twice there is {", ".join(twice) or "none"}'
            raise ArgumentError(msg)
        asking = [each.name for each in routes if each.types]
        if bool(asking) != (types is not None):
            msg = (
                f'{asking[0]} asks for product types, but there is no table [types]'
                if asking
                else 'there is a table [types], but no route asks for `types`'
            )
            raise ArgumentError(msg)
        self._routes = {each.name: each for each in routes}
        self._types = types

    def __iter__(self) -> Any:
        return iter(self._routes.values())

    def open_types(self, device: str | None = None) -> ProductTypes:
        """Return what tells the types of products, see `TypeOptions.open`.

        Raises:
            ArgumentError: If it cannot be used, or does not know a type that a route asks for.
        """
        if self._types is None:
            return NoTypes()
        types = self._types.open(device)
        for route in self._routes.values():
            unknown = () if types.names is None else sorted(set(route.types) - set(types.names))
            if unknown:
                msg = (
                    f'route {route.name}: the classifier does not know {", ".join(unknown)}, but '
                    f'{", ".join(types.names or ())}'
                )
                raise ArgumentError(msg)
        return types

    def find(self, name: str, product_type: str = '') -> Route | None:
        """Return the route of a photo, or None if none fits its name and its type."""
        for route in self._routes.values():
            is_type = not route.types or product_type in route.types
            if is_type and any(fnmatchcase(name, pattern) for pattern in route.match):
                return route
        return None

    def named(self, name: str) -> Route | None:
        """Return a route by its name, or None if it is no longer there."""
        return self._routes.get(name)


def read_routes(file: Path) -> Routes:
    """Read routes from a TOML file.

    Each is a table ``[[route]]`` with a ``name`` and, as far as they differ from the default,
    ``match``, ``types``, ``model``, ``folder``, ``publish``, the options of the output, and a
    table ``gate``. A table ``[types]`` has the fields of `TypeOptions`.

    Raises:
        RouteError: If the file is not such a one.
    """
    try:
        content = tomllib.loads(file.read_text(encoding='utf-8'))
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as err:
        msg = f'{file}: cannot be read as TOML: {err}'
        raise RouteError(msg) from err
    entries, types = content.pop('route', None), content.pop('types', None)
    if content or not isinstance(entries, list) or not entries:
        other = f', but it also has {", ".join(content)}' if content else ''
        msg = f'{file}: must have a table [[route]] for each route, and at most [types]{other}'
        raise RouteError(msg)
    routes = []
    for number, entry in enumerate(entries, 1):
        try:
            routes.append(_route_of(entry))
        except (ArgumentError, TypeError) as err:
            name = entry.get('name', number) if isinstance(entry, dict) else number
            msg = f'{file}, route {name}: {err}'
            raise RouteError(msg) from err
    try:
        return Routes(routes, None if types is None else _types_of(types))
    except ArgumentError as err:
        msg = f'{file}: {err}'
        raise RouteError(msg) from err


def _types_of(entry: object) -> TypeOptions:
    known = [each.name for each in fields(TypeOptions)]
    if not isinstance(entry, dict) or set(entry) - set(known):
        msg = f'`types` must be a table of {", ".join(known)}, but got {entry!r}'
        raise ArgumentError(msg)
    return TypeOptions(**entry)


def _route_of(entry: Mapping[str, Any]) -> Route:
    allowed = ('name', 'match', 'types', *_PLACES, 'gate', *_OUTPUT, *_FRAMING)
    unknown = sorted(set(entry) - set(allowed))
    if unknown:
        msg = f'unknown: {", ".join(unknown)}; known: {", ".join(allowed)}'
        raise ArgumentError(msg)
    for key in ('name', *_PLACES):
        if not isinstance(entry.get(key, 'x'), str):
            msg = f'`{key}` must be a text, but got {entry[key]!r}'
            raise ArgumentError(msg)
    if not entry.get('name'):
        msg = '`name` is missing'
        raise ArgumentError(msg)
    options: dict[str, Any] = {'output': 'rgba'} | {k: entry[k] for k in _OUTPUT if k in entry}
    framing = {name: entry[name] for name in _FRAMING if name in entry}
    if framing:
        options['framing'] = Framing(**framing)
    gate = entry.get('gate', {})
    known = [each.name for each in fields(Gate)]
    if not isinstance(gate, dict) or set(gate) - set(known):
        msg = f'`gate` must be a table of {", ".join(known)}, but got {gate!r}'
        raise ArgumentError(msg)
    if 'flags' in gate:
        gate = gate | {'flags': _texts(gate, 'flags', ())}
    route = Route(
        entry['name'],
        _texts(entry, 'match', ('*',)),
        output=OutputOptions(**options),
        gate=Gate(**gate),
        types=_texts(entry, 'types', ()),
    )
    return replace(route, **{key: entry[key] for key in _PLACES if key in entry})


def _texts(entry: Mapping[str, Any], key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    value = entry.get(key, list(default))
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
        msg = f'`{key}` must be a text or a list of them, but got {value!r}'
        raise ArgumentError(msg)
    return tuple(texts)
