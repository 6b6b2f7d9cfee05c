"""Rule: what kind of file something is, by its content: what its sender's event says about it proves nothing.

A client shows ``m.image`` and the like at once and may open a file by its MIME type, so what could run is named as
nothing in particular, and a picture is what begins as one.
"""

from __future__ import annotations

from dataclasses import dataclass

import puremagic

LOOKED_AT_BYTES = 4096
"""How much of a file's beginning its kind is read from."""
UNKNOWN_TYPE = "application/octet-stream"

_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/heic", "image/avif", "image/tiff"})
# Brands of the ISO base media format that are no film; the others are taken for one.
_ISO_BRANDS = {
    b"avif": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heic",
    b"msf1": "image/heic",
    b"M4A ": "audio/mp4",
}
# puremagic's confidence in what it knows by three bytes; two stand at the beginning of many a text.
_SURE_FROM = 0.3
_SHOWN = frozenset({"image", "audio", "video"})
# Scripts can stand in them, so nobody should be led to open them in a browser.
_ACTIVE = frozenset(
    {
        "application/ecmascript",
        "application/javascript",
        "application/x-javascript",
        "application/xhtml+xml",
        "application/xml",
        "image/svg+xml",
        "text/html",
        "text/xml",
    }
)
_ZIP = b"PK\x03\x04"
_PACKED_AS_ZIP = ("application/zip", "application/vnd.", "application/epub+zip", "application/x-zip-compressed")


@dataclass(frozen=True, slots=True)
class FileKind:
    """What a file is shown as.

    Attributes:
        message_type: the ``msgtype``.
        media_type: the MIME type.
    """

    message_type: str
    media_type: str


def kind_of(beginning: bytes, named: FileKind) -> FileKind:
    """The kind of a file.

    Args:
        beginning: its first ``LOOKED_AT_BYTES`` bytes in clear.
        named: what its sender says that it is.

    Returns:
        A picture, sound or film only if it begins as one. Of two kinds with the same beginning (sound and film in one
        container, everything that is packed as a ZIP) the one that the sender named; so too of what begins in no known
        way, unless that could be shown or run.
    """
    found = _recognised(beginning)
    if found is None:
        return FileKind("m.file", _document_type(beginning, named.media_type))
    family, named_family = found.partition("/")[0], named.media_type.partition("/")[0]
    if found in _PICTURES:
        return FileKind("m.image", found)
    if family in _SHOWN and family != "image":
        # One container holds both.
        return (
            FileKind(f"m.{named_family}", named.media_type)
            if named_family in {"audio", "video"}
            else FileKind(f"m.{family}", found)
        )
    return FileKind("m.file", UNKNOWN_TYPE if found in _ACTIVE or family in _SHOWN else found)


def _document_type(beginning: bytes, named: str) -> str:
    """The MIME type of what begins in no known way."""
    if named == "text/plain":
        return named if _is_text(beginning) else UNKNOWN_TYPE
    if beginning.startswith(_ZIP):
        return named if named.startswith(_PACKED_AS_ZIP) else "application/zip"
    is_document = named.startswith("application/") and named not in _ACTIVE
    return named if is_document else UNKNOWN_TYPE


def _recognised(beginning: bytes) -> str | None:
    """The MIME type by its first bytes, None if they say nothing; what is packed as a ZIP says it deeper inside."""
    if beginning.startswith(_ZIP):
        return None
    if beginning[4:8] == b"ftyp" and beginning[8:12] in _ISO_BRANDS:
        return _ISO_BRANDS[beginning[8:12]]
    try:
        matches = puremagic.magic_string(beginning)
    except (puremagic.PureError, ValueError):
        return None
    surest = matches[0].confidence
    if surest < _SURE_FROM:
        return None
    return next((one.mime_type.lower() for one in matches if one.confidence == surest and one.mime_type), UNKNOWN_TYPE)


def _is_text(beginning: bytes) -> bool:
    try:
        text = beginning.decode()
    except UnicodeDecodeError as fault:
        # Cut in the middle of its last character.
        if fault.start < len(beginning) - 3:
            return False
        text = beginning[: fault.start].decode()
    return all(character.isprintable() or character in "\t\r\n" for character in text)
