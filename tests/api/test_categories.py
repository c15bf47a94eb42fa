"""Categories: making, replacing, ordering and archiving them, and who sees which."""

import asyncio

import pytest

from models import Role

SAVE = """mutation ($input: SaveCategoryInput!) { saveCategory(input: $input) { __typename
  ... on SaveCategorySuccess { category {
    id name description department { name } defaultPriority isOther position archivedAt } }
  ... on InvalidInput { field problems { field } } ... on NotFound { field } ... on NotAllowed { message }
  ... on Conflict { reason current { id } } } }"""
LISTED = """query ($archived: Boolean! = false) { categories(includeArchived: $archived) {
  totalCount nodes { name position } } }"""
NOWHERE = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
def save(api, admin, support):
    """Saves a category of Technical Support as an admin; gives it, or the refusal."""

    async def saved(viewer=admin, **given):
        answer = (await api(viewer, SAVE, input={"departmentId": support.gid} | given))["saveCategory"]
        return answer.get("category") or answer

    return saved


@pytest.fixture
def listed(api):
    """The names that somebody lists, with their places."""

    async def names(viewer, **variables):
        nodes = (await api(viewer, LISTED, **variables))["categories"]["nodes"]
        return [(each["name"], each["position"]) for each in nodes]

    return names


@pytest.fixture
async def abc(save):
    """Three categories; the one for everything else comes after them."""
    return {name: (await save(name=name))["id"] for name in "ABC"}


async def test_an_admin_makes_a_category_and_everyone_can_choose_it(save, listed, other, customer):
    made = await save(name="Hardware", description="What can be touched.", defaultPriority="HIGH")

    assert made.pop("id").startswith("cat_")
    assert made == {
        "name": "Hardware",
        "description": "What can be touched.",
        "department": {"name": "Technical Support"},
        "defaultPriority": "HIGH",
        "isOther": False,
        "position": 0,
        "archivedAt": None,
    }
    for viewer in (customer, None):
        assert await listed(viewer) == [("Hardware", 0), ("Other", 1)]


async def test_saving_takes_the_whole_form(save, billing):
    made = await save(name="Hardware", description="What can be touched.", defaultPriority="HIGH")

    replaced = await save(categoryId=made["id"], name="Bills", departmentId=billing.gid)

    assert replaced == {
        "id": made["id"],
        "name": "Bills",
        "description": None,
        "department": {"name": "Billing"},
        "defaultPriority": "NORMAL",
        "isOther": False,
        "position": 0,
        "archivedAt": None,
    }


@pytest.mark.parametrize(
    ("position", "order"), [(0, "DABC"), (1, "ADBC"), (2, "ABDC"), (3, "ABCD"), (None, "ABCD"), (99, "ABCD")]
)
async def test_a_new_one_moves_the_others_along(save, listed, abc, other, customer, position, order):
    await save(name="D", position=position)

    assert await listed(customer) == [*zip(order, range(4), strict=True), ("Other", 4)]


@pytest.mark.parametrize(
    ("moved", "position", "order"),
    [("A", 0, "ABC"), ("A", 1, "BAC"), ("A", 2, "BCA"), ("A", None, "BCA"), ("C", 0, "CAB"), ("B", 7, "ACB")],
)
async def test_one_that_moves_makes_the_others_close_up(save, listed, abc, other, customer, moved, position, order):
    for _ in range(2):
        saved = await save(categoryId=abc[moved], name=moved, position=position)

        assert saved["position"] == order.index(moved)
        assert await listed(customer) == [*zip(order, range(3), strict=True), ("Other", 3)]


async def test_the_one_for_everything_else_stays_last_and_in_use(save, listed, abc, other, customer, billing):
    changed = await save(categoryId=other.gid, name="Else", departmentId=billing.gid, position=0)
    assert (changed["name"], changed["department"], changed["isOther"]) == ("Else", {"name": "Billing"}, True)
    await save(name="D")

    assert [name for name, _ in await listed(customer)] == ["A", "B", "C", "D", "Else"]
    refusal = await save(categoryId=other.gid, name="Else", archived=True)
    assert (refusal["__typename"], refusal["field"]) == ("InvalidInput", "archived")


async def test_an_archived_one_is_listed_for_admins_alone_and_comes_back(
    api, save, listed, submit, abc, admin, agent, customer
):
    archived = await save(categoryId=abc["B"], name="B", archived=True)
    assert archived["archivedAt"] is not None
    assert (await save(categoryId=abc["B"], name="B", archived=True)) == archived

    assert [name for name, _ in await listed(admin)] == [name for name, _ in await listed(None)] == ["A", "C"]
    assert sorted(name for name, _ in await listed(admin, archived=True)) == ["A", "B", "C"]
    found = "query ($id: ID!) { node(id: $id) { id } }"
    assert await api(agent, found, id=abc["B"]) == {"node": {"id": abc["B"]}}  # old tickets are of it
    assert await api(customer, found, id=abc["B"]) == {"node": None}

    assert (await save(categoryId=abc["B"], name="B"))["archivedAt"] is None
    assert sorted(name for name, _ in await listed(customer)) == ["A", "B", "C"]


