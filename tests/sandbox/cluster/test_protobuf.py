"""Kubernetes' protobuf: what kubectl's typed commands send, and bodies made to do harm."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.cluster.protobuf import NotProtobuf, field_tables, read_object


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def envelope(version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\x00" + field(1, field(1, version) + field(2, kind)) + field(2, raw)


def test_a_config_map_is_read() -> None:
    """Maps, nested messages and texts beyond ASCII."""
    metadata = field(1, "näme") + field(11, field(1, "a") + field(2, "b"))
    raw = field(1, metadata) + field(2, field(1, "k") + field(2, "v"))
    assert read_object(envelope("v1", "ConfigMap", raw)) == {
        "kind": "ConfigMap", "apiVersion": "v1",
        "metadata": {"name": "näme", "labels": {"a": "b"}}, "data": {"k": "v"},
    }  # fmt: skip


def test_bytes_are_base64_as_in_json() -> None:
    raw = field(1, field(1, "s")) + field(2, field(1, "k") + field(2, b"\x00\xff"))
    found = read_object(envelope("v1", "Secret", raw))
    assert base64.b64decode(found["data"]["k"]) == b"\x00\xff"


def test_special_types_become_what_json_has_for_them() -> None:
    """A port by number or by name, an embedded struct, a time."""
    by_name = field(1, 1) + field(3, "web")
    by_number = field(1, 0) + field(2, 8080)
    ports = field(1, field(4, by_name)) + field(1, field(4, by_number))
    created = field(8, field(1, 1_800_000_000))
    service = read_object(envelope("v1", "Service", field(1, created) + field(2, ports)))
    assert [each["targetPort"] for each in service["spec"]["ports"]] == ["web", 8080]
    assert service["metadata"]["creationTimestamp"] == "2027-01-15T08:00:00Z"
    claim = field(1, "data") + field(2, field(1, field(1, "/srv")))
    pod = read_object(envelope("v1", "Pod", field(2, field(1, claim))))
    assert pod["spec"]["volumes"] == [{"name": "data", "hostPath": {"path": "/srv"}}]


def test_negative_numbers_are_negative() -> None:
    raw = field(2, field(1, (1 << 64) - 5))
    assert read_object(envelope("apps/v1", "Deployment", raw))["spec"]["replicas"] == -5


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"k8s\x00", b"k8s\x00\xff", envelope("v1", "NoSuchKind", b""),
        envelope("v1", "ConfigMap", b"\x0a\xff"), envelope("v1", "ConfigMap", field(1, 5)),
        envelope("v1", "ConfigMap", b"\x0b"), envelope("v1", "ConfigMap", b"\x80" * 20),
    ],
)  # fmt: skip
def test_what_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(NotProtobuf):
        read_object(body)


def test_no_type_contains_itself() -> None:
    """So the table bounds how deep a body can nest, and no body exhausts the stack."""
    tables, done = field_tables(), set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, name
        if name not in done:
            for _, _, inner in tables.get(name, {}).values():
                visit(inner, (*above, name))
            done.add(name)

    for name in tables:
        visit(name, ())


@given(st.binary(max_size=200))
def test_any_bytes_give_an_object_or_a_refusal(raw: bytes) -> None:
    for kind in ("Pod", "Secret"):
        try:
            assert read_object(envelope("v1", kind, raw))["kind"]
        except NotProtobuf:
            continue
