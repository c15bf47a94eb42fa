"""Routing rules at work: the first active rule whose conditions all hold decides where a new ticket goes."""

import pytest

from infra import unit
from models import Role

SAVE = """mutation($input: SaveRoutingRuleInput!) { saveRoutingRule(input: $input) { __typename
  ... on SaveRoutingRuleSuccess { routingRule { id } } ... on Refusal { message } } }"""
ROUTED = """query($id: ID!) { ticket(id: $id) { priority tags department { name } assignee { name }
  events { nodes { __typename actor { name }
    ... on TicketSubmitted { initialPriority initialTags }
    ... on TicketRouted { fromDepartment { name } toDepartment { name } rule { name } }
    ... on TicketAssigned { fromAssignee { name } toAssignee { name } } } } } }"""


@pytest.fixture
def rule(api, admin):
    """Makes a rule, and gives its id."""

    async def made(name="A rule", **given):
        answer = (await api(admin, SAVE, input={"name": name} | given))["saveRoutingRule"]
        return answer["routingRule"]["id"]

    return made


@pytest.fixture
def routed(api, submit, admin, customer, problem):
    """Submits a ticket, and gives where it went, as an admin sees it."""

    async def done(viewer=customer, category=problem, **given):
        ticket = await submit(viewer, category, **given)
        return (await api(admin, ROUTED, id=ticket["id"]))["ticket"]

    return done


def went_to(ticket):
    """The department's name, and that of the rule that sent it there."""
    (event,) = [event for event in ticket["events"]["nodes"] if event["__typename"] == "TicketRouted"]
    assert event["actor"] is event["fromDepartment"] is None
    assert event["toDepartment"] == ticket["department"]
    return ticket["department"]["name"], event["rule"] and event["rule"]["name"]


async def test_without_a_rule_the_category_decides(routed, support, billing, invoices):
    assert went_to(await routed()) == ("Technical Support", None)
    assert went_to(await routed(category=invoices)) == ("Billing", None)


async def test_a_rule_without_conditions_takes_every_ticket(routed, rule, billing):
    await rule("Everything", departmentId=billing.gid)

    assert went_to(await routed()) == ("Billing", "Everything")


async def test_the_first_rule_in_order_decides_alone(routed, rule, support, billing):
    await rule("Second", departmentId=support.gid, addTags=["second"])
    await rule("First", position=0, departmentId=billing.gid, addTags=["first"])

    ticket = await routed()

    assert went_to(ticket) == ("Billing", "First")
    assert ticket["tags"] == ["first"]


async def test_a_rule_that_does_not_hold_leaves_it_to_the_next(routed, rule, support, billing):
    await rule("First", words=["refund"], departmentId=support.gid)
    await rule("Second", departmentId=billing.gid)

    assert went_to(await routed(body="Hello.")) == ("Billing", "Second")
    assert went_to(await routed(body="A refund, please.")) == ("Technical Support", "First")


async def test_an_inactive_rule_is_passed_over(routed, rule, billing):
    await rule("Inactive", active=False, departmentId=billing.gid)

    assert went_to(await routed()) == ("Technical Support", None)


@pytest.mark.parametrize(
    ("words", "said", "holds"),
    [
        (["refund"], {"subject": "Refund!"}, True),
        (["refund"], {"body": "I want my money (REFUND) back."}, True),
        (["refund"], {"body": "refund"}, True),
        (["refund"], {"body": "You refunded it."}, False),
        (["refund"], {"body": "A prerefund."}, False),
        (["refund"], {"body": "refund_id=1"}, False),
        (["money back"], {"body": "My Money back, please."}, True),
        (["money back"], {"body": "My money, back here."}, False),
        (["c++"], {"body": "In C++, say."}, True),
        (["c++"], {"body": "In C, say."}, False),
        (["a.b"], {"body": "axb"}, False),
        (["überweisung"], {"body": "Die Überweisung fehlt."}, True),
        (["nothing", "refund"], {"body": "A refund."}, True),
        (["refund"], {"body": "Nothing of it."}, False),
    ],
)
async def test_words_count_when_they_stand_as_a_whole(routed, rule, billing, words, said, holds):
    await rule("Words", words=words, departmentId=billing.gid)

    assert went_to(await routed(**said)) == (("Billing", "Words") if holds else ("Technical Support", None))


async def test_words_of_the_topic_count(routed, rule, other, billing):
    await rule("Words", words=["refund"], departmentId=billing.gid)

    assert went_to(await routed(category=other, otherTopic="About a refund")) == ("Billing", "Words")


