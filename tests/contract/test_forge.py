"""What every `ports.Forge` does, on a forge with real HTTP."""

from __future__ import annotations

import pytest

from bot.domain.check import Result
from bot.domain.forge import Actor, Permission, Reaction, RepoRef, Status, StatusState
from bot.errors import Permanent, Temporary
from bot.ports import Forge
from bot.sandbox.forge import Role
from tests.contract.hub import MARKER, OTHER, GitHubHub, actor


def body(text: str, marker: str = MARKER) -> str:
    return f"{marker}\n{text}"


class TestRepository:
    def test_is_a_forge(self, hub: GitHubHub) -> None:
        """The adapter satisfies the port."""
        forge: Forge = hub.forge
        assert forge.name == "hub"

    def test_by_name(self, hub: GitHubHub) -> None:
        """A name leads to the number, which is what is kept."""
        found = hub.forge.repository("acme/shop")
        assert (found.ref, found.full_name, found.default_branch) == (hub.ref, "acme/shop", "main")

    def test_name_ignores_case(self, hub: GitHubHub) -> None:
        """Forges compare names without case and tell the real spelling."""
        hub.world.rename_repository(hub.shop, "Shop")
        assert hub.forge.repository("ACME/shop").full_name == "acme/Shop"

    def test_missing_is_permanent(self, hub: GitHubHub) -> None:
        """A repository that does not exist is a fault of the configuration."""
        with pytest.raises(Permanent, match="acme/nothing does not exist"):
            hub.forge.repository("acme/nothing")

    def test_private_is_permanent(self, hub: GitHubHub) -> None:
        """What the token may not see looks like missing."""
        hub.world.create_repository(hub.acme, "hidden", private=True)
        with pytest.raises(Permanent, match="may not see"):
            hub.forge.repository("acme/hidden")

    @pytest.mark.parametrize(
        "name",
        ["", "acme", "acme/shop/x", "../user", "acme/..", "acme/.", "acme/shop?x", "acme/a b",
         "http://evil/x", "acme/shop#1", "-x/y", "acme/shop\n"],
    )  # fmt: skip
    def test_strange_names_are_not_asked(self, hub: GitHubHub, name: str) -> None:
        """A name that could bend the address is refused before a request."""
        with pytest.raises(Permanent):
            hub.forge.repository(name)
        assert not list(hub.world.requests)

    def test_rename_is_followed(self, hub: GitHubHub) -> None:
        """The number stays, the name is today's."""
        hub.world.rename_repository(hub.shop, "store")
        assert hub.forge.repository_by_id(hub.ref).full_name == "acme/store"

    def test_old_name_leads_to_the_same_repository(self, hub: GitHubHub) -> None:
        """A redirect from the former name is followed on the same host."""
        hub.world.rename_repository(hub.shop, "store")
        found = hub.forge.repository("acme/shop")
        assert (found.ref, found.full_name) == (hub.ref, "acme/store")

    def test_name_taken_by_another_repository(self, hub: GitHubHub) -> None:
        """Whoever takes the old name gets none of our reads and writes."""
        number = hub.pull()
        hub.world.rename_repository(hub.shop, "store")
        taken = hub.world.create_repository(hub.acme, "shop", roles={"gitops-bot": Role.write})
        hub.forge.write_comment(hub.ref, number, MARKER, body("hello"), None)
        assert not taken.comments
        assert hub.mine(number) == [body("hello")]

    def test_vanished_id_is_temporary(self, hub: GitHubHub) -> None:
        """Maintenance must not look like "gone"."""
        with pytest.raises(Temporary):
            hub.forge.repository_by_id(RepoRef("hub", 999_999))

    def test_another_forges_repository(self, hub: GitHubHub) -> None:
        """A number of one forge is never used at another."""
        with pytest.raises(ValueError, match="not a repository of hub"):
            hub.forge.repository_by_id(RepoRef("elsewhere", hub.shop.id))

    def test_identity(self, hub: GitHubHub) -> None:
        """The account of the token is asked once."""
        assert hub.forge.identity() == hub.forge.identity() == actor(hub.bot)
        assert hub.world.requests.count("GET", "/user$") == 1


