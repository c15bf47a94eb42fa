// graphql-ws as docs/front-ends.md sets it up, behind a network that is lost without a word, and comes back.

import WebSocket from "ws";
import { ADD_COMMENT, CATEGORIES, CUSTOMER, credentials, desk, endpoint, headersOf, SIGN_IN, SUBMIT, tell, ticketOf, WATCH } from "./desk.mjs";
import { networkTo } from "./network.mjs";

globalThis.WebSocket = WebSocket;
const { liveClient, SignedOut } = await import("./front_ends_live.js");

const ask = async (query, variables, token) => {
  const headers = { "content-type": "application/json", ...headersOf(token) };
  return (await (await fetch(endpoint, { method: "POST", headers, body: JSON.stringify({ query, variables }) })).json()).data;
};
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const until = async (holds) => {
  while (!holds()) await pause(10);
};

const network = await networkTo(desk);

const { session } = (await ask(SIGN_IN, { input: credentials(CUSTOMER) })).signIn;
const token = session.accessToken;
const { categories } = await ask(CATEGORIES, {}, token);
const { id } = (await ask(SUBMIT, { input: ticketOf(categories, "Lost and found") }, token)).submitTicket.ticket;
const comment = () => ask(ADD_COMMENT, { input: { ticketId: id, body: "Still there?" } }, token);

let connections = 0;
const answers = [token, token, new TypeError("Failed to fetch"), token, "ended", token];
const client = liveClient(`ws://${network.at}/graphql`, async () => {
  const answer = answers.length ? answers.shift() : new SignedOut();
  if (answer instanceof Error) throw answer;
  return answer;
});
client.on("connected", () => connections++);
const items = [];
let ended;
client.subscribe(
  { query: WATCH, variables: { id } },
  {
    next: ({ data }) => items.push(data.ticketUpdated.events.nodes.filter(({ __typename }) => __typename === "CommentAdded").length),
    error: (error) => (ended = error.constructor.name),
    complete: () => (ended = "complete"),
  },
);
await until(() => items.at(-1) === 0);
network.lose();
await comment();
await until(() => items.at(-1) === 1);
network.refuses = true; // for more than five tries
network.cut();
await pause(600);
network.refuses = false; // then a token can't be fetched, once
await comment();
await until(() => items.at(-1) === 2);
network.cut(); // and one has ended, once
await comment();
await until(() => items.at(-1) === 3);
network.cut();
await until(() => ended);
tell({ items: [...new Set(items)], connections, ended });
