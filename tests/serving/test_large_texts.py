"""Large encoded forms and JSON: read quickly, in little memory, and beside other requests."""

from __future__ import annotations

import base64
import json
import threading
import time
import tracemalloc
from collections.abc import Callable
from urllib.parse import parse_qsl, quote

import httpx
import pytest

from bgremoval_mm.serving.app import make_app
from bgremoval_mm.serving.errors import RequestError
from bgremoval_mm.serving.removebg import decode_base64
from bgremoval_mm.serving.uploads import _parse_form, _parse_json

FORM = 'application/x-www-form-urlencoded'
URL = '/v1.0/removebg'
MIB = 2**20
HEAVY = {
    'escapes': (FORM, b'image_file_b64=' + b'%41' * (8 * MIB)),
    'separators': (FORM, b'&' * (25 * MIB)),
    'list': ('application/json', b'{"a": [' + b'1,' * (12 * MIB) + b'1]}'),
    'spaces': (FORM, b'image_file_b64=' + b'AAA+' * (6 * MIB)),
}


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal."""
    return response.status_code, response.json()['errors'][0]['code']


def memory_of(work: Callable[[], object]) -> int:
    """Most bytes that are held during the work."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_others_do_not_wait(engine, running) -> None:
    """While heavy forms are read, the service answers others."""
    made = engine()
    with running(make_app(made), made) as address, httpx.Client(timeout=60) as client:
        answers = {}

        def send() -> None:
            for name, (kind, body) in HEAVY.items():
                for path in ('/remove', URL):
                    response = httpx.post(
                        address + path, content=body, headers={'Content-Type': kind}, timeout=120
                    )
                    answers[name, path] = error_of(response)

        sender = threading.Thread(target=send)
        sender.start()
        longest = 0.0
        while sender.is_alive():
            begin = time.perf_counter()
            assert client.get(f'{address}/health').status_code == 200
            longest = max(longest, time.perf_counter() - begin)
            time.sleep(0.02)
        sender.join()
    assert longest < 2
    assert {answers[name, '/remove'] for name in HEAVY} == {(413, 'file_too_large')}
    assert {name: answers[name, URL] for name in HEAVY} == {
        'escapes': (400, 'failed_to_read_image'),
        'separators': (400, 'invalid_form'),
        'list': (400, 'invalid_json'),
        'spaces': (400, 'failed_to_read_image'),
    }


@pytest.mark.parametrize('escape', [b'%41', b'%zz', b'%', b'%2F+', b'%FF', b'a'])
def test_memory_of_forms(escape: bytes) -> None:
    """Reading a form takes a few times its length, whatever it consists of."""
    body = b'x=' + escape * (2 * MIB // len(escape))
    assert memory_of(lambda: _parse_form(body)) < 7 * len(body)


def test_memory_of_lists_and_base64() -> None:
    """The same holds for what is refused, and for base64."""
    for parse, code, body in (
        (_parse_form, 'invalid_form', b'&' * MIB),
        (_parse_json, 'invalid_json', b'{"a": [' + b'1,' * MIB + b'1]}'),
    ):

        def refuse(parse=parse, code=code, body=body) -> None:
            with pytest.raises(RequestError) as caught:
                parse(body)
            assert caught.value.code == code

        assert memory_of(refuse) < MIB
    text = 'AAAA ' * (MIB // 2)
    assert memory_of(lambda: decode_base64(text, 10 * MIB)) < 4 * len(text)


@pytest.mark.parametrize(
    'text',
    [
        'a=1&b=2',
        '&&a=1&&b=&c&',
        'a=b=c&=d',
        'a+b=c+%2B%20d',
        'n=%C3%A4%e2%82%AC',
        'n=%ff%zz%4%%41%',
        'n=' + 'x%2f' * 30_000 + '%4',
        *(f'n={"x" * shift}' + '%C3%A4%%41%' * 20_000 for shift in range(4)),
        f'n={quote("ä/+=&" * 9000)}',
    ],
    ids=lambda text: text[:12],
)
def test_forms_are_read_as_by_the_standard_library(text: str) -> None:
    """Names and values are those that `parse_qsl` finds."""
    assert _parse_form(text.encode()) == parse_qsl(text, keep_blank_values=True)


def test_a_large_picture_as_text(service, encoded) -> None:
    """Pictures of remove.bg's clients beyond the room of fields still come as form and as JSON."""
    client, content = service(), encoded(1, 400, 300, 'BMP')
    text = base64.encodebytes(content).decode()
    assert len(text) > 400_000
    for arguments in (
        {'data': {'image_file_b64': text, 'size': 'auto'}},
        {'content': json.dumps({'image_file_b64': text, 'size': 'auto'}).replace('/', '\\/')},
    ):
        kind = FORM if 'data' in arguments else 'application/json'
        response = client.post(URL, headers={'Content-Type': kind}, **arguments)
        assert response.status_code == 200, response.text


def test_texts_have_no_room_for_a_picture(service, encoded) -> None:
    """Where a picture cannot be text, 64 KiB are the limit; curl's mislabelled picture passes."""
    client, content = service(), encoded(1, 400, 300, 'BMP')
    for kind, body in ((FORM, b'x=' + b'a' * 70_000), ('application/json', b' ' * 70_000)):
        response = client.post('/remove', content=body, headers={'Content-Type': kind})
        assert error_of(response) == (413, 'file_too_large')
        assert '65,536 bytes' in response.json()['errors'][0]['detail']
    response = client.post('/remove', content=content, headers={'Content-Type': FORM})
    assert response.status_code == 200
