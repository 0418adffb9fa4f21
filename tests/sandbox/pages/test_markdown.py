"""Comments look as on GitHub, and nothing of a stranger's HTML gets through."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sandbox.pages.markdown import MAX_TEXT, document, rendered
from tests.sandbox.pages.visitor import assert_harmless, tags

GOLDEN = sorted((Path(__file__).parents[2] / "data" / "comments").rglob("*.md"))

ATTACKS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<img src=x onerror=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg/onload=alert(1)>",
    "<math><mtext></mtext><mglyph><style><img src=x onerror=alert(1)></style></mglyph></math>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='JaVa&#x09;Script:alert(1)'>x</a>",
    "<a href=' data:text/html,<script>alert(1)</script>'>x</a>",
    "<a href='vbscript:x'>x</a>",
    "[x](javascript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "<javascript:alert(1)>",
    "![x](https://evil.example/pixel.png)",
    "<div style='position:fixed;inset:0'>x</div>",
    "<form action=https://evil.example><button>Merge</button></form>",
    "<input type=text name=token autofocus onfocus=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<base href=https://evil.example/>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<object data=x></object><embed src=x>",
    "<details open ontoggle=alert(1)><summary>x</summary></details>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<textarea></textarea><img src=x onerror=alert(1)>",
    "<template><script>alert(1)</script></template>",
    "```diff\n+</span></code></pre><script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\nx\n```',
    "| <img src=x onerror=alert(1)> |\n|---|\n| <script>x</script> |",
    'http://evil.example/"onmouseover="alert(1)',
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_only_text(attack: str):
    """Nothing runs, nothing loads, no form and no style is left of it."""
    html = str(rendered(attack))

    assert_harmless(html)
    assert not {tag for tag, _ in tags(html)} & {"script", "form", "button", "meta", "link"}


@given(st.lists(st.sampled_from([*ATTACKS, "**", "`", "~~~", "\n\n", "> ", "<b>", "</", "x"])))
def test_attacks_in_any_mixture(parts: list[str]):
    """Joining attacks and Markdown does not open a way either."""
    assert_harmless(str(rendered("".join(parts))))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda p: p.stem)
def test_every_comment_of_the_bot_is_shown_whole(path: Path):
    """Tables, folds and diffs of the golden comments arrive as such."""
    text = path.read_text()
    html = str(rendered(text))
    names = [tag for tag, _ in tags(html)]

    assert_harmless(html)
    assert ("|---|" in text) == ("table" in names)
    assert text.count("<details>") == names.count("details")
    assert text.count("diff\n") == sum(a.get("class") == "diff" for _, a in tags(html))


def test_a_diff_is_coloured_line_by_line():
    """Added, removed, hunk and context lines have their own class; the text is unchanged."""
    html = str(rendered("```diff\n@@ -1 +1 @@\n a: 1\n-b: <2>\n+b: 3\n```"))

    assert '<span class="del">-b: &lt;2&gt;\n</span>' in html
    assert [a["class"] for t, a in tags(html) if t == "span"] == ["hunk", "plain", "del", "add"]


def test_github_flavour():
    """Strikethrough, autolinks, task lists, hard line breaks in comments but not in documents."""
    html = str(rendered("~~gone~~ https://example.com/a?b=1\nnext\n\n- [x] done\n- [ ] open"))

    assert "<s>gone</s>" in html
    assert 'href="https://example.com/a?b=1" rel="nofollow noopener noreferrer"' in html
    assert "<br>" in html
    assert [a for t, a in tags(html) if t == "input"] == [
        {"checked": "", "type": "checkbox", "disabled": ""},
        {"type": "checkbox", "disabled": ""},
    ]
    assert "<br>" not in str(document("one\ntwo"))


def test_a_strangers_names_do_not_meet_the_pages_own():
    """ids are prefixed, classes of the page cannot be borrowed."""
    html = str(rendered("<p id=main class='box primary'>x</p> <a href='#main'>y</a>"))

    assert 'id="user-content-main"' in html
    assert 'href="#user-content-main"' in html
    assert "primary" not in html


def test_an_open_element_ends_with_its_comment():
    """What a comment leaves open is closed, and what it closes was its own."""
    html = str(rendered("<details><summary>x\n\n<b>bold\n\n</div></article></main>"))

    assert html.count("<details>") == html.count("</details>") == 1
    assert "</main>" not in html
    assert "</article>" not in html


def test_a_text_beyond_the_limit_is_shown_as_it_is():
    """No parsing of what no forge would take."""
    html = str(rendered("<b>" + "a" * MAX_TEXT))

    assert html.startswith("<pre>&lt;b&gt;")
