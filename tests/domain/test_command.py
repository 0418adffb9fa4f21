"""The grammar of commands: what is one, what is a mistake, and what is none of our business."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.command import (
    MAX_COMMANDS,
    MAX_LINE,
    VERBS,
    Command,
    Mistake,
    closest,
    edits,
    help_text,
    parse,
    resolve,
)

SHA = "3f2c1ab" + "0" * 33


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("/diff", [Command("diff")]),
        (f"/diff {SHA}", [Command("diff", (SHA,))]),
        ("/sync", [Command("sync")]),
        ("/sync prod", [Command("sync", ("prod",))]),
        ("/sync prod staging-eu\t dev  ", [Command("sync", ("prod", "staging-eu", "dev"))]),
        ("/sync prod prod", [Command("sync", ("prod",))]),
        ("/help", [Command("help")]),
        ("\n \n/diff\n", [Command("diff")]),
        ("/diff\r\n/sync prod\r\n\r\nthank you", [Command("diff"), Command("sync", ("prod",))]),
        ("/lgtm\n/sync prod", [Command("sync", ("prod",))]),
        ("<!-- from a template -->\n/diff", [Command("diff")]),
        ("<!--\n/sync prod\n-->\n\n/diff", [Command("diff")]),
    ],
)
def test_commands_are_the_leading_lines(text, commands):
    """Commands at the top are understood, one on each line, whatever follows the blank line."""
    assert list(parse(text)) == commands


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   \n\n",
        "> /sync prod",
        "> quoted\n/sync prod",
        "```\n/sync prod\n```",
        "~~~\n/sync prod\n~~~",
        "    /sync prod",
        "\t/sync prod",
        " /sync prod",
        "`/sync prod`",
        "<!-- /sync prod -->",
        "<!--\n/sync prod\n-->",
        "<!--\n/sync prod\n",
        "<!-- a --> /sync prod",
        "<!-->\n/sync prod\n",
        "<details>\n/sync prod\n</details>",
        "<div>\n\n/sync prod\n\n</div>",
        "please /sync prod",
        "Hello\n/sync prod",
        "Hello\n\n/sync prod",
        "- /sync prod",
        "1. /sync prod",
        "| /sync prod |",
        "On Monday, Alice wrote:\n/sync prod",
        "Thank you.\n\nOn Monday, Alice wrote:\n> /sync prod",
        "-- \n/sync prod",
        "[x]: y\n/sync prod",
        "\u200b/sync prod",
        "\ufeff/sync prod",
        "\uff0fsync prod",
        "/\nsync prod",
        "//sync prod",
        "/usr/bin/sync prod",
        "/sync/prod",
    ],
)
def test_t83_hidden_quoted_and_later_lines_are_ignored(text):
    """Quotes, code, HTML, mails, mid-line and later paragraphs never hold a command."""
    assert parse(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "/sync app -- --flag",
        "/sync --prune",
        "/sync -- prod",
        "/sync -prod",
        "/sync prod-",
        "/sync \u2013\u2013prune",
        "/sync \u2014prune",
        "/sync pro\u2010d",
        '/sync "prod"',
        "/sync 'prod'",
        "/sync `prod`",
        "/sync prod;rm",
        "/sync prod && /diff",
        "/sync $(id)",
        "/sync ../prod",
        "/sync Prod",
        "/sync pr\u043ed",
        "/sync\u00a0prod",
        "/sync prod\u2028/sync dev",
        "/sync prod\x0bdev",
        "/sync prod\r/sync dev",
        "/sync prod\x00",
        "/sync <!-- prod -->",
        "/sync\nprod",
        "/sync app\n--flag",
        "/sync prod\n    /sync dev",
        "/sync prod\n> quoted",
        "/sync " + "a" * 64,
        "/sync " + " ".join(f"e{n}" for n in range(21)),
        "/sync " + "a" * MAX_LINE,
        "/diff 3f2c1ab",
        "/diff " + "0" * 40,
        "/diff " + SHA.upper(),
        f"/diff {SHA} {SHA[::-1]}",
        "/diff prod",
        "/help me",
        "/diff please",
    ],
)
def test_t87_strict_grammar(text):
    """Options, quotes, foreign dashes and anything else outside the grammar run nothing."""
    found = parse(text)

    assert any(isinstance(item, Mistake) for item in found)
    assert all(m.problem and m.usage for m in found if isinstance(m, Mistake))


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("/snyc prod", "/sync"),
        ("/Sync prod", "/sync"),
        ("/syn", "/sync"),
        ("/difff", "/diff"),
        ("/diff!", "/diff"),
        ("/hlep", "/help"),
        ("/\u0455ync", "/sync"),
    ],
)
def test_slips_are_answered_with_a_suggestion(text, meant):
    """A verb within two edits of ours is a mistake that names the verb."""
    (mistake,) = parse(text)

    assert mistake.suggestion == meant
    assert mistake.line == text


@pytest.mark.parametrize(
    "verb",
    ["retest", "lgtm", "approve", "hold", "cc", "assign", "merge", "close", "test", "label", "due",
     "rebase", "skip", "ok-to-test", "kind", "plan", "apply", "deploy", "x" * 60],
)  # fmt: skip
def test_other_bots_commands_are_not_ours(verb):
    """Verbs of other bots are neither run nor answered."""
    assert parse(f"/{verb}") == ()


def test_too_many_commands_are_one_mistake():
    """More commands than the cap run nothing."""
    assert len(parse("/diff\n" * MAX_COMMANDS)) == MAX_COMMANDS
    (mistake,) = parse("/diff\n" * (MAX_COMMANDS + 1))
    assert isinstance(mistake, Mistake)


def test_resolve_knows_only_environments_of_here():
    """`/sync` without names means all that are known; an unknown name is asked back."""
    known = ["dev", "staging", "prod"]

    assert resolve(Command("sync"), known) == ("dev", "staging", "prod")
    assert resolve(Command("sync", ("prod",)), known) == ("prod",)
    mistake = resolve(Command("sync", ("dev", "prdo")), known)
    assert isinstance(mistake, Mistake)
    assert mistake.suggestion == "/sync dev prod"
    far = resolve(Command("sync", ("elsewhere",)), known)
    assert isinstance(far, Mistake)
    assert far.suggestion == ""
    none = resolve(Command("sync", ("prod",)), [])
    assert isinstance(none, Mistake)
    assert "none" in none.usage


def test_help_comes_from_the_table():
    """Every verb stands in the help with its usage, and each usage without arguments parses."""
    text = help_text(["prod"])

    for verb in VERBS:
        assert f"`{verb.usage}`" in text
        assert parse(f"/{verb.name}") == (Command(verb.name),)
    assert "`prod`" in text


@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [("", "", 0), ("a", "", 1), ("sync", "sync", 0), ("snyc", "sync", 2), ("hold", "help", 2)],
)
def test_edits(a, b, distance):
    """The distance counts insertions, deletions and replacements."""
    assert edits(a, b) == edits(b, a) == distance


def test_closest_prefers_the_nearest():
    """Of several near words the nearest is meant; far ones are not."""
    assert closest("prod1", ["prod2", "prod", "prod12"]) == "prod"
    assert closest("x", ["production"]) == ""


@given(st.text(max_size=200))
def test_any_text_gives_names_or_nothing(text):
    """Whatever stands after a verb, a command only ever holds plain names or a SHA."""
    for item in parse(f"/sync {text}"):
        if isinstance(item, Command):
            assert all(a.isascii() and a.replace("-", "").isalnum() for a in item.args)
            assert all(not a.startswith("-") for a in item.args)


@given(st.text(max_size=300).filter(lambda t: not t.lstrip(" \t\r\n").startswith("/")))
def test_text_that_does_not_start_with_a_slash_is_no_command(text):
    """Only a comment whose first visible character is a slash can command anything."""
    if "<!--" not in text:
        assert parse(text + "\n/sync prod") == () or not text.strip(" \t\r\n")
