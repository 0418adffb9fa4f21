"""How the story is told in a terminal: what a person did, and what people see."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping

from rich.console import Console, Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from bot.domain.markdown import visible

WIDTH = 110
_FOLD = re.compile(
    r"<details><summary>(?P<summary>.*?)</summary>(?P<inside>.*?)</details>", re.DOTALL
)
_HTML_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"</?(code|b|strong|i|em|sub)>")
MARKS = {"success": "✓", "failure": "✗", "error": "✗", "pending": "…"}
COLOURS = {"success": "green", "failure": "red", "error": "red", "pending": "yellow"}


class Screen:
    """Writes to one console. Acts are numbered and timed."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, emoji=False)
        self._width = min(WIDTH, self.console.width)
        self._act, self._began = 0, time.monotonic()

    def act(self, title: str) -> None:
        self._act += 1
        self._print("")
        seconds = time.monotonic() - self._began
        self._print(Rule(f"[bold]{self._act}. {title}[/]  [dim]{seconds:.0f} s[/]", align="left"))

    def person(self, name: str, does: str) -> None:
        """What somebody does."""
        self._print(Text.assemble(("● ", "cyan"), (name, "bold cyan"), f" {visible(does)}"))

    def note(self, text: str) -> None:
        self._print(Text(f"  {text}", style="dim"))

    def fact(self, text: str) -> None:
        self._print(Text.assemble(("→ ", "green"), visible(text)))

    def comment(self, body: str, *, folds: int = 1) -> None:
        """A comment as the forge shows it; the first `folds` folded parts are opened."""
        inside = Group(*_comment_parts(body, folds))
        self._print(Panel(inside, title="gitops-bot", title_align="left", border_style="blue"))

    def statuses(self, found: Mapping[str, tuple[str, str]]) -> None:
        """context → (state, description)."""
        table = Table.grid(padding=(0, 2))
        for context, (state, text) in sorted(found.items()):
            mark = Text(MARKS[state], style=COLOURS[state])
            table.add_row(mark, Text(context), Text(visible(text), style="dim"))
        self._print(Padding(table, (0, 0, 0, 2)))

    def tour(self, address: str, text: str) -> None:
        """What to try now that everything stays up."""
        self._print("")
        self._print(Rule(f"[bold]It stays up: {address}[/]", align="left"))
        self._print(Markdown(text))

    def end(self) -> None:
        self._print("")
        seconds = time.monotonic() - self._began
        self._print(Rule(f"[bold green]The story is told[/], in {seconds:.0f} s.", align="left"))

    def _print(self, what: RenderableType) -> None:
        self.console.print(what, width=self._width)


def _comment_parts(body: str, folds: int) -> Iterator[RenderableType]:
    text, at = _HTML_COMMENT.sub("", body).strip(), 0
    for number, fold in enumerate(_FOLD.finditer(text)):
        yield from _markdown(text[at : fold.start()])
        mark = "▾" if number < folds else "▸"
        yield Text(f"{mark} {_TAG.sub('', fold['summary'])}", style="bold")
        if number < folds:
            yield from (Padding(part, (0, 0, 0, 2)) for part in _markdown(fold["inside"]))
        at = fold.end()
    yield from _markdown(text[at:])


def _markdown(text: str) -> list[RenderableType]:
    return [Markdown(text.strip(), code_theme="ansi_dark")] if text.strip() else []
