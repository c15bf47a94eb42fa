// graphql-ws: everything over one socket a person, a subscription that goes on, and what a bad token gets.

import { createHash, randomUUID } from "node:crypto";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { roundTrip, socketEndpoint, tell, untilCommented, VIEWER, WATCH } from "./desk.mjs";

const clients = new Map();
function clientOf(token) {
  if (!clients.has(token)) {
    const connectionParams = token ? { authorization: `Bearer ${token}` } : {};
    const client = createClient({ url: socketEndpoint, webSocketImpl: WebSocket, connectionParams, retryAttempts: 0 });
    clients.set(token, client);
  }
  return clients.get(token);
}

async function first(token, payload) {
  for await (const result of clientOf(token).iterate(payload)) {
    if (result.errors) throw new Error(JSON.stringify(result.errors));
    return result.data;
  }
}
const ask = (query, variables, token) => first(token, { query, variables });

const { token, agentToken, comment, submitted, ...seen } = await roundTrip(ask, "By graphql-ws");

const { items, end } = await untilCommented(comment, (next, error) =>
  clientOf(agentToken).subscribe(
    { query: WATCH, variables: { id: submitted.ticket.id } },
    { next: ({ data }) => next(data), error, complete() {} },
  ),
);
end();

const invalid = await first(token, { query: "{ nonsense }" }).catch((errors) => errors[0].extensions.code);

const query = VIEWER.replace("Viewer", `Viewer${randomUUID().replaceAll("-", "")}`);
const sha256Hash = createHash("sha256").update(query).digest("hex");
const extensions = { persistedQuery: { version: 1, sha256Hash } };
const unknown = await first(token, { query: "", extensions }).catch((errors) => errors[0].message);
const sent = await first(token, { query, extensions });
const persisted = await first(token, { query: "", extensions });

const forbidden = await first("nonsense", { query: VIEWER }).catch((event) => event.code);

tell({ ...seen, subject: submitted.ticket.subject, items, invalid, unknown, sent, persisted, forbidden });
