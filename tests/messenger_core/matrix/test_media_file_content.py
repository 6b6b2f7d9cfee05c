"""What is taken over from a file message, and what is not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messenger_core.matrix.faults import FileUnreadable
from messenger_core.matrix.media.file_content import (
    FileDetails,
    encrypted_file,
    encrypted_thumbnail,
    media_addresses,
)
from tests.messenger_core.matrix.media_scene import json_values, seal


def test_a_picture_keeps_its_name_type_and_dimensions() -> None:
    details = FileDetails.from_content(
        {
            "msgtype": "m.image",
            "body": "Röntgen.png",
            "info": {"mimetype": "image/png", "w": 640, "h": 480, "size": 7, "duration": -1},
        }
    )
    assert (details.name, details.message_type, details.caption) == ("Röntgen.png", "m.image", None)
    assert details.info_of(1234) == {"mimetype": "image/png", "w": 640, "h": 480, "size": 1234}


def test_a_body_that_differs_from_the_file_name_is_a_caption() -> None:
    content = {"msgtype": "m.file", "body": "Bitte prüfen", "filename": "Befund.pdf"}
    details = FileDetails.from_content(content)
    assert (details.name, details.caption) == ("Befund.pdf", "Bitte prüfen")
    same = FileDetails.from_content({**content, "body": "Befund.pdf"})
    assert (same.name, same.caption) == ("Befund.pdf", None)


def test_a_voice_message_stays_one() -> None:
    voice = {
        "msgtype": "m.audio",
        "body": "Voice message.ogg",
        "info": {"mimetype": "audio/ogg", "duration": 4200},
        "org.matrix.msc3245.voice": {"anything": 1},
        "org.matrix.msc1767.audio": {"duration": 4200, "waveform": [0, 512, 1024], "more": "x"},
    }
    details = FileDetails.from_content(voice)
    assert details.message_type == "m.audio"
    assert details.info == {"duration": 4200}
    assert details.voice == {
        "org.matrix.msc3245.voice": {},
        "org.matrix.msc1767.audio": {"duration": 4200, "waveform": [0, 512, 1024]},
    }
    odd = {**voice, "org.matrix.msc1767.audio": {"duration": True, "waveform": [0.5]}}
    assert FileDetails.from_content(odd).voice == {"org.matrix.msc3245.voice": {}, "org.matrix.msc1767.audio": {}}
    assert FileDetails.from_content({**voice, "org.matrix.msc3245.voice": None}).voice == {}


@pytest.mark.parametrize("message_type", ["m.audio", "m.video", "m.image", "m.file"])
def test_the_message_type_survives(message_type: str) -> None:
    assert FileDetails.from_content({"msgtype": message_type, "body": "x"}).message_type == message_type


@pytest.mark.parametrize("message_type", ["m.text", None, ["m.file"], 7])
def test_any_other_message_type_is_a_plain_file(message_type: object) -> None:
    assert FileDetails.from_content({"msgtype": message_type, "body": "x"}).message_type == "m.file"


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\x.exe", "x.exe"),
        ("Befund\u202efdp.exe", "Befundfdp.exe"),
        ("two\nlines\x00.pdf", "twolines.pdf"),
        # U+061C turns the direction as U+202E does; the others are not seen at all.
        ("Befund\u061cfdp.exe", "Befundfdp.exe"),
        ("Be\u200bfu\u200cn\u200dd\u2060\ufeff.pdf", "Befund.pdf"),
        ("Be\xadfund\u034f\u3164\u115f\u1160\uffa0.pdf", "Befund.pdf"),
        ("Befund\u2800\u180e\ufe0f\U000e0041\u2028.pdf", "Befund.pdf"),
        ("\u200b\u2800", "file"),
        ("Знімок діагноз.png", "Знімок діагноз.png"),
        ("تقرير.pdf", "تقرير.pdf"),
        ("\ud800.pdf", "?.pdf"),
        ("a" * 5000 + ".pdf", "a" * 251 + ".pdf"),
        ("  ", "file"),
        ("/", "file"),
        (None, "file"),
        ({"name": "x"}, "file"),
    ],
)
def test_a_name_is_no_path_and_hides_nothing(sent: object, shown: str) -> None:
    assert FileDetails.from_content({"body": sent}).name == shown


@pytest.mark.parametrize(
    "named", ["", "pdf", "application/", "text/html; charset=x", "a" * 100 + "/b", "x/y\n", 7, None, ["image/png"]]
)
def test_an_odd_media_type_counts_as_unknown(named: object) -> None:
    assert FileDetails.from_content({"info": {"mimetype": named}}).media_type == "application/octet-stream"


@pytest.mark.parametrize("number", [-1, 1.5, "640", True, None, 2**53, [640], float("inf")])
def test_a_dimension_that_is_no_number_of_pixels_is_left_out(number: object) -> None:
    assert FileDetails.from_content({"info": {"w": number, "h": 480}}).info == {"h": 480}


def test_every_address_is_found_also_in_badly_made_messages() -> None:
    content = {
        "url": "mxc://x/clear",
        "file": {"url": "mxc://x/file"},
        "info": {"thumbnail_file": {"url": "mxc://x/small"}, "thumbnail_url": "mxc://x/small_clear"},
        "m.new_content": {"file": {"url": "mxc://x/edited"}},
    }
    assert set(media_addresses(content)) == {
        "mxc://x/clear",
        "mxc://x/file",
        "mxc://x/small",
        "mxc://x/small_clear",
        "mxc://x/edited",
    }
    odd: list[dict[str, Any]] = [
        {"url": 7, "file": "mxc://x/y", "info": ["mxc://x/y"]},
        {"url": "mxc://x/../y", "info": {"thumbnail_url": "https://x/y", "thumbnail_file": None}},
    ]
    assert [list(media_addresses(content)) for content in odd] == [[], []]


def test_file_and_thumbnail_are_read_from_their_places() -> None:
    _, file = seal([b"x"])
    _, small = seal([b"y"])
    content = {"file": file, "info": {"thumbnail_file": small, "thumbnail_info": {"w": 8, "mimetype": "image/webp"}}}
    assert encrypted_file(content).sha256 != encrypted_thumbnail(content).sha256
    assert FileDetails.of_thumbnail(content).info_of(9) == {"w": 8, "mimetype": "image/webp", "size": 9}
    nothing: list[dict[str, Any]] = [{}, {"info": 7}, {"info": {}}, {"info": {"thumbnail_file": 7}}]
    for odd in nothing:
        with pytest.raises(FileUnreadable):
            encrypted_thumbnail(odd)


keys = ["msgtype", "body", "filename", "info", "file", "url", "m.new_content", "org.matrix.msc3245.voice"]
inner_keys = ["w", "h", "mimetype", "thumbnail_file", "thumbnail_info", "thumbnail_url", "url"]
odd_values = json_values | st.dictionaries(st.sampled_from(inner_keys), json_values)


@given(content=st.dictionaries(st.sampled_from(keys), odd_values))
def test_whatever_is_sent_is_read(content: dict[str, Any]) -> None:
    details = FileDetails.from_content(content)
    details.name.encode()
    assert details.name
    assert all(type(number) is int for number in details.info.values())
    assert all(isinstance(mxc, str) for mxc in media_addresses(content))
    FileDetails.of_thumbnail(content)