class TestGitRemote:
    def test_t17_address_is_built_from_configuration(self, hub: GitHubHub) -> None:
        """A forge (or whoever stands in its place) cannot send Git to another host."""
        hub.world.shapes.clone_base = "http://169.254.169.254"
        url, user = hub.forge.git_remote(hub.ref)
        assert url == f"{hub.world.url}/acme/shop.git"
        assert user == "x-access-token"

    def test_name_is_believed_for_ten_minutes(self, hub: GitHubHub) -> None:
        """One look-up serves many fetches, and a rename is noticed."""
        for _ in range(3):
            hub.forge.git_remote(hub.ref)
        assert hub.world.requests.count("GET") == 1
        hub.world.rename_repository(hub.shop, "store")
        hub.clock.step(601)
        assert hub.forge.git_remote(hub.ref)[0].endswith("/acme/store.git")


class TestPullRequest:
    def test_fresh_read(self, hub: GitHubHub) -> None:
        """Everything a preview depends on."""
        number = hub.pull()
        found = hub.forge.pull_request(hub.ref, number)
        assert found.author == actor(hub.alice)
        assert found.head_sha == hub.world.head(hub.shop, "change")
        assert (found.head_ref, found.base_ref) == ("change", "main")
        assert (found.open, found.merged, found.draft) == (True, False, False)
        assert not found.from_fork
        assert found.updated_at == hub.clock.now()

    def test_test_merge_is_not_a_merge_commit(self, hub: GitHubHub) -> None:
        """Before the merge the forge shows a throw-away SHA, which proves nothing."""
        assert hub.forge.pull_request(hub.ref, hub.pull()).merge_commit is None

    def test_push_moves_the_head(self, hub: GitHubHub) -> None:
        """The next read shows the new head."""
        number = hub.pull()
        pushed = hub.world.push_to(hub.shop, number, {"x": b"1"}, "More", hub.alice)
        assert hub.forge.pull_request(hub.ref, number).head_sha == pushed

    def test_draft(self, hub: GitHubHub) -> None:
        """Drafts are told, and when they end."""
        number = hub.pull(draft=True)
        assert hub.forge.pull_request(hub.ref, number).draft
        hub.world.set_draft(hub.shop, number, hub.alice, draft=False)
        assert not hub.forge.pull_request(hub.ref, number).draft

    def test_retarget(self, hub: GitHubHub) -> None:
        """Another base branch is seen."""
        number = hub.pull()
        hub.commit("release", {"r": b"1"})
        hub.world.retarget(hub.shop, number, "release", hub.alice)
        assert hub.forge.pull_request(hub.ref, number).base_ref == "release"

    def test_closed(self, hub: GitHubHub) -> None:
        """Closed without a merge has no merge commit."""
        number = hub.pull()
        hub.world.close(hub.shop, number, hub.alice)
        found = hub.forge.pull_request(hub.ref, number)
        assert (found.open, found.merged, found.merge_commit) == (False, False, None)

    def test_reopened(self, hub: GitHubHub) -> None:
        """And open again."""
        number = hub.pull()
        hub.world.close(hub.shop, number, hub.alice)
        hub.world.reopen(hub.shop, number, hub.alice)
        assert hub.forge.pull_request(hub.ref, number).open

    @pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
    def test_merged(self, hub: GitHubHub, method: str) -> None:
        """The merge commit is the base branch's new head, whichever way it was merged."""
        number = hub.pull()
        head = hub.world.merge_pull_request(hub.shop, number, hub.alice, method)
        found = hub.forge.pull_request(hub.ref, number)
        assert (found.open, found.merged, found.merge_commit) == (False, True, head)
        assert head == hub.world.head(hub.shop, "main")

    def test_fork(self, hub: GitHubHub) -> None:
        """A head in another repository is a fork's."""
        fork, number = hub.fork()
        found = hub.forge.pull_request(hub.ref, number)
        assert (found.head_repo, found.from_fork) == (fork.id, True)

    def test_deleted_fork(self, hub: GitHubHub) -> None:
        """A head repository that is gone counts as a fork."""
        fork, number = hub.fork()
        hub.world.delete_repository(fork)
        found = hub.forge.pull_request(hub.ref, number)
        assert (found.head_repo, found.from_fork) == (None, True)

    def test_missing_is_temporary(self, hub: GitHubHub) -> None:
        """A 404 right after a hook is lag, not an end."""
        with pytest.raises(Temporary):
            hub.forge.pull_request(hub.ref, 77)

    def test_issue_is_no_pull_request(self, hub: GitHubHub) -> None:
        """The number of an issue does not read as a pull request."""
        number = hub.world.create_issue(hub.shop, hub.alice, "Broken")
        with pytest.raises(Temporary):
            hub.forge.pull_request(hub.ref, number)

    def test_f17_lagging_read_shows_the_old_head(self, hub: GitHubHub) -> None:
        """A read behind a push tells what the forge says; the bound of the delivery decides."""
        number = hub.pull()
        old = hub.world.pull_request(hub.shop, number).head_sha
        hub.clock.step(60)
        hub.world.lag = 5
        new = hub.world.push_to(hub.shop, number, {"x": b"1"}, "More", hub.alice)
        assert hub.forge.pull_request(hub.ref, number).head_sha == old
        hub.clock.step(5)
        assert hub.forge.pull_request(hub.ref, number).head_sha == new

    def test_open_ones(self, hub: GitHubHub) -> None:
        """Closed and merged ones are not listed, drafts and forks are."""
        a, b, c = hub.pull("a"), hub.pull("b", draft=True), hub.pull("c")
        _, d = hub.fork()
        hub.world.close(hub.shop, a, hub.alice)
        hub.world.merge_pull_request(hub.shop, c, hub.alice)
        assert [p.number for p in hub.forge.open_pull_requests(hub.ref)] == [b, d]

    def test_t100_every_page_of_open_ones(self, hub: GitHubHub) -> None:
        """More than a page is read to its end."""
        numbers = hub.many_pulls(230)
        assert [p.number for p in hub.forge.open_pull_requests(hub.ref)] == numbers

    def test_none_open(self, hub: GitHubHub) -> None:
        """An empty list is an answer."""
        assert hub.forge.open_pull_requests(hub.ref) == []

    @pytest.mark.parametrize("method", ["merge", "squash", "rebase"])
    def test_of_a_merge_commit(self, hub: GitHubHub, method: str) -> None:
        """A commit on the branch leads to the pull request that brought it."""
        number = hub.pull()
        hub.pull("other")
        commit = hub.world.merge_pull_request(hub.shop, number, hub.alice, method)
        assert [p.number for p in hub.forge.pull_requests_of(hub.ref, commit)] == [number]

    def test_of_an_open_head(self, hub: GitHubHub) -> None:
        """An open pull request that merely holds the commit did not bring it."""
        head = hub.world.pull_request(hub.shop, hub.pull()).head_sha
        assert hub.forge.pull_requests_of(hub.ref, head) == []

    def test_of_a_direct_push(self, hub: GitHubHub) -> None:
        """A commit that nobody reviewed has none."""
        assert hub.forge.pull_requests_of(hub.ref, hub.first) == []

    def test_of_an_unknown_commit(self, hub: GitHubHub) -> None:
        """A commit that the API does not know yet is asked for again later."""
        with pytest.raises(Temporary):
            hub.forge.pull_requests_of(hub.ref, "1" * 40)


