// One ticket: how it stands now and after every change, and what its reader says to it.

import { type Desk, Refused } from "./desk.js";
import type { TicketSubscription } from "./gql/graphql.js";
import { graphql } from "./gql/index.js";

const WATCH = graphql(`
  subscription Ticket($id: ID!) {
    ticketUpdated(id: $id) {
      id number subject status bodyHtml lastSeq
      requester { name }
      assignee { name }
      resolution { summaryHtml state }
      comments(last: 50) { nodes { id bodyHtml createdAt author { name } attachments { filename url } } }
    }
  }
`);
const COMMENT = graphql(`
  mutation Comment($input: AddCommentInput!) {
    addComment(input: $input) {
      __typename
      ... on AddCommentSuccess { comment { id } }
      ... on InvalidInput { problems { field message } }
      ... on Refusal { message }
    }
  }
`);
const LATEST = graphql(`
  query Latest { tickets(first: 1) { nodes { id } } }
`);

export type Ticket = TicketSubscription["ticketUpdated"];

/** The id of the newest ticket that the reader sees; undefined without one. */
export async function latest(desk: Desk): Promise<string | undefined> {
  return (await desk.ask(LATEST, {})).tickets?.nodes[0]?.id;
}

/** The ticket now and after every change, until it can't be seen any more. */
export async function* states(desk: Desk, id: string): AsyncGenerator<Ticket, void> {
  for await (const { ticketUpdated } of desk.watch(WATCH, { id })) yield ticketUpdated;
}

/** How it was solved, as HTML; undefined when it wasn't, or its customer says so. */
export function solution({ resolution }: Pick<Ticket, "resolution">): string | undefined {
  return resolution && resolution.state !== "REJECTED" ? (resolution.summaryHtml ?? "") : undefined;
}

/** Say something. The same `key` again, after an answer that was lost, says it once. Throws Refused. */
export async function say(desk: Desk, ticketId: string, body: string, key: string): Promise<void> {
  const { addComment } = await desk.change(COMMENT, { input: { ticketId, body, idempotencyKey: key } });
  if (addComment?.__typename === "InvalidInput") {
    throw new Refused(addComment.problems.map((problem) => problem.message).join(" "));
  }
  if (addComment?.__typename !== "AddCommentSuccess") throw new Refused(addComment?.message ?? "");
}
