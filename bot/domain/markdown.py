"""Text that strangers wrote, made safe to show in Markdown, in HTML and in plain lines.

Names, diffs and error texts come from pull requests and clusters. Shown to people they must not
become a mention, a reference, a link, an image, HTML, a command for a bot, or nothing at all.
Four ways out, and no fifth: `code` (a span), `html_code` (inside a summary), `fence` (a block) and
`prose` (a sentence of our own that may carry foreign words). What cannot be seen, or looks like
another character, is shown as its code point: `<U+202E>`.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable

NAME_CAP = 200
"""Characters of a name or message that are shown inline; what is left out is counted."""

# Categories of characters that show nothing, move text, or differ from font to font.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and marks that show nothing although Unicode calls them something else.
_BLANKS = frozenset(
    {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0}
    | set(range(0x180B, 0x1810))
    | set(range(0xFE00, 0xFE10))
    | set(range(0xE0100, 0xE01F0))
)
# Letters of other scripts that most fonts draw like an ASCII letter, and signs drawn like / . :
_LOOKALIKES = frozenset(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d\u04cf"
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0406\u0408\u0405"
    "\u03b1\u03b9\u03ba\u03bd\u03bf\u03c1\u03c5\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c"
    "\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u0570\u0578\u057d\u0581\u0585\u0131\u0251\u0261\u01c0"
)
_SIGNS = frozenset("\u2024\u2044\u2215\ua789\u29f8\ufe52\uff0e\uff0f\uff1a\uff20\uff03\uff40")

_WORD = re.compile(r"[^\W_]+")
_OUTSIDE_ASCII = re.compile(r"[^\x20-\x7e\n]")
_RUNS = {mark: re.compile(re.escape(mark) + "+") for mark in "`~"}
# A line of YAML that says by itself what it is; any other context line of a diff is a stranger's
# free text and gets a mark of ours in front, so that it cannot command another bot.
_YAML_LINE = re.compile(r"\s+(-( |$)|[A-Za-z0-9_\"'][^\s:]*:( |$))")
_PLAIN_TOKEN = re.compile(r"[A-Za-z0-9(\"'–][A-Za-z0-9.,;:()\"'%/=?–-]*|[+~−-]\d+[,;]?")
_PUNCTUATION = re.compile(r"[.,;:)(%–]+")
_LINKED = re.compile(r"://|www\.|\b[0-9a-f]{7,}\b|\b[A-Z]{2,}-\d", re.IGNORECASE)


def visible(text: str, keep: str = "") -> str:
    """`text` with every hidden or look-alike character replaced by `<U+....>`.

    keep: characters that stay, such as the line ends and tabs of a block.
    """
    return _marked(text, keep, lambda char: f"<U+{ord(char):04X}>")


def hidden_characters(text: str) -> tuple[str, ...]:
    """Code points in `text` that `visible` replaces, sorted; line ends and tabs do not count."""
    if not _OUTSIDE_ASCII.search(text):
        return ()
    seen = set(text)
    found = {c for c in seen if c not in "\n\t\r" and _is_hidden(c)}

    def note(char: str) -> str:
        found.add(char)
        return char

    if not seen.isdisjoint(_LOOKALIKES) or any(map(_is_styled, seen)):
        _WORD.sub(lambda word: _marked_word(word[0], note), text)
    return tuple(sorted(f"U+{ord(char):04X}" for char in found))


def _marked(text: str, keep: str, show: Callable[[str], str]) -> str:
    if not text.isascii():
        text = _WORD.sub(lambda found: _marked_word(found[0], show), text)

    def replace(found: re.Match[str]) -> str:
        char = found[0]
        return show(char) if char not in keep and _is_hidden(char) else char

    text = _OUTSIDE_ASCII.sub(replace, text)
    return text if "\n" in keep else text.replace("\n", show("\n") if "\n" in text else "\n")


def _is_hidden(char: str) -> bool:
    category = unicodedata.category(char)
    blank = ord(char) in _BLANKS or (category == "Zs" and char != " ")
    return blank or category in _HIDDEN or char in _SIGNS


def _marked_word(word: str, show: Callable[[str], str]) -> str:
    """A word is suspicious when it mixes ASCII with look-alikes, or is made of nothing else."""
    if word.isascii():
        return word
    alike = [char for char in word if char in _LOOKALIKES]
    letters = [char for char in word if char.isalpha()]
    mixed = any(char.isascii() for char in letters)
    disguised = mixed or (len(alike) == len(letters) and len(alike) > 2)
    return "".join(
        show(c) if _is_styled(c) or (disguised and c in _LOOKALIKES) else c for c in word
    )


def _is_styled(char: str) -> bool:
    """Full-width and mathematical letters and digits: ASCII in a costume."""
    if char.isascii() or unicodedata.category(char) not in ("Lu", "Ll", "Nd"):
        return False
    return unicodedata.normalize("NFKC", char).isascii()


def shortened(text: str, cap: int) -> str:
    """One visible line of at most `cap` characters of `text`, and how many more there are."""
    rest = len(text) - cap
    return visible(text) if rest <= 0 else f"{visible(text[:cap])}… ({rest} more characters)"


def longest_run(text: str, mark: str) -> int:
    return max((len(run) for run in _RUNS[mark].findall(text)), default=0)


def code(text: str, cap: int = NAME_CAP) -> str:
    """A code span that its content cannot leave. One line whatever `text` holds; a pipe is shown
    as its code point, because tables split at it even inside code."""
    shown = shortened(text, cap).replace("|", "<U+007C>")
    if not shown.strip():
        return "(empty)"
    ticks = "`" * (longest_run(shown, "`") + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{ticks}{pad}{shown}{pad}{ticks}"


def remark(text: str, cap: int = NAME_CAP) -> str:
    """A message of a tool or server as one code span; its line ends become spaces."""
    return code(" ".join(text[: cap * 2].split()) + text[cap * 2 :], cap)


def html_code(text: str, cap: int = NAME_CAP) -> str:
    """`<code>` for places where Markdown is not parsed, like a summary line."""
    return f"<code>{html.escape(shortened(text, cap))}</code>"


def fence(text: str, info: str = "") -> str:
    """A fenced block longer than any run inside. Lines of `text` keep their own first character:
    use `diff_lines` or `quoted_lines` on strangers' text first."""
    ticks, tildes = (max(3, longest_run(text, mark) + 1) for mark in "`~")
    bar = "~" * tildes if tildes < ticks else "`" * ticks
    return f"{bar}{info}\n{text}\n{bar}"


