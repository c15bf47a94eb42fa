// graphql-sse: everything as event streams, each on a connection of its own.

import { createClient } from "graphql-sse";
import { endpoint, headersOf, roundTrip, tell, untilCommented, VIEWER, WATCH } from "./desk.mjs";

const clientOf = (token) => createClient({ url: endpoint, headers: headersOf(token), retryAttempts: 0 });

async function all(token, payload) {
  const results = [];
  for await (const result of clientOf(token).iterate(payload)) results.push(result);
  return results;
}
async function ask(query, variables, token) {
  const [result, ...more] = await all(token, { query, variables });
  if (result.errors || more.length) throw new Error(JSON.stringify([result, ...more]));
  return result.data;
}

const { token, agentToken, comment, submitted, ...seen } = await roundTrip(ask, "By graphql-sse");

const { items, end } = await untilCommented(comment, (next, error) =>
  clientOf(agentToken).subscribe(
    { query: WATCH, variables: { id: submitted.ticket.id } },
    { next: ({ data }) => next(data), error, complete() {} },
  ),
);
end();

const [invalid] = await all(token, { query: "{ nonsense }" });
const hidden = await all(token, { query: WATCH, variables: { id: "tkt_00000000-0000-7000-8000-000000000000" } });
const unauthenticated = await all(undefined, { query: WATCH, variables: { id: submitted.ticket.id } });
const forbidden = await all("nonsense", { query: VIEWER }).catch((error) => error.response.status);

tell({
  ...seen,
  subject: submitted.ticket.subject,
  items,
  invalid: invalid.errors[0].extensions.code,
  hidden,
  unauthenticated: unauthenticated.map(({ errors }) => errors[0].extensions.code),
  forbidden,
});