async def test_what_is_archived_moves_nothing_for_others(api, save, abc, other, customer, agent, admin):
    query = """query ($first: Int, $after: String) { categories(first: $first, after: $after) {
      edges { cursor node { name position } } } }"""
    before = await api(customer, query)
    assert [edge["node"]["position"] for edge in before["categories"]["edges"]] == [0, 1, 2, 3]

    await save(name="Of before", position=0, archived=True)

    for viewer in (customer, agent, None):
        assert await api(viewer, query) == before
    after = await api(customer, query, first=1, after=before["categories"]["edges"][1]["cursor"])
    assert [edge["node"]["name"] for edge in after["categories"]["edges"]] == ["C"]
    assert [edge["node"]["position"] for edge in (await api(admin, query))["categories"]["edges"]] == [1, 2, 3, 4]


async def test_no_ticket_can_be_of_an_archived_one(save, submit, house, problem, customer):
    await save(categoryId=problem.gid, name="Technical problem", archived=True)

    assert (await submit(customer, problem))["__typename"] == "NotFound"


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"name": ""}, ["name"]),
        ({"name": "x" * 101, "description": "x" * 501, "position": -1}, ["name", "description", "position"]),
        ({"name": "x", "categoryId": "cat_1"}, ["categoryId"]),
        ({"name": "x", "categoryId": f"dep_{NOWHERE}"}, ["categoryId"]),
        ({"name": "x", "departmentId": "x"}, ["departmentId"]),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_comes_of_it(save, database, given, fields):
    before = await database.counts()

    refusal = await save(**given)

    assert (refusal["__typename"], refusal["field"]) == ("InvalidInput", fields[0])
    assert [problem["field"] for problem in refusal["problems"]] == fields
    assert await database.counts() == before


@pytest.mark.parametrize(("field", "prefix"), [("categoryId", "cat"), ("departmentId", "dep")])
async def test_what_is_named_and_unknown_is_not_found(save, database, field, prefix):
    before = await database.counts()

    assert await save(**{"name": "x", field: f"{prefix}_{NOWHERE}"}) == {"__typename": "NotFound", "field": field}
    assert await database.counts() == before


async def test_what_is_archived_with_its_department_can_be_described_but_does_not_come_back(save, database, billing):
    given = {"name": "Bills", "departmentId": billing.gid}
    category = await save(**given, archived=True)
    await database.rows("UPDATE departments SET archived_at = now() WHERE id = :id", id=billing.id)

    given |= {"categoryId": category["id"]}
    assert (await save(**given, description="Until 2025.", archived=True))["description"] == "Until 2025."
    assert (await save(**given))["field"] == "departmentId"


async def test_tickets_are_not_sent_to_an_archived_department(save, database, billing):
    await database.rows("UPDATE departments SET archived_at = now() WHERE id = :id", id=billing.id)

    refusal = await save(name="x", departmentId=billing.gid)

    assert (refusal["__typename"], refusal["field"]) == ("InvalidInput", "departmentId")


async def test_a_name_is_taken_once(save, abc, other):
    taken = {"__typename": "Conflict", "reason": "TAKEN", "current": None}

    for name in ("A", "Other"):
        assert await save(name=name) == taken
        assert await save(categoryId=abc["B"], name=name) == taken
    assert (await save(categoryId=abc["A"], name="A"))["name"] == "A"


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
async def test_only_admins_save_and_list_archived_ones(api, house, save, database, problem, role):
    viewer = await house.person("Someone Else", role)
    before = await database.counts()

    for given in ({"name": "x"}, {"categoryId": problem.gid, "name": "x"}, {"categoryId": f"cat_{NOWHERE}"}):
        assert (await save(viewer, **{"name": "x"} | given))["__typename"] == "NotAllowed"
    assert await api.refused(viewer, LISTED, archived=True) == "NOT_ALLOWED"
    assert await database.counts() == before


async def test_nobody_saves_categories_or_lists_archived_ones(api, support):
    assert await api.refused(None, LISTED, archived=True) == "UNAUTHENTICATED"
    given = {"name": "x", "departmentId": support.gid}
    assert await api.refused(None, SAVE, input=given) == "UNAUTHENTICATED"


async def test_categories_saved_at_once_stand_in_one_order(save, listed, admin):
    await asyncio.gather(*(save(name=f"C{number}", position=number % 2 or None) for number in range(6)))
    assert [position for _, position in await listed(admin)] == list(range(6))
