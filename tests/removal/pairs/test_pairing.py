"""Pairing by name and by list: nested folders, names in several ways, and what has no partner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unicodedata import normalize

import pytest

from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.pairs.pairing import Candidate, pair_by_list, pair_by_name, read_list


def test_by_name_through_folders(tmp_path: Path, write_pair: Callable[..., None]) -> None:
    """The same name with any suffix or one appended, in the same folder, NFC or NFD."""
    write_pair('1.jpg')
    write_pair('a/1.jpg')
    write_pair('a/2.jpg', 'a/2.jpg.png')
    write_pair(f'b/{normalize("NFD", "été")}.jpg', f'b/{normalize("NFC", "été")}.png')
    pairs, rejected = pair_by_name(tmp_path / 'images', tmp_path / 'masks')
    assert [(normalize('NFC', each.image), each.mask) for each in pairs] == [
        ('1.jpg', '1.png'),
        ('a/1.jpg', 'a/1.png'),
        ('a/2.jpg', 'a/2.jpg.png'),
        ('b/été.jpg', 'b/été.png'),
    ]
    assert rejected == []


def test_without_a_partner(tmp_path: Path, write_pair: Callable[..., None]) -> None:
    """A photo without a mask, a mask without a photo, and partners that are not clear."""
    for name in ('1.jpg', '2.jpg', '3.jpg', '4.jpg', '5.jpg'):
        write_pair(name)
    write_pair('3.png', '3.bmp')  # two photos and two masks called 3
    write_pair('4.jpg', '4.jpg.png')  # two masks of 4
    write_pair('5.png', '5.png')
    (tmp_path / 'masks/1.png').unlink()
    (tmp_path / 'images/2.jpg').unlink()
    pairs, rejected = pair_by_name(tmp_path / 'images', tmp_path / 'masks')
    assert pairs == []
    assert sorted((each.image, each.mask, each.kind) for each in rejected) == [
        ('', '2.png', 'no photo'),
        ('1.jpg', '', 'no mask'),
        ('3.jpg', '3.bmp', 'ambiguous'),
        ('3.png', '3.bmp', 'ambiguous'),
        ('4.jpg', '4.jpg.png', 'ambiguous'),
        ('5.jpg', '5.png', 'ambiguous'),
        ('5.png', '5.png', 'ambiguous'),
    ]


def test_suffix_of_masks(tmp_path: Path, write_pair: Callable[..., None]) -> None:
    """Names such as 1_mask.png; masks with other names are told."""
    write_pair('1.jpg', '1_mask.png')
    write_pair('2.jpg', '2_trimap.png')
    pairs, rejected = pair_by_name(tmp_path / 'images', tmp_path / 'masks', '_mask')
    assert pairs == [Candidate('1.jpg', '1_mask.png')]
    assert [(each.image, each.mask) for each in rejected] == [('2.jpg', ''), ('', '2_trimap.png')]


@pytest.mark.parametrize('folder', ['masks', 'images'])
def test_suffix_with_an_accent(
    tmp_path: Path, write_pair: Callable[..., None], folder: str
) -> None:
    """Macs write it into names in another way than keyboards do; in one folder with photos, too."""
    write_pair('1.jpg', f'../{folder}/1{normalize("NFD", "_détouré")}.png')
    where = (tmp_path / 'images', tmp_path / folder)
    for form in ('NFC', 'NFD'):
        pairs, rejected = pair_by_name(*where, normalize(form, '_détouré'))
        assert [normalize('NFC', each.mask) for each in pairs] == ['1_détouré.png']
        assert rejected == []


def test_photos_and_masks_in_one_folder(tmp_path: Path, write_pair: Callable[..., None]) -> None:
    """Masks are told from photos by their suffix, or by the folder below that they lie in."""
    for name in ('1', '2', '3'):
        write_pair(f'a/{name}.jpg', f'../images/a/{name}_mask.png')
    images = tmp_path / 'images'
    (images / 'a/2_mask.png').unlink()
    (images / 'a/3.jpg').unlink()
    pairs, rejected = pair_by_name(images, images, '_mask')
    assert pairs == [Candidate('a/1.jpg', 'a/1_mask.png')]
    found = [(each.image, each.mask, each.kind) for each in rejected]
    assert found == [('a/2.jpg', '', 'no mask'), ('', 'a/3_mask.png', 'no photo')]
    pairs, rejected = pair_by_name(images / 'a', images / 'a', '_mask')
    assert (len(pairs), len(rejected)) == (1, 2)
    write_pair('a/1.jpg', '../images/masks/a/1.png')
    pairs, rejected = pair_by_name(images, images / 'masks')
    assert pairs == [Candidate('a/1.jpg', 'a/1.png')]
    assert {each.image for each in rejected} == {'a/1_mask.png', 'a/2.jpg', 'a/3_mask.png'}


def test_by_list(tmp_path: Path, write_pair: Callable[..., None]) -> None:
    """Its photos only, its masks where it names them, with item, cluster and split."""
    write_pair('1.jpg')
    write_pair('2.jpg', 'other/name.png')
    write_pair('3.jpg')
    file = tmp_path / 'list.csv'
    file.write_text(
        'image,mask,item,split\n1.jpg,,shirt,train\n2.jpg,other/name.png,shirt,train\n'
        '4.jpg,,,val\n3.jpg,gone.png,,val\n'
    )
    pairs, rejected = pair_by_list(read_list(file), tmp_path / 'images', tmp_path / 'masks')
    assert pairs == [
        Candidate('1.jpg', '1.png', 'shirt', '', 'train'),
        Candidate('2.jpg', 'other/name.png', 'shirt', '', 'train'),
    ]
    assert [(each.image, each.kind) for each in rejected] == [
        ('4.jpg', 'no photo'),
        ('3.jpg', 'no mask'),
    ]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('photo\na.jpg\n', 'must have the column image, and may have mask, item, .* but has photo'),
        ('image,shop\na.jpg,1\n', 'but has image, shop'),
        ('image\n', 'must list images, but has no row'),
        ('image\na.jpg\na.jpg\n', r'line 3 lists a\.jpg again'),
        ('image,split\na.jpg,valid\n', "line 2: split must be train, val, test or .*'valid'"),
        ('image,split\na.jpg,val\nb.jpg,\n', 'must give the split of every image or of none'),
        ('image,mask\na.jpg\n', 'line 2 must have 2 fields'),
        pytest.param(
            f'image\n"a.jpg\n{"b.jpg" * 30_000}',
            r'list\.csv cannot be read as CSV \(a quotation',
            id='open quotation mark',
        ),
        (
            'image,item,split\na.jpg,shirt,train\nb.jpg,hat,val\nc.jpg,shirt,test\n',
            'line 4: the photos of an item must be in one split, but shirt is in train already',
        ),
    ],
)
def test_bad_lists(tmp_path: Path, text: str, message: str) -> None:
    """Each error names the file, and the line."""
    file = tmp_path / 'list.csv'
    file.write_text(text)
    with pytest.raises(ArgumentError, match=message):
        read_list(file)


def test_folders_that_will_not_do(tmp_path: Path) -> None:
    """A folder that is missing, or has no image in it."""
    with pytest.raises(ArgumentError, match=r'IMAGES must be a folder, but .*gone is none'):
        pair_by_name(tmp_path / 'gone', tmp_path)
    with pytest.raises(ArgumentError, match='IMAGES must be a folder with images, but'):
        pair_by_name(tmp_path, tmp_path)
