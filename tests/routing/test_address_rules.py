"""Which addresses may be connected to."""

import pytest

from signalbox.routing.address_rules import AddressRefused, AddressRules, parse_networks


@pytest.mark.parametrize(
    ("ip", "kind"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.1.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("64:ff9b::7f00:1", "loopback"),
        ("2002:7f00:1::", "loopback"),
        ("::127.0.0.1", "loopback"),
        ("::ffff:0:127.0.0.1", "loopback"),
        ("::ffff:0:169.254.169.254", "metadata"),
        ("169.254.1.1", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("169.254.169.254", "metadata"),
        ("::ffff:169.254.169.254", "metadata"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("168.63.129.16", "metadata"),
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("::", "unspecified"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "multicast"),
    ],
)
def test_closed(ip: str, kind: str) -> None:
    reason = AddressRules().refusal(ip)
    assert reason is not None
    assert kind in reason
    assert "--allow-cidr" in reason


@pytest.mark.parametrize(
    "ip", ["10.1.2.3", "192.168.0.1", "93.184.216.34", "2606:2800::1", "fd12::1", "::ffff:10.0.0.1"]
)
def test_open(ip: str) -> None:
    AddressRules().check(ip)


def test_allow_opens_only_what_it_names() -> None:
    rules = AddressRules(parse_networks(["127.0.0.0/8", "::1"]))
    assert rules.refusal("127.0.0.1") is None
    assert rules.refusal("::1") is None
    assert rules.refusal("::ffff:127.0.0.1") is None
    assert rules.refusal("169.254.169.254") is not None


def test_deny_closes_and_allow_wins() -> None:
    deny = parse_networks(["10.0.0.1/32"])
    assert "operator" in str(AddressRules(deny=deny).refusal("10.0.0.1"))
    assert AddressRules(deny=deny).refusal("10.0.0.2") is None
    assert AddressRules(parse_networks(["10.0.0.0/8"]), deny).refusal("10.0.0.1") is None


def test_the_flag_in_the_message_opens_the_address() -> None:
    with pytest.raises(AddressRefused) as caught:
        AddressRules().check("fe80::1")
    network = str(caught.value).partition("--allow-cidr ")[2].split(" ")[0]
    AddressRules(parse_networks([network])).check("fe80::1")


def test_wrong_network_is_shown() -> None:
    with pytest.raises(ValueError, match=r"'10\.0\.0\.0/99' is not a network"):
        parse_networks(["10.0.0.0/99"])


def test_text_that_is_no_address() -> None:
    with pytest.raises(ValueError, match="example"):
        AddressRules().refusal("example.com")
