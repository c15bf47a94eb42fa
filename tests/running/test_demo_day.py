"""A whole day at the desk: one ticket from its submission to its rating, as six people live it."""

from collections import Counter

from demo_day import play, text_of


async def test_a_day_at_the_desk(live_server, folder):
    story = []
    found = await play(live_server, folder / "live" / "mail", story.append)

    kinds = [node["__typename"] for node in found["histories"]["agent"]["events"]["nodes"]]
    told = [kind for kind in kinds if kind != "MessageSent"]
    assert told[:2] == ["TicketSubmitted", "TicketRouted"]
    assert {"TicketTriaged", "PriorityChanged", "TicketEscalated", "EscalationAcknowledged", "TicketAssigned"} <= set(
        told
    )
    end = [kind for kind in told[told.index("TicketResolved") :] if kind != "EscalationEnded"]
    assert end in (
        ["TicketResolved", "TicketClosed", "ResolutionConfirmed", "ResolutionConfirmed"],
        ["TicketResolved", "ResolutionConfirmed", "TicketClosed", "ResolutionConfirmed"],
    )
    assert found["histories"]["agent"]["status"] == "CLOSED"

    # What the customer reads and was told live is the history without what is internal, in its order, without a gap.
    of_customer = found["histories"]["customer"]["events"]["nodes"]
    assert [node["seq"] for node in of_customer] == list(range(1, len(of_customer) + 1))
    assert not {"MessageSent", "TicketTriaged", "TagsChanged", "SlaBreached"} & {n["__typename"] for n in of_customer}
    for side, history in (("customer", of_customer), ("agent", found["histories"]["agent"]["events"]["nodes"])):
        live = [(node["seq"], node["__typename"]) for node in found["live"][side]]
        assert live == [(node["seq"], node["__typename"]) for node in history][: len(live)]
    secret = "contract covers a visit"
    assert secret not in str(found["live"]["customer"])

    letters = [(letter["to"].addresses[0].addr_spec, text_of(letter)) for letter in found["letters"]]
    assert not [to for to, text in letters if secret in text and "customer" in to]
    assert Counter(to for to, text in letters if "certificate had expired" in text)["customer@example.com"] == 1

    # The manager answered by mail, within the desk as she was asked; nothing of the letter below came along.
    (by_mail,) = [n["comment"] for n in found["histories"]["agent"]["events"]["nodes"] if is_by_mail(n)]
    assert (by_mail["internal"], by_mail["body"]) == (True, "It does, until the end of the year.")

    told = "\n".join(story)
    assert "Then Carla Customer thinks better of it." in told
    assert "Carla Customer gave 2 of 5: “It took the whole day.”" in told
    assert f"That made {len(letters)} mails" in told
    assert "{" not in told


def is_by_mail(node):
    return node["__typename"] == "CommentAdded" and node["comment"]["channel"] == "EMAIL"
