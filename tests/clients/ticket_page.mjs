// The ticket page's own modules, without its page: signs in, watches a ticket, says something twice under one key.

import { randomUUID } from "node:crypto";
import { parse } from "graphql";
import { Desk, Refused } from "./examples/typescript/dist/desk.js";
import { latest, say, solution, states } from "./examples/typescript/dist/ticket.js";
import { tell } from "./desk.mjs";
import { networkTo } from "./network.mjs";

const desk = new Desk(`${process.argv[2]}/graphql`);
const refused = async (doing) => {
  try {
    await doing();
  } catch (error) {
    return error instanceof Refused ? error.message : String(error);
  }
};
const wrong = await refused(() => desk.signIn("other.customer@example.com", "not this one"));
const { name } = await desk.signIn("other.customer@example.com", "deskwire-demo");
const category = (await desk.ask(parse("{ categories(first: 1) { nodes { id } } }"), {})).categories.nodes[0].id;
const submitted = await desk.change(
  parse(`mutation ($input: SubmitTicketInput!) { submitTicket(input: $input) {
    ... on SubmitTicketSuccess { ticket { id } } } }`),
  { input: { subject: "On the page", body: "It burns.", categoryId: category } },
);
const { id } = submitted.submitTicket.ticket;
const key = randomUUID();
const counts = [];
let comments;
for await (const ticket of states(desk, id)) {
  comments = ticket.comments.nodes.map((comment) => comment.bodyHtml);
  counts.push(comments.length);
  if (counts.length === 1) {
    await say(desk, id, "Is *anybody* there?", key);
    await say(desk, id, "Is *anybody* there?", key);
    await say(desk, id, "Hello?", randomUUID());
  }
  if (comments.length === 2) break;
}
const empty = await refused(() => say(desk, id, " ", randomUUID()));
const hidden = [];
for await (const ticket of states(desk, "tkt_00000000-0000-7000-8000-000000000000")) hidden.push(ticket);
// Tokens that have ended are traded for new ones, once for all that is asked at the same time.
Object.assign(desk.session, { accessToken: "ended", accessTokenExpiresAt: "2026-01-01T00:00:00.000Z" });
await Promise.all([say(desk, id, "Still there?", randomUUID()), latest(desk)]);
Object.assign(desk.session, { accessToken: "ended", accessTokenExpiresAt: "2026-01-01T00:00:00.000Z" });
let ended;
for await (const ticket of states(desk, id)) {
  ended = ticket.comments.nodes.slice(2).map((comment) => comment.bodyHtml);
  if (ended.length === 2) break;
  await say(desk, id, "And now?", randomUUID());
}
// A network that is lost without a word, and one that is cut.
const network = await networkTo(process.argv[2]);
const elsewhere = new Desk(`http://${network.at}/graphql`, 2_000);
await elsewhere.signIn("other.customer@example.com", "deskwire-demo");
const found = new Set();
for await (const ticket of states(elsewhere, id)) {
  found.add(ticket.comments.nodes.length);
  if (found.size === 3) break;
  if (found.size === 1) network.lose();
  else network.cut();
  await say(desk, id, "Do you hear me?", randomUUID());
}
const solutions = ["AWAITING", "REJECTED"].map((state) => solution({ resolution: { state, summaryHtml: "<p>New</p>" } }));
solutions.push(solution({ resolution: null }));
tell({ found: [...found], ended, solutions, name, wrong, first: counts[0], comments, empty, hidden, latest: (await latest(desk)) === id });
