"""Where panes and checkpoints are kept: objects with names, in a local directory.

`reconcile.journal` decides on names and contents; here are only whole objects, written atomically.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore

from modelmonitor.controller.gateways.errors import PermanentError, TemporaryError

TIMEOUT: Final = 15.0
"""Seconds for one object; a store that is slower than this holds up verdicts anyway."""


class ObjectStore(Protocol):
    """Named objects. Every call raises `TemporaryError` when the store does not answer."""

    async def put(self, name: str, payload: bytes) -> None:
        """Write an object as a whole or not at all, replacing one of that name."""
        ...

    async def get(self, name: str) -> bytes | None:
        """Return an object, None if there is none."""
        ...

    async def list(self, prefix: str) -> Sequence[str]:
        """Return the names below a folder, sorted."""
        ...

    async def folders(self, prefix: str) -> Sequence[str]:
        """Return the names of the folders directly below a folder, without what lies in them."""
        ...

    async def delete(self, names: Sequence[str]) -> None:
        """Delete objects; missing ones are a success."""
        ...


def open_store(url: str) -> "DirectoryStore":
    """Return the store that a URL names.

    Raises
    ------
    PermanentError
        If the URL is not one that works, or its directory cannot be made.
    """
    parts = urlsplit(url)
    if parts.scheme != "file" or parts.netloc or not parts.path.startswith("/"):
        raise PermanentError(
            f"MM_STORE_URL is {url!r}: only a directory works, write for example "
            "file:///var/lib/modelmonitor"
        )
    try:
        return DirectoryStore(Path(parts.path))
    except OSError as error:
        raise PermanentError(f"MM_STORE_URL is {url!r}: {error}") from error


class DirectoryStore:
    """Objects as files; each is written beside its place and then moved into it."""

    def __init__(self, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        # A folder is there as long as something lies in it, as in object storage.
        self._store = LocalStore(root, automatic_cleanup=True)

    async def put(self, name: str, payload: bytes) -> None:
        """See `ObjectStore.put`."""
        try:
            async with asyncio.timeout(TIMEOUT):
                await obstore.put_async(self._store, name, payload)
        except (TimeoutError, OSError, BaseError) as error:
            raise TemporaryError(f"the store did not take {name}: {_said(error)}") from error

    async def get(self, name: str) -> bytes | None:
        """See `ObjectStore.get`."""
        try:
            async with asyncio.timeout(TIMEOUT):
                found = await obstore.get_async(self._store, name)
                return bytes(await found.bytes_async())
        except FileNotFoundError:
            return None
        except (TimeoutError, OSError, BaseError) as error:
            raise TemporaryError(f"the store did not give {name}: {_said(error)}") from error

    async def list(self, prefix: str) -> Sequence[str]:
        """See `ObjectStore.list`."""
        try:
            async with asyncio.timeout(TIMEOUT):
                entries = await obstore.list(self._store, prefix).collect_async()
        except FileNotFoundError:
            return []
        except (TimeoutError, OSError, BaseError) as error:
            raise TemporaryError(f"the store did not list {prefix}: {_said(error)}") from error
        return sorted(str(entry["path"]) for entry in entries)

    async def folders(self, prefix: str) -> Sequence[str]:
        """See `ObjectStore.folders`."""
        try:
            async with asyncio.timeout(TIMEOUT):
                found = await obstore.list_with_delimiter_async(self._store, prefix)
        except FileNotFoundError:
            return []
        except (TimeoutError, OSError, BaseError) as error:
            raise TemporaryError(f"the store did not list {prefix}: {_said(error)}") from error
        return sorted(str(path).rsplit("/", 1)[-1] for path in found["common_prefixes"])

    async def delete(self, names: Sequence[str]) -> None:
        """See `ObjectStore.delete`."""
        for name in names:
            try:
                async with asyncio.timeout(TIMEOUT):
                    await obstore.delete_async(self._store, name)
            except FileNotFoundError:
                continue
            except (TimeoutError, OSError, BaseError) as error:
                raise TemporaryError(f"the store kept {name}: {_said(error)}") from error


def _said(error: BaseException) -> str:
    """Return the first line of what an error says; the rest is the library's own structure."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