class TestPermission:
    @pytest.mark.parametrize("role", list(Role))
    def test_exact_role(self, hub: GitHubHub, role: Role) -> None:
        """maintain and triage are told apart from write and read."""
        hub.world.set_role(hub.shop, hub.mallory, role)
        found = hub.forge.permission(hub.ref, actor(hub.mallory))
        assert found is Permission[role.name.upper()]

    def test_anybody_reads_a_public_repository(self, hub: GitHubHub) -> None:
        """Nobody in particular has read."""
        assert hub.forge.permission(hub.ref, actor(hub.mallory)) is Permission.READ

    def test_stranger_on_a_private_repository(self, hub: GitHubHub) -> None:
        """And nothing where the repository is private."""
        hub.shop.private = True
        assert hub.forge.permission(hub.ref, actor(hub.mallory)) is Permission.NONE

    def test_unknown_account(self, hub: GitHubHub) -> None:
        """An account that is gone may do nothing."""
        assert hub.forge.permission(hub.ref, Actor(5, "nobody")) is Permission.NONE

    def test_login_taken_by_somebody_else(self, hub: GitHubHub) -> None:
        """The new owner's right is not that of the account that wrote the comment."""
        old = actor(hub.mallory)
        hub.world.rename_user(hub.mallory, "mallory2")
        hub.world.set_role(hub.shop, hub.world.create_user("mallory"), Role.admin)
        assert hub.forge.permission(hub.ref, old) is Permission.NONE

    @pytest.mark.parametrize("login", ["../../user", "a/b", "a?b=c", "acme/permission#"])
    def test_strange_logins_stay_in_their_place(self, hub: GitHubHub, login: str) -> None:
        """A login cannot bend the address to another question."""
        assert hub.forge.permission(hub.ref, Actor(hub.acme.id, login)) is Permission.NONE

    def test_t85_association_is_no_authority(self, hub: GitHubHub) -> None:
        """The payload calls the owner OWNER; only the permission call counts."""
        hub.world.set_role(hub.shop, hub.acme, Role.read)
        assert hub.forge.permission(hub.ref, actor(hub.acme)) is Permission.READ

    def test_revoked_right_counts_at_once(self, hub: GitHubHub) -> None:
        """Nothing is remembered between two questions."""
        assert hub.forge.permission(hub.ref, actor(hub.alice)) is Permission.WRITE
        hub.world.set_role(hub.shop, hub.alice, Role.read)
        assert hub.forge.permission(hub.ref, actor(hub.alice)) is Permission.READ

    def test_may_not_ask(self, hub: GitHubHub) -> None:
        """Not being allowed to look is an error, never a role."""
        hub.world.set_role(hub.shop, hub.bot, Role.read)
        with pytest.raises(Permanent):
            hub.forge.permission(hub.ref, actor(hub.alice))

    def test_trouble_raises(self, hub: GitHubHub) -> None:
        """An outage is an error, never a role."""
        hub.world.faults.answer(500, path="permission", times=9)
        with pytest.raises(Temporary):
            hub.forge.permission(hub.ref, actor(hub.alice))


