// What every client asks of a desk, as people of the demo.

export const desk = process.argv[2];
export const endpoint = `${desk}/graphql`;
export const socketEndpoint = endpoint.replace("http", "ws");

export const CUSTOMER = "other.customer@example.com"; // others in the tests sign in as the first, and often
export const AGENT = "lead@example.com";

export const SIGN_IN = `mutation SignIn($input: SignInInput!) {
  signIn(input: $input) { __typename ... on SignInSuccess { session { accessToken viewer { person { id name } } } } }
}`;
export const VIEWER = `query Viewer { viewer { person { id name } } }`;
export const CATEGORIES = `query Categories { categories(first: 10) { nodes { id name } } }`;
export const SUBMIT = `mutation Submit($input: SubmitTicketInput!) {
  submitTicket(input: $input) {
    __typename
    ... on SubmitTicketSuccess { ticket { id number subject } }
    ... on InvalidInput { problems { field } }
  }
}`;
export const ADD_COMMENT = `mutation AddComment($input: AddCommentInput!) {
  addComment(input: $input) { __typename ... on AddCommentSuccess { comment { id } } }
}`;
export const WATCH = `subscription Watch($id: ID!) {
  ticketUpdated(id: $id) { id subject events(last: 10) { nodes { __typename id } } }
}`;

export const credentials = (email) => ({ email, password: "deskwire-demo" });
export const headersOf = (token) => (token ? { authorization: `Bearer ${token}` } : {});

/** A new ticket's input, of a category by its name. */
export const ticketOf = (categories, subject) => ({
  subject,
  body: "It **burns**.",
  categoryId: categories.nodes.find(({ name }) => name === "Technical problem").id,
});

/**
 * Watches until a comment is told of that is made once the first item is there, by `comment()`. Gives each item's
 * subject and how many comments it told of, and what `subscribe(next, fail)` returned.
 */
export const untilCommented = (comment, subscribe) =>
  new Promise((resolve, reject) => {
    const [subjects, comments] = [[], []];
    const end = subscribe(({ ticketUpdated: { subject, events } }) => {
      subjects.push(subject);
      comments.push(events.nodes.filter(({ __typename }) => __typename === "CommentAdded").length);
      if (subjects.length === 1) comment().catch(reject);
      if (comments.at(-1) > comments[0]) queueMicrotask(() => resolve({ items: { subjects, comments }, end }));
    }, reject);
  });

/** Signs in, looks around, submits a ticket as the customer, and fails at it; `ask(operation, variables, token)`. */
export async function roundTrip(ask, subject) {
  const token = (await ask(SIGN_IN, { input: credentials(CUSTOMER) })).signIn.session.accessToken;
  const { viewer } = await ask(VIEWER, {}, token);
  const { categories } = await ask(CATEGORIES, {}, token);
  const input = ticketOf(categories, subject);
  const submitted = (await ask(SUBMIT, { input }, token)).submitTicket;
  const refused = (await ask(SUBMIT, { input: { ...input, subject: "" } }, token)).submitTicket;
  const agentToken = (await ask(SIGN_IN, { input: credentials(AGENT) })).signIn.session.accessToken;
  const said = { ticketId: submitted.ticket.id, body: "Is anybody there?" };
  const comment = () => ask(ADD_COMMENT, { input: said }, token);
  return { token, agentToken, comment, viewer: viewer.person.name, submitted, refused: refused.__typename };
}

/** Prints what came of it, and ends. */
export function tell(result) {
  console.log(JSON.stringify(result));
  process.exit(0);
}
