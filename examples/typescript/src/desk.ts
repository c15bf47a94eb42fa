// A desk as one person uses it: questions by fetch, live answers as event streams.

import type { TadaDocumentNode } from "gql.tada";
import { print } from "graphql";
import { createClient } from "graphql-sse";
import { graphql } from "./graphql.js";

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
  private token: string | undefined;

  constructor(private readonly endpoint: string) {}

  async ask<Data, Variables>(document: TadaDocumentNode<Data, Variables>, variables: Variables): Promise<Data> {
    const response = await fetch(this.endpoint, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...this.headers() },
      body: JSON.stringify({ query: print(document), variables }),
    });
    const answer = await response.json();
    if (answer.errors) throw new Failed(answer.errors[0].message, answer.errors[0].extensions.code);
    return answer.data;
  }

  /** Who that is. */
  async signIn(email: string, password: string): Promise<{ id: string; name: string }> {
    const { signIn } = await this.ask(SIGN_IN, { email, password });
    if (signIn?.__typename !== "SignInSuccess") throw new Refused(signIn?.message ?? "");
    this.token = signIn.session.accessToken;
    return signIn.session.viewer.person;
  }

  /** Each answer of a subscription as it comes; a lost connection is made again. Ends when there is nothing to see. */
  async *watch<Data, Variables>(
    document: TadaDocumentNode<Data, Variables>,
    variables: Variables & Record<string, unknown>,
  ): AsyncGenerator<Data, void> {
    const client = createClient({ url: this.endpoint, headers: () => this.headers(), retryAttempts: 10 });
    try {
      for await (const { data, errors } of client.iterate<Data>({ query: print(document), variables })) {
        if (errors?.[0]) throw new Failed(errors[0].message, String(errors[0].extensions?.["code"]));
        if (data) yield data;
      }
    } finally {
      client.dispose();
    }
  }

  private headers(): Record<string, string> {
    return this.token ? { Authorization: `Bearer ${this.token}` } : {};
  }
}
