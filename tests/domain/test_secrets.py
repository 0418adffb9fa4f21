"""Objects that are still encrypted are recognised; their values are not repeated."""

import base64
import sys

import pytest

from bot.domain.secrets import encrypted_reason

ENC = "ENC[AES256_GCM,data:p673w==,iv:YY=,tag:UQ=,type:str]"


def secret(**fields) -> dict:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}, **fields}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (secret(sops={"mac": "ENC[...]", "version": "3.9.0"}), "the key `sops`"),
        (secret(stringData={"password": ENC}), "`stringData.password`"),
        (secret(data={"password": ENC}), "`data.password`"),
        (secret(data={"a": f"  {ENC}\n"}), "`data.a`"),
        (secret(data={"f": encoded(f"user: {ENC}\nsops:\n  mac: x\n")}), "`data.f`"),
        (secret(data={"f": encoded('{"a": "b", "sops": {"mac": "x"}}')}), "`data.f`"),
        (secret(data={"f": encoded("A=b\nsops_version=3.9.0\n")}), "`data.f`"),
        (secret(stringData={"f": f"user: {ENC}\n"}), "`stringData.f`"),
        ({"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": ENC}}, "`data.k`"),
        ({"kind": "X", "metadata": {}, "spec": {"list": [{"v": ENC}]}}, "`spec.list[0].v`"),
    ],
)
def test_encrypted_objects_are_told_with_the_place(body, place):
    """The reason says where and what to do, and holds no value."""
    reason = encrypted_reason(body)
    assert place in reason
    assert "decrypts" in reason
    assert "p673w" not in reason


@pytest.mark.parametrize(
    "body",
    [
        secret(data={"password": encoded("hunter2")}),
        secret(data={"binary": base64.b64encode(bytes(range(256))).decode()}),
        secret(data={"odd": "not base64!"}),
        secret(data=None, stringData={"n": 5}),
        {
            "kind": "ConfigMap",
            "metadata": {"name": "doc"},
            "data": {"t": f"values look like {ENC}"},
        },
        {"kind": "X", "metadata": None, "sops": "a name"},
        {},
    ],
)
def test_ordinary_objects_are_not(body):
    """Also documentation that mentions ciphertext, and shapes that make no sense."""
    assert encrypted_reason(body) is None


def test_depth_is_no_problem():
    """Bodies come from strangers: a loop, not recursion."""
    body: dict = {}
    for _ in range(sys.getrecursionlimit() * 2):
        body = {"a": body}
    assert encrypted_reason(body) is None
