"""What is known of people, changed: by themselves, and by those who keep it."""

from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Select, select

from domain import access, account_letters, api_tokens, departments, history, links, people, sessions, words, zones
from domain.access import Viewer
from domain.articles import reviewing
from domain.jobs import EraseFiles
from domain.refusals import Conflict, ConflictReason, NotAllowed, Problems
from domain.tickets import deserted, leaving
from infra.media_types import PICTURES
from infra.unit import Unit
from models import Membership, MessageKind, Person, Role, Upload

MOST_AVATAR_BYTES: Final = 2 * 1024 * 1024
FOR_STAFF: Final = frozenset({"name", "locale"})  # of customers; all else is for admins
LAST_ADMIN: Final = "The last active admin stays one."
NEVER_EMPTY: Final = {
    "name": "The name can't be empty.",
    "email": "The email address can't be empty.",
    "role": "Everybody has a role.",
    "active": "Somebody is active, or isn't.",
}

# --- Reading ----------------------------------------------------------------------------------------------------------


def _self(person_id: Any) -> Select[Person]:
    return select(Person).where(Person.id == person_id, Person.active)


def _own_upload(viewer: Viewer, upload_id: Any) -> Select[Upload]:
    return select(Upload).where(Upload.id == upload_id, Upload.person_id == viewer.id)


def _with_admins(person_id: Any) -> Select[Person]:
    """The person and all active admins, so that of two who leave at once the second knows of the first."""
    admins = sa.and_(Person.role == Role.ADMIN, Person.active)
    return select(Person).where(sa.or_(Person.id == person_id, admins)).order_by(Person.id)


def _memberships(person_id: Any) -> Select[Membership]:
    return select(Membership).where(Membership.person_id == person_id).order_by(Membership.department_id)


# --- What people say of themselves ------------------------------------------------------------------------------------


async def update_own(unit: Unit, viewer: Viewer, given: dict[str, Any]) -> None:
    """Change what is `given` of name, avatar_upload_id, locale and time_zone. Raises InvalidInput, NotAllowed."""
    access.require_account(viewer)
    problems = Problems()
    values = _said(problems, given)
    zone = given.get("time_zone")
    if zone is not None and zone not in zones.names():
        problems.add("timeZone", "This is not a time zone. Name one such as Europe/Lisbon.")
    if "time_zone" in given:
        values["time_zone"] = zone
    upload = await _picture(unit, viewer, problems, given.get("avatar_upload_id"))
    problems.refuse()
    person = await unit.lock(_self, viewer.id)
    if person is None:
        raise NotAllowed
    if "avatar_upload_id" in given:
        _show(unit, person, upload)
    if values:
        unit.change(person, **values)


def _said(problems: Problems, given: dict[str, Any]) -> dict[str, Any]:
    """What is given of name and language, as it is kept."""
    values: dict[str, Any] = {}
    if (name := given.get("name")) is not None:
        values["name"] = words.line(problems, "name", name, most=words.MOST_NAME, what="The name")
    elif "name" in given:
        problems.add("name", NEVER_EMPTY["name"])
    if "locale" in given:
        values["locale"] = words.locale(problems, "locale", given["locale"])
    return values


async def _picture(unit: Unit, viewer: Viewer, problems: Problems, upload_id: UUID | None) -> Upload | None:
    if upload_id is None:
        return None
    upload = await unit.lock(_own_upload, viewer, upload_id)
    if upload is None or upload.expires_at <= unit.now:
        problems.add("avatarUploadId", "There is no such upload.")
    elif upload.stored_at is None:
        problems.add("avatarUploadId", "The bytes of this file have not arrived yet.")
    elif upload.content_type not in PICTURES:
        problems.add("avatarUploadId", "A picture is a PNG, a JPEG, a GIF or a WebP.")
    elif upload.size_bytes > MOST_AVATAR_BYTES:
        problems.add("avatarUploadId", "A picture has at most 2 MiB.")
    return upload


def _show(unit: Unit, person: Person, upload: Upload | None) -> None:
    """The upload is the person's picture from now on; without one there is none."""
    if person.avatar_key is not None:
        unit.enqueue(EraseFiles([person.avatar_key]))
    if upload is None:
        unit.change(person, avatar_key=None, avatar_type=None, avatar_bytes=None)
        return
    unit.change(person, avatar_key=upload.key, avatar_type=upload.content_type, avatar_bytes=upload.size_bytes)
    unit.delete(upload)


# --- What others say of them ------------------------------------------------------------------------------------------


