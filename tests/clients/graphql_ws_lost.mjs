// graphql-ws as docs/front-ends.md sets it up, behind a network that is lost without a word, and comes back.

import { connect, createServer } from "node:net";
import WebSocket from "ws";
import { ADD_COMMENT, CATEGORIES, CUSTOMER, credentials, desk, endpoint, headersOf, SIGN_IN, SUBMIT, tell, ticketOf, WATCH } from "./desk.mjs";

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

// What goes through it is passed on, or vanishes; what is there when it is cut is told so.
const network = { vanishes: new Set(), refuses: false, all: new Set() };
const between = createServer((near) => {
  if (network.refuses) return near.destroy();
  const far = connect(Number(new URL(desk).port), "127.0.0.1");
  network.all.add(near);
  for (const [from, to] of [[near, far], [far, near]]) {
    from.on("data", (data) => network.vanishes.has(near) || to.write(data));
    from.on("error", () => {});
    from.on("close", () => network.vanishes.has(near) || to.destroy());
  }
});
await new Promise((resolve) => between.listen(0, "127.0.0.1", resolve));
const lose = () => network.all.forEach((each) => network.vanishes.add(each));
const cut = () => network.all.forEach((each) => each.destroy());

const { session } = (await ask(SIGN_IN, { input: credentials(CUSTOMER) })).signIn;
const token = session.accessToken;
const { categories } = await ask(CATEGORIES, {}, token);
const { id } = (await ask(SUBMIT, { input: ticketOf(categories, "Lost and found") }, token)).submitTicket.ticket;
const comment = () => ask(ADD_COMMENT, { input: { ticketId: id, body: "Still there?" } }, token);

let connections = 0;
const answers = [token, token, new TypeError("Failed to fetch"), token, "ended", token];
const client = liveClient(`ws://127.0.0.1:${between.address().port}/graphql`, async () => {
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
lose();
await comment();
await until(() => items.at(-1) === 1);
network.refuses = true; // for more than five tries
cut();
await pause(600);
network.refuses = false; // then a token can't be fetched, once
await comment();
await until(() => items.at(-1) === 2);
cut(); // and one has ended, once
await comment();
await until(() => items.at(-1) === 3);
cut();
await until(() => ended);
tell({ items: [...new Set(items)], connections, ended });
