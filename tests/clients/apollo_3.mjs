// Apollo Client 3, which many front ends still use: persisted queries, whatever the media type.

import { createHash } from "node:crypto";
import { ApolloClient, createHttpLink, gql, InMemoryCache } from "apollo-client-3/core/index.js";
import { createPersistedQueryLink } from "apollo-client-3/link/persisted-queries/index.js";
import { endpoint, tell } from "./desk.mjs";

const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const persisted = {};
for (const accept of ["*/*", "application/json", "application/graphql-response+json"]) {
  const requests = [];
  async function counted(url, options) {
    const response = await fetch(url, options);
    requests.push(["query" in JSON.parse(options.body), response.status]);
    return response;
  }
  const http = createHttpLink({ uri: endpoint, headers: { accept }, fetch: counted });
  const client = new ApolloClient({ cache: new InMemoryCache(), link: createPersistedQueryLink({ sha256 }).concat(http) });
  const query = gql(`query Desk${sha256(accept + process.pid)} { desk { name } }`);
  const names = [];
  for (let time = 0; time < 2; time++) {
    names.push((await client.query({ query, fetchPolicy: "network-only" })).data.desk.name);
  }
  persisted[accept] = { names, requests };
}

tell({ persisted });