def diff_lines(diff: str) -> list[str]:
    """Lines of a unified diff, safe in a fence: the first visible character of each line is
    `+`, `-`, `@`, a YAML key, or a `|` of ours before free text."""
    return [diff_line(line) for line in visible(diff, "\n\t").split("\n") if line]


def diff_line(line: str) -> str:
    ours = line[0] in "+-" or line.startswith("@@ ")
    if ours or (line[0] == " " and _YAML_LINE.match(line)):
        return line
    return "|" + line[1:] if line[0] == " " else "| " + line


def quoted_lines(text: str) -> str:
    """A message of a tool or server, line by line behind a mark of ours."""
    lines = visible(text.strip("\n"), "\n\t").split("\n")
    return "\n".join(f"| {line}".rstrip() for line in lines)


def prose(text: str) -> str:
    """A sentence of our own that may carry foreign words: words that a forge would turn into
    something (mention, reference, link, markup) are put into code. Code spans of the sentence
    stay; line ends become spaces."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return _prose_words(text)
    shown = [_prose_words(p) if i % 2 == 0 else code(p) for i, p in enumerate(parts)]
    return _apart(shown)


def _apart(parts: list[str]) -> str:
    """Joined so that two code spans never touch: their backticks would run together."""
    out = ""
    for part in parts:
        out += f" {part}" if out.endswith("`") and part.startswith("`") else part
    return out


def _prose_words(text: str) -> str:
    words = re.split(r"(\s+)", text)
    return "".join(" " if not w.strip() and w else _prose_word(w) for w in words)


def _prose_word(word: str) -> str:
    plain = _PLAIN_TOKEN.fullmatch(word) and not _LINKED.search(word)
    return word if plain or not word or _PUNCTUATION.fullmatch(word) else code(word)


def line(text: str, cap: int) -> str:
    """Plain text for fields that are not Markdown, like a status: one line, at most `cap`."""
    shown = " ".join(visible(text.replace("\n", " ")).split())
    return shown if len(shown) <= cap else shown[: cap - 1] + "…"
