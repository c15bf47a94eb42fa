"""Another issuer's tokens, by OpenID Connect: its keys, fetched and kept, and what a token of it says."""

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass
from typing import Any, Final

import orjson
import structlog
import urllib3
from joserfc import jwk, jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from infra.logs import on_its_own
from infra.postgres import Unavailable
from infra.settings import Settings
from infra.signing import ALLOWED_SKEW_SECONDS, MOST_CHARACTERS, BadToken, ExpiredToken

log = structlog.get_logger(__name__)

# Signatures by private keys alone, whatever a token asks for: nobody can sign with what the issuer publishes.
ALGORITHMS: Final = ("RS256", "PS256", "ES256")
KINDS: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})  # no logout token or the like passes for one of these
LEAST_RSA_BITS: Final = 2048
FRESH_SECONDS: Final = 600.0  # after which keys are fetched anew, beside what goes on
KEPT_SECONDS: Final = 24 * 60 * 60.0  # for so long they are believed while the issuer is away
PAUSE_SECONDS: Final = 10.0  # between two fetches, whatever key a token names
FETCH_SECONDS: Final = 5.0
MOST_BYTES: Final = 256 * 1024
MOST_SUBJECT: Final = 255
LATEST: Final = 1e11  # seconds, of a year that datetime knows
AWAY: Final = "The identity provider can't be asked now. Try again."

Key = RSAKey | ECKey


@dataclass(frozen=True, slots=True)
class Said:
    """What a good token says of whoever holds it."""

    subject: str
    email: str | None  # only one that the issuer has verified
    name: str | None
    locale: str | None
    expires_at: int


