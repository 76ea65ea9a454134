"""Where a target is asked."""

import pytest

from signalbox.recording.places import BadKeyError, of_url


def test_what_an_endpoint_repeats_of_its_key_is_left_out() -> None:
    key = "sk-0123456789abcdef"
    place = of_url("http://127.0.0.1/v1", "a", "m", key, None)
    assert place.headers == {"authorization": f"Bearer {key}"}
    assert place.without_key(b'{"error": "wrong key: sk-0123456789abcdef"}') == b'{"error": "wrong key: ***"}'
    assert key not in repr(place)


def test_a_key_that_is_a_word_leaves_answers_as_they_are() -> None:
    assert of_url("http://127.0.0.1/v1", "a", "m", "none", None).without_key(b"none of them") == b"none of them"


@pytest.mark.parametrize("key", ["sk-one\nsk-two", "sk-ümlaut", "sk-tab\tbed"])
def test_a_key_that_no_header_holds_is_refused_without_being_said(key: str) -> None:
    with pytest.raises(BadKeyError, match="more than one line") as caught:
        of_url("http://127.0.0.1/v1", "a", "m", key, None)
    assert "sk-" not in str(caught.value)
