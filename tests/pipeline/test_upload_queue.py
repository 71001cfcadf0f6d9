"""UploadQueue on both databases: arrival, claims, steps, failures, versions."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from bgremoval_mm.pipeline import database as database_module
from bgremoval_mm.pipeline.database import DatabaseError, open_database
from bgremoval_mm.pipeline.queue import Claim, ClaimLostError, UploadQueue
from bgremoval_mm.pipeline.states import State
from bgremoval_mm.pipeline.tables import Base, Upload
from bgremoval_mm.removal.errors import ArgumentError


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The queue's clock."""
    return Clock()


@pytest.fixture
def queue(database: str, clock: Clock) -> Iterator[UploadQueue]:
    """An empty queue."""
    made = UploadQueue(database, lease=10, most_tries=3, clock=clock)
    yield made
    made.close()


def states(queue: UploadQueue, upload: int) -> list[str]:
    """The states that an upload has been through."""
    return [change.after for change in queue.history(upload)]


def test_tables_are_those_of_the_classes(database: str) -> None:
    """The migrations make what the classes describe, and a second opening changes nothing."""
    open_database(database).dispose()
    engine = open_database(database)
    with engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    engine.dispose()
    assert found == []


def test_the_whole_way(queue: UploadQueue, clock: Clock) -> None:
    """Each step is recorded with its time and reason, and the last one ends the claim."""
    upload, is_new = queue.receive('a.jpg', 'a' * 64, 'tests')
    assert is_new
    claim = queue.claim()
    assert claim is not None
    assert claim.id == upload
    assert queue.claim() is None
    clock.now = 1001
    claim = queue.advance(claim, State.TYPED, 'by its name', route='shoes')
    claim = queue.advance(claim, State.REMOVED, 'by u2net', model='u2net')
    done: list[str] = []
    queue.advance(claim, State.PUBLISHED, 'passed', publish=lambda: done.append('x'), result='r')
    assert done == ['x']
    changes = queue.history(upload)
    assert [each.after for each in changes] == ['received', 'typed', 'removed', 'published']
    assert [each.at for each in changes] == [1000, 1001, 1001, 1001]
    assert changes[0].reason == 'from tests'
    (row,) = queue.uploads(State.PUBLISHED)
    assert (row.route, row.model, row.result, row.claim) == ('shoes', 'u2net', 'r', '')
    assert queue.next_due() is None


def test_the_same_photo_twice_is_one_upload(queue: UploadQueue) -> None:
    """The same bytes are known; others are a new version, also when the first ones come back."""
    first, _ = queue.receive('a.jpg', 'a' * 64, 'tests')
    assert queue.receive('a.jpg', 'a' * 64, 'tests') == (first, False)
    assert queue.receive('b.jpg', 'a' * 64, 'tests')[1]
    assert queue.receive('a.jpg', 'b' * 64, 'tests')[1]
    assert queue.receive('a.jpg', 'a' * 64, 'tests')[1]
    found = [(each.name, each.version) for each in queue.uploads()]
    assert found == [('a.jpg', 1), ('b.jpg', 1), ('a.jpg', 2), ('a.jpg', 3)]


def test_the_same_photo_from_many_threads(queue: UploadQueue) -> None:
    """Only one of eight that record the same photo at once makes an upload."""
    gate = threading.Barrier(8)

    def receive(_: int) -> bool:
        gate.wait(30)
        return queue.receive('a.jpg', 'a' * 64, 'tests')[1]

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(receive, range(8))) == 1
    assert len(queue.uploads()) == 1


def test_no_upload_is_claimed_twice(queue: UploadQueue) -> None:
    """Eight threads share forty uploads without an overlap."""
    for number in range(40):
        queue.receive(f'{number}.jpg', 'a' * 64, 'tests')

    def take(_: int) -> list[int]:
        found = []
        while (claim := queue.claim()) is not None:
            found.append(claim.id)
        return found

    with ThreadPoolExecutor(8) as pool:
        taken = [each for part in pool.map(take, range(8)) for each in part]
    assert sorted(taken) == sorted(each.id for each in queue.uploads())
    assert len(taken) == 40


