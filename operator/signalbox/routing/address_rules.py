"""Which addresses backends may have.

A URL in a resource is written by whoever may write resources, so it must not become a way to reach the node, the
cloud's metadata or the operator. Rules hold for addresses, not for names, and a router applies them when it
connects: a name that resolved to something harmless before may not do so now.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

# Link-local metadata addresses are covered by that class; these are the others.
_METADATA = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",
        "169.254.170.2",
        "fd00:ec2::254",
        "fd20:ce::254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
    )
)
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_BROADCAST = IPv4Address("255.255.255.255")
# The last 32 bits are an IPv4 address: RFC 6052, RFC 4291 (2.5.5.1), RFC 2765.
_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"), IPv6Network("::ffff:0:0:0/96"))
_SIX_TO_FOUR = IPv6Network("2002::/16")


class AddressRefused(Exception):  # noqa: N818 - says what happened
    """An address that the rules do not allow; the message names the rule and the flag that opens it."""


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks from CIDR notation; a plain address is a network of one.

    Raises ``ValueError`` with the text that is wrong.
    """
    networks = []
    for text in texts:
        try:
            networks.append(ip_network(text.strip(), strict=False))
        except ValueError:
            raise ValueError(f"{text!r} is not a network in CIDR notation, such as 10.0.0.0/8 or fd00::/8") from None
    return tuple(networks)


def network_of(ip: str) -> str:
    """The network that holds nothing but the address which this one leads to."""
    address = _embedded(ip_address(ip.partition("%")[0]))
    return f"{address}/{address.max_prefixlen}"


def is_metadata(ip: str) -> bool:
    """Whether credentials of the machine may be had there. Raises ``ValueError`` when the text is no IP address."""
    return _embedded(ip_address(ip.partition("%")[0])) in _METADATA


class AddressRules:
    """Loopback, link-local, metadata, unspecified and multicast are closed, and ``deny``; ``allow`` opens."""

    __slots__ = ("_allow", "_deny")

    def __init__(self, allow: Iterable[Network] = (), deny: Iterable[Network] = ()) -> None:
        self._allow = tuple(allow)
        self._deny = tuple(deny)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AddressRules) and (self._allow, self._deny) == (other._allow, other._deny)

    def __hash__(self) -> int:
        return hash((self._allow, self._deny))

    def denying(self, more: Iterable[Network]) -> "AddressRules":
        """These rules, with more that is closed."""
        return AddressRules(self._allow, (*self._deny, *more))

    def reason(self, ip: str) -> str | None:
        """What this address is that must not be connected to, or None when it may be.

        Raises ``ValueError`` when the text is no IP address.
        """
        address = _embedded(ip_address(ip.partition("%")[0]))
        if any(address in network for network in self._allow):
            return None
        kind = self._closed(address)
        return None if kind is None else f"{address} is {kind}"

    def refusal(self, ip: str) -> str | None:
        """The reason, and the flag that opens the address. Raises ``ValueError`` when the text is no IP address."""
        reason = self.reason(ip)
        return None if reason is None else f"{reason}; --allow-cidr {network_of(ip)} opens it"

    def check(self, ip: str) -> None:
        """Raise ``AddressRefused`` where ``refusal`` gives a reason."""
        reason = self.refusal(ip)
        if reason is not None:
            raise AddressRefused(reason)

    def _closed(self, address: IPv4Address | IPv6Address) -> str | None:
        if address in _METADATA:
            return "a metadata address of a cloud"
        if address.is_loopback:
            return "a loopback address"
        if address.is_link_local:
            return "a link-local address"
        if address.is_unspecified or address in _THIS_NETWORK:
            return "an unspecified address"
        if address.is_multicast or address == _BROADCAST:
            return "a multicast address"
        if any(address in network for network in self._deny):
            return "reserved for the operator or the API server"
        return None


def _embedded(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 address leads to, if it is one of the forms that do."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _SIX_TO_FOUR and address.sixtofour is not None:
        return address.sixtofour
    if int(address) > 1 and any(address in network for network in _NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address
