"""Access tokens that were not given, or not any more, or not for this: refused by every transport, before anything."""

import base64
import hashlib
import hmac
import json
import time
from uuid import uuid4

import pytest
from joserfc import jws
from joserfc.jwk import OctKey, RSAKey

from domain import messages
from domain.sessions import ACCESS, AUDIENCE, REFRESH
from infra.files import download_url
from infra.signing import Signer
from models import NotificationKind

WHO = "{ viewer { person { id } } }"


def encoded(part):
    return (
        base64.urlsafe_b64encode(part if isinstance(part, bytes) else json.dumps(part).encode()).rstrip(b"=").decode()
    )


def of_address(link):
    return link.rpartition("/")[2]


def by_hand(header, payload, key=b""):
    """A token as whoever knows the key would make it, whatever its header says."""
    said = f"{encoded(header)}.{payload}"
    digest = hashlib.sha512 if header.get("alg") == "HS512" else hashlib.sha256
    return f"{said}.{encoded(hmac.digest(key, said.encode(), digest)) if key else ''}"


@pytest.fixture
def forged(desk, customer, ticket):
    """Tokens that are not to be believed, by what is wrong with each; all name an admin's role."""
    good, now = customer.token, int(time.time())
    head, payload, signature = good.split(".")
    claims = {
        "iss": desk.settings.public_url,
        "aud": AUDIENCE,
        "sub": str(customer.id),
        "sid": str(customer.session_id),
        "role": "ADMIN",
        "ticket": None,
    }
    whole = claims | {"iat": now, "exp": now + 600, "purpose": ACCESS}
    admins = encoded(whole)
    secret = desk.settings.secret_key.encode()
    derived = hmac.digest(secret, b"deskwire:access", "sha256")
    rsa = RSAKey.generate_key(2048)
    sign = desk.signer.sign

    def ours(said):
        """Signed with our own key, as nobody else could, and wrong all the same."""
        key = OctKey.import_key(derived)
        return jws.serialize_compact({"alg": "HS256"}, json.dumps(said).encode(), key, algorithms=["HS256"])

    def lasting(**changed):
        return ours(whole | changed)

    def without(name):
        return ours({key: value for key, value in whole.items() if key != name})

    return {
        "algorithm none": by_hand({"alg": "none"}, admins),
        "algorithm None": by_hand({"alg": "None", "typ": "JWT"}, admins),
        "no algorithm": by_hand({"typ": "JWT"}, admins, derived),
        "none with the old signature": f"{encoded({'alg': 'none'})}.{payload}.{signature}",
        "another algorithm of the same key": by_hand({"alg": "HS512"}, admins, derived),
        "a private key": jws.serialize_compact({"alg": "RS256"}, json.dumps(whole), rsa, algorithms=["RS256"]),
        "a public key as the secret": by_hand({"alg": "HS256"}, admins, rsa.as_pem(private=False)),
        "a key that the token brings along": by_hand(
            {"alg": "HS256", "jwk": {"kty": "oct", "k": encoded(b"mine")}}, admins, b"mine"
        ),
        "a key of another name": by_hand({"alg": "HS256", "kid": "../../../dev/null"}, admins, b"\0"),
        "an empty key": by_hand({"alg": "HS256"}, admins, b"\0" * 32),
        "SECRET_KEY itself, not the key of this purpose": by_hand({"alg": "HS256"}, admins, secret),
        "another SECRET_KEY": Signer("another secret key, long enough").sign(ACCESS, claims, 600),
        "a critical header that nobody knows": by_hand({"alg": "HS256", "crit": ["x"], "x": 1}, admins, derived),
        "a payload that is not encoded": by_hand({"alg": "HS256", "b64": False, "crit": ["b64"]}, admins, derived),
        "another payload": f"{head}.{admins}.{signature}",
        "half a signature": good[:-20],
        "no signature": f"{head}.{payload}.",
        "no payload": f"{head}..{signature}",
        "two parts": f"{head}.{payload}",
        "five parts": f"{good}.x.y",
        "a letter more": f"{good}A",
        "spaces within": good.replace(".", " .", 1),
        "JSON in place of its compact form": json.dumps(
            {"payload": payload, "protected": head, "signature": signature}
        ),
        "a very long one": good + "A" * 10_000,
        "another issuer": sign(ACCESS, claims | {"iss": "https://elsewhere.example"}, 600),
        "another audience": sign(ACCESS, claims | {"aud": "another"}, 600),
        "many audiences": sign(ACCESS, claims | {"aud": [AUDIENCE]}, 600),
        "expired": lasting(exp=now - 1),
        "expired long ago, in another unit": lasting(exp=str(now + 600)),
        "without an end": without("exp"),
        "ending at true": lasting(exp=True),
        "issued tomorrow": lasting(iat=now + 86_400, exp=now + 90_000),
        "without a time": without("iat"),
        "without a purpose": without("purpose"),
        "another purpose within": lasting(purpose=REFRESH),
        "nobody's": without("sub"),
        "of no session": without("sid"),
        "of a role that there is not": sign(ACCESS, claims | {"role": "OWNER"}, 600),
        "of a person that is a list": sign(ACCESS, claims | {"sub": [str(customer.id)]}, 600),
        "an array of claims": ours([whole]),
        "no claims": ours({}),
        "a refresh token": sign(REFRESH, {"sid": str(customer.session_id), "number": 0}, 600),
        "a link to sign in": sign(messages.SIGN_IN_LINK, {"link": str(uuid4())} | claims, 600),
        "a link to a ticket": of_address(
            messages.ticket_link("", desk.signer, ticket.uuid, customer.id, customer.email)
        ),
        "a link to get no more mail": of_address(
            messages.unsubscribe_link("", desk.signer, customer.id, NotificationKind.COMMENT_ADDED)
        ),
        "a link to a file": of_address(
            download_url(desk.settings, desk.signer, key="k", filename="f", content_type="text/plain", size_bytes=1)
        ),
        "a link to send a file": sign("upload", {"id": str(uuid4())} | claims, 600),
        "a visitor's": sign("visitor", {"id": str(customer.id)} | claims, 600),
        "a program's token that was never made": "dwt_" + "A" * 43,
    }


