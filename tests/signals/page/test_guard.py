"""A foreign page in the same browser learns nothing."""

import pytest

from signalbox.signals.page.guard import refusal


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8765", "localhost:1", "LOCALHOST", "[::1]:80", "[::1]"])
def test_our_own_names_are_let_in(host: str) -> None:
    assert refusal(host, None, None, data=True) is None
    assert refusal(host, f"http://{host.lower()}", "same-origin", data=True) is None


@pytest.mark.parametrize(
    "host",
    [
        "", "evil.example", "evil.example:8765", "127.0.0.1.evil.example", "localhost.evil.example", "127.0.0.2",
        "10.0.0.1:80", "127.0.0.1@evil.example", "evil.example#127.0.0.1", "127.0.0.1 evil.example", "[::2]", "[",
        ":80", "127.0.0.1:port",
    ],
)  # fmt: skip
def test_any_other_host_is_refused(host: str) -> None:
    assert refusal(host, None, None, data=True)
    assert refusal(host, None, None, data=False)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://127.0.0.1:80", "http://127.0.0.1:81", "http://localhost:80", ""]
)
def test_any_other_origin_is_refused(origin: str) -> None:
    assert refusal("127.0.0.1:80", origin, None, data=True)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_link_may_lead_to_the_page_but_nothing_foreign_to_its_data(site: str) -> None:
    assert refusal("127.0.0.1:80", None, site, data=False) is None
    assert refusal("127.0.0.1:80", None, site, data=True)
