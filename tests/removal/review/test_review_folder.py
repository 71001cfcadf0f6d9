"""Whose a review's folder is: ours is replaced, a foreign page and foreign pictures are kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bgremoval_mm.removal import MaskStore, read_image
from bgremoval_mm.removal.errors import ArgumentError
from bgremoval_mm.removal.review import page as review_page
from bgremoval_mm.removal.review.folder import MARK, ReviewFolder
from bgremoval_mm.removal.review.page import check_folder, write_review

OLD_PAGE = """<title>Review of masks</title>
<script>
const data = {"title":"u2netp","cards":[{"picture":"pictures/000000.jpg"},{"picture":""}]};
const key = 'bgremoval_mm ' + data.title;
</script>
"""


@pytest.fixture
def images(tmp_path: Path, picture) -> Path:
    """Three photos."""
    folder = tmp_path / 'images'
    folder.mkdir()
    for seed, name in enumerate(('a.png', 'b.png', 'c.png')):
        Image.fromarray(picture(16, 16, seed)).save(folder / name)
    return folder


@pytest.fixture
def store(tiny_model, tmp_path: Path, images: Path) -> MaskStore:
    """Their masks, all of them empty and therefore flagged."""
    tiny_model('u2netp')
    store = MaskStore(tmp_path / 'masks', 'u2netp')
    for path in sorted(images.iterdir()):
        store.put(path.name, read_image(path), np.zeros((16, 16), np.uint8), constant=False)
    return store


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Somebody's web site."""
    folder = tmp_path / 'site'
    (folder / 'pictures').mkdir(parents=True)
    (folder / 'index.html').write_text('<title>My holidays</title>')
    (folder / 'pictures/000000.jpg').write_bytes(b'beach')
    return folder


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    files = (path for path in folder.rglob('*') if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def cards(page: Path) -> list[dict]:
    """What a page shows."""
    line = next(line for line in page.read_text().splitlines() if line.startswith('const data'))
    return json.loads(line.removeprefix('const data = ').removesuffix(';'))['cards']


def pictures_of(page: Path) -> list[str]:
    """Names of the pictures that a page shows."""
    return [card[key] for card in cards(page) for key in ('photo', 'result') if card[key]]


def test_foreign_page_is_refused_and_kept(site: Path, store: MaskStore, images: Path) -> None:
    """A page of something else: refused before and after the job, nothing is touched."""
    before = content(site)
    message = r'a folder of its own, but .*site has other files: its index.html is not a review'
    with pytest.raises(ArgumentError, match=message):
        check_folder(site, images)
    with pytest.raises(ArgumentError, match=r'Choose another folder, or move what is there'):
        write_review(site, store, images, progress=False)
    assert content(site) == before


def test_foreign_page_beside_our_mark_is_kept(
    site: Path, store: MaskStore, images: Path, tmp_path: Path
) -> None:
    """A mark that was copied to a site does not make the site ours."""
    write_review(tmp_path / 'review', store, images, progress=False)
    (site / MARK).write_bytes((tmp_path / 'review' / MARK).read_bytes())
    before = content(site)
    with pytest.raises(ArgumentError, match=r'its index\.html is not a review of masks'):
        write_review(site, store, images, progress=False)
    assert content(site) == before


def test_own_review_is_replaced_and_other_files_stay(
    store: MaskStore, images: Path, tmp_path: Path
) -> None:
    """Pictures of the earlier review go; those that a person put there stay, with their content."""
    folder = tmp_path / 'review'
    write_review(folder, store, images, progress=False)
    (folder / 'verdicts.csv').write_text('path,verdict\n')
    (folder / 'pictures/000003.jpg').write_bytes(b'mine')
    (folder / 'pictures/me.jpg').write_bytes(b'mine')
    page = write_review(folder, store, images, progress=False)
    shown = pictures_of(page)
    assert 'pictures/000003.jpg' not in shown
    assert len(shown) == 6  # of each mask the photo and the result
    expected = {*shown, 'index.html', MARK, 'verdicts.csv'}
    expected |= {'pictures/000003.jpg', 'pictures/me.jpg'}
    found = content(folder)
    assert set(found) == expected
    assert found['pictures/000003.jpg'] == found['pictures/me.jpg'] == b'mine'
    assert json.loads(found[MARK]) == {'version': 1, 'pictures': shown}


def test_review_of_the_released_version_is_replaced(
    store: MaskStore, images: Path, tmp_path: Path
) -> None:
    """It has no mark: its own page tells which pictures are its; another stays."""
    folder = tmp_path / 'review'
    (folder / 'pictures').mkdir(parents=True)
    (folder / 'index.html').write_text(OLD_PAGE)
    (folder / 'pictures/000000.jpg').write_bytes(b'old')
    (folder / 'pictures/000009.jpg').write_bytes(b'not on the page')
    page = write_review(folder, store, images, progress=False)
    assert len(cards(page)) == 3
    found = content(folder)
    assert b'old' not in found.values()
    assert found['pictures/000009.jpg'] == b'not on the page'
    (folder / MARK).unlink()  # and what this version wrote is known by its page, too
    assert len(cards(write_review(folder, store, images, progress=False))) == 3


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('pictures/beach.jpg', 'x', r'other files in pictures: beach\.jpg'),
        ('index.html', OLD_PAGE.replace('"cards"', '"x"'), 'its index.html is a damaged review'),
        (
            'index.html',
            OLD_PAGE.replace('pictures/000000.jpg', '../images/a.png'),
            'its index.html is a damaged review',
        ),
    ],
)
def test_page_of_the_released_version_among_other_files(
    tmp_path: Path, store: MaskStore, images: Path, name: str, text: str, message: str
) -> None:
    """Where it is not certain what the page's own files are, nothing is touched."""
    folder = tmp_path / 'review'
    (folder / 'pictures').mkdir(parents=True)
    (folder / 'index.html').write_text(OLD_PAGE)
    (folder / name).write_text(text)
    before = content(tmp_path)
    with pytest.raises(ArgumentError, match=message):
        write_review(folder, store, images, progress=False)
    assert content(tmp_path) == before


