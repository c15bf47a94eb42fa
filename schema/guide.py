"""What has to be known before any type: the schema's own description, which GraphiQL shows first."""

GUIDE = """\
Deskwire: tickets, knowledge base, maintenance notices, notifications and metrics of a support desk, live.

**Who is who.** The viewer is whoever asks. Roles, each with all rights of the one before within its departments:
CUSTOMER, AGENT, TEAM_LEAD, MANAGER, DIRECTOR, ADMIN. In descriptions, "staff" is AGENT and above, "leads" is
TEAM_LEAD and above, "managers" is MANAGER and above, "admins" is ADMIN. Nothing said: every signed-in viewer may use
it. What a viewer may not see looks like what does not exist, in lists, counts and searches too.

**Signing in.** Send `Authorization: Bearer <access token>`, or `{"authorization": "Bearer <access token>"}` in
connection_init. The token comes from signIn or from the external identity provider named by `desk`. A socket ends
when its token does. Who reads without signing in is known by an HttpOnly cookie or the header X-Visitor, given in the
first answer; their idempotency keys belong to it.

**Reading.** Every object that can be fetched again is a Node. Lists are Relay connections in a fixed order with
keyset cursors: first or last, not both; 0 is refused; the default holds when neither is given. An object that does
not exist or can't be seen is null without an error; a root field that the viewer's role may not use at all is null
with NOT_ALLOWED, or UNAUTHENTICATED when nobody is signed in. Root query fields can be null: one that is refused or
fails is null and has an entry in `errors`, and its neighbours keep their answers.

**Writing.** A mutation takes one input and answers with its Success or with a Refusal, after which nothing has
changed; select `... on Refusal { message }` to be ready for refusals that are added later. In an update, an absent
field stays as it is, and null empties it or, where something must be, is refused. A mutation field is null only with
an entry in `errors`. What must not happen twice takes an idempotencyKey, for retrying after a lost answer; every
other mutation leaves the same state however often it is called. A refusal is not remembered under a key; a repeat
reads the result again as the viewer, and what can't be seen any more is NotFound. A save... mutation takes the whole
form: it makes a new thing, or replaces the one whose id is given.

**Living.** A subscription named by a past participle gives the state now and again after every change, and may skip
states in between. One named by a plural noun is a feed: it gives edges with cursors and neither misses nor repeats an
item; give it as `after` the cursor of the newest item you have, from the list or the feed, or nothing to begin with
the first. When one is closed because the client was too slow, do the same. Each delivery is read with the viewer's
rights of that moment; when they end, so does the stream. A subscription to what can't be seen completes at once
without an item; one that the role may never use: the error NOT_ALLOWED.

**Details.** Every instant is cut to milliseconds before it is stored, so comparisons are exact. ifSeq conflicts only
with what other people did, a merge, or an automatic change of status, assignee or department; MessageSent never
conflicts. Customers see and count all kinds of events but these: internal comments, TagsChanged, SlaPolicyChanged,
SlaBreached, MessageSent, TicketLinked, TicketUnlinked, TicketTriaged, and WatchersChanged that names staff alone.
Linking needs sight of both tickets; staff who read the history later may learn that another ticket exists, and no
more. Outside their departments and assignments, staff see their own tickets as customers do.

**Refusals.** Nobody signed in: null with UNAUTHENTICATED. Signed in without the right, with a READ token or in a
session for one ticket: NotAllowed, or the error NOT_ALLOWED where the result has none; so too for an input field that
is not for that role. A bad or expired token refuses the whole request (401). A malformed id or one of another type:
the error BAD_REQUEST at that field in queries, InvalidInput in mutations, or NotFound where the result has no
InvalidInput.

**Errors.** `errors[].extensions.code` is one of UNAUTHENTICATED, NOT_ALLOWED, BAD_REQUEST, PERSISTED_QUERY_NOT_FOUND,
TOO_COSTLY, RATE_LIMITED, UNAVAILABLE, INTERNAL; INTERNAL carries `extensions.id`, which finds the log entry. The
answer's `extensions.cost` tells what the operation cost and the most that one may cost.

**Units.** Times are UTC. Durations are whole seconds and say so in their name; those of SLA targets, escalation rules
and metrics of response and resolution count working time of the department's calendar, unless the policy names
another. Shares are between 0 and 1. Markdown that is shown to people has a twin ending in Html, sanitised and safe to
insert."""