def test_a_claim_ends(queue: UploadQueue, clock: Clock) -> None:
    """After the lease another worker goes on, and the slow one's change is refused."""
    queue.receive('a.jpg', 'a' * 64, 'tests')
    slow = queue.claim()
    assert slow is not None
    clock.now += 9
    assert queue.claim() is None
    clock.now += 1
    other = queue.claim()
    assert other is not None
    assert other.tries == 2
    with pytest.raises(ClaimLostError, match=r'^a\.jpg, version 1, was taken over'):
        queue.advance(slow, State.TYPED, 'late')
    with pytest.raises(ClaimLostError):
        queue.fail(slow, 'late')
    queue.advance(other, State.TYPED, 'in time')
    assert states(queue, other.id) == ['received', 'typed']


def test_a_photo_that_ends_every_worker_fails(queue: UploadQueue, clock: Clock) -> None:
    """Workers that die say nothing: after three of them the upload has failed."""
    upload, _ = queue.receive('a.jpg', 'a' * 64, 'tests')
    for _ in range(3):
        assert queue.claim() is not None
        clock.now += 10
    assert queue.claim() is None
    assert states(queue, upload) == ['received', 'failed']
    assert queue.history(upload)[-1].reason.startswith('the worker has ended 3 times')


def test_failures_are_tried_again_later(queue: UploadQueue, clock: Clock) -> None:
    """The pauses grow, the last failure is final, and `retry` begins anew."""
    upload, _ = queue.receive('a.jpg', 'a' * 64, 'tests')
    for pause in (2, 8):
        claim = queue.claim()
        assert claim is not None
        assert queue.fail(claim, 'disk full') is State.RECEIVED
        assert queue.claim() is None
        assert queue.next_due() == pause
        clock.now += pause
    claim = queue.claim()
    assert claim is not None
    assert queue.fail(claim, 'disk full') is State.FAILED
    reasons = [each.reason for each in queue.history(upload)[1:]]
    assert reasons == [
        'try 1 failed: disk full',
        'try 2 failed: disk full',
        'disk full, tried 3 times',
    ]
    assert queue.retry() == 1
    claim = queue.claim()
    assert claim is not None
    assert claim.tries == 1


def test_a_final_failure_is_not_tried_again(queue: UploadQueue) -> None:
    """A photo that cannot be read fails at once."""
    upload, _ = queue.receive('a.jpg', 'a' * 64, 'tests')
    claim = queue.claim()
    assert claim is not None
    assert queue.fail(claim, 'not an image', final=True) is State.FAILED
    assert queue.history(upload)[-1].reason == 'not an image'


def test_a_failure_ends_with_a_later_version(queue: UploadQueue) -> None:
    """Whether that comes after the photo has failed, or before."""
    old, _ = queue.receive('a.jpg', 'a' * 64, 'tests')
    claim = queue.claim()
    assert claim is not None
    queue.fail(claim, 'not an image', final=True)
    new, _ = queue.receive('a.jpg', 'b' * 64, 'tests')
    assert states(queue, old) == ['received', 'failed', 'superseded']
    assert queue.history(old)[-1].reason == 'version 2 has come'
    claim = queue.claim()
    assert claim is not None
    last, _ = queue.receive('a.jpg', 'c' * 64, 'tests')
    assert queue.fail(claim, 'not an image', final=True) is State.SUPERSEDED
    assert queue.history(new)[-1].reason == 'version 3 has come; not an image'
    claim = queue.claim()
    assert claim is not None
    queue.receive('a.jpg', 'd' * 64, 'tests')
    assert queue.advance(claim, State.FAILED, 'no route fits it').state is State.SUPERSEDED
    assert states(queue, last) == ['received', 'superseded']
    assert queue.counts()[State.FAILED] == 0