@pytest.mark.parametrize(
    ("email", "holds"),
    [
        ("who@acme.example", True),
        ("who@mail.acme.example", True),
        ("who@ACME.example", True),
        ("who@notacme.example", False),
        ("who@acme.example.org", False),
        ("acme.example@elsewhere.org", False),
    ],
)
async def test_domains_hold_with_what_is_below_them(routed, rule, house, billing, email, holds):
    await rule("Acme", emailDomains=["@Acme.example"], departmentId=billing.gid)
    viewer = await house.person("Wendy Who", email=email)

    assert went_to(await routed(viewer)) == (("Billing", "Acme") if holds else ("Technical Support", None))


@pytest.mark.parametrize("domain", ["@MÜNCHEN.example", "xn--mnchen-3ya.example"])
@pytest.mark.parametrize("email", ["who@münchen.example", "who@mail.XN--mnchen-3ya.example"])
async def test_a_domain_is_the_same_in_its_own_letters_and_in_those_of_the_network(
    routed, rule, house, billing, email, domain
):
    await rule("Munich", emailDomains=[domain], departmentId=billing.gid)
    viewer = await house.person("Wendy Who", email=email)

    assert went_to(await routed(viewer)) == ("Billing", "Munich")


async def test_it_is_the_customers_domain_that_counts(routed, rule, house, agent, billing):
    await rule("Acme", emailDomains=["acme.example"], departmentId=billing.gid)
    requester = await house.person("Wendy Who", email="who@acme.example")

    assert went_to(await routed(agent, requesterId=requester.gid)) == ("Billing", "Acme")


async def test_categories_are_a_condition(routed, rule, problem, invoices, support):
    await rule("Invoices", categoryIds=[invoices.gid], departmentId=support.gid)

    assert went_to(await routed(category=invoices)) == ("Technical Support", "Invoices")
    assert went_to(await routed(category=problem)) == ("Technical Support", None)


async def test_services_are_a_condition(routed, rule, house, billing):
    api, website = await house.service("API"), await house.service("Website")
    await rule("API", serviceIds=[api.gid], departmentId=billing.gid)

    assert went_to(await routed(serviceId=api.gid)) == ("Billing", "API")
    assert went_to(await routed(serviceId=website.gid)) == ("Technical Support", None)
    assert went_to(await routed()) == ("Technical Support", None)


async def test_priorities_are_a_condition_and_the_categorys_counts(routed, rule, database, problem, billing):
    await rule("Pressing", priorities=["HIGH", "URGENT"], departmentId=billing.gid)

    assert went_to(await routed()) == ("Technical Support", None)
    assert went_to(await routed(priority="HIGH")) == ("Billing", "Pressing")
    await database.rows("UPDATE categories SET default_priority = 'HIGH' WHERE id = :id", id=problem.id)
    assert went_to(await routed()) == ("Billing", "Pressing")


async def test_all_conditions_must_hold_at_once(routed, rule, house, problem, billing):
    service = await house.service("API")
    await rule(
        "All",
        words=["refund"],
        categoryIds=[problem.gid],
        serviceIds=[service.gid],
        priorities=["HIGH"],
        emailDomains=["example.com"],
        departmentId=billing.gid,
    )
    fitting = {"body": "A refund.", "serviceId": service.gid, "priority": "HIGH"}

    assert went_to(await routed(**fitting)) == ("Billing", "All")
    for without in fitting:
        rest = {name: value for name, value in fitting.items() if name != without}
        assert went_to(await routed(**rest)) == ("Technical Support", None), without


async def test_a_rules_priority_wins_over_what_the_customer_said(routed, rule):
    await rule("Calm", words=["calm"], priority="LOW")
    await rule("Burning", priority="URGENT")

    burning, calm = await routed(priority="NORMAL"), await routed(body="Keep calm.", priority="HIGH")

    assert (burning["priority"], calm["priority"]) == ("URGENT", "LOW")
    assert burning["events"]["nodes"][0]["initialPriority"] == "URGENT"


async def test_a_rules_tags_are_added_to_those_given(routed, rule, agent, customer):
    await rule("Tags", addTags=["vip", " Hot "])

    ticket = await routed(agent, requesterId=customer.gid, tags=["VIP", "phone"])

    assert ticket["tags"] == ["vip", "phone", "hot"]
    assert ticket["events"]["nodes"][0]["initialTags"] == ["vip", "phone", "hot"]
    assert went_to(ticket) == ("Technical Support", None)


