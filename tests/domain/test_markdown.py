"""Strangers' text in Markdown: whatever it holds, a CommonMark parser sees only text in code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bot.domain.markdown import (
    code,
    diff_lines,
    fence,
    hidden_characters,
    html_code,
    line,
    prose,
    quoted_lines,
    remark,
    visible,
)
from tests.domain.commonmark import assert_harmless, fences, plain_text, tokens

PARSER = MarkdownIt("commonmark")
SPICE = ["`", "``", "```", "````", "~~~", "~~~~", "</details>", "<!--", "-->", "@org/team", "#1",
         "o/r#1", "fixes #1", "![x](http://e)", "[x](javascript:1)", "<img src=x>", "http://e.x",
         "www.e.x", "a@e.x", "/merge", "\n/merge", "bors r+", "\n", "\r", " ", "\t", "|", "\\",
         "*", "_", "\u202e", "\u200b", "\u0430a", "\n\n", "- ", "1. ", "> ", "# ", "deadbeef1",
         "&lt;", "---", "===", "+", "-", "@@ -1 +1 @@", "    x", "key: v"]  # fmt: skip
WILD = st.lists(st.sampled_from(SPICE) | st.text(max_size=5), max_size=12).map("".join)


def only_child(text: str) -> list[tuple[str, str]]:
    """(type, content) of what a paragraph `x TEXT y` holds beside its own words."""
    inline = PARSER.parse(f"x {text} y")
    assert [t.type for t in inline] == ["paragraph_open", "inline", "paragraph_close"]
    return [(t.type, t.content) for t in inline[1].children or ()]


@given(WILD)
def test_code_spans_cannot_be_left(text):
    """Any text becomes exactly one code span that shows it, on one line."""
    kinds = only_child(code(text))

    if kinds == [("text", "x (empty) y")]:
        assert not text.strip()
        return
    assert [kind for kind, _ in kinds] == ["text", "code_inline", "text"]
    # CommonMark strips one space at each end of a span; nothing else is lost.
    assert kinds[1][1].strip() == visible(text).replace("|", "<U+007C>")[:2000].strip()


@given(WILD)
def test_html_code_holds_no_markup(text):
    """In a summary nothing of the text opens or closes a tag."""
    shown = html_code(text).removeprefix("<code>").removesuffix("</code>")

    assert not set("<>\"'\n") & set(shown)


@given(WILD)
def test_t75_fences_hold_whatever_is_inside(text):
    """Runs of backticks and tildes of any length do not end a fence."""
    inside = "\n".join(diff_lines(text))
    shown = f"before\n\n{fence(inside, 'diff')}\n\nafter"

    (block,) = fences(shown)
    assert block.content == inside + "\n"
    assert block.info == "diff"
    assert plain_text(list(tokens(shown))) == "before\nafter"


@pytest.mark.parametrize("run", ["```", "````", "`" * 40, "~~~", "~" * 40, "```~~~~"])
def test_t75_long_runs(run):
    """Runs of 3, 4 and 40 stay inside, and a closing details tag is only text."""
    text = "\n".join(diff_lines(f"+{run}\n+</details>\n+{run}diff"))

    (block,) = fences(fence(text, "diff"))
    assert block.content.count(run) == 2


@given(WILD)
def test_t78_each_line_of_a_diff_starts_with_ours(text):
    """The first visible character of a diff line is a mark of ours or plain YAML."""
    for shown in diff_lines(text):
        first = shown.lstrip()[:1]
        assert first in "+-|@\"'" or first.isalnum() or first == "_"
        assert first != "@" or shown.startswith("@@ ")
        assert shown[0] in "+-| @"


@pytest.mark.parametrize("command", ["bors r+", "/retest", "@dependabot merge", "/approve: x"])
def test_t78_commands_to_other_bots_get_a_mark(command):
    """A context line that could command another bot is set off by a mark of ours."""
    (shown,) = diff_lines(f"     {command}")

    assert shown.startswith("|")
    assert quoted_lines(f"ok\n{command}") == f"| ok\n| {command}"


@given(WILD)
def test_t76_t79_prose_makes_nothing_live(text):
    """Foreign words in a sentence of ours are no mention, reference, link, image or HTML."""
    assert_harmless(f"We say {prose(text)}.")


@given(WILD, WILD)
def test_prose_with_spans_stays_apart(first, second):
    """Code spans of a sentence and words put into code never run together."""
    assert_harmless(f"See {prose(f'`{first}`{second}`x`')} now.")


@pytest.mark.parametrize(
    "sentence",
    [
        "8 of 10 objects would be deleted and the budget is 2; split the change.",
        "an operator sets `mode: deploy` in the bot's configuration",
        "write in this repository (now), 20 % of it",
    ],
)
def test_prose_leaves_our_own_sentences_alone(sentence):
    """A plain sentence is not peppered with code."""
    assert prose(sentence) == sentence


@pytest.mark.parametrize(
    ("text", "shown", "points"),
    [
        ("plain", "plain", ()),
        ("a\u202eb", "a<U+202E>b", ("U+202E",)),
        ("a\u2066b\u2069", "a<U+2066>b<U+2069>", ("U+2066", "U+2069")),
        ("zero\u200bwidth\ufeff", "zero<U+200B>width<U+FEFF>", ("U+200B", "U+FEFF")),
        ("tag\U000e0041", "tag<U+E0041>", ("U+E0041",)),
        ("no\u00a0break", "no<U+00A0>break", ("U+00A0",)),
        ("esc\x1b[31m", "esc<U+001B>[31m", ("U+001B",)),
        ("pr\u043ed", "pr<U+043E>d", ("U+043E",)),
        ("\uff41cme", "<U+FF41>cme", ("U+FF41",)),
        ("\U0001d429rod", "<U+1D429>rod", ("U+1D429",)),
        ("a\u2044b", "a<U+2044>b", ("U+2044",)),
        ("\u3164", "<U+3164>", ("U+3164",)),
        ("\u0441\u043e\u0441\u0430", "<U+0441><U+043E><U+0441><U+0430>", ("U+0430", "U+043E",
                                                                       "U+0441")),
        ("Gr\u00fc\u00dfe \u00e9t\u00e9 \u4f60\u597d", "Gr\u00fc\u00dfe \u00e9t\u00e9 \u4f60\u597d",
         ()),
        ("\u0434\u043b\u044f \u0432\u0441\u0435\u0445", "\u0434\u043b\u044f \u0432\u0441\u0435\u0445",
         ()),
    ],
)  # fmt: skip
def test_t80_hidden_and_lookalike_characters_are_shown(text, shown, points):
    """Bidi, zero-width, control and look-alike characters become their code points."""
    assert visible(text) == shown
    assert hidden_characters(text) == points


@given(st.text())
def test_t80_nothing_shown_is_invisible(text):
    """Shown text is printable, and showing it again changes nothing."""
    shown = visible(text)

    assert shown.isprintable()
    assert visible(shown) == shown
    shown.encode()


@pytest.mark.parametrize("show", [code, html_code, remark])
def test_long_names_are_counted(show):
    """What is cut off a name is counted, never silently dropped."""
    assert "(4800 more characters)" in show("x" * 5000)


def test_remark_joins_lines():
    """A message of several lines reads as one."""
    assert remark("one\n  two\r\n") == "`one two`"


@given(WILD, st.integers(min_value=5, max_value=140))
def test_plain_lines_are_short_and_single(text, cap):
    """A status is one line within its cap."""
    shown = line(text, cap)

    assert len(shown) <= cap
    assert "\n" not in shown


@given(WILD)
def test_t75_the_bar_is_longer_than_any_run_inside(text):
    """Even text without marks of ours in front cannot close the fence."""
    inside = visible(text, "\n")

    (block,) = fences(fence(inside, "text"))
    assert block.content.rstrip("\n") == inside.rstrip("\n")