class TestCommentsSince:
    def test_only_on_pull_requests(self, hub: GitHubHub) -> None:
        """Issues have conversations too, which are none of ours."""
        number, issue = hub.pull(), hub.world.create_issue(hub.shop, hub.alice, "Broken")
        hub.world.comment(hub.shop, hub.alice, issue, "/sync")
        wanted = hub.world.comment(hub.shop, hub.alice, number, "/diff")
        (found,) = hub.forge.comments_since(hub.ref, 0)
        assert (found.id, found.pull_request, found.body) == (wanted, number, "/diff")
        assert (found.author, found.edited) == (actor(hub.alice), False)
        assert found.created_at == hub.clock.now()

    def test_since_is_inclusive(self, hub: GitHubHub) -> None:
        """The boundary's own second is listed, earlier ones are not."""
        number = hub.pull()
        hub.world.comment(hub.shop, hub.alice, number, "early")
        hub.clock.step(10)
        hub.world.comment(hub.shop, hub.alice, number, "late")
        assert [c.body for c in hub.forge.comments_since(hub.ref, hub.clock.now())] == ["late"]

    def test_edited(self, hub: GitHubHub) -> None:
        """A text that is not the first one is told, so that nobody's command is forged."""
        number = hub.pull()
        written = hub.world.comment(hub.shop, hub.alice, number, "hello")
        hub.clock.step(10)
        hub.world.edit_comment(hub.shop, hub.acme, written, "/sync")
        (found,) = hub.forge.comments_since(hub.ref, hub.clock.now())
        assert (found.body, found.edited) == ("/sync", True)

    def test_deleted(self, hub: GitHubHub) -> None:
        """What is gone is not listed."""
        number = hub.pull()
        written = hub.world.comment(hub.shop, hub.alice, number, "hello")
        hub.world.delete_comment(hub.shop, hub.alice, written)
        assert hub.forge.comments_since(hub.ref, 0) == []

    def test_t86_bots_are_told(self, hub: GitHubHub) -> None:
        """Another bot's comment carries the mark that makes it ignored."""
        robot = hub.world.create_user("dependabot", bot=True)
        hub.world.comment(hub.shop, robot, hub.pull(), "/sync")
        (found,) = hub.forge.comments_since(hub.ref, 0)
        assert found.author.is_bot

    def test_t86_own_comments_are_ours_by_id(self, hub: GitHubHub) -> None:
        """What the bot wrote itself is known by the account's number, not by a name."""
        hub.world.comment(hub.shop, hub.bot, hub.pull(), "/sync")
        (found,) = hub.forge.comments_since(hub.ref, 0)
        assert found.author.id == hub.forge.identity().id

    def test_t100_every_page(self, hub: GitHubHub) -> None:
        """Three pages, each comment once, in order of change."""
        number = hub.pull()
        written = [hub.world.comment(hub.shop, hub.alice, number, f"{n}") for n in range(230)]
        assert [c.id for c in hub.forge.comments_since(hub.ref, 0)] == written


