"""The pages: the one for people in a browser, and the reference; neither asks another host."""

from __future__ import annotations

import re
from pathlib import Path
from queue import SimpleQueue

import pytest
from fastapi import Request

from bgremoval_mm.reviewing.page import review_page
from bgremoval_mm.serving import pages
from bgremoval_mm.serving.app import make_app
from bgremoval_mm.serving.limits import Limits
from tests.browser import Browser


@pytest.mark.parametrize('width', [400, 1280])
def test_page_in_a_browser(
    engine, running, width: int, monkeypatch: pytest.MonkeyPatch, browser: Browser
) -> None:
    """In headless Chromium: a photo, the slider by keyboard, backdrops, downloads, an error."""
    script = Path(__file__).with_name('page_probe.js').read_text()
    plain = pages.front_page
    monkeypatch.setattr(
        pages,
        'front_page',
        lambda *args: plain(*args).replace('</body>', f'<script>{script}</script></body>'),
    )
    made, said = engine(), SimpleQueue()
    app = make_app(made)

    @app.post('/probe')
    async def probe(request: Request) -> None:
        said.put((await request.body()).decode())

    with running(app, made) as address:
        browser.visit(f'{address}/?{width}', width, said)


def test_pages_are_complete(service) -> None:
    """They need no other host, and their policy forbids any."""
    client = service()
    for path in ('/', '/docs'):
        response = client.get(path)
        assert response.headers['content-type'].startswith('text/html')
        assert "default-src 'none'" in response.headers['content-security-policy']
        links = re.findall(r'(?:src|href)="([^"]*)"', response.text)
        assert not [link for link in links if '//' in link]
        assert '{{' not in response.text


def test_pages_share_styles_and_script() -> None:
    """Each page for people has both once, and says none of it in its own words."""
    shown = {
        'front': pages.front_page(['u2netp'], Limits(), needs_token=False),
        'search': pages.search_page(Limits(), needs_token=False, k=3, most=9),
        'review': review_page('shop', Limits(), needs_token=False, lease=300),
    }
    folder = Path(pages.__file__).with_name('templates')
    for name in ('shared.css', 'shared.js'):
        lines = [line for line in (folder / name).read_text().splitlines() if len(line) > 30]
        assert len(lines) > 25
        for page, text in shown.items():
            own = text.splitlines()
            for line in lines:
                known = line.partition('"{{data}}"')[0]
                assert sum(known in each for each in own) == 1, f'{page}: {line}'
    for page, text in shown.items():
        assert not re.findall(r'/\* [\w.]+ \*/|\{\{', text), page


def test_reference(service) -> None:
    """Each endpoint and each parameter is described, from what OpenAPI says of them."""
    client = service()
    text = client.get('/docs').text
    for path in client.get('/openapi.json').json()['paths']:
        assert f'{path}</code>' in text
    for words in ('u2netp, silueta; default u2netp', 'bg_color', 'true, false; default false'):
        assert words in text


def test_data_of_the_page() -> None:
    """What the page is told cannot end the script in which it stands."""
    page = pages.front_page(['</script><b>'], Limits(), needs_token=True)
    assert '</script><b>' not in page
    assert '"needsToken":true' in page
