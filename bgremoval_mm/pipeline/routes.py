"""Routes: which photos get which network, output and gate, read from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from bgremoval_mm.pipeline.live import LIVE
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.masks.quality import MaskQuality
from bgremoval_mm.removal.options import Framing, OutputOptions
from bgremoval_mm.removal.zoo.catalogue import get_model

__all__ = ['DEFAULT', 'Gate', 'Route', 'RouteError', 'Routes', 'read_routes']

_FRAMING = tuple(each.name for each in fields(Framing))
_OUTPUT = (
    'output', 'fill', 'file_format', 'edges', 'matting', 'threshold', 'shadow', 'convert_srgb',
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
    """

    suspicion: float = 1.0
    flags: tuple[str, ...] = ('constant', 'empty', 'full')

    def __post_init__(self) -> None:
        value = self.suspicion
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 100:
            msg = f'`suspicion` must be a number from 0 to 100, but got {value!r}'
            raise ArgumentError(msg)

    def reasons(self, quality: MaskQuality) -> tuple[str, ...]:
        """Return why a mask needs a look; nothing if it does not."""
        found = [flag for flag in quality.flags if flag in self.flags]
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
        output: What is published.
        folder: Where it is published, below the folder of published results.
        gate: Which masks go to review.
    """

    name: str
    match: tuple[str, ...] = ('*',)
    model: str = 'u2net'
    output: OutputOptions = field(default_factory=lambda: OutputOptions(output='rgba'))
    folder: str = ''
    gate: Gate = field(default_factory=Gate)

    def __post_init__(self) -> None:
        if self.model != LIVE:
            get_model(self.model)
        if self.output.output not in ('rgba', 'rgb', 'mask'):
            msg = f"`output` must be 'rgba', 'rgb' or 'mask', but got {self.output.output!r}"
            raise ArgumentError(msg)
        if Path(self.folder).is_absolute() or '..' in Path(self.folder).parts:
            msg = f'`folder` must stay below the published results, but got {self.folder!r}'
            raise ArgumentError(msg)

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

    Raises:
        ArgumentError: If there is none, or two have one name.
    """

    def __init__(self, routes: Sequence[Route] = (DEFAULT,)) -> None:
        names = [each.name for each in routes]
        twice = sorted({name for name in names if names.count(name) > 1})
        if not routes or twice:
            msg = f'routes need names of their own, but twice there is {", ".join(twice) or "none"}'
            raise ArgumentError(msg)
        self._routes = {each.name: each for each in routes}

    def __iter__(self) -> Any:
        return iter(self._routes.values())

    def find(self, name: str) -> Route | None:
        """Return the route of a photo, or None if no pattern fits its name."""
        for route in self._routes.values():
            if any(fnmatchcase(name, pattern) for pattern in route.match):
                return route
        return None

    def named(self, name: str) -> Route | None:
        """Return a route by its name, or None if it is no longer there."""
        return self._routes.get(name)


def read_routes(file: Path) -> Routes:
    """Read routes from a TOML file.

    Each is a table ``[[route]]`` with a ``name`` and, as far as they differ from the default,
    ``match``, ``model``, ``folder``, the options of the output, and a table ``gate``.

    Raises:
        RouteError: If the file is not such a one.
    """
    try:
        content = tomllib.loads(file.read_text(encoding='utf-8'))
    except (OSError, UnicodeError, tomllib.TOMLDecodeError) as err:
        msg = f'{file}: cannot be read as TOML: {err}'
        raise RouteError(msg) from err
    entries = content.pop('route', None)
    if content or not isinstance(entries, list) or not entries:
        other = f', but it also has {", ".join(content)}' if content else ''
        msg = f'{file}: must have a table [[route]] for each route, and nothing else{other}'
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
        return Routes(routes)
    except ArgumentError as err:
        msg = f'{file}: {err}'
        raise RouteError(msg) from err


def _route_of(entry: Mapping[str, Any]) -> Route:
    allowed = ('name', 'match', 'model', 'folder', 'gate', *_OUTPUT, *_FRAMING)
    unknown = sorted(set(entry) - set(allowed))
    if unknown:
        msg = f'unknown: {", ".join(unknown)}; known: {", ".join(allowed)}'
        raise ArgumentError(msg)
    for key in ('name', 'model', 'folder'):
        if not isinstance(entry.get(key, 'x'), str):
            msg = f'`{key}` must be a text, but got {entry[key]!r}'
            raise ArgumentError(msg)
    if not entry.get('name'):
        msg = '`name` is missing'
        raise ArgumentError(msg)
    match = entry.get('match', '*')
    patterns = [match] if isinstance(match, str) else match
    if not isinstance(patterns, list) or not all(isinstance(each, str) for each in patterns):
        msg = f'`match` must be a pattern or a list of them, but got {match!r}'
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
        gate = gate | {'flags': tuple(gate['flags'])}
    route = Route(
        entry['name'], tuple(patterns), output=OutputOptions(**options), gate=Gate(**gate)
    )
    return replace(route, **{key: entry[key] for key in ('model', 'folder') if key in entry})