class TestWriteComment:
    def test_first(self, hub: GitHubHub) -> None:
        """One comment by our account, with the text as it was given."""
        number = hub.pull()
        made = hub.forge.write_comment(hub.ref, number, MARKER, body("one ✓"), None)
        (comment,) = hub.world.comments(hub.shop, number)
        assert (comment.id, comment.body, comment.author.id) == (made, body("one ✓"), hub.bot.id)

    @pytest.mark.parametrize("remembered", [True, False])
    def test_equal_text_writes_nothing(self, hub: GitHubHub, remembered: bool) -> None:
        """The same text again is no write, with or without the id."""
        number = hub.pull()
        made = hub.forge.write_comment(hub.ref, number, MARKER, body("one"), None)
        hub.world.requests.clear()
        known = made if remembered else None
        assert hub.forge.write_comment(hub.ref, number, MARKER, body("one"), known) == made
        assert {r.method for r in hub.world.requests} == {"GET"}

    @pytest.mark.parametrize("remembered", [True, False])
    def test_new_text_edits(self, hub: GitHubHub, remembered: bool) -> None:
        """The living comment is edited in place, even when the database forgot it."""
        number = hub.pull()
        made = hub.forge.write_comment(hub.ref, number, MARKER, body("one"), None)
        known = made if remembered else None
        assert hub.forge.write_comment(hub.ref, number, MARKER, body("two"), known) == made
        assert hub.mine(number) == [body("two")]

    def test_known_is_read_alone(self, hub: GitHubHub) -> None:
        """With the id one read is enough, however long the conversation."""
        number = hub.pull()
        made = hub.forge.write_comment(hub.ref, number, MARKER, body("one"), None)
        hub.world.requests.clear()
        hub.forge.write_comment(hub.ref, number, MARKER, body("two"), made)
        assert [r.method for r in hub.world.requests] == ["GET", "PATCH"]

    def test_known_was_deleted(self, hub: GitHubHub) -> None:
        """A deleted comment is made again."""
        number = hub.pull()
        made = hub.forge.write_comment(hub.ref, number, MARKER, body("one"), None)
        hub.world.delete_comment(hub.shop, hub.acme, made)
        again = hub.forge.write_comment(hub.ref, number, MARKER, body("one"), made)
        assert again != made
        assert hub.mine(number) == [body("one")]

    def test_known_of_another_pull_request(self, hub: GitHubHub) -> None:
        """A remembered id that belongs elsewhere is not written to."""
        one, two = hub.pull("a"), hub.pull("b")
        made = hub.forge.write_comment(hub.ref, one, MARKER, body("one"), None)
        hub.forge.write_comment(hub.ref, two, MARKER, body("two"), made)
        assert (hub.mine(one), hub.mine(two)) == ([body("one")], [body("two")])

    def test_t82_marker_in_a_strangers_comment(self, hub: GitHubHub) -> None:
        """A copied marker makes a comment no ours: theirs stays, ours is posted beside it."""
        number = hub.pull()
        theirs = hub.world.comment(hub.shop, hub.mallory, number, body("fake"))
        made = hub.forge.write_comment(hub.ref, number, MARKER, body("true"), None)
        assert made != theirs
        assert hub.world.state.find_comment(hub.shop, theirs).body == body("fake")

    def test_t82_strangers_comment_as_known(self, hub: GitHubHub) -> None:
        """Not even when its id was put into the database."""
        number = hub.pull()
        theirs = hub.world.comment(hub.shop, hub.mallory, number, body("fake"))
        made = hub.forge.write_comment(hub.ref, number, MARKER, body("true"), theirs)
        assert made != theirs
        assert hub.world.state.find_comment(hub.shop, theirs).body == body("fake")

    def test_two_of_one_purpose(self, hub: GitHubHub) -> None:
        """The older stays and says the news, the other goes."""
        number = hub.pull()
        older = hub.world.comment(hub.shop, hub.bot, number, body("one"))
        hub.world.comment(hub.shop, hub.bot, number, body("two"))
        assert hub.forge.write_comment(hub.ref, number, MARKER, body("three"), None) == older
        assert hub.mine(number) == [body("three")]

    def test_purposes_do_not_mix(self, hub: GitHubHub) -> None:
        """Each marker has its own comment."""
        number = hub.pull()
        one = hub.forge.write_comment(hub.ref, number, MARKER, body("one"), None)
        two = hub.forge.write_comment(hub.ref, number, OTHER, body("two", OTHER), None)
        assert one != two
        assert hub.mine(number) == [body("one"), body("two", OTHER)]

    def test_own_comment_without_marker(self, hub: GitHubHub) -> None:
        """What a person wrote with the bot's account is left alone."""
        number = hub.pull()
        hub.world.comment(hub.shop, hub.bot, number, "by hand")
        hub.forge.write_comment(hub.ref, number, MARKER, body("one"), None)
        assert hub.mine(number) == ["by hand", body("one")]

    def test_found_behind_a_long_conversation(self, hub: GitHubHub) -> None:
        """Ours is found on every page."""
        number = hub.pull()
        for n in range(120):
            hub.world.comment(hub.shop, hub.alice, number, f"{n}")
        made = hub.world.comment(hub.shop, hub.bot, number, body("one"))
        for n in range(120):
            hub.world.comment(hub.shop, hub.alice, number, f"{n}")
        assert hub.forge.write_comment(hub.ref, number, MARKER, body("two"), None) == made

    def test_line_ends_are_no_difference(self, hub: GitHubHub) -> None:
        """A forge that stores CRLF does not make us write for ever."""
        number = hub.pull()
        hub.world.comment(hub.shop, hub.bot, number, body("a\nb\n").replace("\n", "\r\n"))
        hub.world.requests.clear()
        hub.forge.write_comment(hub.ref, number, MARKER, body("a\nb"), None)
        assert {r.method for r in hub.world.requests} == {"GET"}

    def test_longest(self, hub: GitHubHub) -> None:
        """65,536 characters fit, whatever their size in bytes."""
        number = hub.pull()
        longest = body("✓" * (65_536 - len(body(""))))
        hub.forge.write_comment(hub.ref, number, MARKER, longest, None)
        assert hub.mine(number) == [longest]

    def test_too_long(self, hub: GitHubHub) -> None:
        """One more is an error of ours, not sent."""
        number = hub.pull()
        hub.world.requests.clear()
        with pytest.raises(Permanent, match="longer than"):
            hub.forge.write_comment(hub.ref, number, MARKER, body("x" * 65_536), None)
        assert hub.world.requests.count("POST") == 0

    def test_without_marker(self, hub: GitHubHub) -> None:
        """A comment that could never be found again is not written."""
        with pytest.raises(ValueError, match="marker"):
            hub.forge.write_comment(hub.ref, hub.pull(), MARKER, "no marker", None)

    def test_no_such_pull_request(self, hub: GitHubHub) -> None:
        """A 404 is not taken for an end."""
        with pytest.raises(Temporary):
            hub.forge.write_comment(hub.ref, 99, MARKER, body("one"), None)


