"""People who sign in with a provider of their own: by its keys, over HTTP, whatever becomes of it."""

import asyncio
import base64
import hmac
import time
from types import SimpleNamespace

import httpx
import orjson
import pytest
from joserfc.jwk import RSAKey
from oidc import CLIENT, Provider

from infra import checks, issuer
from infra import settings as infra_settings
from models import Role
from web.app import App

WHO = "{ viewer { person { name email role locale } } }"
VERIFIED = {"email": "carla.customer@example.com", "email_verified": True}


class Holder:
    def __init__(self, token):
        self.token = token


@pytest.fixture
def provider():
    made = Provider()
    yield made
    made.close()


@pytest.fixture
async def served(migrated, provider, database, asking):
    """Serves the application with this provider, and gives how to ask it."""
    apps = []

    async def begun(**given):
        given = {"oidc_issuer": provider.url, "oidc_audience": CLIENT} | given
        app = App(migrated.model_copy(update=given))
        running = app.running()
        await running.__aenter__()
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://desk.test")
        apps.append((running, client))
        asked = asking(client)
        asked.app = app
        return asked

    yield begun
    for running, client in apps:
        await client.aclose()
        await running.__aexit__(None, None, None)


@pytest.fixture
async def api(served):
    """Asks the application that knows the provider."""
    return await served()


@pytest.fixture
def later(monkeypatch):
    """Lets so many seconds pass for whoever keeps keys."""
    passed = [0.0]
    # For it alone: the loop's own timers must not be moved.
    moved = SimpleNamespace(time=time.time, monotonic=lambda: time.monotonic() + passed[0])
    monkeypatch.setattr(issuer, "time", moved)

    def wait(seconds):
        passed[0] += seconds

    return wait


async def status(api, token):
    return (await api.post(Holder(token), WHO)).status_code


async def people(database):
    return await database.rows("SELECT name, email, role, locale FROM people ORDER BY email")


# --- Who somebody is --------------------------------------------------------------------------------------------------


async def test_somebody_known_is_found_by_the_address_and_then_by_the_subject(api, provider, database, customer):
    first = await api(Holder(provider.token(**VERIFIED)), WHO)
    assert first["viewer"]["person"]["name"] == "Carla Customer"
    await database.rows("UPDATE people SET email = 'other@example.com' WHERE id = :id", id=customer.id)

    assert (await api(Holder(provider.token()), WHO))["viewer"]["person"]["email"] == "other@example.com"
    again = await api(Holder(provider.token(email="carla@new.example.com", email_verified=False)), WHO)
    assert again["viewer"]["person"]["email"] == "other@example.com"
    assert len(await people(database)) == 1


async def test_the_audit_log_tells_who_came_once_for_a_token(served, provider, database, customer):
    token = Holder(provider.token(**VERIFIED))
    for api in (await served(), await served()):
        await api(token, WHO)

    (entry,) = await database.rows("SELECT * FROM audit_entries WHERE action = 'signInElsewhere'")

    assert (entry["actor_id"], entry["subject_id"], entry["ip_address"]) == (customer.id, customer.id, "127.0.0.1")
    assert token.token not in str(entry)


async def test_staff_keep_their_role_whatever_the_token_says(api, provider, agent):
    token = provider.token(email=agent.email, email_verified=True, role="ADMIN", roles=["ADMIN"])

    assert (await api(Holder(token), WHO))["viewer"]["person"]["role"] == "AGENT"


async def test_somebody_unknown_becomes_a_customer(api, provider, database):
    token = provider.token(email="Nora@Example.com", email_verified=True, name=" Nora\nNew ", locale="de")

    assert (await api(Holder(token), WHO))["viewer"]["person"] == {
        "name": "Nora New",
        "email": "nora@example.com",
        "role": "CUSTOMER",
        "locale": "de",
    }
    (identity,) = await database.rows("SELECT issuer, subject FROM external_identities")
    assert identity == {"issuer": provider.url, "subject": "subject-1"}


async def test_what_cannot_be_a_name_or_language_does_not_matter(api, provider, database):
    said = {"name": "\x00 ", "locale": "de_DE!"}
    assert await status(api, provider.token(email="n@example.com", email_verified=True, **said)) == 200
    said = {"name": "x" * 500, "locale": 7}
    assert await status(api, provider.token("s2", email="o@example.com", email_verified=True, **said)) == 200
    assert [(len(row["name"]), row["locale"]) for row in await people(database)] == [(13, None), (200, None)]


