"""Names, label keys and values, ports: what texts may be, and what the real server says if not."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_DNS1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_KEY = r"[-._a-zA-Z0-9]+"

_LABEL_SAYS = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
    "start and end with an alphanumeric character"
)
_SUBDOMAIN_SAYS = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character"
)
_DNS1035_SAYS = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character"
)
_QUALIFIED_SAYS = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character"
)
_VALUE_SAYS = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character"
)
_KEY_SAYS = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
_RULE = "{} (e.g. {}, regex used for validation is '{}')"

Check = Callable[[str], list[str]]


def _says(text: str, pattern: str, *examples: str) -> str:
    return _RULE.format(text, ",  or ".join(f"'{each}'" for each in examples), pattern)


def _too_long(limit: int, unit: str = "bytes") -> str:
    return f"must be no more than {limit} {unit}"


def _check(value: str, limit: int, pattern: str, says: str, unit: str = "characters") -> list[str]:
    if len(value.encode()) > limit:
        return [_too_long(limit, unit)]
    return [] if re.fullmatch(pattern, value, re.ASCII) else [says]


def dns_label(value: str) -> list[str]:
    """RFC 1123 label: namespaces, containers, volumes."""
    if "." in value and re.fullmatch(_SUBDOMAIN, value, re.ASCII):
        return ["must not contain dots"]
    return _check(value, 63, _LABEL, _says(_LABEL_SAYS, _LABEL, "my-name", "123-abc"))


def dns_subdomain(value: str) -> list[str]:
    """RFC 1123 subdomain: names of most objects."""
    return _check(value, 253, _SUBDOMAIN, _says(_SUBDOMAIN_SAYS, _SUBDOMAIN, "example.com"))


def dns1035_label(value: str) -> list[str]:
    return _check(value, 63, _DNS1035, _says(_DNS1035_SAYS, _DNS1035, "my-name", "abc-123"))


def path_segment(value: str) -> list[str]:
    """Names of roles and bindings: anything that is one part of a path."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{each}'" for each in "/%" if each in value]


def qualified_name(value: str) -> list[str]:
    """Keys of labels, annotations and finalizers: `name` or `prefix/name`."""
    says = _says(_QUALIFIED_SAYS, _QUALIFIED, "MyName", "my.name", "123-abc")
    parts = value.split("/")
    if len(parts) > 2:
        return [(f"a valid label key {says} with an optional DNS subdomain prefix and '/' "
                "(e.g. 'example.com/MyName')")]  # fmt: skip
    found = []
    if len(parts) == 2:
        if not parts[0]:
            found.append("prefix part must be non-empty")
        else:
            found += [f"prefix part {each}" for each in dns_subdomain(parts[0])]
    name = parts[-1]
    if not name:
        found.append("name part must be non-empty")
    elif len(name.encode()) > 63:
        found.append(f"name part {_too_long(63)}")
    if not re.fullmatch(_QUALIFIED, name, re.ASCII):
        found.append(f"name part {says}")
    return found


def label_value(value: str) -> list[str]:
    says = _says(_VALUE_SAYS, _VALUE, "MyValue", "my_value", "12345")
    return _check(value, 63, _VALUE, says, "bytes")


def config_key(value: str) -> list[str]:
    """Keys of ConfigMaps and Secrets."""
    says = _says(_KEY_SAYS, _KEY, "key.name", "KEY_NAME", "key-name")
    found = _check(value, 253, _KEY, says)
    if value in (".", ".."):
        return [*found, f"must not be '{value}'"]
    return [*found, "must not start with '..'"] if value.startswith("..") else found


def env_name(value: str) -> list[str]:
    """Printable ASCII without `=`."""
    if not value:
        return ["environment variable name must not be empty"]
    if not re.fullmatch(r"[ -<>-~]+", value, re.ASCII):
        return [
            ("a valid environment variable name must consist only of printable ASCII characters "
            "other than '='")
        ]  # fmt: skip
    return []


def port(value: int) -> list[str]:
    return [] if 1 <= value <= 65535 else ["must be between 1 and 65535, inclusive"]


def port_name(value: str) -> list[str]:
    """IANA service name."""
    found = []
    if len(value) > 15:
        found.append("must be no more than 15 characters")
    if not re.fullmatch(r"[-a-z0-9]+", value, re.ASCII):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", value):
        found.append("must contain at least one letter (a-z)")
    if "--" in value:
        found.append("must not contain consecutive hyphens")
    if value and (value[0] == "-" or value[-1] == "-"):
        found.append("must not begin or end with a hyphen")
    return found


def http_header(value: str) -> list[str]:
    if re.fullmatch(r"[-A-Za-z0-9]+", value, re.ASCII):
        return []
    return [
        (
            "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. "
            "'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')"
        )
    ]


def ip_address(value: str) -> list[str]:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]
    return []


def cidr(value: str) -> list[str]:
    try:
        if "/" in value:
            ipaddress.ip_network(value, strict=False)
            return []
    except ValueError:
        pass
    return ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]


def percent(value: str) -> list[str]:
    if re.fullmatch(r"[0-9]+%", value, re.ASCII):
        return []
    return [
        ("a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or "
        "'93%', regex used for validation is '[0-9]+%')")
    ]  # fmt: skip