def test_a_photo_that_ended_every_worker_is_past(queue: UploadQueue, clock: Clock) -> None:
    """It has not failed if a later version has come."""
    old, _ = queue.receive('a.jpg', 'a' * 64, 'tests')
    for _ in range(3):
        assert queue.claim() is not None
        clock.now += 10
    queue.receive('a.jpg', 'b' * 64, 'tests')
    claim = queue.claim()
    assert claim is not None
    assert claim.version == 2
    assert states(queue, old) == ['received', 'superseded']


def test_retry_knows_which_versions_are_past(queue: UploadQueue) -> None:
    """Early versions of this package left them failed: they are not tried again."""
    old, _ = queue.receive('a.jpg', 'a' * 64, 'tests')
    queue.receive('a.jpg', 'b' * 64, 'tests')
    other, _ = queue.receive('b.jpg', 'a' * 64, 'tests')
    with queue.engine.begin() as connection:
        ids = sa.update(Upload).where(Upload.id.in_([old, other]))
        connection.execute(ids.values(state=State.FAILED))
    assert queue.retry() == 1
    assert [each.state for each in queue.uploads()] == ['superseded', 'received', 'received']
    assert queue.history(old)[-1].reason == 'version 2 has come'


def test_who_waits(queue: UploadQueue, database: str) -> None:
    """SQLite has one writer at a time; PostgreSQL's rows are held one by one."""
    assert queue.is_exclusive == database.startswith('sqlite')


def test_release(queue: UploadQueue) -> None:
    """An upload that is given back can be taken at once, and has not been tried."""
    queue.receive('a.jpg', 'a' * 64, 'tests')
    claim = queue.claim()
    assert claim is not None
    queue.release(claim)
    again = queue.claim()
    assert again is not None
    assert again.tries == 1


def test_an_old_version_is_not_published(queue: UploadQueue) -> None:
    """Once a changed photo has come, the former one's result is no longer put in its place."""
    old, _ = queue.receive('a.jpg', 'a' * 64, 'tests')
    claim = queue.claim()
    assert claim is not None
    claim = queue.advance(queue.advance(claim, State.TYPED, ''), State.REMOVED, '')
    queue.receive('a.jpg', 'b' * 64, 'tests')
    ended = queue.advance(
        claim, State.PUBLISHED, '', publish=lambda: pytest.fail('published'), result='r'
    )
    assert ended.state is State.SUPERSEDED
    assert queue.uploads()[0].result == ''
    assert queue.history(old)[-1].reason == 'version 2 has come'


def test_an_old_version_leaves_the_review(queue: UploadQueue) -> None:
    """Nobody need look at it once a later one has come; one that is being looked at stays."""
    old, _ = queue.receive('a.jpg', 'a' * 64, 'tests')
    to_review(queue)
    new, _ = queue.receive('a.jpg', 'b' * 64, 'tests')
    assert states(queue, old)[-1] == 'superseded'
    assert queue.history(old)[-1].reason == 'version 2 has come'
    to_review(queue)
    claim = queue.claim_review('a.jpg')
    assert claim is not None
    queue.receive('a.jpg', 'c' * 64, 'tests')
    assert states(queue, new)[-1] == 'review'
    ended = queue.advance(claim, State.PUBLISHED, '', publish=lambda: pytest.fail('published'))
    assert ended.state is State.SUPERSEDED


def held_in_review(queue: UploadQueue) -> tuple[int, Claim]:
    """Version 1 of a photo whose version 2 came while somebody looked at it."""
    old, _ = queue.receive('a.jpg', 'a' * 64, 'tests')
    to_review(queue)
    claim = queue.claim_review('a.jpg')
    assert claim is not None
    queue.receive('a.jpg', 'b' * 64, 'tests')
    return old, claim


def test_an_old_version_that_is_given_back_leaves_the_review(queue: UploadQueue) -> None:
    """Nobody else need look at it."""
    old, claim = held_in_review(queue)
    queue.release(claim)
    assert states(queue, old)[-1] == 'superseded'
    assert queue.history(old)[-1].reason == 'version 2 has come'


