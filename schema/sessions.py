"""Signing in as the API shows it."""

import datetime as dt
from typing import Annotated, Union

import strawberry

from domain import people
from domain.facts import SignInMethod
from planner.fields import Payload, payload
from planner.scalars import URL
from schema.enums import described
from schema.inputs import optional, required
from schema.refusals import InvalidInput, NotAllowed, RateLimited, WrongCredentials
from schema.viewer import ViewerType

described(
    SignInMethod,
    "A way to sign in.",
    PASSWORD="Email address and password, by signIn.",  # noqa: S106 # a description
    EMAIL_LINK="A link sent by email, by requestSignInLink.",
    EXTERNAL="A token of the external identity provider.",
)


@strawberry.type(description="Facts about this installation.")
class Desk:
    name: str = strawberry.field(description="Its name, as shown to customers.")
    version: str = strawberry.field(description="Version of the software, such as 1.4.0.")
    sign_in_methods: list[SignInMethod] = strawberry.field(description="How people can sign in here.")
    external_issuer: URL | None = strawberry.field(
        description="The OpenID Connect issuer whose tokens are accepted; null when only the built-in one is."
    )
    max_attachment_bytes: int = strawberry.field(description="Largest attachment accepted, in bytes.")
    max_attachments_per_comment: int = strawberry.field(description="Most attachments on one comment.")
    attachment_types: list[str] = strawberry.field(
        description="Media types accepted as attachments, such as image/png or text/*."
    )
    confirmation_seconds: int = strawberry.field(
        description="How long a customer can confirm or reopen a resolved ticket before it closes by itself, "
        "in seconds."
    )


@strawberry.type(description="A signed-in session.")
class Session:
    access_token: str = strawberry.field(description="Bearer token for requests and sockets.")
    access_token_expires_at: dt.datetime = strawberry.field(description="When the access token ends.")
    refresh_token: str | None = strawberry.field(
        description="Token for refreshSession, good once; null when it was set as a cookie."
    )
    refresh_token_expires_at: dt.datetime = strawberry.field(description="When the refresh token ends.")
    viewer: Payload[ViewerType] = payload("Who is signed in.", people.self_for)


USE_COOKIE = "Set the refresh token as an HttpOnly cookie instead of giving it out; for browsers."


@strawberry.input(description="What signUp needs.")
class SignUpInput:
    name: str = required("Full name, 1 to 200 characters.")
    email: str = required("Email address.")
    locale: str | None = optional("Language for emails, BCP 47; default: the desk's.")


@strawberry.type(description="The link is on its way, if the address can get one.")
class SignUpSuccess:
    email: str = strawberry.field(description="The address as it was understood.")


SignUpResult = Annotated[
    Union[SignUpSuccess, InvalidInput, NotAllowed, RateLimited],
    strawberry.union("SignUpResult", description="What signUp answers."),
]


@strawberry.input(description="What requestSignInLink needs.")
class RequestSignInLinkInput:
    email: str = required("Email address.")


@strawberry.type(description="The link is on its way, if the address is known.")
class RequestSignInLinkSuccess:
    email: str = strawberry.field(description="The address as it was understood.")


RequestSignInLinkResult = Annotated[
    Union[RequestSignInLinkSuccess, InvalidInput, NotAllowed, RateLimited],
    strawberry.union("RequestSignInLinkResult", description="What requestSignInLink answers."),
]


@strawberry.input(description="What signIn needs.")
class SignInInput:
    email: str = required("Email address.")
    password: str = required("Password.")
    use_cookie: bool = strawberry.field(description=USE_COOKIE, default=False)


@strawberry.type(description="Signed in.")
class SignInSuccess:
    session: Session = strawberry.field(description="The session.")


SignInResult = Annotated[
    Union[SignInSuccess, InvalidInput, NotAllowed, WrongCredentials, RateLimited],
    strawberry.union("SignInResult", description="What signIn answers."),
]


@strawberry.input(description="What signInWithLink needs.")
class SignInWithLinkInput:
    token: str = required("Token from the link.")
    use_cookie: bool = strawberry.field(description=USE_COOKIE, default=False)


@strawberry.type(description="Signed in.")
class SignInWithLinkSuccess:
    session: Session = strawberry.field(description="The session.")


SignInWithLinkResult = Annotated[
    Union[SignInWithLinkSuccess, InvalidInput, NotAllowed, WrongCredentials, RateLimited],
    strawberry.union("SignInWithLinkResult", description="What signInWithLink answers."),
]


@strawberry.input(description="What refreshSession needs.")
class RefreshSessionInput:
    refresh_token: str | None = optional("The refresh token; default: the one in the cookie.")


@strawberry.type(description="The session goes on.")
class RefreshSessionSuccess:
    session: Session = strawberry.field(description="The session, with new tokens.")


RefreshSessionResult = Annotated[
    Union[RefreshSessionSuccess, WrongCredentials, RateLimited],
    strawberry.union("RefreshSessionResult", description="What refreshSession answers."),
]


@strawberry.input(description="What signOut needs.")
class SignOutInput:
    everywhere: bool = strawberry.field(description="End the viewer's sessions everywhere.", default=False)


@strawberry.type(description="Signed out.")
class SignOutSuccess:
    ended_session_count: int = strawberry.field(description="How many sessions were ended.")


SignOutResult = Annotated[
    Union[SignOutSuccess, NotAllowed],
    strawberry.union("SignOutResult", description="What signOut answers."),
]


@strawberry.input(description="What setPassword needs.")
class SetPasswordInput:
    current_password: str | None = optional(
        "The present password. Not needed when there is none yet or the session came from an emailed link."
    )
    new_password: str = required("The new one, 12 to 128 characters, none of the well-known ones.")


@strawberry.type(description="The password is set.")
class SetPasswordSuccess:
    viewer: Payload[ViewerType] = payload("The viewer.", people.self_for)


SetPasswordResult = Annotated[
    Union[SetPasswordSuccess, InvalidInput, NotAllowed, WrongCredentials, RateLimited],
    strawberry.union("SetPasswordResult", description="What setPassword answers."),
]


@strawberry.input(description="What updateProfile needs.")
class UpdateProfileInput:
    name: str | None = optional("Full name, 1 to 200 characters.")
    avatar_upload_id: strawberry.ID | None = optional(
        "An upload with a picture of at most 2 MiB; null removes the picture."
    )
    locale: str | None = optional("Language, BCP 47; null: the desk's.")
    time_zone: str | None = optional("IANA time zone; null: the desk's.")


@strawberry.type(description="The profile is changed.")
class UpdateProfileSuccess:
    viewer: Payload[ViewerType] = payload("The viewer.", people.self_for)


UpdateProfileResult = Annotated[
    Union[UpdateProfileSuccess, InvalidInput],
    strawberry.union("UpdateProfileResult", description="What updateProfile answers."),
]
