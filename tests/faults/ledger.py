"""Clients that note what they attempt and what was acknowledged, and what then is found in the database."""

import asyncio
from collections import Counter

import httpx

COMMENT = "mutation ($input: AddCommentInput!) { addComment(input: $input) { __typename } }"
AGAIN_SECONDS = 0.1


class Ledger:
    """What was attempted under which key, and what of it was acknowledged."""

    def __init__(self, town, *apis):
        """`apis`: who is asked in turn; a client that gets no answer asks the next, with the same key."""
        self.town, self.apis = town, apis
        self.tickets = {}  # subject: the ids that were acknowledged for it
        self.comments = Counter()  # acknowledgements, by body
        self.failures = 0
        self._over = asyncio.Event()

    async def submit(self, subject):
        """The id of a ticket, once it is acknowledged."""
        answer = await self._acknowledged(lambda api: api.submit(subject, key=subject), "submitTicket")
        found = answer["ticket"]["id"]
        self.tickets.setdefault(subject, []).append(found)
        return found

    async def comment(self, ticket_id, body):
        """Says something, until it is acknowledged."""
        said = {"ticketId": ticket_id, "body": body, "idempotencyKey": body}
        await self._acknowledged(lambda api: api.post(COMMENT, input=said), "addComment")
        self.comments[body] += 1

    async def write(self, name):
        """A client that submits and comments until `end`."""
        number = 0
        while not self._over.is_set():
            ticket_id = await self.submit(f"{name} {number}")
            for each in range(3):
                await self.comment(ticket_id, f"{name} {number} {each}")
            number += 1

    def end(self):
        """Clients finish what they began."""
        self._over.set()

    @property
    def acknowledged(self):
        """How many mutations."""
        return sum(map(len, self.tickets.values())) + self.comments.total()

    async def _acknowledged(self, ask, name):
        number = hash(asyncio.current_task())
        while True:
            number += 1
            try:
                answer = (await ask(self.apis[number % len(self.apis)])).json()
            except httpx.TransportError:
                answer = {}
            if found := (answer.get("data") or {}).get(name):
                assert found["__typename"] == f"{name[0].upper()}{name[1:]}Success", found
                return found
            codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
            assert codes <= {"UNAVAILABLE"}, answer
            self.failures += 1
            await asyncio.sleep(AGAIN_SECONDS)

    async def balance(self):
        """What must be none: acknowledged without a row, rows that are there twice, gaps in histories and for jobs."""
        rows = self.town.rows
        tickets = {
            row["subject"]: row["ids"]
            for row in await rows("SELECT subject, array_agg('tkt_' || id) AS ids FROM tickets GROUP BY 1")
        }
        comments = {row["body"]: row["count"] for row in await rows("SELECT body, count(*) FROM comments GROUP BY 1")}
        (gaps,) = await rows(
            """SELECT count(*) FROM (
              SELECT ticket_id, max(seq) AS last, count(*) AS "all", max(public_seq) AS last_public,
                count(public_seq) AS public
              FROM events GROUP BY 1) AS found JOIN tickets ON id = ticket_id
              WHERE last <> "all" OR last_public <> public OR last <> last_seq OR last_public <> tickets.public_seq"""
        )
        (jobless,) = await rows(
            """SELECT count(*) FROM events WHERE kind IN ('TicketSubmitted', 'CommentAdded') AND NOT EXISTS (
              SELECT FROM jobs WHERE jobs.kind = 'Announce' AND payload -> 'event_ids' ? events.id::text)"""
        )
        (orphans,) = await rows(
            """SELECT count(*) FROM jobs, jsonb_array_elements_text(payload -> 'event_ids') AS event_id
              WHERE jobs.kind = 'Announce' AND NOT EXISTS (SELECT FROM events WHERE events.id::text = event_id)"""
        )
        lost = [subject for subject, ids in self.tickets.items() if not set(ids) <= set(tickets.get(subject, []))]
        return {
            "lost": len(lost) + sum(comments.get(body, 0) == 0 for body in self.comments),
            "twice": sum(len(tickets.get(subject, [])) > 1 for subject in self.tickets)
            + sum(len(set(ids)) > 1 for ids in self.tickets.values())
            + sum(comments.get(body, 0) > 1 for body in self.comments),
            "gaps": gaps["count"] + jobless["count"] + orphans["count"],
        }
