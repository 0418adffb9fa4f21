"""The story, act by act: what people do, what the bot answers, and nothing that is not so.

Every act waits for what it shows; an act that waits in vain ends the demo with the bot's log.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.app.demo.screen import Screen
from bot.app.demo.stage import Stage
from bot.app.demo.talk import Talk

OVERLAYS = ("dev", "staging", "prod")
DASHBOARDS = [f"dashboard-{n}" for n in range(1, 7)]
# The write at which the worker dies: carried out, but its answer never arrives.
FATAL = DASHBOARDS[2]
# As yaml.safe_load would refuse it, and kubectl too: a mapping inside a plain scalar.
BROKEN = ("name: SCHEDULE", "name: SCHEDULE: daily")


@dataclass(slots=True)
class Story:
    """One telling. `release`: the number of the pull request that the later acts speak about."""

    stage: Stage
    screen: Screen
    talk: Talk
    release: int = 0

    def tell(self) -> None:
        self.first_deployment()
        self.pull_request()
        self.broken_pull_request()
        self.merge()
        self.bad_image()
        self.drift()
        self.crash()

    def first_deployment(self) -> None:
        self.screen.act("The bot meets the repository")
        sha = self.stage.forge.head(self.stage.repo, "main")
        self.screen.note("acme/shop: three Kustomize overlays on one base, one directory of YAML.")
        self.talk.deployed(sha)
        self.screen.fact(f"It deployed the head of main, {sha[:7]}, and says so on the commit:")
        self.screen.statuses(self.talk.statuses(sha, "deploy/"))

    def pull_request(self) -> None:
        self.screen.act("A pull request shows what it will do")
        files = self._tagged("1.8.2", "1.9.0", OVERLAYS)
        files |= self.talk.edit("base/kustomization.yaml", "LOG_LEVEL=info", "LOG_LEVEL=warn")
        self.screen.person("bob", 'opens "Release web 1.9.0".')
        self.release = self.talk.opens(self.stage.bob, "Release web 1.9.0", files, "Ship it.")
        self.screen.comment(self.talk.previewed(self.release))
        self.screen.note("Nothing was written: the API server answered dry runs.")

    def broken_pull_request(self) -> None:
        self.screen.act("A broken pull request gets help, not a stack trace")
        files = self.talk.edit("tools/report.yaml", *BROKEN)
        self.screen.person("bob", 'opens "Report every morning", and forgets a quote.')
        number = self.talk.opens(self.stage.bob, "Report every morning", files, "")
        self.screen.comment(self.talk.previewed(number))
        sha = self.stage.forge.pull_request(self.stage.repo, number).head_sha
        self.screen.statuses(self.talk.statuses(sha, "preview"))

    def merge(self) -> None:
        self.screen.act("A merge deploys")
        self.screen.person("alice", f"merges #{self.release}.")
        sha = self.talk.merges(self.release)
        self.talk.deployed(sha, OVERLAYS)
        self.screen.comment(self.talk.told(self.release, "Healthy in"))
        self.screen.statuses(self.talk.statuses(sha, "deploy/"))

    def bad_image(self) -> None:
        self.screen.act("An image that does not exist, and the way back")
        self.screen.person("bob", "releases web:missing to dev, and alice merges it.")
        number, sha = self._lands("Release web missing", self._tagged("1.9.0", "missing", ("dev",)))
        self.talk.deployed(sha, ("dev",))
        self.screen.comment(self.talk.told(number, "Failed in", "failed"))
        self.screen.person("bob", "reverts it.")
        back = self._tagged("missing", "1.9.0", ("dev",))
        number, sha = self._lands("Revert web missing", back)
        self.talk.deployed(sha, ("dev",))
        self.screen.comment(self.talk.told(number, "Healthy in"))

    def drift(self) -> None:
        self.screen.act("Somebody edits the cluster behind Git's back")
        self.screen.person("carol", "runs kubectl edit: web in staging has 5 replicas now.")
        self.stage.edits("shop-staging", "web", {"spec": {"replicas": 5}})
        self.screen.comment(self.talk.told(self.release, "healed"))
        self.screen.note("staging may heal itself (`heal: true`); elsewhere it is told, and")
        self.screen.note("`/sync` in a comment brings back what Git says.")

    def crash(self) -> None:
        self.screen.act("The worker is killed in the middle of a deployment")
        held = self.stage.hold_answer(FATAL)
        files = {f"tools/{name}.yaml": _config_map(name) for name in DASHBOARDS}
        self.screen.person("bob", f"adds {len(files)} dashboards to tools, and alice merges it.")
        number, sha = self._lands("Dashboards for everybody", files)
        self.stage.until(f"the write of {FATAL}", held.arrived.is_set)
        pid = self.stage.bot.kill_worker()
        held.release()
        self.screen.fact(f"kill -9 {pid}: {FATAL} is written, but nobody heard the answer.")
        self.talk.deployed(sha, ("tools",))
        self.screen.comment(self.talk.told(number, "Healthy in"))
        counts = {name: self.stage.writes(name) for name in DASHBOARDS}
        self.screen.fact(f"Writes to each dashboard in the cluster's log: {_counted(counts)}.")
        if set(counts.values()) != {1}:
            raise AssertionError(f"an object was written twice, or never: {counts}")

    def _tagged(self, old: str, new: str, overlays: tuple[str, ...]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for name in overlays:
            path = f"overlays/{name}/kustomization.yaml"
            found |= self.talk.edit(path, f"newTag: {old}", f"newTag: {new}")
        return found

    def _lands(self, title: str, files: dict[str, bytes]) -> tuple[int, str]:
        """Opened by bob, previewed, merged by alice: the number and the merge commit."""
        number = self.talk.opens(self.stage.bob, title, files, "")
        self.talk.previewed(number)
        return number, self.talk.merges(number)


def _config_map(name: str) -> bytes:
    text = f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  title: {name}\n"
    return text.encode()


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