class Issuer:
    """The issuer that the settings name. Its keys are fetched when they are first needed, by the way its discovery
    document tells.
    """

    def __init__(self, settings: Settings) -> None:
        self.url = settings.oidc_issuer
        self._audience = settings.oidc_audience
        self._http = urllib3.PoolManager(timeout=FETCH_SECONDS, retries=False, maxsize=1)
        self._registry = jws.JWSRegistry(algorithms=list(ALGORITHMS), strict_check_header=False)
        self._keys: dict[str | None, Key] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._away = False
        self._fetching: asyncio.Task[None] | None = None

    def close(self) -> None:
        """Let go of its connections."""
        if self._fetching is not None:
            self._fetching.cancel()
        self._http.clear()

    def is_of(self, token: str) -> bool:
        """Whether the token says that it is this issuer's, which proves nothing."""
        if self.url is None or len(token) > MOST_CHARACTERS:
            return False
        try:
            return _claims(jws.extract_compact(token.encode(), registry=self._registry)).get("iss") == self.url
        except (JoseError, BadToken, ValueError, RecursionError):
            return False

    async def read(self, token: str) -> Said:
        """What a token says. Raises BadToken, or ExpiredToken if it is only late; Unavailable when no key is known."""
        try:
            signed = jws.extract_compact(token.encode(), registry=self._registry)
            header = signed.headers()
        except (JoseError, ValueError, RecursionError) as error:
            raise BadToken("This is no token.") from error
        algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
        if algorithm not in ALGORITHMS or not isinstance(kid, str | None) or str(kind).lower() not in KINDS:
            raise BadToken("Tokens are not signed in this way.")
        key = await self._key(kid)
        try:
            good = jws.validate_compact(signed, key, algorithms=[algorithm], registry=self._registry)
        except (JoseError, ValueError, TypeError) as error:
            raise BadToken("The key does not fit.") from error
        if not good:
            raise BadToken("The issuer has not signed this.")
        return self._said(_claims(signed))

    def _said(self, claims: dict[str, Any]) -> Said:
        audience, subject = claims.get("aud"), claims.get("sub")
        expires, issued, now = _time(claims.get("exp")), _time(claims.get("iat")), time.time()
        begins = max(issued, _time(claims.get("nbf", issued)))
        if claims.get("iss") != self.url or self._audience not in (
            audience if isinstance(audience, list) else [audience]
        ):
            raise BadToken("The token is for somebody else.")
        if not isinstance(subject, str) or not 1 <= len(subject) <= MOST_SUBJECT or "\0" in subject:
            raise BadToken("The token is nobody's.")
        if begins > now + ALLOWED_SKEW_SECONDS:
            raise BadToken("The time of the token has not come yet.")
        if expires <= now:
            raise ExpiredToken("The token is not valid any more.")
        email = claims.get("email") if claims.get("email_verified") is True else None
        return Said(subject, _text(email), _text(claims.get("name")), _text(claims.get("locale")), int(expires))

    async def check(self) -> str:
        """What to say of its keys, fetched now. Raises what is the matter."""
        return f"{self.url} publishes {len(await asyncio.to_thread(self._published))} keys that fit"

    # --- Keys --------------------------------------------------------------------------------------------------------

    async def _key(self, kid: str | None) -> Key:
        """The key of this name; of no name, when the issuer has only one."""
        age = time.monotonic() - self._fetched_at
        if age > KEPT_SECONDS:
            self._keys = {}
        if self._found(kid) is None:
            await self._fetch()
        elif age > FRESH_SECONDS:
            self._begin()
        if not self._keys:
            raise Unavailable(AWAY)
        key = self._found(kid)
        if key is None:
            if self._away:  # it may be one that is new
                raise Unavailable(AWAY)
            raise BadToken("The issuer has no such key.")
        return key

    def _found(self, kid: str | None) -> Key | None:
        if kid is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(kid)

    async def _fetch(self) -> None:
        """Fetch the keys, unless that was tried just now; all who wait for them wait for one fetch."""
        task = self._begin()
        if task is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FETCH_SECONDS):
                    await asyncio.shield(task)

    def _begin(self) -> asyncio.Task[None] | None:
        """The fetch that is under way; a new one if the last is long enough ago."""
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        if time.monotonic() - self._tried_at < PAUSE_SECONDS:
            return None
        self._tried_at = time.monotonic()
        self._fetching = on_its_own(self._renew())
        return self._fetching

    async def _renew(self) -> None:
        try:
            found = await asyncio.to_thread(self._published)
        except (urllib3.exceptions.HTTPError, ValueError, KeyError, TypeError) as error:
            log.warning("issuer_unavailable", issuer=self.url, error=repr(error))
            self._away = True
            return
        self._away = False
        self._keys, self._fetched_at = found, time.monotonic()

    def _published(self) -> dict[str | None, Key]:
        """The keys that the issuer publishes for signatures. Raises ValueError for what is no such document."""
        about = self._get(f"{str(self.url).rstrip('/')}/.well-known/openid-configuration")
        if about["issuer"] != self.url:
            raise ValueError(f"The document is of {about['issuer']!r}.")
        where = str(about["jwks_uri"])
        if str(self.url).startswith("https:") and not where.startswith("https:"):
            raise ValueError("The keys are not fetched by https.")
        found: dict[str | None, Key] = {}
        for published in self._get(where)["keys"]:
            if key := _usable(published):
                found[published.get("kid")] = key
        if not found:
            raise ValueError("There is no key that can be used.")
        return found

    def _get(self, url: str) -> dict[str, Any]:
        response = self._http.request("GET", url, preload_content=False, redirect=False)
        try:
            body = response.read(MOST_BYTES + 1, decode_content=True)
        finally:
            response.release_conn()
        if response.status != 200 or len(body) > MOST_BYTES:  # noqa: PLR2004 # HTTP's own number
            raise ValueError(f"{url} answers {response.status} with {len(body)} bytes.")
        found = orjson.loads(body)
        if not isinstance(found, dict):
            raise ValueError(f"{url} is no object.")  # noqa: TRY004 # it is the issuer's value that is wrong
        return found


def _usable(published: Any) -> Key | None:
    """The key, if signatures are checked with it and it is a public key that is strong enough."""
    try:
        if published.get("use", "sig") != "sig" or published["kty"] not in {"RSA", "EC"} or "d" in published:
            return None
        key = jwk.import_key(published)
        if isinstance(key, RSAKey) and key.raw_value.key_size < LEAST_RSA_BITS:
            return None
    except (JoseError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("issuer_key_unusable", error=repr(error))
        return None
    return key if isinstance(key, RSAKey | ECKey) else None


def _claims(signed: jws.CompactSignature) -> dict[str, Any]:
    claims = json.loads(signed.payload or b"")
    if not isinstance(claims, dict):
        raise BadToken("The token claims nothing.")
    return claims


def _time(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < LATEST:
        raise BadToken("The token has no time.")
    return value


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
