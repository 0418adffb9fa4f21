"""GitHub-flavoured Markdown as safe HTML.

The parser makes the HTML, strangers' raw HTML included; after it nh3 lets through what GitHub's
sanitiser lets through (github/html-pipeline, `SanitizationFilter`): known elements and attributes,
known URL schemes, balanced tags. Three things are stricter: no picture is fetched from anywhere, so
an image shows its alternative text; classes are only those made here; a checkbox is always
disabled.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from html import escape
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup
from mdit_py_plugins.gfm import gfm_plugin

# Longer texts are shown as they were written: GitHub's own limit of a comment.
MAX_TEXT = 65_536
_NAMES = (
    "h1 h2 h3 h4 h5 h6 br b i strong em a pre code img tt div ins del s strike sup sub p ol ul li "
    "table thead tbody tfoot tr td th blockquote dl dt dd kbd q samp var hr ruby rt rp summary "
    "details caption figure figcaption abbr bdo cite dfn mark small span time wbr input "
    "section"
)
TAGS = set(_NAMES.split())
_EVERYWHERE = {"align", "dir", "id", "lang", "title", "role", "aria-label", "aria-hidden"}
ATTRIBUTES = {
    "*": _EVERYWHERE,
    "a": {"href"},
    "img": {"alt"},
    "ol": {"start", "type", "reversed"},
    "td": {"colspan", "rowspan", "valign"},
    "th": {"colspan", "rowspan", "scope", "valign"},
    "details": {"open"},
    "time": {"datetime"},
    "input": {"checked"},
}
_ALERTS = {f"markdown-alert-{k}" for k in ("note", "tip", "important", "warning", "caution")}
CLASSES = {
    "span": {"add", "del", "hunk", "plain"},
    "pre": {"diff"},
    "div": {"markdown-alert", *_ALERTS},
    "p": {"markdown-alert-title"},
    "ul": {"contains-task-list"},
    "li": {"task-list-item"},
}
SCHEMES = {"http", "https", "mailto", "xmpp", "irc", "ircs"}
_LINES = {"+": "add", "-": "del", "@": "hunk"}


def rendered(text: str) -> Markup:
    """A comment or description: a line break in it is one on the page, as on GitHub."""
    return _html(text, breaks=True)


def document(text: str) -> Markup:
    """A Markdown file: lines flow."""
    return _html(text, breaks=False)


def diff_class(line: str) -> str:
    """The colour of one line of a unified diff."""
    return _LINES.get(line[:1], "plain")


@functools.lru_cache(maxsize=256)
def _html(text: str, *, breaks: bool) -> Markup:
    if len(text) > MAX_TEXT:
        return Markup("<pre>{}</pre>").format(text)
    return Markup(_sanitised(_parser(breaks).render(text)))  # noqa: S704 - sanitised right here


def _sanitised(html: str) -> str:
    return nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        attribute_filter=_attribute,
        allowed_classes=CLASSES,
        url_schemes=SCHEMES,
        set_tag_attribute_values={"input": {"type": "checkbox", "disabled": ""}},
        link_rel="nofollow noopener noreferrer",
        strip_comments=True,
    )


def _attribute(_tag: str, name: str, value: str) -> str | None:
    """An id of a stranger never meets one of the page (GitHub's prefix)."""
    if name == "id":
        return f"user-content-{value}"
    if name == "href" and value.startswith("#"):
        return f"#user-content-{value[1:]}"
    return value


@functools.cache
def _parser(breaks: bool) -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": True, "breaks": breaks})
    gfm_plugin(parser)
    parser.add_render_rule("fence", _fence)
    return parser


def _fence(
    _renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: Any, _env: Any
) -> str:
    """Code; the lines of a diff in colour."""
    token = tokens[index]
    if token.info.strip().lower() not in ("diff", "patch"):
        return f"<pre><code>{escape(token.content)}</code></pre>\n"
    lines = "".join(map(_line, token.content.removesuffix("\n").split("\n")))
    return f'<pre class="diff"><code>{lines}</code></pre>\n'


def _line(line: str) -> str:
    return f'<span class="{diff_class(line)}">{escape(line)}\n</span>'
