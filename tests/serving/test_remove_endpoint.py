"""`POST /remove`: what is answered, and what is refused."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal import Framing

CURLS_TYPE = 'application/x-www-form-urlencoded'


def pixels(content: bytes) -> np.ndarray:
    """The pixels of a picture file."""
    return np.asarray(Image.open(io.BytesIO(content)))


def error_of(response: Any) -> tuple[int, str, str]:
    """Status, code and detail of a refusal."""
    (error,) = response.json()['errors']
    return response.status_code, error['code'], error.get('detail', '')


@pytest.mark.parametrize('kind', ['PNG', 'JPEG', 'WEBP', 'GIF', 'BMP', 'TIFF'])
def test_form_and_body(service, encoded, expected, kind: str) -> None:
    """A form's file and a body that is the file give what the library makes, whatever the kind."""
    client, content = service(), encoded(kind=kind)
    for response in (
        client.post('/remove', files={'file': ('a.jpg', content)}),
        client.post('/remove', content=content, headers={'Content-Type': 'image/whatever'}),
        # As `curl --data-binary` sends it, unless it is told another type.
        client.post('/remove', content=content, headers={'Content-Type': CURLS_TYPE}),
    ):
        assert (response.status_code, response.headers['content-type']) == (200, 'image/png')
        np.testing.assert_array_equal(pixels(response.content), expected(content))
    assert response.headers['x-width'] == '24'
    assert response.headers['x-height'] == '16'
    assert response.headers['x-model'] == 'u2netp'
    assert response.headers['cache-control'] == 'no-store'
    assert response.headers['x-content-type-options'] == 'nosniff'


@pytest.mark.parametrize(
    ('fields', 'options'),
    [
        ({'output': 'mask'}, {'output': 'mask'}),
        ({'output': 'rgb'}, {'output': 'rgb', 'edges': 'clean'}),
        (
            {'output': 'rgb', 'fill': '#ff8000', 'edges': 'straight'},
            {'output': 'rgb', 'fill': (255, 128, 0)},
        ),
        (
            {'output': 'rgb', 'fill': '7', 'threshold': '0.5'},
            {'output': 'rgb', 'fill': 7, 'threshold': 0.5},
        ),
        (
            {'output': 'rgb', 'fill': '1,2,3'},
            {'output': 'rgb', 'fill': (1, 2, 3), 'edges': 'clean'},
        ),
        ({'crop': '2px', 'format': 'webp'}, {'framing': Framing(crop='2px')}),
        ({'aspect': '1:1', 'shadow': 'true'}, {'framing': Framing(aspect='1:1'), 'shadow': True}),
        (
            {'canvas': '40x40', 'align': 'height=50%', 'shadow': 'no'},
            {'framing': Framing(canvas='40x40', align='height=50%')},
        ),
        (
            {'model': 'silueta', 'fill': '', 'convert_srgb': '1'},
            {'model': 'silueta', 'convert_srgb': True},
        ),
    ],
    ids=','.join,
)
def test_parameters(service, encoded, expected, fields: dict, options: dict[str, Any]) -> None:
    """Each parameter does what it does for the library, in a form as in the address."""
    client, content = service(), encoded(3)
    wanted = expected(content, **options)
    for response in (
        client.post('/remove', files={'file': content}, data=fields),
        client.post('/remove', content=content, params=fields),
    ):
        assert response.status_code == 200, response.text
        np.testing.assert_array_equal(pixels(response.content), wanted)
    kind = fields.get('format', 'png')
    assert response.headers['content-type'] == f'image/{kind}'


def test_jpeg(service, encoded) -> None:
    """JPEG is answered for output=rgb, under both of its names."""
    for name in ('jpeg', 'jpg'):
        fields = {'output': 'rgb', 'format': name}
        response = service().post('/remove', files={'file': encoded()}, data=fields)
        assert response.headers['content-type'] == 'image/jpeg'
        assert Image.open(io.BytesIO(response.content)).format == 'JPEG'


def test_notes(service, encoded) -> None:
    """What a user should know is in a header."""
    frames = [Image.new('RGB', (9, 9), colour) for colour in ('red', 'blue')]
    buffer = io.BytesIO()
    frames[0].save(buffer, 'GIF', save_all=True, append_images=frames[1:])
    response = service().post('/remove', content=buffer.getvalue())
    assert 'animation: the first of 2 frames was used' in response.headers['x-note']


