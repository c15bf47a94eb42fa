"""Signed, short-lived tokens: who holds one may do the one thing that it names, until it ends."""

import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson
from joserfc import jws
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import OctKey

ALGORITHM: Final = "HS256"
HEADER: Final = {"alg": ALGORITHM}
BEGINNING: Final = urlsafe_b64encode(orjson.dumps(HEADER)).rstrip(b"=").decode()  # of each token, up to its first dot
ALLOWED_SKEW_SECONDS: Final = 60
MOST_CHARACTERS: Final = 8192
SEAL_BYTES: Final = 12
REGISTERED: Final = frozenset({"exp", "iat", "purpose"})


class BadToken(Exception):
    """The token was not made here, not for this purpose, or is no token at all."""


class ExpiredToken(BadToken):
    """Everything about the token is right, except that its time is over."""


class Signer:
    """Makes and reads tokens: JWS in compact form, safe in a URL, with one key per purpose.

    The keys are derived from SECRET_KEY, so a token of one purpose never passes for another's.
    joserfc takes 11 us to sign the link of one attachment and 16 us to read it: no need for anything of our own.
    """

    def __init__(self, secret_key: str, *trusted: str) -> None:
        """`secret_key`: signs; what one of the `trusted` has signed is read as well."""
        if not secret_key:
            raise ValueError("SECRET_KEY is empty: nothing can be signed")
        self._secrets = [key.encode() for key in (secret_key, *trusted)]
        self._keys: dict[str, list[OctKey]] = {}

    def sign(self, purpose: str, claims: Mapping[str, Any], seconds: int) -> str:
        """A token that carries these claims (JSON values) for so many seconds from now."""
        if not REGISTERED.isdisjoint(claims):
            raise ValueError(f"{', '.join(sorted(REGISTERED))} are set here, not by the caller")
        now = int(time.time())
        payload = orjson.dumps({**claims, "iat": now, "exp": now + seconds, "purpose": purpose})
        return jws.serialize_compact(HEADER, payload, self._keys_for(purpose)[0], algorithms=[ALGORITHM])

    def read(self, purpose: str, token: str) -> dict[str, Any]:
        """The claims of a token, with `iat`, `exp` and `purpose`. Raises `BadToken`: `ExpiredToken` if only late."""
        if len(token) > MOST_CHARACTERS:
            raise BadToken("The token is too long.")
        try:
            claims = orjson.loads(self._signed(purpose, token))
        except (JoseError, ValueError, RecursionError) as error:
            raise BadToken("The token was not made here.") from error
        if not isinstance(claims, dict) or claims.get("purpose") != purpose:
            raise BadToken("The token is for something else.")
        issued, expires = claims.get("iat"), claims.get("exp")
        now = time.time()
        if type(issued) is not int or type(expires) is not int or issued > now + ALLOWED_SKEW_SECONDS:
            raise BadToken("The token has no time, or one that has not come yet.")
        if expires <= now:
            raise ExpiredToken("The token is not valid any more.")
        return claims

    def seal(self, purpose: str, value: bytes) -> bytes:
        """Twelve bytes that only who has SECRET_KEY can make for this value; for where a token has no room."""
        return next(self._seals(purpose, value))

    def sealed(self, purpose: str, value: bytes, seal: bytes) -> bool:
        """Whether it is the seal of this value."""
        return any(hmac.compare_digest(right, seal) for right in self._seals(purpose, value))

    def _seals(self, purpose: str, value: bytes) -> Iterator[bytes]:
        for secret in self._secrets:
            key = hmac.digest(secret, b"deskwire-seal:" + purpose.encode(), "sha256")
            yield hmac.digest(key, value, "sha256")[:SEAL_BYTES]

    def _signed(self, purpose: str, token: str) -> bytes:
        """What one of the keys has signed. Raises JoseError and ValueError."""
        wrong = BadSignatureError()
        for key in self._keys_for(purpose):
            try:
                return jws.deserialize_compact(token, key, algorithms=[ALGORITHM]).payload or b""
            except BadSignatureError as error:
                wrong = error
        raise wrong

    def _keys_for(self, purpose: str) -> list[OctKey]:
        keys = self._keys.get(purpose)
        if keys is None:  # purposes are names in our code, so there are only a few
            derived = [hmac.digest(secret, b"deskwire:" + purpose.encode(), "sha256") for secret in self._secrets]
            keys = self._keys[purpose] = [OctKey.import_key(each) for each in derived]
        return keys
