"""Reads the content of file messages, in which anybody can write anything, and builds that of our own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from messenger_core.matrix.media.attachment_cipher import EncryptedFile
from messenger_core.matrix.media.file_kind import UNKNOWN_TYPE, FileKind
from messenger_core.matrix.store.media_ledger import is_media_address
from messenger_core.people_names import without_unshown

FILE_MESSAGE_TYPES = frozenset({"m.file", "m.image", "m.audio", "m.video"})
_UNNAMED = "file"
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,63}/[A-Za-z0-9][A-Za-z0-9.+_-]{0,126}")
_LARGEST_INTEGER = 2**53 - 1
_LONGEST_NAME = 255
_LONGEST_WAVEFORM = 1024
_VOICE = "org.matrix.msc3245.voice"
_AUDIO = "org.matrix.msc1767.audio"


@dataclass(frozen=True, slots=True)
class FileDetails:
    """What a file message says about its file, beside where it lies.

    Attributes:
        name: the file's name as people see it; no path.
        media_type: its MIME type, ``application/octet-stream`` if none is named.
        message_type: the ``msgtype`` by which clients show it.
        caption: what was written to it; None if nothing was.
        info: the well-typed ones of ``w``, ``h`` (pixels) and ``duration`` (ms).
        voice: what marks a recorded voice message, by content key.
    """

    name: str = field(repr=False)
    media_type: str
    message_type: str
    caption: str | None = field(default=None, repr=False)
    info: Mapping[str, int] = field(default_factory=dict)
    voice: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> FileDetails:
        """Reads them; fields of the wrong type count as absent."""
        body, filename = _text(content.get("body")), _text(content.get("filename"))
        name = _shown_name(filename or body or "") or _UNNAMED
        info = _mapping(content.get("info"))
        message_type = content.get("msgtype")
        if not isinstance(message_type, str) or message_type not in FILE_MESSAGE_TYPES:
            message_type = "m.file"
        return cls(
            name=name,
            media_type=_media_type(info),
            message_type=message_type,
            caption=body if filename and body and body != filename else None,
            info=_numbers(info, "w", "h", "duration"),
            voice=_voice(content) if message_type == "m.audio" else {},
        )

    def as_kind(self, kind: FileKind) -> FileDetails:
        """The same file, shown as the kind that its content is."""
        voice = self.voice if kind.message_type == "m.audio" else {}
        return replace(self, message_type=kind.message_type, media_type=kind.media_type, voice=voice)

    @property
    def named_kind(self) -> FileKind:
        """What its event says that it is."""
        return FileKind(self.message_type, self.media_type)

    @classmethod
    def of_thumbnail(cls, content: Mapping[str, Any]) -> FileDetails:
        """Reads what a file message says about its thumbnail."""
        info = _mapping(_mapping(content.get("info")).get("thumbnail_info"))
        return cls(_UNNAMED, _media_type(info), "m.image", info=_numbers(info, "w", "h"))

    def info_of(self, size: int) -> dict[str, Any]:
        """The ``info`` object of a file of ``size`` bytes."""
        return {**self.info, "mimetype": self.media_type, "size": size}


def encrypted_file(content: Mapping[str, Any]) -> EncryptedFile:
    """The file of a message.

    Raises:
        FileUnreadable: if there is none that can be read; see ``EncryptedFile.from_content``.
    """
    return EncryptedFile.from_content(content.get("file"))


def encrypted_thumbnail(content: Mapping[str, Any]) -> EncryptedFile:
    """The thumbnail of a message's file.

    Raises:
        FileUnreadable: if there is none that can be read; see ``EncryptedFile.from_content``.
    """
    return EncryptedFile.from_content(_mapping(content.get("info")).get("thumbnail_file"))


def media_addresses(content: Mapping[str, Any]) -> Iterator[str]:
    """The addresses of all files that a message names, encrypted or not, in an edit's new content as well."""
    for holder in (content, _mapping(content.get("m.new_content"))):
        info = _mapping(holder.get("info"))
        named = (
            _mapping(holder.get("file")).get("url"),
            holder.get("url"),
            _mapping(info.get("thumbnail_file")).get("url"),
            info.get("thumbnail_url"),
        )
        yield from filter(is_media_address, named)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    """A text that can be written as UTF-8; JSON can carry half characters."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) and value else None


def _shown_name(name: str) -> str:
    """A name without a path and without what cannot be seen; a long one keeps its end, which says the kind of file.

    What turns the direction of writing goes too: with it, "exe.pdf" can be shown for "fdp.exe". Emoji that are joined
    from several come apart, which harms nobody.
    """
    return without_unshown(re.split(r"[/\\]", name)[-1]).strip()[-_LONGEST_NAME:]


def _media_type(info: Mapping[str, Any]) -> str:
    named = info.get("mimetype")
    return named if isinstance(named, str) and _MEDIA_TYPE.fullmatch(named) else UNKNOWN_TYPE


def _numbers(source: Mapping[str, Any], *names: str) -> dict[str, int]:
    return {name: source[name] for name in names if _is_number(source.get(name))}


def _is_number(value: object) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST_INTEGER


def _voice(content: Mapping[str, Any]) -> dict[str, Any]:
    """The marks of a voice message (MSC3245), with its duration and waveform (MSC1767) if they are well-typed."""
    if not isinstance(content.get(_VOICE), Mapping):
        return {}
    audio = _mapping(content.get(_AUDIO))
    shown: dict[str, Any] = dict(_numbers(audio, "duration"))
    waveform = audio.get("waveform")
    if isinstance(waveform, list) and len(waveform) <= _LONGEST_WAVEFORM and all(map(_is_number, waveform)):
        shown["waveform"] = list(waveform)
    return {_VOICE: {}, _AUDIO: shown}
