// Apollo's cache as docs/front-ends.md sets it up: what one part of a page asks for stays there whatever others ask for.

import { writeFileSync } from "node:fs";
import { ApolloClient, ApolloLink, gql, HttpLink } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { createClient } from "graphql-ws";
import { OperationTypeNode } from "graphql";
import WebSocket from "ws";
import { AGENT, CATEGORIES, CUSTOMER, credentials, endpoint, headersOf, SIGN_IN, socketEndpoint, SUBMIT, tell, ticketOf } from "./desk.mjs";

const asked = async (query, variables, token) => {
  const headers = { "content-type": "application/json", ...headersOf(token) };
  return (await (await fetch(endpoint, { method: "POST", headers, body: JSON.stringify({ query, variables }) })).json()).data;
};
const { __schema } = await asked("{ __schema { types { name possibleTypes { name } } } }");
const named = ({ name, possibleTypes }) => [name, possibleTypes.map((type) => type.name)];
const possibleTypes = Object.fromEntries(__schema.types.filter((type) => type.possibleTypes).map(named));
writeFileSync("possible-types.js", `export default ${JSON.stringify({ possibleTypes })};`);
const { cache } = await import("./front_ends_cache.js");

const complaints = [];
console.warn = console.error = (...words) => complaints.push(words.join(" "));
const token = (await asked(SIGN_IN, { input: credentials(CUSTOMER) })).signIn.session.accessToken;
const agentToken = (await asked(SIGN_IN, { input: credentials(AGENT) })).signIn.session.accessToken;
const socket = createClient({ url: socketEndpoint, webSocketImpl: WebSocket, connectionParams: headersOf(agentToken) });
const isSubscription = ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION;
const http = new HttpLink({ uri: endpoint, headers: headersOf(agentToken) });
const client = new ApolloClient({ cache, link: ApolloLink.split(isSubscription, new GraphQLWsLink(socket), http) });
const read = (query, variables) => cache.readQuery({ query, variables });
const shown = async (query, variables) => (await client.query({ query, variables, fetchPolicy: "network-only" })).data;
const watched = (query, variables, take = () => {}) => client.subscribe({ query, variables }).subscribe(({ data }) => take(data));
const until = async (holds) => {
  for (let tries = 0; !holds(); tries++) {
    if (tries > 200) throw new Error(`Never: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
};

// Two parts of a page ask for something else of what has no id.
const NAME = gql`{ desk { name } }`;
const LIMITS = gql`{ desk { maxAttachmentBytes } }`;
await shown(NAME);
await shown(LIMITS);
const desks = [read(NAME)?.desk.name, read(LIMITS)?.desk.maxAttachmentBytes > 0];

// Pages of one list are together, and apart from those of another.
const { categories } = await asked(CATEGORIES, {}, token);
const subjects = ["Cached A", "Cached B", "Cached C"];
const submitted = [];
for (const subject of subjects) submitted.push((await asked(SUBMIT, { input: ticketOf(categories, subject) }, token)).submitTicket.ticket);
const [{ id }] = submitted;
const TICKETS = gql`query ($statuses: [TicketStatus!], $after: String) {
  tickets(filter: { text: "cached", statuses: $statuses }, orderBy: { field: CREATED_AT, direction: ASC }, first: 2, after: $after) {
    edges { node { id subject } } pageInfo { endCursor hasNextPage } } }`;
const list = client.watchQuery({ query: TICKETS, variables: { statuses: ["OPEN"] } });
const end = list.subscribe(() => {});
await until(() => list.getCurrentResult().data?.tickets);
await list.fetchMore({ variables: { after: list.getCurrentResult().data.tickets.pageInfo.endCursor } });
await shown(TICKETS, { statuses: ["CLOSED"] });
const pages = read(TICKETS, { statuses: ["OPEN"] }).tickets.edges.map(({ node }) => node.subject);
end.unsubscribe();

// What is told live is what the page shows.
const PAGE = gql`query ($id: ID!) { ticket(id: $id) {
  id status resolution { state } presence { ticketId people { activity } }
  events(first: 1) { edges { cursor node { id __typename seq } } pageInfo { endCursor hasNextPage } } } }`;
const SUMMARY = gql`query ($id: ID!) { ticket(id: $id) { id resolution { summaryHtml } } }`;
const MORE = gql`query ($id: ID!, $after: String) { ticket(id: $id) { id
  events(first: 50, after: $after) { edges { cursor node { id __typename seq } } pageInfo { endCursor hasNextPage } } } }`;
const UNREAD = gql`{ viewer { id unread { count } } }`;
const { viewer } = await shown(UNREAD);
await shown(PAGE, { id });
const { ticket: more } = await shown(MORE, { id, after: read(PAGE, { id }).ticket.events.pageInfo.endCursor });
const place = more.events.edges.at(-1).cursor;
watched(gql`subscription ($id: ID!) { ticketUpdated(id: $id) { id status resolution { state } } }`, { id });
watched(gql`subscription ($id: ID!) { ticketPresenceUpdated(ticketId: $id) { ticketId people { activity } } }`, { id });
watched(gql`subscription { unreadCountUpdated { count } }`);
watched(gql`subscription ($id: ID!, $after: String) { ticketEvents(ticketId: $id, after: $after) {
  cursor node { id __typename seq } } }`, { id, after: place }, ({ ticketEvents }) => {
  cache.updateQuery({ query: PAGE, variables: { id } }, ({ ticket }) => {
    const events = { ...ticket.events, edges: [...ticket.events.edges, ticketEvents] };
    return { ticket: { ...ticket, events } };
  });
});
const TYPING = `mutation ($id: ID!) { setTicketPresence(input: { ticketId: $id, activity: TYPING }) { __typename } }`;
const RESOLVE = `mutation ($id: ID!) { resolveTicket(input: { ticketId: $id, summary: "Water." }) { __typename } }`;
const REOPEN = `mutation ($id: ID!) { reopenTicket(input: { ticketId: $id, reason: "No." }) { __typename } }`;
await asked(TYPING, { id }, agentToken);
await asked(RESOLVE, { id }, agentToken);
await until(() => read(PAGE, { id }).ticket.status === "RESOLVED");
await shown(SUMMARY, { id });
await asked(REOPEN, { id }, token);
const page = () => read(PAGE, { id }).ticket;
await until(() => page().status === "OPEN" && page().events.edges.some(({ node }) => node.__typename === "TicketReopened"));
await until(() => page().presence.people.length === 1 && read(UNREAD).viewer.unread.count > viewer.unread.count);
const seqs = page().events.edges.map(({ node }) => node.seq);

tell({
  complaints,
  desks,
  pages,
  resolution: [page().resolution.state, read(SUMMARY, { id }).ticket.resolution.summaryHtml],
  presence: page().presence.people[0].activity,
  gapless: seqs.every((seq, index) => seq === index + 1),
});
