"""`make bench`: every row into build/bench.json, and as a table on the terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.bench import preview, receiver

BENCHES = {"preview": preview.bench, "receiver": receiver.bench}


def main(names: list[str]) -> None:
    rows = [row for name in names or BENCHES for row in BENCHES[name]()]
    out = Path("build/bench.json")
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(rows, indent=2) + "\n")
    for row in rows:
        ours = f"{row['name']:28} {row['value']:>9} {row['unit']}"
        print(f"{ours}   {row['ratio']}x of {row['peer_value']} {row['unit']} by {row['peer']}")


if __name__ == "__main__":
    main(sys.argv[1:])
