"""MediaTask: a task whose pictures a model is shown."""

from __future__ import annotations

import base64
import binascii
import mimetypes
from pathlib import Path
from typing import Any

from pydantic import Field

from planai.errors import ConfigurationError
from planai.llm.client import Image
from planai.task import Task

_MAGIC = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}
_WEBP = (b"RIFF", b"WEBP")
_SHOWN = 200


class MediaTask(Task):
    """A task with pictures, which an `LLMTaskWorker` sends to its model; the other fields are shown as text.

    Attributes:
        images: paths of files, addresses (``https:``), ``data:`` addresses, or the bytes of pictures in base64.
    """

    images: list[str] = Field(default_factory=list)


def images_of(task: Any, llm: object) -> tuple[Image, ...]:
    """Return the pictures of a task, read from where they are; none for a task that is no `MediaTask`.

    A model that says with ``looks_at_pictures = False`` that it does not look at any gets their names alone.

    Raises:
        ConfigurationError: one is no picture.
    """
    if not isinstance(task, MediaTask):
        return ()
    if getattr(llm, "looks_at_pictures", True):
        return tuple(map(load_image, task.images))
    return tuple(Image("", url=source) for source in task.images)


def load_image(source: str) -> Image:
    """Return a picture by its path, its address, or its bytes in base64.

    >>> load_image("https://example.org/cat.png").url
    'https://example.org/cat.png'
    >>> load_image("data:image/gif;base64,R0lGODlhAQABAAAAACw=").media_type
    'image/gif'

    Raises:
        ConfigurationError: it is none of these, or no PNG, JPEG, GIF or WebP.
    """
    if source.startswith(("http://", "https://")):
        return Image(mimetypes.guess_type(source.partition("?")[0])[0] or "image/jpeg", url=source)
    if source.startswith("data:"):
        head, _, body = source.partition(",")
        data = _decoded(body)
        if data is not None and head.endswith(";base64"):
            return Image(head[len("data:") : -len(";base64")], data)
    elif (data := _read(source)) is None:
        data = _decoded(source)
    kind = None if data is None else media_type(data)
    if data is None or kind is None:
        raise ConfigurationError(
            f"{source[:_SHOWN]!r} is no picture: pass the path of a PNG, JPEG, GIF or WebP file, its address, "
            "or its bytes in base64"
        )
    return Image(kind, data)


def media_type(data: bytes) -> str | None:
    """Return what kind of picture `data` is, by how it begins; None for none that models know."""
    if (data[:4], data[8:12]) == _WEBP:
        return "image/webp"
    return next((kind for start, kind in _MAGIC.items() if data.startswith(start)), None)


def picture_fields(task: object) -> set[str]:
    """Return the names of the fields that are sent as pictures, and not as text."""
    return {"images"} if isinstance(task, MediaTask) else set()


def _read(source: str) -> bytes | None:
    try:
        return Path(source).read_bytes()
    except (OSError, ValueError):  # too long for a path, or with a zero byte
        return None


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True) or None
    except (binascii.Error, ValueError):
        return None
