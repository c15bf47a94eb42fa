// urql: queries and mutations by fetch, persisted queries by POST and GET, subscriptions by socket and by event stream.

import { Client, fetchExchange, subscriptionExchange } from "@urql/core";
import { persistedExchange } from "@urql/exchange-persisted";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { endpoint, headersOf, roundTrip, socketEndpoint, tell, untilCommented, VIEWER, WATCH } from "./desk.mjs";

const requests = [];
async function counted(url, options) {
  const response = await fetch(url, options);
  const hasQuery = options.method === "GET" ? url.includes("query=") : "query" in JSON.parse(options.body);
  requests.push([options.method, hasQuery, response.status]);
  return response;
}

const clientOf = (token, exchanges = [fetchExchange], more = {}) =>
  new Client({
    url: endpoint,
    exchanges,
    fetch: counted,
    fetchOptions: { headers: headersOf(token) },
    requestPolicy: "network-only",
    preferGetMethod: false,
    ...more,
  });

async function ask(text, variables, token) {
  const client = clientOf(token);
  const asked = text.startsWith("mutation") ? client.mutation(text, variables) : client.query(text, variables);
  const { data, error } = await asked.toPromise();
  if (error) throw error;
  return data;
}

const { token, agentToken, comment, submitted, ...seen } = await roundTrip(ask, "By urql");

const socket = createClient({ url: socketEndpoint, webSocketImpl: WebSocket, connectionParams: headersOf(agentToken) });
const forwardSubscription = ({ query, variables }) => ({
  subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
});
const clients = {
  socket: clientOf(agentToken, [subscriptionExchange({ forwardSubscription })]),
  stream: clientOf(agentToken, [fetchExchange], { fetchSubscriptions: true }),
};
const items = {};
for (const [name, client] of Object.entries(clients)) {
  const watched = await untilCommented(comment, (next, error) =>
    client
      .subscription(WATCH, { id: submitted.ticket.id })
      .subscribe((result) => (result.error ? error(result.error) : next(result.data))),
  );
  watched.end.unsubscribe();
  items[name] = watched.items;
}

const { error } = await clientOf(token).query("{ nonsense }", {}).toPromise();
const invalid = [error.networkError ?? null, error.graphQLErrors[0].extensions.code];

const persisted = {};
for (const preferGetForPersistedQueries of [false, true]) {
  const exchange = persistedExchange({ preferGetForPersistedQueries });
  const client = clientOf(token, [exchange, fetchExchange]);
  const query = VIEWER.replace("Viewer", `Viewer_${preferGetForPersistedQueries}_${process.pid}`);
  requests.length = 0;
  const names = [];
  for (let time = 0; time < 2; time++) {
    const result = await client.query(query, {}).toPromise();
    names.push(result.error ? String(result.error) : result.data.viewer.person.name);
  }
  persisted[preferGetForPersistedQueries ? "GET" : "POST"] = { names, requests: [...requests] };
}

tell({ ...seen, subject: submitted.ticket.subject, items, invalid, persisted });
