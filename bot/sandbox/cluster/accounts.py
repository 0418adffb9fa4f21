"""Tokens of service accounts: signed, bound to the account's uid, and good until they expire."""

from __future__ import annotations

import uuid
from typing import Any

import jwt

from bot.ports import Clock
from bot.sandbox.cluster.model import Object, User, unauthorized
from bot.sandbox.cluster.storage import Key, Storage

ISSUER = "https://kubernetes.default.svc.cluster.local"
ALGORITHM = "ES256"
CREDENTIAL = "authentication.kubernetes.io/credential-id"


class AccountTokens:
    """Makes and checks them with one key."""

    def __init__(self, storage: Storage, signing_key: str, clock: Clock) -> None:
        self._storage = storage
        self._signing = signing_key
        self._clock = clock
        self._checking = jwt.get_algorithm_by_name(ALGORITHM).prepare_key(signing_key).public_key()

    def issue(self, account: Object, audiences: list[str], seconds: int) -> str:
        """A token for this account, for `seconds` from now."""
        metadata, now = account["metadata"], int(self._clock.now())
        name, namespace = metadata["name"], metadata["namespace"]
        claims = {
            "aud": audiences, "exp": now + seconds, "iat": now, "nbf": now, "iss": ISSUER,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": {
                "namespace": namespace,
                "serviceaccount": {"name": name, "uid": metadata["uid"]},
            },
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }  # fmt: skip
        return jwt.encode(claims, self._signing, algorithm=ALGORITHM)

    def user_of(self, token: str) -> User:
        """Whose token it is; 401 when it is nobody's, is over, or its account is gone."""
        claims = self._claims(token)
        bound = claims["kubernetes.io"]
        namespace, account = bound["namespace"], bound["serviceaccount"]
        stored = self._storage.peek(Key("", "serviceaccounts", namespace, account["name"]))
        if stored is None or stored.object["metadata"]["uid"] != account["uid"]:
            raise unauthorized()
        extra = ((CREDENTIAL, (f"JTI={claims['jti']}",)),)
        return account_user(namespace, account["name"], account["uid"], extra)

    def _claims(self, token: str) -> dict[str, Any]:
        # Expiry is judged by this cluster's clock, not the machine's.
        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
        try:
            claims = jwt.decode(
                token, self._checking, algorithms=[ALGORITHM], audience=ISSUER, issuer=ISSUER,
                options=options,
            )  # fmt: skip
        except jwt.InvalidTokenError:
            raise unauthorized() from None
        if not claims["nbf"] - 60 <= self._clock.now() < claims["exp"]:
            raise unauthorized()
        return claims


def account_user(
    namespace: str, name: str, uid: str, extra: tuple[tuple[str, tuple[str, ...]], ...] = ()
) -> User:
    """The user that a service account is."""
    groups = (
        "system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated",
    )  # fmt: skip
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid, extra)