@pytest.mark.parametrize(
    'mark',
    [
        'not JSON',
        '[]',
        '{"version": 2, "pictures": []}',
        '{"version": 1, "pictures": ["../images/a.png"]}',
        '{"version": 1, "pictures": "pictures/000000.jpg"}',
    ],
)
def test_mark_that_is_none_of_ours(
    tmp_path: Path, store: MaskStore, images: Path, mark: str
) -> None:
    """A damaged or foreign list is refused: it could name any file."""
    (tmp_path / 'review').mkdir()
    (tmp_path / 'review' / MARK).write_text(mark)
    before = content(tmp_path)
    with pytest.raises(ArgumentError, match=f'has a {MARK} that is damaged, or of another version'):
        write_review(tmp_path / 'review', store, images, progress=False)
    assert content(tmp_path) == before


def test_pictures_that_are_a_link_are_refused(
    tmp_path: Path, store: MaskStore, images: Path
) -> None:
    """Through a link, the pictures of another folder would be deleted."""
    folder = tmp_path / 'review'
    write_review(folder, store, images, progress=False)
    (folder / 'pictures').rename(tmp_path / 'elsewhere')
    (folder / 'pictures').symlink_to(tmp_path / 'elsewhere')
    before = content(tmp_path / 'elsewhere')
    with pytest.raises(ArgumentError, match='has a pictures that no review made'):
        write_review(folder, store, images, progress=False)
    assert content(tmp_path / 'elsewhere') == before


def test_file_in_place_of_the_folder(tmp_path: Path, images: Path) -> None:
    """A file is named as one."""
    (tmp_path / 'page').write_text('x')
    with pytest.raises(ArgumentError, match='page is a file'):
        check_folder(tmp_path / 'page', images)


def test_folder_of_the_results_is_refused_before_the_job(tmp_path: Path, images: Path) -> None:
    """DST itself, or a folder around it, even before it is there."""
    for results in (tmp_path / 'out', tmp_path / 'out/masks'):
        with pytest.raises(ArgumentError, match='out is where the results are'):
            check_folder(tmp_path / 'out', images, results)
    check_folder(tmp_path / 'out/review', images, tmp_path / 'out')
    check_folder(tmp_path / 'out', images, 's3://shop/out')


@pytest.mark.parametrize('first', [True, False])
def test_interrupted_review_can_be_written_again(
    tmp_path: Path,
    store: MaskStore,
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
    first: bool,
) -> None:
    """Ctrl-C while drawing: the old page keeps its own pictures; the next run leaves no remains."""
    folder = tmp_path / 'review'
    if not first:
        write_review(folder, store, images, progress=False)
    before = content(folder)
    drawn = iter(['a.png'])

    def interrupt(path: Path, side: int, *limits: int) -> np.ndarray:
        if next(drawn, None) is None:
            raise KeyboardInterrupt
        return np.zeros((8, 8, 3), np.uint8)

    with monkeypatch.context() as patch:
        patch.setattr(review_page, 'thumbnail', interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_review(folder, store, images, progress=False)
    kept = content(folder)
    assert {name: kept[name] for name in before if name != MARK} == {
        name: text for name, text in before.items() if name != MARK
    }
    (folder / '.tmp-host-1-x.part').write_bytes(b'of a killed process')
    page = write_review(folder, store, images, progress=False)
    pictures = {path.name for path in (folder / 'pictures').iterdir()}
    assert pictures == {Path(name).name for name in pictures_of(page)}


def test_killed_before_its_mark_was_whole(tmp_path: Path) -> None:
    """A folder with nothing but our own temporary file counts as empty."""
    (tmp_path / '.tmp-host-1-x.part').write_bytes(b'{"vers')
    assert ReviewFolder(tmp_path).begin(1) == ['pictures/000000']
