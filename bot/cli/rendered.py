"""A rendering as YAML documents, or as JSON."""

from __future__ import annotations

import click
import yaml

from bot.app.local import shown
from bot.cli.session import print_json
from bot.domain.markdown import visible
from bot.ports import Rendering


class _Dumper(yaml.SafeDumper):
    """No aliases: a person reads this."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002  # PyYAML's name
        return True


def show_rendering(rendering: Rendering, *, secrets: bool, as_json: bool) -> None:
    """One document per object, each with the file it comes from."""
    if as_json:
        print_json({
            "tool": rendering.tool,
            "inputs": rendering.inputs,
            "objects": [
                {
                    "source": {"file": m.source.file, "line": m.source.line},
                    "manifest": shown(m, secrets=secrets),
                }
                for m in rendering.manifests
            ],
        })  # fmt: skip
        return
    for manifest in rendering.manifests:
        # The dumper escapes what does not print, so a document cannot steer a terminal.
        body = yaml.dump(shown(manifest, secrets=secrets), Dumper=_Dumper, sort_keys=False)
        click.echo(f"---\n# {visible(str(manifest.source))}\n{body}", nl=False)
