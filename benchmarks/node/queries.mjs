// Q1, Q2 and Q3 as they are answered on Node: Mercurius with its JIT compiler, loaders that batch, and prepared
// statements over one pool. The same rights stand in every WHERE; there are no limits, metrics or logs.
//
// FLOOR=… PORT=… node queries.mjs: the file that the floor is given as well.

import { readFileSync } from "node:fs";
import Fastify from "fastify";
import mercurius from "mercurius";
import postgres from "postgres";

const SDL = `
  type Person { id: ID!, name: String! }
  type Department { id: ID!, name: String! }
  type Comment { id: ID!, body: String, internal: Boolean!, createdAt: String!, author: Person }
  type Comments { nodes: [Comment!]! }
  enum TicketStatus { OPEN PENDING ON_HOLD RESOLVED CLOSED }
  enum TicketPriority { LOW NORMAL HIGH URGENT }
  type Ticket {
    id: ID!, number: Int!, subject: String!, body: String!, status: TicketStatus!, priority: TicketPriority!
    createdAt: String!, updatedAt: String!, requester: Person!, assignee: Person, department: Department!
    comments(last: Int!): Comments!
  }
  type Tickets { nodes: [Ticket!]! }
  input TicketFilter { statuses: [TicketStatus!] }
  type Query { ticket(id: ID!): Ticket, tickets(first: Int!, filter: TicketFilter): Tickets! }
`;
const { url, tokens } = JSON.parse(readFileSync(process.env.FLOOR));
const people = new Map(Object.entries(tokens).map(([token, person]) => [`Bearer ${token}`, person]));
const sql = postgres(url, {
  max: 10,
  connection: { application_name: "node", timezone: "UTC", jit: "off", plan_cache_mode: "force_generic_plan" },
});
const asked = (text, values) => sql.unsafe(text, values, { prepare: true });

const WORKS = "(t.department_id IN (SELECT department_id FROM memberships WHERE person_id = $1) OR t.assignee_id = $1)";
const SEEN = `(${WORKS} OR t.requester_id = $1
  OR t.id = ANY(ARRAY(SELECT ticket_id FROM watchers WHERE person_id = $1)))`;
// As text, of which no Date is made to be written as text again.
const moment = (column) => `to_char(${column}, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
const shown = (columns) => `SELECT t.id, t.number, t.subject, ${columns} t.status, t.priority,
  ${moment("t.created_at")} AS "createdAt",
  ${moment(`CASE WHEN ${WORKS} THEN t.updated_at ELSE t.public_updated_at END`)} AS "updatedAt",
  t.requester_id, t.assignee_id, t.department_id FROM tickets t`;
const ONE = `${shown("t.body,")} WHERE t.id = $2 AND ${SEEN}`;
// A status is one of the schema's, and a limit a number: as constants they are planned better.
const many = (status, first) =>
  `${shown("")} WHERE t.status = '${status}' AND ${SEEN} ORDER BY t.updated_at DESC, t.id LIMIT ${first}`;
const last = (count) => `SELECT c.* FROM unnest($2::uuid[]) AS k(id) JOIN tickets t ON t.id = k.id CROSS JOIN LATERAL (
  SELECT c.id, c.ticket_id, c.body, c.internal, ${moment("c.created_at")} AS "createdAt", c.author_id FROM comments c
  WHERE c.ticket_id = t.id AND (NOT c.internal OR ${WORKS}) ORDER BY c.id DESC LIMIT ${count}) c`;

const named = (prefix) => ({ id: (row) => `${prefix}_${row.id}` });

// Mercurius would make a key of each parent with all that it holds, to find those that are equal.
const uncached = (loader) => ({ loader, opts: { cache: false } });

// One statement for all that the parents of a level name.
const loaded = (table, column) =>
  uncached(async (queries) => {
    const ids = [...new Set(queries.map(({ obj }) => obj[column]).filter(Boolean))];
    const rows = await asked(`SELECT id, name FROM ${table} WHERE id = ANY($1::uuid[])`, [ids]);
    const byId = new Map(rows.map((row) => [row.id, row]));
    return queries.map(({ obj }) => byId.get(obj[column]) ?? null);
  });

async function comments(queries, { viewer }) {
  const ids = queries.map(({ obj }) => obj.id);
  const rows = await asked(last(queries[0].params.last), [viewer, ids]);
  const byTicket = new Map(ids.map((id) => [id, { nodes: [] }]));
  for (const row of rows) byTicket.get(row.ticket_id).nodes.unshift(row);
  return ids.map((id) => byTicket.get(id));
}

const app = Fastify();
app.register(mercurius, {
  schema: SDL,
  jit: 1,
  context: (request) => ({ viewer: people.get(request.headers.authorization) }),
  resolvers: {
    Person: named("per"),
    Department: named("dep"),
    Comment: named("com"),
    Ticket: named("tkt"),
    Query: {
      ticket: async (_root, { id }, { viewer }) => (await asked(ONE, [viewer, id.slice(4)]))[0] ?? null,
      tickets: async (_root, { first, filter }, { viewer }) => {
        const [status] = filter.statuses;
        return { nodes: await asked(many(status, first), [viewer]) };
      },
    },
  },
  loaders: {
    Ticket: {
      requester: loaded("people", "requester_id"),
      assignee: loaded("people", "assignee_id"),
      department: loaded("departments", "department_id"),
      comments: uncached(comments),
    },
    Comment: { author: loaded("people", "author_id") },
  },
});
await app.listen({ port: Number(process.env.PORT), host: "127.0.0.1" });