async def update(unit: Unit, viewer: Viewer, person_id: UUID, given: dict[str, Any]) -> UUID:
    """Change what is `given` of name, email, role, department_ids, locale and active.

    Staff change names and languages of customers, admins all. A changed role, other departments and being shut out end
    what is open at once; another address, what links mailed to the one before have opened.

    Raises InvalidInput, NotFound, NotAllowed, Conflict.
    """
    access.require_person(viewer)
    access.require(viewer, Role.AGENT)
    together: list[Person] = []
    if viewer.has(Role.ADMIN) and given.keys() & {"role", "active"}:
        together = await unit.lock_all(_with_admins, person_id)
        # They were waited for: the viewer may have been shut out by one of them.
        if not any(row.id == viewer.id and row.active and row.role is Role.ADMIN for row in together):
            raise NotAllowed(access.ALONE[Role.ADMIN])
        found = next((row for row in together if row.id == person_id), None)
    else:
        found = await unit.lock(people.one, viewer, person_id)
    person = access.found(found, "personId", "person")
    if person.role is not Role.CUSTOMER or given.keys() - FOR_STAFF:
        access.require(viewer, Role.ADMIN)
    if people.is_erased(person):
        raise Conflict(ConflictReason.WRONG_STATE, "This person was erased.", current=(Person, person.id))
    values = await _checked(unit, person, given)
    stops = values.get("active", person.active) is False or values.get("role", person.role) is not Role.ADMIN
    if stops and person.role is Role.ADMIN and person.active and not _others(together, person):
        raise Conflict(ConflictReason.WRONG_STATE, LAST_ADMIN, current=(Person, person.id))
    before, address = (person.active, person.role), person.email
    moved = await _move(unit, viewer, person, values.get("role", person.role), given)
    if values:
        unit.change(person, **values)
    if "email" in values:
        await links.end_all(unit, person.id)  # they went to the address before
        await sessions.end_mailed(unit, person.id)
    if moved or (person.active, person.role) != before:
        await _end_rights(unit, viewer.id, person, was=before[1])
    _tell_them(unit, viewer, person, values, address)
    return person.id


def _tell_them(unit: Unit, viewer: Viewer, person: Person, changed: dict[str, Any], address: str) -> None:
    """What others have changed of who they are here; at the `address` they had, and also at a new one."""
    if "email" in changed:
        for each in (address, person.email):
            account_letters.owe(unit, MessageKind.ADDRESS_CHANGED, person, to=each)
    if person.id == viewer.id:
        return
    if changed.get("active") is False:
        account_letters.owe(unit, MessageKind.SHUT_OUT, person, to=address)
    elif "role" in changed and person.active:
        account_letters.owe(unit, MessageKind.ROLE_CHANGED, person, to=address)


async def shut_out(unit: Unit, person_id: UUID) -> Person:
    """Whoever operates the desk has somebody come in no more; gives their row, locked. Raises NotFound, Conflict."""
    together = await unit.lock_all(_with_admins, person_id)
    person = access.found(next((row for row in together if row.id == person_id), None), "personId", "person")
    if person.role is Role.ADMIN and person.active and not _others(together, person):
        raise Conflict(ConflictReason.WRONG_STATE, LAST_ADMIN, current=(Person, person.id))
    if person.active:
        unit.change(person, active=False)
    await _end_rights(unit, None, person, was=person.role)
    return person


def _others(together: list[Person], person: Person) -> bool:
    return any(row.id != person.id for row in together)


async def _checked(unit: Unit, person: Person, given: dict[str, Any]) -> dict[str, Any]:
    """The columns that change. Raises InvalidInput, Conflict."""
    problems = Problems()
    values = _said(problems, given)
    for field in ("email", "role", "active"):
        if field in given and given[field] is None:
            problems.add(field, NEVER_EMPTY[field])
        elif field in given:
            values[field] = words.email(problems, field, given[field]) if field == "email" else given[field]
    people.check_departments(problems, values.get("role", person.role), given.get("department_ids") or [])
    problems.refuse()
    values = {name: value for name, value in values.items() if getattr(person, name) != value}
    if "email" in values:
        taken = Conflict(ConflictReason.TAKEN, "Somebody with this email address is known already.")
        unit.translate("people_email_key", taken)
        if await unit.read(people.by_email_for_anyone, values["email"]) is not None:
            raise taken
    return values


async def _move(unit: Unit, viewer: Viewer, person: Person, role: Role, given: dict[str, Any]) -> bool:
    """They work in the departments that are given, customers in none; gives whether that is new. Raises NotFound."""
    if "department_ids" not in given and role is not Role.CUSTOMER:
        return False
    wanted = list(dict.fromkeys(given.get("department_ids") or []))
    rows = await unit.lock_all(_memberships, person.id)
    before = {row.department_id for row in rows}
    await departments.require_in_use(unit, viewer, wanted, besides=before)  # where they are already they may stay
    for row in rows:
        if row.department_id not in wanted:
            unit.delete(row)
    for department_id in wanted:
        if department_id not in before:
            unit.insert(Membership, person_id=person.id, department_id=department_id)
    history.tell_departments(unit, *before ^ set(wanted))
    return before != set(wanted)


async def _end_rights(unit: Unit, actor_id: UUID | None, person: Person, *, was: Role) -> None:
    """What is open with the rights of before ends; what can't go on with those of now is taken back."""
    await sessions.end_all(unit, person.id)
    if not person.active:
        await links.end_all(unit, person.id)
    if person.active and person.role is not Role.CUSTOMER:
        await api_tokens.rights_changed(unit, person.id)
    elif was is not Role.CUSTOMER:
        await api_tokens.end_all(unit, person.id)
        leaving.leave(unit, actor_id, person.id)
        await reviewing.leave(unit, person.id)
    if was is not Role.CUSTOMER:
        deserted.leave(unit, person.id)
    theirs = [row.department_id for row in await unit.read_all(_memberships, person.id)]
    history.tell_departments(unit, *theirs)