class TestReact:
    @pytest.mark.parametrize("reaction", list(Reaction))
    def test_each(self, hub: GitHubHub, reaction: Reaction) -> None:
        """Every reaction of the bot exists here, and once more is no harm."""
        written = hub.world.comment(hub.shop, hub.alice, hub.pull(), "/diff")
        hub.forge.react(hub.ref, written, reaction)
        hub.forge.react(hub.ref, written, reaction)
        (found,) = hub.world.reactions(hub.shop, written)
        assert (found.content, found.user.id) == (reaction.value, hub.bot.id)

    def test_deleted_comment(self, hub: GitHubHub) -> None:
        """Nobody is there to see it, and that is fine."""
        written = hub.world.comment(hub.shop, hub.alice, hub.pull(), "/diff")
        hub.world.delete_comment(hub.shop, hub.alice, written)
        hub.forge.react(hub.ref, written, Reaction.SEEN)
        assert hub.world.reactions(hub.shop, written) == []


class TestStatus:
    @pytest.mark.parametrize("state", list(StatusState))
    def test_each_state(self, hub: GitHubHub, state: StatusState) -> None:
        """State, text and link arrive."""
        status = Status("gitops-bot/preview", state, "3 changes", "https://bot.example.com/p/1")
        hub.forge.set_status(hub.ref, hub.first, status)
        found = hub.world.statuses(hub.shop, hub.first)["gitops-bot/preview"]
        assert (found.state, found.description) == (state.value, "3 changes")
        assert found.target_url == "https://bot.example.com/p/1"

    @pytest.mark.parametrize("length", [0, 139, 140, 141, 5000])
    def test_description(self, hub: GitHubHub, length: int) -> None:
        """Whole up to 140 characters, then cut with an ellipsis."""
        text = "é" * length
        hub.forge.set_status(hub.ref, hub.first, Status("c", StatusState.SUCCESS, text))
        shown = hub.world.statuses(hub.shop, hub.first)["c"].description
        assert shown == (text if length <= 140 else "é" * 139 + "…")

    def test_newest_counts(self, hub: GitHubHub) -> None:
        """A later status of the same context replaces the earlier one."""
        for state in (StatusState.PENDING, StatusState.SUCCESS):
            hub.forge.set_status(hub.ref, hub.first, Status("c", state, "x"))
        assert hub.world.statuses(hub.shop, hub.first)["c"].state == "success"

    def test_head_of_a_fork(self, hub: GitHubHub) -> None:
        """It is set in the base repository, which knows the commit."""
        _, number = hub.fork()
        head = hub.world.pull_request(hub.shop, number).head_sha
        hub.forge.set_status(hub.ref, head, Status("c", StatusState.SUCCESS, "x"))
        assert hub.world.statuses(hub.shop, head)["c"].state == "success"

    def test_unknown_commit(self, hub: GitHubHub) -> None:
        """A commit that the API does not know yet: later."""
        with pytest.raises(Temporary):
            hub.forge.set_status(hub.ref, "1" * 40, Status("c", StatusState.SUCCESS, "x"))

    def test_limit_of_one_commit(self, hub: GitHubHub) -> None:
        """After 1,000 of one context no more are taken, and the error says what to do."""
        status = Status("c", StatusState.SUCCESS, "x")
        hub.forge.set_status(hub.ref, hub.first, status)
        hub.shop.statuses.extend(hub.shop.statuses * 999)
        with pytest.raises(Permanent, match="push a new commit"):
            hub.forge.set_status(hub.ref, hub.first, status)

    def test_without_the_right(self, hub: GitHubHub) -> None:
        """A refusal is final and told."""
        hub.world.set_role(hub.shop, hub.bot, Role.read)
        with pytest.raises(Permanent, match="403"):
            hub.forge.set_status(hub.ref, hub.first, Status("c", StatusState.SUCCESS, "x"))