@pytest.mark.parametrize(
    ('fields', 'detail'),
    [
        ({'size': 'full'}, '`size`; there are output, fill, format'),
        ({'output': 'store'}, "`output` must be rgba, rgb or mask, but got 'store'"),
        ({'model': 'u2net'}, "`model` must be u2netp or silueta, but got 'u2net'"),
        ({'fill': 'red'}, '`fill` goes with output=rgb only'),
        ({'output': 'rgb', 'fill': '300'}, '`fill` must be a level such as 255'),
        ({'output': 'rgb', 'fill': '#ff000080'}, '`fill` must be a colour without transparency'),
        ({'format': 'gif'}, '`format` must be png, webp, jpeg or jpg'),
        ({'format': 'jpeg'}, "format='jpeg' is for output='rgb'"),
        ({'threshold': '1.5'}, '`threshold` must be a share between 0 and 1'),
        ({'threshold': '0.5', 'edges': 'clean'}, '`threshold` makes edges hard'),
        ({'output': 'mask', 'shadow': 'true'}, '`shadow` is for output='),
        ({'shadow': 'maybe'}, '`shadow` must be true or false'),
        ({'crop': '5'}, "`crop` must be a margin such as '5%' or '20px'"),
        ({'canvas': '9000x9000'}, '`canvas` must be at most 50,000,000 pixels'),
        ({'align': 'height=50%'}, '`align` needs `canvas`'),
    ],
    ids=str,
)
def test_refused_parameters(service, encoded, fields: dict[str, str], detail: str) -> None:
    """What is not known, not valid or of no effect is refused by its name."""
    response = service().post('/remove', files={'file': encoded()}, data=fields)
    status, code, said = error_of(response)
    assert status == 400
    assert code in ('invalid_parameter', 'unknown_parameter')
    assert detail in said


def test_refused_pictures(service, encoded) -> None:
    """No picture, several, another name, no picture file, a damaged one, a kind from archives."""
    client = service()
    archive = io.BytesIO()
    Image.new('RGB', (8, 8)).save(archive, 'JPEG2000')
    cases = [
        ({}, 'missing_source', 'send it as the field `file`'),
        ({'files': {'image': b'x'}}, 'unknown_parameter', '`image`; there are file'),
        ({'files': [('file', b'x'), ('other', b'y')]}, 'unknown_parameter', '`file`, `other`'),
        ({'content': b'<html>'}, 'failed_to_read_image', "not an image: the file begins with b'<h"),
        ({'content': encoded()[:60]}, 'failed_to_read_image', 'cannot be decoded'),
        ({'content': archive.getvalue()}, 'invalid_file_type', 'JPEG 2000 is not accepted; take'),
        ({'data': {'crop': '1%'}}, 'missing_source', 'send it as'),
    ]
    for arguments, code, detail in cases:
        status, got, said = error_of(client.post('/remove', **arguments))
        assert (status, got) == (400, code), said
        if code != 'unknown_parameter' or '`other`' not in detail:
            assert detail in said
    given_twice = client.post('/remove?crop=1%25', files={'file': encoded()}, data={'crop': '2%'})
    assert error_of(given_twice)[2] == '`crop` was given more than once'
    given_twice = client.post('/remove', files=[('file', encoded(1)), ('file', encoded(2))])
    assert error_of(given_twice)[2] == '`file` was given more than once'
    text = '{"size": "full", "size": "preview"}'
    given_twice = client.post(
        '/v1.0/removebg', content=text, headers={'Content-Type': 'application/json'}
    )
    assert '`size` was given more than once' in given_twice.text


def test_size_limits(service, encoded) -> None:
    """Too many bytes, announced or not, and too many pixels, of the picture or of the result."""
    client = service(max_bytes=2000, max_pixels=500)
    long = b'\xff\xd8\xff' + bytes(4000)

    def unannounced():
        yield from (long[:1500], long[1500:])

    for response in (
        client.post('/remove', content=long),
        client.post('/remove', content=unannounced()),
        client.post('/remove', files={'file': long}),
    ):
        assert error_of(response) == (413, 'file_too_large', 'the limit is 2,000 bytes')
    response = client.post('/remove', content=encoded(width=30, height=20))
    assert error_of(response)[:2] == (400, 'failed_to_read_image')
    assert '30 x 20 pixels are more than the limit of 500' in error_of(response)[2]
    for fields in ({'crop': '30px'}, {'aspect': '20:1'}):
        response = client.post('/remove', content=encoded(), params=fields)
        assert error_of(response)[:2] == (400, 'result_too_large'), fields


def test_result_is_measured_by_the_object(service, encoded) -> None:
    """A crop whose frame fits is made, though the whole photo's frame would not fit."""
    client = service(max_pixels=64 * 64)
    content = encoded(width=64, height=64)
    assert client.post('/remove', content=content, params={'crop': '8px'}).status_code == 200


def test_a_fault_shows_nothing(service, encoded, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of the program is answered without its traceback, and the service goes on."""
    client = service()
    with monkeypatch.context() as patch:
        patch.setattr(client.engine, '_finish', lambda *_: 1 / 0)
        response = client.post('/remove', content=encoded())
    assert error_of(response) == (500, 'internal_error', '')
    assert 'division' not in response.text
    assert client.post('/remove', content=encoded()).status_code == 200
