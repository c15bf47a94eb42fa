// The page: signs in, shows the newest ticket, and keeps it as it is.

import { Desk, Refused } from "./desk.js";
import { latest, say, solution, states, type Ticket } from "./ticket.js";

const desk = new Desk("/graphql");
const part = <Kind extends HTMLElement>(id: string) => document.getElementById(id) as Kind;
const told = (error: unknown) => {
  part("told").textContent = error instanceof Error ? error.message : String(error);
};

function element(name: string, text: string): HTMLElement {
  const made = document.createElement(name);
  made.textContent = text; // what people wrote is text …
  return made;
}

function written(html: string): HTMLElement {
  const made = document.createElement("div");
  made.innerHTML = html; // … but for what ends in Html, which the desk has sanitised
  return made;
}

function draw(ticket: Ticket): void {
  const parts = [
    element("h2", `#${ticket.number} ${ticket.subject}`),
    element("p", `${ticket.status}, ${ticket.assignee ? `with ${ticket.assignee.name}` : "waiting for somebody"}`),
    written(ticket.bodyHtml),
  ];
  for (const comment of ticket.comments.nodes) {
    const date = new Date(comment.createdAt).toLocaleString();
    parts.push(element("h2", `${comment.author?.name ?? "Somebody"}, ${date}`));
    if (comment.bodyHtml !== null) parts.push(written(comment.bodyHtml));
    for (const file of comment.attachments) {
      const link = element("a", file.filename) as HTMLAnchorElement;
      link.href = file.url;
      parts.push(link);
    }
  }
  const solved = solution(ticket);
  if (solved !== undefined) parts.push(element("h2", "Solved"), written(solved));
  part("ticket").replaceChildren(...parts);
}

async function follow(id: string): Promise<void> {
  for await (const ticket of states(desk, id)) draw(ticket);
  part("ticket").replaceChildren(element("p", "This ticket can't be seen any more."));
}

part<HTMLFormElement>("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  told("");
  const given = new FormData(event.target as HTMLFormElement);
  try {
    await desk.signIn(String(given.get("email")), String(given.get("password")));
    const id = await latest(desk);
    if (!id) throw new Refused("There is no ticket yet.");
    part("sign-in").hidden = true;
    part("reply").hidden = false;
    part("reply").dataset["ticket"] = id;
    await follow(id);
  } catch (error) {
    told(error);
  }
});

let key = crypto.randomUUID(); // of what is being written: sending it again says it once
part<HTMLFormElement>("reply").addEventListener("submit", async (event) => {
  event.preventDefault();
  told("");
  const form = event.target as HTMLFormElement;
  try {
    await say(desk, form.dataset["ticket"] ?? "", String(new FormData(form).get("body")), key);
    key = crypto.randomUUID();
    form.reset();
  } catch (error) {
    told(error);
  }
});
