"""Signing in and out, and what may be known before."""

from domain import access, people, refusals, sessions
from domain.access import Viewer
from domain.facts import Facts
from infra.settings import load
from infra.unit import Unit
from planner.fields import planned
from resolvers.writing import mutation
from schema.context import Context
from schema.inputs import given
from schema.sessions import (
    Desk,
    RefreshSessionInput,
    RefreshSessionResult,
    RefreshSessionSuccess,
    RequestSignInLinkInput,
    RequestSignInLinkResult,
    RequestSignInLinkSuccess,
    Session,
    SignInInput,
    SignInResult,
    SignInSuccess,
    SignInWithLinkInput,
    SignInWithLinkResult,
    SignInWithLinkSuccess,
    SignOutInput,
    SignOutResult,
    SignOutSuccess,
)
from schema.viewer import ViewerType

COOKIE = "deskwire_refresh"


@planned("What a client needs to know before anyone signs in. Everyone.")
def desk(viewer: Viewer) -> Desk | None:
    return Facts.of(load())


@planned("Who asks, and what is theirs alone; null when nobody is signed in. Everyone.", name="viewer")
def viewer_(viewer: Viewer) -> ViewerType | None:
    return people.self_of(viewer)


def _session(context: Context, opened: sessions.Opened, *, use_cookie: bool) -> Session:
    context.viewer, context.session_id = opened.viewer, opened.session_id
    if use_cookie:
        context.set_cookie(COOKIE, opened.refresh_token, opened.refresh_token_expires_at)
    return Session(
        access_token=opened.access_token,
        access_token_expires_at=opened.access_token_expires_at,
        refresh_token=None if use_cookie else opened.refresh_token,
        refresh_token_expires_at=opened.refresh_token_expires_at,
        viewer=opened.viewer.id,
    )


def _only_one(context: Context) -> None:
    """Credentials are tried once per request, however many aliases it has."""
    if context.tried:
        raise refusals.RateLimited(1)
    context.tried = True


@mutation("Signs in by email address and password. Everyone.")
async def sign_in(context: Context, input: SignInInput) -> SignInResult:
    _only_one(context)
    opened = await sessions.sign_in(context.desk, context.network, email=input.email, password=input.password)
    return SignInSuccess(session=_session(context, opened, use_cookie=input.use_cookie))


@mutation(
    "Sends a link that signs in once, within 15 minutes. Says nothing about whether the address is known. Everyone."
)
async def request_sign_in_link(context: Context, input: RequestSignInLinkInput) -> RequestSignInLinkResult:
    return RequestSignInLinkSuccess(email=await sessions.request_link(context.desk, context.network, email=input.email))


@mutation(
    "Signs in by the token of an emailed link. A link in an email about a ticket opens a session that sees this ticket "
    "alone: enough to read, comment, confirm and rate without an account. Everyone."
)
async def sign_in_with_link(context: Context, input: SignInWithLinkInput) -> SignInWithLinkResult:
    _only_one(context)
    opened = await sessions.sign_in_with_link(context.desk, context.network, token=input.token)
    return SignInWithLinkSuccess(session=_session(context, opened, use_cookie=input.use_cookie))


@mutation(
    "Trades a refresh token for a new session. A token that comes back a second time ends its whole chain. Everyone."
)
async def refresh_session(context: Context, input: RefreshSessionInput) -> RefreshSessionResult:
    _only_one(context)
    token = given(input.refresh_token)
    by_cookie = token is None
    opened = await sessions.refresh(context.desk, context.network, token=context.refresh_cookie if by_cookie else token)
    return RefreshSessionSuccess(session=_session(context, opened, use_cookie=by_cookie))


@mutation("Ends this session and its sockets.")
async def sign_out(unit: Unit, context: Context, input: SignOutInput) -> SignOutResult:
    access.sign_in_required(context.viewer)
    ended = await sessions.sign_out(unit, context.viewer, context.session_id, everywhere=input.everywhere)
    context.set_cookie(COOKIE, "", unit.now)
    return SignOutSuccess(ended_session_count=ended)
