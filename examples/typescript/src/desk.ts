// A desk as one person uses it: questions by fetch, live answers as event streams.

import {
  type AnyVariables,
  Client,
  fetchExchange,
  type OperationResult,
  subscriptionExchange,
  type TypedDocumentNode,
} from "@urql/core";
import { createClient } from "graphql-sse";
import { toAsyncIterable } from "wonka";
import { graphql } from "./gql/index.js";

const SIGN_IN = graphql(`
  mutation SignIn($email: String!, $password: String!) {
    signIn(input: { email: $email, password: $password }) {
      __typename
      ... on SignInSuccess { session { accessToken accessTokenExpiresAt viewer { person { id name } } } }
      ... on Refusal { message }
    }
  }
`);

/** What the desk says, in words for people. */
export class Refused extends Error {}

/** An error for programs, with its code. */
export class Failed extends Error {
  constructor(message: string, readonly code: string) {
    super(message);
  }
}

export class Desk {
  private readonly client: Client;
  private token: string | undefined;

  constructor(url: string) {
    const headers = (): Record<string, string> => (this.token ? { Authorization: `Bearer ${this.token}` } : {});
    const streams = createClient({ url, headers, retryAttempts: 10 }); // a lost connection is made again
    this.client = new Client({
      url,
      fetchOptions: () => ({ headers: headers() }),
      preferGetMethod: false,
      exchanges: [
        subscriptionExchange({
          forwardSubscription: ({ query = "", variables }) => ({
            subscribe: (sink) => ({
              unsubscribe: streams.subscribe({ query, variables: variables as Record<string, unknown> }, sink),
            }),
          }),
        }),
        fetchExchange,
      ],
    });
  }

  async ask<Data, Variables extends AnyVariables>(
    query: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): Promise<Data> {
    return answered(await this.client.query(query, variables).toPromise());
  }

  async change<Data, Variables extends AnyVariables>(
    mutation: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): Promise<Data> {
    return answered(await this.client.mutation(mutation, variables).toPromise());
  }

  /** Each answer of a subscription as it comes. Ends when there is nothing to see. */
  async *watch<Data, Variables extends AnyVariables>(
    subscription: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): AsyncGenerator<Data, void> {
    for await (const result of toAsyncIterable(this.client.subscription(subscription, variables))) {
      yield answered(result);
    }
  }

  /** Who that is. */
  async signIn(email: string, password: string): Promise<{ id: string; name: string }> {
    const { signIn } = await this.change(SIGN_IN, { email, password });
    if (signIn?.__typename !== "SignInSuccess") throw new Refused(signIn?.message ?? "");
    this.token = signIn.session.accessToken;
    return signIn.session.viewer.person;
  }
}

function answered<Data>({ data, error }: OperationResult<Data>): Data {
  const said = error?.graphQLErrors[0];
  if (said) throw new Failed(said.message, String(said.extensions["code"]));
  if (error) throw error.networkError ?? error;
  return data as Data;
}
