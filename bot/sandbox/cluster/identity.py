"""Who sends a request: a bearer token, and whom that user speaks for (impersonation)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from bot.sandbox.cluster.access import Access, Attributes
from bot.sandbox.cluster.accounts import AccountTokens, account_user
from bot.sandbox.cluster.model import User, bad_request

ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))
ACCOUNT_PREFIX = "system:serviceaccount:"


class Authenticator:
    """Knows the tokens of the cluster's own users and those of service accounts."""

    def __init__(self, users: Mapping[str, User], accounts: AccountTokens, access: Access) -> None:
        """users: token → user."""
        self._users = [(token.encode(), user) for token, user in users.items()]
        self._accounts = accounts
        self._access = access

    def authenticate(self, headers: Mapping[str, str]) -> User:
        """Nobody in particular without a token; 401 with one that is not known."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            return ANONYMOUS
        return self._impersonated(self.user_of(token.strip()), headers)

    def user_of(self, token: str) -> User:
        for known, user in self._users:
            if hmac.compare_digest(known, token.encode()):
                return user
        return self._accounts.user_of(token)

    def _impersonated(self, user: User, headers: Mapping[str, str]) -> User:
        name, group = headers.get("impersonate-user", ""), headers.get("impersonate-group", "")
        if not name:
            if group:
                raise bad_request(
                    "requested an impersonated group without impersonating a user name"
                )
            return user
        groups = tuple(each.strip() for each in group.split(",") if each.strip())
        self._may_impersonate(user, name, groups)
        if name.startswith(ACCOUNT_PREFIX) and not groups:
            namespace, _, account = name.removeprefix(ACCOUNT_PREFIX).partition(":")
            return account_user(namespace, account, "")
        known = () if "system:unauthenticated" in groups else ("system:authenticated",)
        return User(name, tuple(dict.fromkeys((*groups, *known))))

    def _may_impersonate(self, user: User, name: str, groups: tuple[str, ...]) -> None:
        wanted = [Attributes("impersonate", resource="groups", name=each) for each in groups]
        if name.startswith(ACCOUNT_PREFIX):
            namespace, _, account = name.removeprefix(ACCOUNT_PREFIX).partition(":")
            wanted.append(Attributes(
                "impersonate", resource="serviceaccounts", namespace=namespace, name=account
            ))  # fmt: skip
        else:
            wanted.append(Attributes("impersonate", resource="users", name=name))
        for each in wanted:
            self._access.require(user, each)
