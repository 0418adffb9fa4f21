"""Makes the table of protobuf field numbers that the embedded cluster reads kubectl's requests with.

kubectl's typed commands (create, auth can-i, expose, …) send protobuf and nothing else. The numbers
stand in the `generated.proto` files beside the Go types; their modules must be in the module cache
(building the testbed puts them there).

    python -m tests.testbed.protobuf_fields
"""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson

from bot.sandbox.cluster.schema import Schemas
from tests.testbed.build import HERE

OUT = HERE.parents[1] / "bot" / "sandbox" / "cluster" / "data" / "protobuf.json.gz"
MODULES = ("k8s.io/api", "k8s.io/apimachinery")
META = "k8s.io.apimachinery.pkg.apis.meta.v1"
_MESSAGE = re.compile(r"^message (\w+) \{(.*?)^\}", re.DOTALL | re.MULTILINE)
_FIELD = re.compile(
    r"^\s*(optional|repeated)?\s*(map<\w+, *[.\w]+>|[.\w]+) (\w+) = (\d+);", re.MULTILINE
)
_COMMENT = re.compile(r"//[^\n]*")
SCALARS = {"string", "bytes", "bool", "int32", "int64", "double"}
# Written as one value in JSON; `protobuf.py` knows how to read them.
SPECIAL = {f"{META}.{name}" for name in ("Time", "MicroTime", "Duration", "FieldsV1", "Verbs")} | {
    "k8s.io.apimachinery.pkg.api.resource.Quantity",
    "k8s.io.apimachinery.pkg.util.intstr.IntOrString",
    "k8s.io.apimachinery.pkg.runtime.RawExtension",
}


def main() -> int:
    messages = {name: fields for path in _files() for name, fields in _messages(path)}
    wanted = [_message_of(name) for name in Schemas.builtin().definitions] + [
        f"{META}.DeleteOptions"
    ]
    reached: dict[str, Any] = {}
    todo = [name for name in wanted if name in messages]
    while todo:
        name = todo.pop()
        if name in reached or name in SPECIAL:
            continue
        reached[name] = _table(name, messages[name])
        todo += [f[2] for f in reached[name].values() if f[2] in messages]
    data = orjson.dumps(reached, option=orjson.OPT_SORT_KEYS)
    OUT.write_bytes(gzip.compress(data, 9, mtime=0))
    print(f"{len(reached)} messages, {OUT.stat().st_size} bytes")
    return 0


def _files() -> list[Path]:
    found: list[Path] = []
    for module in MODULES:
        done = subprocess.run(
            ["go", "list", "-m", "-f", "{{.Dir}}", module],
            cwd=HERE / "kubernetes", check=True, capture_output=True, text=True,
        )  # fmt: skip
        found += sorted(Path(done.stdout.strip()).rglob("generated.proto"))
    return found


def _messages(path: Path) -> list[tuple[str, list[tuple[str, str, str, int]]]]:
    text = _COMMENT.sub("", path.read_text())
    package = re.search(r"^package ([\w.]+);", text, re.MULTILINE)
    assert package is not None, path
    return [
        (f"{package[1]}.{name}", [(a or "", b, c, int(d)) for a, b, c, d in _FIELD.findall(body)])
        for name, body in _MESSAGE.findall(text)
    ]


def _message_of(definition: str) -> str:
    """`io.k8s.api.apps.v1.Deployment` → `k8s.io.api.apps.v1.Deployment`."""
    return "k8s.io." + definition.removeprefix("io.k8s.")


def _table(name: str, fields: list[tuple[str, str, str, int]]) -> dict[str, Any]:
    """Number → [JSON name (empty: the fields of the message are the parent's), one/list/map, type]."""
    package = name.rpartition(".")[0]
    definition = "io.k8s." + name.removeprefix("k8s.io.")
    known = Schemas.builtin().definitions.get(definition, {}).get("properties")
    table: dict[str, Any] = {}
    for label, kind, proto_name, number in fields:
        field = proto_name
        shape = "map" if kind.startswith("map<") else "list" if label == "repeated" else "one"
        inner = kind[4:-1].split(",")[1].strip() if shape == "map" else kind
        inner = (
            inner if inner in SCALARS else inner[1:] if inner[0] == "." else f"{package}.{inner}"
        )
        if known is not None:
            field = _json_name(proto_name, known)
        table[str(number)] = [field, shape, inner]
    return table


def _json_name(field: str, known: dict[str, Any]) -> str:
    """Proto names differ from JSON's in the case of some letters; embedded structs have no name."""
    same = (name for name in known if name.lower() == field.lower())
    return next(same, "")


if __name__ == "__main__":
    sys.exit(main())
