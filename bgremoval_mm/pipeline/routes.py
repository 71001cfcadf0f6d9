"""Routes: which photos get which network, output and gate, read from a TOML file."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from bgremoval_mm.pipeline.gate import Gate
from bgremoval_mm.pipeline.product_types import NoTypes, ProductTypes, TypeOptions
from bgremoval_mm.pipeline.route import DEFAULT, Route
from bgremoval_mm.pipeline.route_entries import route_of, types_of
from bgremoval_mm.removal.errors import ArgumentError

__all__ = ['DEFAULT', 'Gate', 'Route', 'RouteError', 'Routes', 'read_routes']


class RouteError(ArgumentError):
    """A file of routes is not one; the message names the file and the route."""


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
            routes.append(route_of(entry))
        except (ArgumentError, TypeError) as err:
            name = entry.get('name', number) if isinstance(entry, dict) else number
            msg = f'{file}, route {name}: {err}'
            raise RouteError(msg) from err
    try:
        return Routes(routes, None if types is None else types_of(types))
    except ArgumentError as err:
        msg = f'{file}: {err}'
        raise RouteError(msg) from err