async def test_a_ticket_never_gets_more_than_twenty_tags(routed, rule, agent, customer):
    await rule("Tags", addTags=["a", "b"])

    ticket = await routed(agent, requesterId=customer.gid, tags=[str(n) for n in range(19)])

    assert ticket["tags"] == [*map(str, range(19)), "a"]


async def test_a_rule_gives_the_ticket_to_an_agent_of_the_department(routed, rule, billing, billing_agent):
    await rule("To Bill", departmentId=billing.gid, assigneeId=billing_agent.gid)

    ticket = await routed()

    assert ticket["assignee"] == {"name": "Bill Billing"}
    assert ticket["events"]["nodes"][2] == {
        "__typename": "TicketAssigned",
        "actor": None,
        "fromAssignee": None,
        "toAssignee": {"name": "Bill Billing"},
    }


async def test_whoever_asked_for_a_ticket_is_not_given_it_by_a_rule(routed, rule, billing, billing_agent):
    await rule("To Bill", departmentId=billing.gid, assigneeId=billing_agent.gid)

    ticket = await routed(billing_agent)

    assert went_to(ticket) == ("Billing", "To Bill")
    assert ticket["assignee"] is None


async def test_a_rule_without_a_department_assigns_where_its_agent_works(routed, rule, agent, problem, invoices):
    await rule("To Ada", assigneeId=agent.gid)

    there, elsewhere = await routed(category=problem), await routed(category=invoices)

    assert (there["department"], there["assignee"]) == ({"name": "Technical Support"}, {"name": "Ada Agent"})
    assert (elsewhere["department"], elsewhere["assignee"]) == ({"name": "Billing"}, None)
    assert "TicketAssigned" not in [event["__typename"] for event in elsewhere["events"]["nodes"]]


async def test_a_director_works_everywhere(routed, rule, house, billing):
    director = await house.person("Dora Director", Role.DIRECTOR)
    await rule("Up", departmentId=billing.gid, assigneeId=director.gid)

    assert (await routed())["assignee"] == {"name": "Dora Director"}


@pytest.mark.parametrize(
    "since",
    [
        "UPDATE people SET active = false WHERE id = :id",
        "UPDATE people SET role = 'CUSTOMER' WHERE id = :id",
        "DELETE FROM memberships WHERE person_id = :id",
    ],
)
async def test_an_agent_who_has_left_since_gets_nothing(routed, rule, database, billing, billing_agent, since):
    await rule("To Bill", departmentId=billing.gid, assigneeId=billing_agent.gid)
    await database.rows(since, id=billing_agent.id)

    ticket = await routed()

    assert went_to(ticket) == ("Billing", "To Bill")
    assert ticket["assignee"] is None
    assert "TicketAssigned" not in [event["__typename"] for event in ticket["events"]["nodes"]]


async def test_a_department_that_was_archived_since_leaves_it_to_the_category(
    routed, rule, database, billing, billing_agent
):
    await rule(
        "Gone", departmentId=billing.gid, assigneeId=billing_agent.gid, priority="HIGH", addTags=["from the rule"]
    )
    await database.rows("UPDATE departments SET archived_at = :now WHERE id = :id", now=unit.now(), id=billing.id)

    ticket = await routed()

    assert went_to(ticket) == ("Technical Support", None)
    assert ticket["assignee"] is None
    assert (ticket["priority"], ticket["tags"]) == ("HIGH", ["from the rule"])


async def test_a_customer_does_not_learn_which_rule_decided(api, submit, rule, customer, billing, problem):
    await rule("Secret", departmentId=billing.gid)
    ticket = await submit(customer, problem)

    seen = (await api(customer, ROUTED, id=ticket["id"]))["ticket"]

    assert went_to(seen) == ("Billing", None)


async def test_a_word_counts_once_and_a_wrong_one_is_named_by_its_place(api, admin):
    save = """mutation($input: SaveRoutingRuleInput!) { saveRoutingRule(input: $input) {
      ... on SaveRoutingRuleSuccess { routingRule { words } } ... on InvalidInput { field } } }"""

    saved = await api(admin, save, input={"name": "Words", "words": ["refund", " refund", "refund"]})
    refused = await api(admin, save, input={"name": "Other", "words": ["refund", "refund", " "]})

    assert saved["saveRoutingRule"] == {"routingRule": {"words": ["refund"]}}
    assert refused["saveRoutingRule"] == {"field": "words.2"}