def test_an_old_version_that_is_forgotten_leaves_the_review(
    queue: UploadQueue, clock: Clock
) -> None:
    """Once the claim has ended; what is not past, or still held, stays."""
    old, _ = held_in_review(queue)
    to_review(queue)
    assert queue.supersede_left() == 0
    clock.now += 11
    assert queue.supersede_left() == 1
    assert states(queue, old)[-1] == 'superseded'
    assert queue.history(old)[-1].reason == 'version 2 has come'
    assert [each.state for each in queue.uploads()] == ['superseded', 'review']


def test_who_decides_on_an_old_version_may_end(queue: UploadQueue, clock: Clock) -> None:
    """The work on a mask is not lost, though the photo is not published."""
    _, claim = held_in_review(queue)
    assert queue.claim_review('a.jpg', 1) is None  # nobody else may begin
    for _ in range(3):
        clock.now += 8
        assert queue.claim_review('a.jpg', 1, claim.token) == claim
    assert queue.claim_review('a.jpg', 2, claim.token) is None
    ended = queue.advance(claim, State.PUBLISHED, '', publish=lambda: pytest.fail('published'))
    assert ended.state is State.SUPERSEDED


def test_the_review_lists_newest_versions(queue: UploadQueue) -> None:
    """Also if the newest one does not wait in review."""
    held_in_review(queue)
    assert queue.in_review() == []
    to_review(queue)
    assert [each.version for each in queue.in_review()] == [2]


@pytest.mark.parametrize('database', ['postgresql'], indirect=True)
def test_a_version_that_comes_meanwhile_is_seen(queue: UploadQueue) -> None:
    """Also if it was not there yet when the step began to wait for the others' rows."""
    queue.receive('a.jpg', 'a' * 64, 'tests')
    claim = queue.claim()
    assert claim is not None
    claim = queue.advance(queue.advance(claim, State.TYPED, ''), State.REMOVED, '')
    with ThreadPoolExecutor(1) as pool, Session(queue.engine) as session, session.begin():
        session.scalars(select(Upload).with_for_update()).all()  # as whoever records version 2
        ended = pool.submit(
            queue.advance, claim, State.PUBLISHED, '', publish=lambda: pytest.fail('published')
        )
        wait_for_a_lock(queue)
        session.add(Upload(name='a.jpg', version=2, sha256='b' * 64, received=0.0, changed=0.0))
        session.commit()
        assert ended.result(30).state is State.SUPERSEDED


def wait_for_a_lock(queue: UploadQueue) -> None:
    """Return once a statement waits for rows that another transaction holds."""
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    for _ in range(300):
        with queue.engine.connect() as connection:
            if connection.scalar(sa.text(f'{waits} AND datname = current_database()')):
                return
        time.sleep(0.1)
    pytest.fail('no statement has waited for a lock in 30 seconds')


def test_an_old_version_does_not_enter_the_review(queue: UploadQueue) -> None:
    """Also not if the later one has come while its mask was made."""
    old, _ = queue.receive('a.jpg', 'a' * 64, 'tests')
    claim = queue.claim()
    assert claim is not None
    queue.receive('a.jpg', 'b' * 64, 'tests')
    claim = queue.advance(queue.advance(claim, State.TYPED, ''), State.REMOVED, '')
    assert queue.advance(claim, State.REVIEW, 'doubtful').state is State.SUPERSEDED
    assert states(queue, old)[-1] == 'superseded'


def test_a_version_is_asked_for(queue: UploadQueue) -> None:
    """A verdict on what is no longer there is not taken for one on the new photo."""
    queue.receive('a.jpg', 'a' * 64, 'tests')
    queue.receive('a.jpg', 'b' * 64, 'tests')
    for _ in range(2):
        to_review(queue)
    assert queue.claim_review('a.jpg', 1) is None
    claim = queue.claim_review('a.jpg', 2)
    assert claim is not None
    assert claim.version == 2


def to_review(queue: UploadQueue) -> None:
    """Lead the next upload to review."""
    claim = queue.claim()
    assert claim is not None
    claim = queue.advance(queue.advance(claim, State.TYPED, ''), State.REMOVED, '')
    queue.advance(claim, State.REVIEW, 'doubtful')