class TestCheck:
    def results(self, hub: GitHubHub) -> dict[str, Result]:
        return {check.what: check.result for check in hub.forge.check(hub.ref)}

    def test_all_is_well(self, hub: GitHubHub) -> None:
        """Every line is fine with write access."""
        assert set(self.results(hub).values()) == {Result.OK}

    def test_bad_token(self, hub: GitHubHub) -> None:
        """A token that is not accepted is told, and nothing raises."""
        hub.token = "wrong"
        found = hub.forge.check(hub.ref)[0]
        assert found.result is Result.FAILED
        assert "does not accept our token" in found.detail

    def test_no_write(self, hub: GitHubHub) -> None:
        """The missing right and its remedy are named."""
        hub.world.set_role(hub.shop, hub.bot, Role.read)
        failed = [c for c in hub.forge.check(hub.ref) if c.result is Result.FAILED]
        assert [c.what for c in failed] == ["forge hub: repository, statuses and comments"]
        assert "role write" in failed[0].remedy

    def test_not_visible(self, hub: GitHubHub) -> None:
        """A repository that the token cannot see."""
        hub.shop.private = True
        hub.shop.roles.clear()
        assert self.results(hub)["forge hub: repository"] is Result.FAILED

    def test_little_left(self, hub: GitHubHub) -> None:
        """A nearly spent limit is a warning."""
        hub.world.hourly_limit = 300
        assert self.results(hub)["forge hub: rate limit"] is Result.WARNING

    def test_hooks_seen_by_an_admin(self, hub: GitHubHub) -> None:
        """Where hooks can be seen, their absence is a warning."""
        hub.world.set_role(hub.shop, hub.bot, Role.admin)
        assert self.results(hub)["forge hub: webhooks"] is Result.WARNING

    def test_unreachable(self, hub: GitHubHub) -> None:
        """A forge that is away fails every line and raises nothing."""
        hub.world.stop()
        failed = [c for c in hub.forge.check(hub.ref) if c.result is Result.FAILED]
        assert len(failed) >= 3