async def test_somebody_unknown_is_refused_where_the_setting_says_so(served, provider, database, customer):
    api = await served(oidc_unknown="refuse")

    assert await status(api, provider.token("s2", email="nora@example.com", email_verified=True)) == 401
    assert await status(api, provider.token(**VERIFIED)) == 200
    assert len(await people(database)) == 1


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"email": "carla.customer@example.com"},
        {"email": "carla.customer@example.com", "email_verified": False},
        {"email": "carla.customer@example.com", "email_verified": "true"},
        {"email": "nonsense", "email_verified": True},
        {"email": ["carla.customer@example.com"], "email_verified": True},
    ],
)
async def test_an_address_that_was_not_verified_makes_nobody(api, provider, database, customer, claims):
    before = await database.counts()

    assert await status(api, provider.token(**claims)) == 401
    assert await database.counts() == before


async def test_another_subject_does_not_take_over_who_is_known(api, provider, database, customer):
    assert await status(api, provider.token(**VERIFIED)) == 200
    before = await database.counts()

    assert await status(api, provider.token("subject-2", **VERIFIED)) == 401
    assert await database.counts() == before


async def test_many_first_requests_at_once_make_one_person(api, provider, database):
    token = provider.token(email="nora@example.com", email_verified=True)
    other = provider.token(email="nora@example.com", email_verified=True, nonce="2")

    assert set(await asyncio.gather(*(status(api, each) for each in [token, other] * 5))) == {200}
    counts = await database.counts()
    assert (counts["people"], counts["external_identities"], counts["sessions"]) == (1, 1, 2)


async def test_whoever_is_shut_out_stays_so(api, provider, database, customer):
    assert await status(api, provider.token(**VERIFIED)) == 200
    await database.rows("UPDATE people SET active = false")

    assert await status(api, provider.token(**VERIFIED, nonce="new")) == 401
    await database.rows("DELETE FROM external_identities")
    assert await status(api, provider.token(**VERIFIED, nonce="newer")) == 401


async def test_our_own_tokens_go_on_and_the_desk_tells_both_ways(served, provider, monkeypatch, customer):
    monkeypatch.setenv("OIDC_ISSUER", provider.url)
    monkeypatch.setenv("OIDC_AUDIENCE", CLIENT)
    infra_settings.load.cache_clear()
    try:
        api = await served()
        assert await status(api, customer.token) == 200
        told = (await api(None, "{ desk { signInMethods externalIssuer } }"))["desk"]
    finally:
        monkeypatch.undo()
        infra_settings.load.cache_clear()

    assert told == {"signInMethods": ["PASSWORD", "EMAIL_LINK", "EXTERNAL"], "externalIssuer": provider.url}


# --- Sessions ---------------------------------------------------------------------------------------------------------


async def test_signing_out_ends_the_token_here_and_no_other(api, provider, customer):
    token, other = provider.token(**VERIFIED), provider.token(**VERIFIED, nonce="2")
    assert [await status(api, each) for each in (token, other)] == [200, 200]

    answer = await api(Holder(token), "mutation { signOut(input: {}) { ... on SignOutSuccess { endedSessionCount } } }")

    assert answer == {"signOut": {"endedSessionCount": 1}}
    assert [await status(api, each) for each in (token, other)] == [401, 200]


