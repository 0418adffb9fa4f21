"""Our reader against kubectl's own answers, and these against the installed kubectl."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.errors import RenderFailed
from bot.renderers import scalars
from bot.renderers.yaml import load_manifests
from tests.renderers.tools import KUBECTL

CASES = json.loads((Path(__file__).parent / "data" / "scalars.json").read_text())


def manifest(text: str) -> bytes:
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  k: {text}\n".encode()


def exact(value) -> str:
    """JSON text, so that 1, 1.0 and true are three things."""
    return json.dumps(value, sort_keys=True)


def kubectl(text: bytes) -> list | None:
    """The values that kubectl reads, one of each document; None when it refuses them."""
    argv = [KUBECTL, "patch", "--local", "-f", "-", "--type=merge", "-p", "{}", "-o", "json"]
    done = subprocess.run(
        argv, input=text, capture_output=True, env={"HOME": "/nonexistent"}, check=False
    )
    return list(values(done.stdout.decode())) if done.returncode == 0 else None


def values(text: str):
    """The `k` of each object of a stream of JSON objects."""
    while text := text.lstrip():
        found, end = json.JSONDecoder().raw_decode(text)
        yield as_int64(found["data"]["k"])
        text = text[end:]


def as_int64(value):
    """Numbers as Kubernetes keeps them: kubectl prints large floats without a fraction."""
    if isinstance(value, dict):
        return {key: as_int64(each) for key, each in value.items()}
    if isinstance(value, list):
        return [as_int64(each) for each in value]
    large = type(value) is int and not -(2**63) <= value < 2**63
    return float(value) if large else value


@pytest.mark.parametrize("case", CASES, ids=[repr(case["yaml"]) for case in CASES])
def test_t39_scalars_are_read_as_kubectl_reads_them(case):
    """Golden parity: same value and type, or a refusal that the table explains."""
    if "stricter" in case or ("error" in case and "laxer" not in case):
        with pytest.raises(RenderFailed) as caught:
            load_manifests(manifest(case["yaml"]), "f.yaml")
        assert caught.value.file == "f.yaml"
        assert caught.value.line
    else:
        (found,) = load_manifests(manifest(case["yaml"]), "f.yaml")
        assert exact(found.body["data"]["k"]) == exact(case.get("kubectl", "/"))


def test_the_table_is_large_and_departs_seldom():
    """At least 66 answers; every departure has a reason."""
    departures = [case.get("stricter") or case.get("laxer") for case in CASES]
    assert len(CASES) >= 66
    assert sum(bool(reason) for reason in departures) < len(CASES) / 10


def test_the_installed_kubectl_still_reads_like_the_table():
    """A new kubectl that reads a scalar differently fails here first.

    Where two keys become one, kubectl keeps either, from run to run: that is why we refuse it.
    """
    accepted = [
        c for c in CASES if "error" not in c and "lost silently" not in c.get("stricter", "")
    ]
    answers = kubectl(b"---\n".join(manifest(case["yaml"]) for case in accepted))
    for case, answer in zip(accepted, answers, strict=True):
        assert exact(answer) == exact(case["kubectl"]), case["yaml"]


def test_the_installed_kubectl_still_refuses_like_the_table():
    """What it did not take it does not take now."""
    refused = [case["yaml"] for case in CASES if "error" in case]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(kubectl, map(manifest, refused)))
    assert [text for text, answer in zip(refused, answers, strict=True) if answer is not None] == []


@pytest.mark.parametrize("text", ["1" * 5000, "0x" + "f" * 100_000, "0." + "0" * 100_000 + "1"])
def test_endless_digits_are_read_in_no_time(text):
    """Numbers longer than any integer type are floats or text, never a crash."""
    assert isinstance(scalars.plain(text), str | int | float)


@pytest.mark.parametrize("text", ["a b", "12", "yes", ""])
def test_an_explicit_string_stays_what_it_is(text):
    """`!!str` takes every text."""
    assert scalars.tagged(text, scalars.STR) == text
