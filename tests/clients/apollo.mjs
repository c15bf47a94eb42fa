// Apollo Client: HttpLink in both media types, persisted queries by POST and GET, and subscriptions by GraphQLWsLink.

import { createHash } from "node:crypto";
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { PersistedQueryLink } from "@apollo/client/link/persisted-queries";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { createClient } from "graphql-ws";
import { OperationTypeNode } from "graphql";
import WebSocket from "ws";
import { endpoint, headersOf, roundTrip, socketEndpoint, tell, untilCommented, VIEWER, WATCH } from "./desk.mjs";

const requests = [];
async function counted(url, options) {
  const response = await fetch(url, options);
  const text = options.method === "GET" ? decodeURIComponent(url) : options.body;
  const hasQuery = options.method === "GET" ? url.includes("query=") : "query" in JSON.parse(text);
  requests.push([options.method, hasQuery, text.includes("sha256Hash"), response.status]);
  return response;
}
const sha256 = (text) => createHash("sha256").update(text).digest("hex");

function clientOf(token, { accept, persisted, possibleTypes } = {}) {
  const headers = { ...headersOf(token), ...(accept ? { accept } : {}) };
  const http = new HttpLink({ uri: endpoint, headers, fetch: counted });
  const link = persisted ? new PersistedQueryLink({ sha256, ...persisted }).concat(http) : http;
  const socket = createClient({ url: socketEndpoint, webSocketImpl: WebSocket, connectionParams: headersOf(token) });
  const isSubscription = ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION;
  return new ApolloClient({
    cache: new InMemoryCache({ possibleTypes }),
    link: ApolloLink.split(isSubscription, new GraphQLWsLink(socket), link),
    defaultOptions: { query: { fetchPolicy: "network-only" }, mutate: { fetchPolicy: "network-only" } },
  });
}

async function ask(text, variables, token) {
  const document = gql(text);
  const client = clientOf(token);
  const asked = text.startsWith("mutation")
    ? client.mutate({ mutation: document, variables })
    : client.query({ query: document, variables });
  return (await asked).data;
}

const { token, agentToken, comment, submitted, ...seen } = await roundTrip(ask, "By Apollo Client");

const agent = clientOf(agentToken);
const { items, end } = await untilCommented(comment, (next, error) =>
  agent
    .subscribe({ query: gql(WATCH), variables: { id: submitted.ticket.id } })
    .subscribe({ next: (result) => (result.error ? error(result.error) : next(result.data)), error }),
);
end.unsubscribe();

// Its cache has to know which types are refusals; a project has that from its schema.
const TYPES = gql`query Types { __schema { types { name possibleTypes { name } } } }`;
const { __schema } = (await agent.query({ query: TYPES, fetchPolicy: "no-cache" })).data;
const named = ({ name, possibleTypes }) => [name, possibleTypes.map((type) => type.name)];
const types = Object.fromEntries(__schema.types.filter(({ possibleTypes }) => possibleTypes).map(named));
const messages = [];
for (const possibleTypes of [undefined, types]) {
  const client = clientOf(token, { possibleTypes });
  const mutation = gql`mutation { addComment(input: { ticketId: "", body: "" }) { __typename ... on Refusal { message } } }`;
  messages.push((await client.mutate({ mutation })).data.addComment);
}

const invalid = {};
for (const accept of ["application/json", undefined]) {
  const asked = clientOf(token, { accept }).query({ query: gql`{ nonsense }` });
  invalid[accept ?? "default"] = await asked.then(String, (error) => [error.name, error.errors?.[0].extensions.code]);
}

const persisted = {};
for (const [name, accept] of [["json", "application/json"], ["response", undefined]]) {
  for (const useGETForHashedQueries of [false, true]) {
    const client = clientOf(token, { accept, persisted: { useGETForHashedQueries } });
    const query = gql(VIEWER.replace("Viewer", `Viewer_${name}_${useGETForHashedQueries}_${process.pid}`));
    requests.length = 0;
    const names = [];
    for (let time = 0; time < 2; time++) names.push((await client.query({ query })).data.viewer.person.name);
    persisted[`${name} ${useGETForHashedQueries ? "GET" : "POST"}`] = { names, requests: [...requests] };
  }
}

tell({ ...seen, subject: submitted.ticket.subject, items, messages, invalid, persisted });
