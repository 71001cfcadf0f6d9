"""`POST /v1.0/removebg`: what remove.bg's clients send, and what they read of the answer."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal import Framing
from bgremoval_mm.removal.images.source import SourceImage, SourceStamp
from bgremoval_mm.removal.options import OutputOptions
from bgremoval_mm.serving.orders import Cutout, locate, reduce
from bgremoval_mm.serving.removebg import headers_of, read_order
from bgremoval_mm.serving.tokens import Tokens

URL = '/v1.0/removebg'
KEY = 'a-token-of-the-test'
SIZES = {'small': 250_000, 'medium': 1_500_000, 'hd': 4_000_000, '4k': 10_000_000, 'auto': None}
# What the Python package `removebg` sends, whatever its user wants.
PYTHON_CLIENT = {
    'size': 'regular',
    'type': 'auto',
    'type_level': 'none',
    'format': 'auto',
    'roi': '0 0 100% 100%',
    'scale': 'original',
    'position': 'original',
    'channels': 'rgba',
    'semitransparency': 'true',
    'bg_color': '',
}


def pixels(content: bytes) -> np.ndarray:
    """The pixels of a picture file."""
    return np.asarray(Image.open(io.BytesIO(content)))


def error_of(response: Any) -> tuple[int, str, str]:
    """Status, code and detail of a refusal."""
    (error,) = response.json()['errors']
    assert error['title']
    return response.status_code, error['code'], error.get('detail', '')


def test_three_ways_to_send_it(service, encoded, expected) -> None:
    """As a file, as base64 in a form or in JSON: the same cut-out, and the headers of remove.bg."""
    client, content = service(Tokens([KEY])), encoded()
    text = base64.b64encode(content).decode()
    key = {'X-Api-Key': KEY}
    answers = [
        client.post(URL, files={'image_file': content}, data=PYTHON_CLIENT, headers=key),
        client.post(URL, data={'image_file_b64': text, 'size': 'auto'}, headers=key),
        client.post(URL, json={'image_file_b64': f'data:image/png;base64,{text}'}, headers=key),
    ]
    for response in answers:
        assert response.status_code == 200, response.text
        assert response.headers['content-type'] == 'image/png'
        np.testing.assert_array_equal(pixels(response.content), expected(content))
        assert response.headers['x-credits-charged'] == '0'
        assert (response.headers['x-width'], response.headers['x-height']) == ('24', '16')
        assert response.headers['x-max-width'] == '24'
        assert response.headers['x-foreground-width'] == '24'
    headers = {**key, 'Accept': 'application/json'}
    found = client.post(URL, files={'image_file': content}, headers=headers).json()['data']
    np.testing.assert_array_equal(pixels(base64.b64decode(found['result_b64'])), expected(content))
    assert found['foreground_left'] == 0


@pytest.mark.parametrize(
    ('fields', 'options', 'kind'),
    [
        ({'channels': 'alpha'}, {'output': 'mask'}, 'png'),
        (
            {'bg_color': '81d4fa', 'format': 'png'},
            {'output': 'rgb', 'fill': (129, 212, 250), 'edges': 'clean'},
            'png',
        ),
        ({'crop': 'true', 'crop_margin': '3px'}, {'framing': Framing(crop='3px')}, 'png'),
        ({'crop': 'true', 'crop_margin': '10% 10%'}, {'framing': Framing(crop='10%')}, 'png'),
        ({'crop': '1', 'format': 'webp'}, {'framing': Framing(crop='0px')}, 'webp'),
        ({'add_shadow': 'true', 'type': 'product'}, {'shadow': True}, 'png'),
        ({'add_shadow': 'true', 'shadow_type': 'none'}, {}, 'png'),
    ],
    ids=lambda each: ','.join(each) if isinstance(each, dict) else each,
)
def test_parameters(service, encoded, expected, fields, options, kind) -> None:
    """The parameters that are supported do what they do at remove.bg."""
    content = encoded()
    response = service().post(URL, files={'image_file': content}, data=fields)
    assert response.headers['content-type'] == f'image/{kind}', response.text
    np.testing.assert_array_equal(pixels(response.content), expected(content, **options))


def test_jpeg_on_a_colour(service, encoded) -> None:
    """The format `auto` is JPEG where nothing is transparent."""
    response = service().post(URL, files={'image_file': encoded()}, data={'bg_color': 'red'})
    assert response.headers['content-type'] == 'image/jpeg'


def test_sizes(service, encoded) -> None:
    """A preview, the default, has 0.25 megapixels at most; a full one is as large as the photo."""
    client, content = service(), encoded(0, 800, 500, 'JPEG')
    for fields, wanted in (({}, (632, 395)), ({'size': 'full', 'channels': 'alpha'}, (800, 500))):
        response = client.post(URL, files={'image_file': content}, data=fields)
        assert pixels(response.content).shape[:2] == wanted[::-1]
        assert response.headers['x-width'] == str(wanted[0])
        assert response.headers['x-max-width'] == '800'
    most = {size: read_order({'size': size}, ['u2net'], 10**8)['most_pixels'] for size in SIZES}
    assert most == SIZES


@pytest.mark.parametrize(
    ('fields', 'code', 'detail'),
    [
        ({'bg_image_url': 'https://a.b/c.jpg'}, 'unsupported_parameter', '`bg_image_url`'),
        ({'format': 'zip'}, 'unsupported_parameter', '`format`: only auto, png, jpg'),
        ({'format': 'jpg'}, 'invalid_parameter', 'JPEG has no transparency; add bg_color'),
        ({'roi': '0 0 50% 50%'}, 'unsupported_parameter', '`roi`: only 0 0 100% 100%'),
        ({'scale': '80%'}, 'unsupported_parameter', '`scale`: only original'),
        ({'position': 'center'}, 'unsupported_parameter', '`position`'),
        ({'semitransparency': 'false'}, 'unsupported_parameter', '`semitransparency`: only true'),
        ({'type': 'car'}, 'unsupported_parameter', '`type`: only auto, product, other'),
        ({'crop': 'true', 'crop_margin': '1px 2px'}, 'unsupported_parameter', '`crop_margin`: one'),
        ({'crop_margin': '5%'}, 'unsupported_parameter', '`crop_margin`: only with crop=true'),
        ({'crop': 'true', 'crop_margin': 'wide'}, 'invalid_parameter', '`crop_margin` must be'),
        ({'channels': 'alpha', 'bg_color': 'red'}, 'unsupported_parameter', '`bg_color`: not with'),
        ({'bg_color': '81d4fa77'}, 'unsupported_parameter', '`bg_color`: colours without'),
        ({'bg_color': 'reddish'}, 'invalid_parameter', '`bg_color` must be a colour'),
        ({'size': 'huge'}, 'invalid_parameter', '`size` must be preview, small'),
        ({'magic': '1'}, 'unknown_parameter', '`magic`; there are image_file'),
        ({'image_url': 'https://a.b/c.jpg'}, 'multiple_sources', 'send one of image_file, image'),
    ],
    ids=str,
)
def test_refused(service, encoded, fields: dict[str, str], code: str, detail: str) -> None:
    """What is not done here is refused by name, with status 400 and an error as remove.bg's."""
    response = service().post(URL, files={'image_file': encoded()}, data=fields)
    status, got, said = error_of(response)
    assert (status, got) == (400, code)
    assert detail in said