async def test_a_token_that_was_ended_is_not_revived_by_writing_it_in_another_way(api, provider, customer):
    token = provider.token(**VERIFIED)
    assert await status(api, token) == 200
    await api(Holder(token), "mutation { signOut(input: {}) { __typename } }")

    alike = [token[:-1] + letter for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"]

    assert {await status(api, each) for each in [*alike, f"{token}=", f"{token}=="]} == {401}


async def test_a_token_is_not_looked_up_for_each_request(api, provider, customer, monkeypatch):
    token = provider.token(**VERIFIED)
    assert await status(api, token) == 200
    monkeypatch.setattr(api.app.desk.issuer, "read", None)

    assert await status(api, token) == 200


async def test_another_role_ends_the_tokens_of_before(api, provider, house, customer):
    admin = await house.person("Alex Admin", Role.ADMIN)
    token = provider.token(**VERIFIED)
    assert await status(api, token) == 200

    query = "mutation($input: UpdatePersonInput!) { updatePerson(input: $input) { __typename } }"
    await api(admin, query, input={"personId": customer.gid, "role": "AGENT"})

    assert await status(api, token) == 401
    fresh = await api(Holder(provider.token(nonce="2")), WHO)
    assert fresh["viewer"]["person"]["role"] == "AGENT"


# --- Forged, expired, for others --------------------------------------------------------------------------------------


def encoded(part):
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def by_secret(body, secret):
    """A token as a library would take it that believes in the algorithm that a token names."""
    signed = encoded(b'{"alg":"HS256","kid":"first"}') + f".{body}"
    return f"{signed}.{encoded(hmac.digest(secret, signed.encode(), 'sha256'))}"


def forged(provider):
    """Tokens that are not to be believed, by what is wrong with them."""
    now = int(time.time())
    public = provider.keys[provider.kid][1]
    head, body, signature = provider.token(**VERIFIED).split(".")
    another = encoded(orjson.dumps({"iss": provider.url, "aud": CLIENT, "sub": "root", "exp": now + 60} | VERIFIED))
    none = encoded(b'{"alg":"none","kid":"first"}')
    capitals = encoded(b'{"alg":"NONE","kid":"first"}')
    made = lambda **given: provider.token(**(VERIFIED | given))  # noqa: E731
    return {
        "no signature": f"{none}.{body}.",
        "no signature in capitals": f"{capitals}.{body}.",
        "a signature by the public key as a secret": by_secret(body, public.as_pem(private=False)),
        "the same without the last line break": by_secret(body, public.as_pem(private=False).strip()),
        "a signature by the published key as a secret": by_secret(
            body, orjson.dumps(provider.published("first", public))
        ),
        "another's key": made(key=RSAKey.generate_key(2048)),
        "another's key that it brings along": made(
            key=(own := RSAKey.generate_key(2048)), header={"jwk": own.as_dict(private=False)}
        ),
        "another algorithm": made(header={"alg": "PS256"}).replace(made(header={"alg": "PS256"}).split(".")[0], head),
        "other claims": f"{head}.{another}.{signature}",
        "half a signature": f"{head}.{body}.{signature[:40]}",
        "another header": f"{head}x.{body}.{signature}",
        "a logout token": made(header={"typ": "logout+jwt"}),
        "another audience": made(aud="another-client"),
        "other audiences": made(aud=["a", "b"]),
        "no audience": made(without=("aud",)),
        "part of the audience": made(aud=CLIENT[:-1]),
        "another issuer": made(iss="https://evil.example.com"),
        "the issuer with a slash": made(iss=provider.url + "/"),
        "expired": made(exp=now - 1),
        "never expiring": made(without=("exp",)),
        "expiring in words": made(exp="tomorrow"),
        "endless": made(exp=1e300),
        "of tomorrow": made(nbf=now + 86400),
        "issued tomorrow": made(iat=now + 86400),
        "issued tomorrow, for today": made(iat=now + 86400, nbf=now - 1),
        "never issued": made(without=("iat",)),
        "nobody's": made(without=("sub",)),
        "of a number": made(sub=7),
        "of an empty subject": made(sub=""),
        "an unknown key": made(header={"kid": "unknown"}),
        "half a header": f"{head[:-2]}.{body}.{signature}",
    }


async def test_what_is_forged_expired_or_for_others_is_refused(api, provider, database, customer):
    assert await status(api, provider.token(**VERIFIED)) == 200
    before = await database.counts()

    wrong = forged(provider)

    assert {name: await status(api, token) for name, token in wrong.items()} == dict.fromkeys(wrong, 401)
    assert await database.counts() == before


async def test_one_of_several_audiences_will_do(api, provider, customer):
    assert await status(api, provider.token(**VERIFIED, aud=["account", CLIENT])) == 200
    assert await status(api, provider.token(**VERIFIED, header={"typ": "at+jwt"})) == 200
    assert await status(api, provider.token(**VERIFIED, header={"typ": None, "kid": None})) == 200  # it has one key


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256"])
async def test_the_algorithms_that_providers_use(api, provider, customer, algorithm):
    provider.rotate("its", algorithm)

    assert await status(api, provider.token(**VERIFIED)) == 200


async def test_a_secret_that_a_provider_publishes_signs_nothing(api, provider, customer):
    provider.rotate("secret", "HS256", keep=True)

    assert await status(api, provider.token(**VERIFIED)) == 401


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")  # of the key that is weak
async def test_a_weak_key_signs_nothing(api, provider, customer):
    provider.keys["weak"] = ("RS256", RSAKey.generate_key(1024))
    provider.kid = "weak"

    assert await status(api, provider.token(**VERIFIED)) == 401


# --- Keys that change, and a provider that is away --------------------------------------------------------------------


async def test_keys_are_fetched_once_for_all_who_wait(api, provider, customer):
    tokens = [provider.token(**VERIFIED, nonce=str(number)) for number in range(10)]

    assert {*(await asyncio.gather(*(status(api, token) for token in tokens)))} == {200}
    assert provider.fetches == 1


async def test_a_new_key_is_found_and_one_of_before_goes(api, provider, later, customer):
    old = provider.token(**VERIFIED)
    assert await status(api, old) == 200
    later(issuer.PAUSE_SECONDS + 1)

    provider.rotate("second", keep=True)
    assert await status(api, provider.token(**VERIFIED)) == 200
    provider.kid = "first"
    assert await status(api, provider.token(**VERIFIED, nonce="2")) == 200
    later(issuer.PAUSE_SECONDS + 1)

    provider.rotate("third")
    assert await status(api, provider.token(**VERIFIED, nonce="3")) == 200
    provider.keys["first"] = ("RS256", RSAKey.generate_key(2048))
    provider.kid = "first"
    stale = provider.token(**VERIFIED, nonce="4")
    del provider.keys["first"]
    assert await status(api, stale) == 401


async def test_unknown_keys_make_no_flood_of_fetches(api, provider, later, customer):
    assert await status(api, provider.token(**VERIFIED)) == 200
    unknown = [provider.token(**VERIFIED, header={"kid": f"k{number}"}) for number in range(20)]

    assert {*(await asyncio.gather(*(status(api, token) for token in unknown)))} == {401}
    assert provider.fetches == 1  # the last was just now
    later(issuer.PAUSE_SECONDS + 1)
    assert {*(await asyncio.gather(*(status(api, token) for token in unknown)))} == {401}
    assert provider.fetches == 2


async def test_known_keys_are_believed_for_a_day_while_the_provider_is_away(api, provider, later, customer):
    assert await status(api, provider.token(**VERIFIED)) == 200
    provider.status = 500

    later(issuer.FRESH_SECONDS + 1)
    assert await status(api, provider.token(**VERIFIED, nonce="2")) == 200
    later(issuer.KEPT_SECONDS - 2 * issuer.FRESH_SECONDS)
    assert await status(api, provider.token(**VERIFIED, nonce="3")) == 200
    later(2 * issuer.FRESH_SECONDS)
    assert await status(api, provider.token(**VERIFIED, nonce="4")) == 503

    provider.status = 200
    later(issuer.PAUSE_SECONDS + 1)
    assert await status(api, provider.token(**VERIFIED, nonce="5")) == 200


async def test_without_any_key_the_client_is_told_to_try_again(api, provider, customer):
    provider.status = 503
    response = await api.post(Holder(provider.token(**VERIFIED)), WHO)

    assert response.status_code == 503
    assert response.json()["errors"][0]["extensions"] == {"code": "UNAVAILABLE"}
    assert await status(api, customer.token) == 200  # who has a token of ours does not notice


async def test_a_new_key_while_the_provider_is_away_is_not_called_wrong(api, provider, later, customer):
    assert await status(api, provider.token(**VERIFIED)) == 200
    provider.rotate("second")
    provider.status = 500
    later(issuer.PAUSE_SECONDS + 1)

    assert await status(api, provider.token(**VERIFIED)) == 503


async def test_the_keys_of_another_issuer_are_not_taken(api, provider, customer):
    provider.claimed_issuer = "https://evil.example.com"

    assert await status(api, provider.token(**VERIFIED)) == 503


async def test_keys_that_are_not_fresh_are_fetched_beside_what_goes_on(api, provider, later, customer):
    assert await status(api, provider.token(**VERIFIED)) == 200
    later(issuer.FRESH_SECONDS + 1)

    assert await status(api, provider.token(**VERIFIED, nonce="2")) == 200
    await api.app.desk.issuer._fetching
    assert provider.fetches == 2


async def test_without_a_provider_its_tokens_are_no_tokens(served, provider, customer):
    api = await served(oidc_issuer=None, oidc_audience=None)

    assert await status(api, provider.token(**VERIFIED)) == 401
    assert provider.fetches == 0


async def test_while_the_database_is_away_nobody_is_told_that_a_token_is_wrong(served, provider, customer):
    api = await served(database_url="postgresql://nobody@127.0.0.1:1/none")

    for token in (provider.token(**VERIFIED), "dwt_" + "x" * 43):
        response = await api.post(Holder(token), WHO)
        assert response.status_code == 503
        assert response.json()["errors"][0]["extensions"] == {"code": "UNAVAILABLE"}
    assert await status(api, provider.token(**VERIFIED, exp=int(time.time()) - 1)) == 401


async def test_the_operator_s_check_asks_the_provider(migrated, provider):
    async def checked():
        told = await checks.check(migrated.model_copy(update={"oidc_issuer": provider.url}))
        return next(result for result in told if result.name == "identity provider")

    found = await checked()
    provider.status = 500
    lost = await checked()

    assert (found.good, found.said) == (True, f"{provider.url} publishes 1 keys that fit")
    assert not lost.good
    assert "500" in lost.said
    assert "identity provider" not in {result.name for result in await checks.check(migrated)}
