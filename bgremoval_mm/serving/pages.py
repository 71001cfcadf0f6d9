"""The pages: two for people, and the reference. They load nothing from other hosts."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from bgremoval_mm.serving.limits import Limits
from bgremoval_mm.version import __version__

__all__ = ['HEADERS', 'fill', 'front_page', 'reference', 'search_page']

_SHARED = ('shared.css', 'shared.js')
# Scripts and styles stand in the pages themselves; nothing is loaded from elsewhere.
HEADERS = {
    'Content-Security-Policy': (
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
        "img-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    'Referrer-Policy': 'no-referrer',
}


def front_page(
    models: Sequence[str], limits: Limits, needs_token: bool, searches: bool = False
) -> str:
    """Return the page on which a person drops a photo.

    Args:
        models: Names of the networks, the default one first.
        limits: What is accepted.
        needs_token: Whether requests need a token, for which the page then asks.
        searches: Whether there is a search, to which the page then links.
    """
    data = {
        'models': list(models),
        'searches': searches,
        'maxBytes': limits.max_bytes,
        'maxPixels': limits.max_pixels,
        'needsToken': needs_token,
        'version': __version__,
    }
    return fill(_template('page.html'), data)


def reference(schema: Mapping[str, Any]) -> str:
    """Return a page that describes the endpoints.

    Args:
        schema: The application's OpenAPI document.
    """
    return (
        _template('reference.html')
        .replace('{{version}}', escape(__version__))
        .replace('{{endpoints}}', ''.join(_endpoints(schema)))
    )


def search_page(limits: Limits, needs_token: bool, k: int, most: int) -> str:
    """Return the page on which a person searches by a photo.

    Args:
        limits: What is accepted.
        needs_token: Whether requests need a token, for which the page then asks.
        k: How many photos are shown at first.
        most: How many can be asked for.
    """
    data = {
        'maxBytes': limits.max_bytes,
        'maxPixels': limits.max_pixels,
        'needsToken': needs_token,
        'k': k,
        'most': most,
        'version': __version__,
    }
    return fill(_template('search.html'), data)


def fill(page: str, data: Any) -> str:
    """Return a page with what all pages for people share, `shared.css` and `shared.js`, in it.

    Args:
        page: Its template, with a comment of a file's name in that file's place.
        data: What the page is told, which can be written as JSON.
    """
    for name in _SHARED:
        page = page.replace(f'/* {name} */', _template(name))
    return page.replace('"{{data}}"', _as_script(data))


def _endpoints(schema: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in schema['paths'].items():
        for method, found in methods.items():
            yield f'<section><h2><code>{method.upper()} {escape(path)}</code></h2>'
            yield f'<p>{escape(found.get("description", ""))}</p>'
            content = found.get('requestBody', {}).get('content', {})
            form = content.get('multipart/form-data', {}).get('schema', {})
            if fields := form.get('properties', {}):
                yield '<table><tr><th>field</th><th>values</th><th>meaning</th></tr>'
                for name, each in fields.items():
                    about = escape(each.get('description', 'the picture'))
                    yield f'<tr><td><code>{escape(name)}</code></td>'
                    yield f'<td>{_values(each)}</td><td>{about}</td></tr>'
                yield '</table>'
            yield '</section>'


def _values(field: Mapping[str, Any]) -> str:
    if field.get('format') == 'binary':
        return 'file'
    if 'enum' in field:
        text = ', '.join(map(str, field['enum']))
    elif field.get('type') == 'boolean':
        text = 'true, false'
    else:
        text = f'such as {field["example"]}' if 'example' in field else field.get('type', 'string')
    default = field.get('default')
    shown = str(default).lower() if isinstance(default, bool) else default
    return escape(text) + (f'; default {escape(str(shown))}' if default is not None else '')


def _template(name: str) -> str:
    folder = files('bgremoval_mm.serving').joinpath('templates')
    return folder.joinpath(name).read_text(encoding='utf-8')


def _as_script(data: Any) -> str:
    """Return JSON that cannot end the script in which it stands."""
    return json.dumps(data, separators=(',', ':')).replace('<', '\\u003c')
