"""S3Upload: a file that is in S3, but that nobody sees before it is committed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from bgremoval_mm.removal.io.store_errors import as_os_error

__all__ = ['S3Upload']


class S3Upload:
    """An upload in one part, of which S3 shows nothing until it is told that it is whole.

    Of a process that is killed in between, the part stays, unseen, until the bucket's owner or a
    rule of its life cycle aborts the upload. Where two processes upload to one name, S3 may take
    the one that *began* last for the newer one, whichever is committed last.

    Args:
        filesystem: s3fs's.
        path: Bucket and key.
        content: Its bytes, up to 5 GB.
        headers: What else S3 is told of it, such as ``ContentType``.
        address: The path as users write it, for messages.

    Raises:
        OSError: If it cannot be uploaded.
    """

    def __init__(
        self, filesystem: Any, path: str, content: bytes, headers: Mapping[str, str], address: str
    ) -> None:
        self._filesystem = filesystem
        self._path = path
        self._address = address
        bucket, key, _ = filesystem.split_path(path)
        self._place = {'Bucket': bucket, 'Key': key}
        with as_os_error(address):
            begun = self._call('create_multipart_upload', **headers)
        self._place['UploadId'] = begun['UploadId']
        try:
            with as_os_error(address):
                self._part = self._call('upload_part', PartNumber=1, Body=content)
        except BaseException:
            with suppress(OSError):
                self.discard()
            raise

    def commit(self) -> None:
        """Let it be seen, or replace what is there."""
        found = self._part.items()
        part = {name: value for name, value in found if name.startswith(('ETag', 'Checksum'))}
        parts = {'Parts': [{'PartNumber': 1, **part}]}
        with as_os_error(self._address):
            self._call('complete_multipart_upload', MultipartUpload=parts)
        self._place.pop('UploadId')
        self._filesystem.invalidate_cache(self._path)

    def discard(self) -> None:
        """Drop it, unless it is committed.

        Raises:
            OSError: If S3 does not let it be dropped.
        """
        if 'UploadId' in self._place:
            with as_os_error(self._address):
                self._call('abort_multipart_upload')

    def _call(self, method: str, **arguments: Any) -> Any:
        return self._filesystem.call_s3(method, **self._place, **arguments)
