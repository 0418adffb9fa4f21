"""A comment as a forge would parse it, to see what strangers' text became."""

from __future__ import annotations

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

# What GitHub turns into something outside code: mentions, references, addresses, commits.
LIVE = re.compile(
    r"(?<![\w`])@[A-Za-z0-9]|(?<!\w)#\d|\bGH-\d|[\w/-]+#\d|://|www\.|\b[0-9a-f]{7,40}\b",
    re.IGNORECASE,
)
_PARSER = MarkdownIt("gfm-like", {"html": True, "linkify": False})
_CODE = re.compile(r"<code>[^<>]*</code>")
# The only HTML of ours: folds with code in their summaries, and the marker.
_OUR_HTML = re.compile(
    r"\s*(</details>\s*)?(<details><summary>[^<>]*</summary>\s*)?|"
    r"\s*<!-- gitops-bot [a-z]+ [0-9a-f]{32} -->\s*|"
    r"(\s*</details>\s*)(<details><summary>[^<>]*</summary>)?\s*"
)


def tokens(text: str) -> Iterator[Token]:
    for token in _PARSER.parse(text):
        yield token
        yield from token.children or ()


def html_blocks(found: list[Token]) -> list[str]:
    return [t.content for t in found if t.type in ("html_block", "html_inline")]


def plain_text(found: list[Token]) -> str:
    """Everything that a forge scans for mentions and references: all but code and markers."""
    words = [t.content for t in found if t.type == "text"]
    blocks = html_blocks(found)
    return "\n".join(words + [_CODE.sub("", h) for h in blocks if "<!--" not in h])


def fences(text: str) -> list[Token]:
    return [t for t in tokens(text) if t.type == "fence"]


def assert_harmless(text: str, link: str = "") -> None:
    """No image, foreign HTML, mention, reference, command or open fence in a comment, and no
    link but ours."""
    found = list(tokens(text))
    assert not {t.type for t in found} & {"image", "code_block", "blockquote_open", "hr"}
    assert {t.attrs["href"] for t in found if t.type == "link_open"} <= ({link} - {""})
    for block in html_blocks(found):
        assert _OUR_HTML.fullmatch(_CODE.sub("", block)), block
    live = LIVE.search(plain_text(found))
    assert not live, live
    for line in text.split("\n"):
        assert not line.lstrip().startswith("/"), line
    opened = text.count("<details>"), text.count("</details>")
    rendered = [
        sum(h.count(tag) for h in html_blocks(found)) for tag in ("<details>", "</details>")
    ]
    assert rendered[0] == rendered[1], opened
