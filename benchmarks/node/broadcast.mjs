// A ticket in memory that many watch, as Node's GraphQL servers tell of it: no database, no Redis, no rights.
//
// node broadcast.mjs SERVER PORT: graphql-ws, or mercurius. Each POST to / changes the ticket.

import { createServer } from "node:http";
import { createPubSub } from "@graphql-yoga/subscription";
import Fastify from "fastify";
import { buildSchema } from "graphql";
import { useServer } from "graphql-ws/use/ws";
import mercurius from "mercurius";
import { WebSocketServer } from "ws";

const SDL = `
  type Person { name: String! }
  type Ticket { id: ID!, number: Int!, subject: String!, status: String!, priority: String!, assignee: Person }
  type Query { ticket(id: ID!): Ticket }
  type Subscription { ticketUpdated(id: ID!): Ticket }
`;
const ticket = {
  id: "tkt_00000000-0000-7000-8000-000000000000",
  number: 1001,
  subject: "Watched",
  status: "OPEN",
  priority: "NORMAL",
  assignee: null,
};

function changed() {
  ticket.status = ticket.status === "OPEN" ? "ON_HOLD" : "OPEN";
  return { ticketUpdated: { ...ticket } };
}

const servers = {
  "graphql-ws": async (port) => {
    const events = createPubSub();
    const schema = buildSchema(SDL);
    schema.getSubscriptionType().getFields().ticketUpdated.subscribe = () => events.subscribe("changed");
    const http = createServer((_, response) => {
      events.publish("changed", changed());
      response.writeHead(204).end();
    });
    useServer({ schema }, new WebSocketServer({ server: http, path: "/graphql" }));
    await new Promise((listening) => http.listen(port, "127.0.0.1", listening));
  },
  mercurius: async (port) => {
    const app = Fastify();
    const subscribe = (_root, _arguments, { pubsub }) => pubsub.subscribe("changed");
    const resolvers = { Subscription: { ticketUpdated: { subscribe } }, Query: { ticket: () => ticket } };
    app.register(mercurius, { schema: SDL, resolvers, subscription: true, jit: 1 });
    app.post("/", async (_, reply) => {
      app.graphql.pubsub.publish({ topic: "changed", payload: changed() });
      reply.code(204);
    });
    await app.listen({ port, host: "127.0.0.1" });
  },
};

const [server, port] = process.argv.slice(2);
await servers[server](Number(port));
console.log("serving");