def test_nothing_is_recorded_if_publishing_fails(queue: UploadQueue) -> None:
    """The error of `publish` goes through, and the upload stands where it stood."""
    upload, _ = queue.receive('a.jpg', 'a' * 64, 'tests')
    claim = queue.claim()
    assert claim is not None
    claim = queue.advance(queue.advance(claim, State.TYPED, ''), State.REMOVED, '')

    def publish() -> None:
        raise OSError(28, 'No space left on device')

    with pytest.raises(OSError, match='No space'):
        queue.advance(claim, State.PUBLISHED, '', publish=publish, result='r')
    assert states(queue, upload)[-1] == 'removed'
    assert queue.uploads()[0].result == ''


def test_steps_are_taken_in_order(queue: UploadQueue) -> None:
    """No step is left out."""
    queue.receive('a.jpg', 'a' * 64, 'tests')
    claim = queue.claim()
    assert claim is not None
    with pytest.raises(AssertionError, match='received cannot become published'):
        queue.advance(claim, State.PUBLISHED, '')


def test_a_lock_is_not_waited_for_without_end(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that hangs as it publishes: what comes under that name meanwhile is an error."""
    if database.startswith('sqlite'):
        pytest.skip('SQLite has one lock, and a time limit for it')
    settings = ["lock_timeout = '200ms'", *database_module._ON_POSTGRESQL[1:]]
    monkeypatch.setattr(database_module, '_ON_POSTGRESQL', settings)
    queue = UploadQueue(database)
    queue.receive('a.png', 'aa', 'tests')
    claim = queue.claim()
    assert claim is not None
    claim = queue.advance(claim, State.TYPED, 'test')
    claim = queue.advance(claim, State.REMOVED, 'test')
    entered, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        entered.set()
        assert go_on.wait(60)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(queue.advance, claim, State.PUBLISHED, 'test', hang)
        assert entered.wait(60)
        try:
            with pytest.raises(OperationalError, match='lock timeout'):
                queue.receive('a.png', 'bb', 'tests')
            queue.receive('b.png', 'bb', 'tests')
        finally:
            go_on.set()
        assert done.result(60).state == State.PUBLISHED
    assert queue.receive('a.png', 'bb', 'tests')[1]
    with queue.engine.connect() as connection:
        shown = connection.execute(sa.text('SHOW tcp_keepalives_idle')).scalar()
    assert shown == '30'
    queue.close()


def test_addresses() -> None:
    """Other databases are refused by name; a password is not shown."""
    with pytest.raises(ArgumentError, match=r'^`database` must be sqlite:///PATH or postgresql'):
        UploadQueue('mysql://me:secret@host/x')
    with pytest.raises(ArgumentError) as caught:
        UploadQueue('nonsense:secret@host')
    assert 'secret' not in str(caught.value)
    with pytest.raises(DatabaseError) as refused:
        UploadQueue('postgresql+psycopg://me:secret@127.0.0.1:1/x')
    assert 'secret' not in str(refused.value)
    assert '127.0.0.1:1/x' in str(refused.value)


def test_a_file_that_is_no_database(tmp_path) -> None:
    """The message names the file."""
    (tmp_path / 'x.db').write_bytes(b'not a database' * 100)
    with pytest.raises(DatabaseError, match=r'cannot open the database sqlite:.*x\.db: '):
        UploadQueue(f'sqlite:///{tmp_path}/x.db')


def test_a_database_of_a_later_version(database: str) -> None:
    """The message names it, and says what is the matter."""
    engine = open_database(database)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    expected = r'^cannot open the database .*: a later version of bgremoval_mm has made it \(.*9999'
    with pytest.raises(DatabaseError, match=expected):
        UploadQueue(database)


def test_workers_that_start_at_once_make_the_tables_once(database: str) -> None:
    """Four connections bring the tables up to date at the same time."""
    with ThreadPoolExecutor(4) as pool:
        engines = list(pool.map(lambda _: open_database(database), range(4)))
    with engines[0].connect() as connection:
        versions = connection.execute(sa.text('SELECT version_num FROM alembic_version')).all()
    for engine in engines:
        engine.dispose()
    assert len(versions) == 1