async def test_the_hand_that_forges_is_able(api, desk, customer):
    """What is refused below is refused for what is wrong with it, since the same made right is taken."""
    key = hmac.digest(desk.settings.secret_key.encode(), b"deskwire:access", "sha256")
    claims = json.loads(base64.urlsafe_b64decode(customer.token.split(".")[1] + "=="))

    customer.token = by_hand({"alg": "HS256"}, encoded(claims | {"role": "CUSTOMER"}), key)

    assert (await api(customer, WHO))["viewer"]["person"]["id"] == customer.gid


async def test_no_forged_token_is_taken_by_http(http, forged, database):
    before = await database.counts()
    for name, token in forged.items():
        answer = await http.post("/graphql", json={"query": WHO}, headers={"Authorization": f"Bearer {token}"})
        assert (name, answer.status_code) == (name, 401)
        assert answer.json() == {
            "errors": [
                {
                    "message": "The access token is not valid, or not any more.",
                    "extensions": {"code": "UNAUTHENTICATED"},
                }
            ]
        }
    assert len(forged) >= 40
    assert await database.counts() == before


@pytest.mark.parametrize("transport", ["GET", "WebSocket", "event stream"])
async def test_no_forged_token_is_taken_by_another_transport(asked_by, forged, customer, transport):
    for name, token in forged.items():
        if token.isprintable() and not token.endswith("A" * 10_000):  # what a header can hold
            assert (name, await asked_by(transport, {"query": WHO}, token)) == (name, ["UNAUTHENTICATED"])


@pytest.mark.parametrize("scheme", ["Basic", "Token", "Bearer Bearer", "", "Negotiate"])
async def test_another_scheme_is_none_of_ours(http, customer, scheme):
    headers = {"Authorization": f"{scheme} {customer.token}".strip()}
    assert (await http.post("/graphql", json={"query": WHO}, headers=headers)).status_code == 401


async def test_no_token_of_another_purpose_opens_a_page_or_a_session(http, api, desk, customer, forged, database):
    """Each signed link does the one thing that it names."""
    before = await database.counts()
    tokens = forged | {"an access token": customer.token}
    pages = {"/t/": "a link to a ticket", "/unsubscribe/": "a link to get no more mail", "/files/": "", "/uploads/": ""}
    for page, own in pages.items():
        for name, token in tokens.items():
            if name not in {own, "a link to a file"} and token.isprintable() and "/" not in token:
                method = "PUT" if page == "/uploads/" else "GET"
                answer = await http.request(method, f"{page}{token}", headers={"Content-Length": "0"})
                assert answer.status_code in {403, 404}, (page, name)
    refresh = "mutation ($t: String) { refreshSession(input: {refreshToken: $t}) { __typename } }"
    sign_in = "mutation ($t: String!) { signInWithLink(input: {token: $t}) { __typename } }"
    for name, token in tokens.items():
        if name not in {"a refresh token", "a link to a ticket"}:
            for text in (refresh, sign_in):
                (answer,) = (await api(None, text, t=token)).values()
                assert answer["__typename"] in {"WrongCredentials", "RateLimited"}, name
    assert await database.counts() == before
