"""Renderings by content: equal inputs give an equal rendering, so it is made once.

The key is the digest of everything a render reads, the tool's version among it; nothing ever has
to be invalidated. On disk stand only renderings without secrets: one that holds a Secret, or
anything that SOPS encrypted, is kept in a small memory cache of this process and written nowhere.
Failures are not kept. A file that is damaged, or was made by another version, is a miss.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import threading
import zlib
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

import orjson
import structlog

from bot.domain.change import Manifest, Source
from bot.domain.secrets import encrypted_reason
from bot.errors import Unusable
from bot.ports import Rendering

log = structlog.get_logger(__name__)

_FORMAT = b"gitops-bot rendering 1\n"
_DIGEST = 32
# A rendering of 5,000 objects has some 10 MiB as JSON and a tenth of that on disk.
MAX_UNPACKED = 128 * 1024 * 1024


class RenderCache:
    """`directory` is made private to this account; `disk` and `memory` are bytes. Safe for
    threads, and for several processes on one directory."""

    def __init__(
        self, directory: Path, *, disk: int = 256 * 1024 * 1024, memory: int = 32 * 1024 * 1024
    ) -> None:
        self._directory = directory
        self._disk, self._memory = disk, memory
        self._lock = threading.Lock()
        self._secret: OrderedDict[str, bytes] = OrderedDict()
        _make_private(directory)

    def get(self, key: str) -> Rendering | None:
        """The rendering of this key, made anew for each caller; None if there is none."""
        with self._lock:
            data = self._secret.get(key)
            if data is not None:
                self._secret.move_to_end(key)
                return _unpack(data)
        return self._read(key)

    def put(self, key: str, rendering: Rendering) -> None:
        """Keep a rendering where it may be kept. A full disk costs a render, not a failure."""
        data = _pack(rendering)
        if any(_is_secret(manifest) for manifest in rendering.manifests):
            self._remember(key, data)
            return
        try:
            self._write(self._file(key), data)
            self._shrink()
        except OSError as error:
            log.warning("render cache not written", error=error.strerror)

    def widen(self, inputs: str) -> None:
        """Remember that the closure with this digest was too small for its build."""
        with suppress(OSError):
            self._file(inputs, ".wide").touch(mode=0o600)

    def is_wide(self, inputs: str) -> bool:
        return self._file(inputs, ".wide").exists()

    def _file(self, key: str, suffix: str = ".render") -> Path:
        return self._directory / (hashlib.sha256(key.encode()).hexdigest() + suffix)

    def _remember(self, key: str, data: bytes) -> None:
        with self._lock:
            self._secret[key] = data
            self._secret.move_to_end(key)
            while sum(map(len, self._secret.values())) > self._memory:
                self._secret.popitem(last=False)

    def _read(self, key: str) -> Rendering | None:
        file = self._file(key)
        try:
            data = file.read_bytes()
            os.utime(file)
        except OSError:
            return None
        found = _unpack(data)
        if found is None:
            log.warning("damaged file in the render cache", file=file.name)
            file.unlink(missing_ok=True)
        return found

    def _write(self, file: Path, data: bytes) -> None:
        """First under another name, so that nobody ever reads half of it."""
        if not self._directory.exists():
            _make_private(self._directory)  # emptied while the bot runs, which is allowed
        handle, name = tempfile.mkstemp(prefix="new-", dir=self._directory)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
            Path(name).replace(file)
        except OSError:
            Path(name).unlink(missing_ok=True)
            raise

    def _shrink(self) -> None:
        """Delete what was not used for longest until the rest fits."""
        entries = []
        for file in self._directory.iterdir():
            with suppress(FileNotFoundError):  # another process shrinks too
                facts = file.stat()
                entries.append((facts.st_mtime, facts.st_size, file))
        total = sum(size for _, size, _ in entries)
        for _, size, file in sorted(entries):
            if total <= self._disk:
                return
            file.unlink(missing_ok=True)
            total -= size


def _make_private(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    facts = directory.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
        raise Unusable(f"{directory} must be a directory of the account that runs the bot")
    directory.chmod(0o700)


def _is_secret(manifest: Manifest) -> bool:
    return manifest.body["kind"] == "Secret" or encrypted_reason(manifest.body) is not None


def _pack(rendering: Rendering) -> bytes:
    rows = [[m.source.file, m.source.line, m.body] for m in rendering.manifests]
    body = zlib.compress(orjson.dumps([rendering.tool, rendering.inputs, rows]), level=1)
    return _FORMAT + hashlib.sha256(body).digest() + body


def _unpack(data: bytes) -> Rendering | None:
    digest, body = data[len(_FORMAT) :][:_DIGEST], data[len(_FORMAT) + _DIGEST :]
    if not data.startswith(_FORMAT) or hashlib.sha256(body).digest() != digest:
        return None
    try:
        text = zlib.decompressobj().decompress(body, MAX_UNPACKED)
        tool, inputs, rows = orjson.loads(text)
    except (zlib.error, ValueError):
        return None
    manifests = tuple(Manifest(body, Source(file, line)) for file, line, body in rows)
    return Rendering(manifests, tool, inputs)
