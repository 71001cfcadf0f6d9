"""The catalogue agrees with rembg's own sessions."""

from __future__ import annotations

import inspect
import re

import pytest

from bgremoval_mm.removal import CATALOGUE, get_model
from bgremoval_mm.removal.zoo.catalogue import ModelSpec


@pytest.mark.parametrize('spec', CATALOGUE.values(), ids=CATALOGUE)
def test_spec_is_what_rembg_says(spec: ModelSpec) -> None:
    """Address, hash, size and normalisation are those in rembg's source."""
    sessions = pytest.importorskip('rembg.sessions').sessions
    session = sessions[spec.name]
    assert spec.url in inspect.getsource(session.download_models)
    if spec.hash.startswith('md5') or spec.name == 'bria-rmbg':
        assert spec.hash in inspect.getsource(session.download_models)
    body = re.sub(r'\s', '', inspect.getsource(session.predict))
    triples = [re.sub(r'\s', '', str(triple)) for triple in (spec.mean, spec.std)]
    assert f'{triples[0]},{triples[1]},({spec.size},{spec.size})' in body
    assert ('sigmoid' in body) == (spec.activation == 'sigmoid-minmax')
    assert ('argmax' in body) == (spec.activation == 'argmax')


def test_unknown_model_lists_the_known_ones() -> None:
    """A wrong name is answered with the right ones."""
    with pytest.raises(ValueError, match=r"must be one of u2net, u2netp.*got 'u3net'"):
        get_model('u3net')


def test_only_commercial_licences_are_free_to_use() -> None:
    """Exactly the non-commercial licence is marked so."""
    assert [s.name for s in CATALOGUE.values() if not s.commercial] == ['bria-rmbg']
