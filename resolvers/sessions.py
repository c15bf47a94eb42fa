"""Signing in and out, and what may be known before."""

import models
from domain import access, passwords, people, profiles, refusals, sessions, signing_up
from domain.access import Viewer
from domain.facts import Facts
from infra.settings import load
from infra.unit import Unit
from planner.fields import planned
from resolvers.writing import mutation, optional_key
from schema.context import Context
from schema.inputs import given, present
from schema.sessions import (
    Desk,
    RefreshSessionInput,
    RefreshSessionResult,
    RefreshSessionSuccess,
    RequestSignInLinkInput,
    RequestSignInLinkResult,
    RequestSignInLinkSuccess,
    Session,
    SetPasswordInput,
    SetPasswordResult,
    SetPasswordSuccess,
    SignInInput,
    SignInResult,
    SignInSuccess,
    SignInWithLinkInput,
    SignInWithLinkResult,
    SignInWithLinkSuccess,
    SignOutInput,
    SignOutResult,
    SignOutSuccess,
    SignUpInput,
    SignUpResult,
    SignUpSuccess,
    UpdateProfileInput,
    UpdateProfileResult,
    UpdateProfileSuccess,
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


@mutation(
    "Asks to become a customer; a sign-in link goes to the address. Says nothing about whether the address is known. "
    "Everyone; at most 5 an hour for one network address.",
    everyone=True,
)
async def sign_up(context: Context, input: SignUpInput) -> SignUpResult:
    address = await signing_up.ask(
        context.desk, context.network, name=input.name, email=input.email, locale=given(input.locale)
    )
    return SignUpSuccess(email=address)


@mutation("Signs in by email address and password. Everyone.", everyone=True)
async def sign_in(context: Context, input: SignInInput) -> SignInResult:
    _only_one(context)
    opened = await sessions.sign_in(context.desk, context.network, email=input.email, password=input.password)
    return SignInSuccess(session=_session(context, opened, use_cookie=input.use_cookie))


@mutation(
    "Sends a link that signs in once, within 15 minutes. Says nothing about whether the address is known. Everyone.",
    everyone=True,
)
async def request_sign_in_link(context: Context, input: RequestSignInLinkInput) -> RequestSignInLinkResult:
    return RequestSignInLinkSuccess(email=await sessions.request_link(context.desk, context.network, email=input.email))


@mutation(
    "Signs in by the token of an emailed link. A link in an email about a ticket opens a session that sees this ticket "
    "alone: enough to read, comment, confirm and rate without an account. Everyone.",
    everyone=True,
)
async def sign_in_with_link(context: Context, input: SignInWithLinkInput) -> SignInWithLinkResult:
    _only_one(context)
    opened = await sessions.sign_in_with_link(context.desk, context.network, token=input.token)
    return SignInWithLinkSuccess(session=_session(context, opened, use_cookie=input.use_cookie))


@mutation(
    "Trades a refresh token for a new session. A token that comes back a second time ends its whole chain. Everyone.",
    everyone=True,
)
async def refresh_session(context: Context, input: RefreshSessionInput) -> RefreshSessionResult:
    _only_one(context)
    token = given(input.refresh_token)
    by_cookie = token is None
    opened = await sessions.refresh(context.desk, context.network, token=context.refresh_cookie if by_cookie else token)
    return RefreshSessionSuccess(session=_session(context, opened, use_cookie=by_cookie))


@mutation("Ends this session and its sockets.")
async def sign_out(unit: Unit, context: Context, input: SignOutInput) -> SignOutResult:
    ended = await sessions.sign_out(unit, context.viewer, context.session_id, everywhere=input.everywhere)
    context.set_cookie(COOKIE, "", unit.now)
    return SignOutSuccess(ended_session_count=ended)


@mutation("Sets the viewer's password and ends their other sessions.")
async def set_password(context: Context, input: SetPasswordInput) -> SetPasswordResult:
    access.sign_in_required(context.viewer)
    _only_one(context)
    current = given(input.current_password)
    await passwords.set_own(context.desk, context.viewer, context.session_id, current=current, new=input.new_password)
    return SetPasswordSuccess(viewer=context.viewer.id)


@mutation("Changes what the viewer says of themselves.")
async def update_profile(unit: Unit, context: Context, input: UpdateProfileInput) -> UpdateProfileResult:
    said = present(input, "name", "locale", "time_zone")
    if "avatar_upload_id" in present(input, "avatar_upload_id"):
        said["avatar_upload_id"] = optional_key(input.avatar_upload_id, models.Upload, "avatarUploadId")
    await profiles.update_own(unit, context.viewer, said)
    return UpdateProfileSuccess(viewer=context.viewer.id)
