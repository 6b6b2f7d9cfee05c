"""A file is shown as what it begins as, not as what its sender's event says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messenger_core.matrix.media.file_kind import UNKNOWN_TYPE, FileKind, kind_of

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0"
PDF = b"%PDF-1.7\n"
EXE = b"MZ\x90\0\3\0\0\0"
MP4 = b"\0\0\0\x18ftypmp42"
OGG = b"OggS\0\2"
ZIP = b"PK\3\4\x14\0\0\0"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
PLAIN_FILE = FileKind("m.file", UNKNOWN_TYPE)


@pytest.mark.parametrize(
    ("beginning", "named", "shown"),
    [
        # Honest senders.
        (PNG, ("m.image", "image/png"), ("m.image", "image/png")),
        (JPEG, ("m.image", "image/jpeg"), ("m.image", "image/jpeg")),
        (PDF, ("m.file", "application/pdf"), ("m.file", "application/pdf")),
        (MP4, ("m.video", "video/mp4"), ("m.video", "video/mp4")),
        (MP4, ("m.audio", "audio/mp4"), ("m.audio", "audio/mp4")),
        (OGG, ("m.audio", "audio/ogg"), ("m.audio", "audio/ogg")),
        (b"\0\0\0\x1cftypheic\0", ("m.image", "image/heic"), ("m.image", "image/heic")),
        (ZIP, ("m.file", WORD), ("m.file", WORD)),
        ("Grüße".encode(), ("m.file", "text/plain"), ("m.file", "text/plain")),
        # The others.
        (EXE, ("m.image", "image/png"), ("m.file", UNKNOWN_TYPE)),
        (EXE, ("m.file", "application/pdf"), ("m.file", UNKNOWN_TYPE)),
        (PNG, ("m.file", "application/pdf"), ("m.image", "image/png")),
        (PDF, ("m.audio", "audio/ogg"), ("m.file", "application/pdf")),
        (b"<html><script>alert(1)</script>", ("m.image", "image/png"), ("m.file", UNKNOWN_TYPE)),
        (b"<html><script>alert(1)</script>", ("m.file", "text/html"), ("m.file", UNKNOWN_TYPE)),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", ("m.image", "image/svg+xml"), ("m.file", UNKNOWN_TYPE)),
        (b"alert(1)", ("m.file", "application/javascript"), ("m.file", UNKNOWN_TYPE)),
        (b"nothing known", ("m.video", "video/mp4"), ("m.file", UNKNOWN_TYPE)),
        (ZIP, ("m.image", "image/png"), ("m.file", "application/zip")),
        (b"\0\1\2", ("m.file", "text/plain"), ("m.file", UNKNOWN_TYPE)),
        (b"", ("m.image", "image/png"), ("m.file", UNKNOWN_TYPE)),
    ],
)
def test_the_kind_follows_the_content(beginning: bytes, named: tuple[str, str], shown: tuple[str, str]) -> None:
    assert kind_of(beginning, FileKind(*named)) == FileKind(*shown)


def test_a_text_that_is_cut_within_a_letter_is_a_text() -> None:
    beginning = ("x" * 4095 + "ü").encode()[:4096]
    assert kind_of(beginning, FileKind("m.file", "text/plain")).media_type == "text/plain"


@given(st.binary(max_size=64), st.sampled_from(["image/png", "video/mp4", "text/html", "application/pdf", "x/y"]))
def test_nothing_is_shown_that_does_not_begin_as_it_and_nothing_fails(beginning: bytes, named: str) -> None:
    kind = kind_of(beginning, FileKind("m.image", named))
    assert kind.message_type == f"m.{kind.media_type.partition('/')[0]}" or kind.message_type == "m.file"
    assert kind.media_type not in {"text/html", "image/svg+xml"}
