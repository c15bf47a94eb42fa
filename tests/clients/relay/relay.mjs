// Relay: what its compiler made of the operations, run by its runtime; subscriptions as event streams.

import relay from "relay-runtime";
import { createClient } from "graphql-sse";
import categoriesQuery from "./artifacts/ticketsCategoriesQuery.graphql.js";
import comment from "./artifacts/ticketsCommentMutation.graphql.js";
import listQuery from "./artifacts/ticketsListQuery.graphql.js";
import pageQuery from "./artifacts/ticketsPageQuery.graphql.js";
import signIn from "./artifacts/ticketsSignInMutation.graphql.js";
import submit from "./artifacts/ticketsSubmitMutation.graphql.js";
import ticketQuery from "./artifacts/ticketsTicketQuery.graphql.js";
import watch from "./artifacts/ticketsWatchSubscription.graphql.js";
import { CUSTOMER, credentials, endpoint, headersOf, tell, ticketOf } from "./desk.mjs";

const { commitMutation, ConnectionHandler, Environment, fetchQuery, Network, Observable, requestSubscription } = relay;

function environmentOf(token) {
  const headers = { ...headersOf(token), "content-type": "application/json" };
  const ask = async ({ text: query }, variables) =>
    (await fetch(endpoint, { method: "POST", headers, body: JSON.stringify({ query, variables }) })).json();
  const stream = createClient({ url: endpoint, headers: headersOf(token) });
  const subscribe = ({ text: query }, variables) =>
    Observable.create((sink) => stream.subscribe({ query, variables }, sink));
  return new Environment({ network: Network.create(ask, subscribe) });
}

const mutated = (environment, mutation, variables) =>
  new Promise((resolve, reject) =>
    commitMutation(environment, { mutation, variables, onCompleted: resolve, onError: reject }),
  );

const nobody = environmentOf();
const { signIn: signedIn } = await mutated(nobody, signIn, { input: credentials(CUSTOMER) });
const environment = environmentOf(signedIn.session.accessToken);

const { categories } = await fetchQuery(environment, categoriesQuery, {}).toPromise();
const connection = ConnectionHandler.getConnectionID("client:root", "tickets_list_tickets");
const listed = () => {
  const source = environment.getStore().getSource();
  const edges = source.get(connection).edges.__refs.map((edge) => source.get(edge).node.__ref);
  return edges.map((id) => source.get(id).subject);
};

for (const subject of ["Relay A", "Relay B", "Relay C"]) {
  const input = ticketOf(categories, subject);
  await mutated(environment, submit, { input, connections: [] });
}
await fetchQuery(environment, listQuery, {}).toPromise();
const kept = environment.retain(relay.createOperationDescriptor(listQuery, {}));
const firstPage = listed();
const { endCursor, hasNextPage } = (() => {
  const source = environment.getStore().getSource();
  return source.get(source.get(connection).pageInfo.__ref);
})();
await fetchQuery(environment, pageQuery, { count: 1, cursor: endCursor }).toPromise();
const bothPages = listed();
const { submitTicket } = await mutated(environment, submit, {
  input: ticketOf(categories, "Relay D"),
  connections: [connection],
});
const prepended = listed();

const { id } = submitTicket.ticket;
const again = await fetchQuery(environment, ticketQuery, { id }).toPromise();
const watched = await new Promise((resolve, reject) => {
  const seen = [];
  const subscription = requestSubscription(environment, {
    subscription: watch,
    variables: { id },
    onNext: ({ ticketUpdated }) => {
      seen.push(ticketUpdated.lastSeq);
      if (seen.length === 1) mutated(environment, comment, { input: { ticketId: id, body: "Hello?" } }).catch(reject);
      if (seen.length < 2) return;
      resolve(seen);
      queueMicrotask(() => subscription.dispose());
    },
    onError: reject,
  });
});

kept.dispose();
tell({ firstPage, hasNextPage, bothPages, prepended, again: Boolean(again.node), watched });