def test_statuses(service, encoded) -> None:
    """A wrong key is 403, a large file 400, a picture without an object 400."""
    client = service(Tokens([KEY]), max_bytes=5000)
    assert error_of(client.post(URL, files={'image_file': b'x'}))[:2] == (403, 'auth_failed')
    key = {'X-Api-Key': KEY}
    large = client.post(URL, files={'image_file': bytes(90_000)}, headers=key)
    assert error_of(large)[:2] == (400, 'file_too_large')
    in_text = base64.b64encode(bytes(6000)).decode()
    large = client.post(URL, json={'image_file_b64': in_text}, headers=key)
    assert error_of(large)[:2] == (400, 'file_too_large')
    plain = io.BytesIO()
    Image.new('RGB', (9, 9), 'white').save(plain, 'PNG')
    empty = client.post(URL, files={'image_file': plain.getvalue()}, headers=key)
    assert error_of(empty)[:2] == (400, 'unknown_foreground')
    cases = [
        ({'data': {'size': 'auto'}}, 'missing_source'),
        ({'content': encoded()}, 'invalid_content_type'),
        ({'json': {'image_file_b64': 'not base64!'}}, 'failed_to_read_image'),
        ({'json': [1]}, 'invalid_json'),
        ({'json': {'image_url': {'a': 1}}}, 'invalid_parameter'),
        ({'content': b'{', 'headers': {'Content-Type': 'application/json'}}, 'invalid_json'),
        ({'files': {'bg_image_file': b'x'}}, 'unsupported_parameter'),
    ]
    for arguments, code in cases:
        headers = {**key, **arguments.pop('headers', {})}
        response = client.post(URL, headers=headers, **arguments)
        assert error_of(response)[:2] == (400, code)


def test_person(service, encoded, removers) -> None:
    """People are found by their own network, where it is served."""
    removers['u2net_human_seg'] = removers['silueta']
    client = service()
    content = encoded()
    answers = [
        client.post(URL, files={'image_file': content}, data={'type': kind})
        for kind in ('person', 'auto')
    ]
    assert [each.status_code for each in answers] == [200, 200]
    text = client.get('/metrics').text
    assert 'bgremoval_images_total{model="u2net_human_seg",output="rgba"} 1.0' in text


def test_box_in_the_result() -> None:
    """The object's box is told in the result's pixels: shifted by the crop, not beyond its edge."""
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 20:50] = 255
    plain = OutputOptions('rgba')
    assert locate(mask, (60, 40), plain) == (20, 10, 50, 30)
    cropped = OutputOptions('rgba', framing=Framing(crop='5px'))
    assert locate(mask, (60, 40), cropped) == (5, 5, 35, 25)
    assert locate(np.zeros_like(mask), (60, 40), plain) is None
    headers = headers_of(Cutout(b'', 'image/png', (40, 30), (60, 40), '', (5.0, 5.0, 35.0, 25.0)))
    assert headers['X-Foreground-Top'] == '5'
    assert headers['X-Foreground-Width'] == '30'
    assert headers['X-Max-Height'] == '40'


def test_reduce() -> None:
    """Averages of areas: colours and transparency, and no enlargement."""
    rgb = np.zeros((4, 4, 3), np.uint8)
    rgb[:2, :2] = [[[10, 20, 30], [30, 40, 50]]] * 2
    alpha = np.full((4, 4), 255, np.uint8)
    alpha[2:] = 55
    source = SourceImage(rgb, (4, 4), alpha, 1, None, '', SourceStamp('', 0, 0))
    small = reduce(source, 4)
    assert small.size == (2, 2)
    assert small.rgb[0, 0].tolist() == [20, 30, 40]
    assert small.alpha.tolist() == [[255, 255], [55, 55]]
    assert reduce(source, 16) is source
    assert reduce(source, None) is source
