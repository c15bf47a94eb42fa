// A desk as one person uses it: questions by fetch, live answers as event streams.

import {
  type AnyVariables,
  Client,
  fetchExchange,
  type OperationResult,
  subscriptionExchange,
  type TypedDocumentNode,
} from "@urql/core";
import { createClient, NetworkError } from "graphql-sse";
import { toAsyncIterable } from "wonka";
import { graphql } from "./gql/index.js";

const SIGN_IN = graphql(`
  mutation SignIn($email: String!, $password: String!) {
    signIn(input: { email: $email, password: $password }) {
      __typename
      ... on SignInSuccess { session { accessToken accessTokenExpiresAt refreshToken viewer { person { id name } } } }
      ... on Refusal { message }
    }
  }
`);

const REFRESH = graphql(`
  mutation Refresh($refreshToken: String) {
    refreshSession(input: { refreshToken: $refreshToken }) {
      __typename
      ... on RefreshSessionSuccess { session { accessToken accessTokenExpiresAt refreshToken } }
      ... on Refusal { message }
    }
  }
`);
const SOON = 60_000; // milliseconds before its end in which a token is traded for a new one
const SILENCE = 30_000; // milliseconds after which a network is taken for lost: a stream has something every 12 s

const LONGEST_PAUSE = 15_000;
const LATER = new Set(["UNAVAILABLE", "RATE_LIMITED"]); // what may be asked again

interface Session {
  accessToken: string;
  accessTokenExpiresAt: string;
  refreshToken: string | null;
}

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
  private session: Session | undefined; // in memory: a page that is loaded anew signs in anew
  private renewing: Promise<void> | undefined;

  constructor(url: string, silence = SILENCE) {
    const headers = (): Record<string, string> =>
      this.session ? { Authorization: `Bearer ${this.session.accessToken}` } : {};
    const fresh = async () => {
      await this.staySignedIn();
      return headers();
    };
    const fetching = impatient(silence);
    const streams = createClient({ url, headers: fresh, fetchFn: fetching, retryAttempts: 0 }); // `watch` asks again
    this.client = new Client({
      url,
      fetch: fetching,
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
    await this.staySignedIn();
    return answered(await this.client.query(query, variables).toPromise());
  }

  async change<Data, Variables extends AnyVariables>(
    mutation: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): Promise<Data> {
    await this.staySignedIn();
    return answered(await this.client.mutation(mutation, variables).toPromise());
  }

  /** Each answer of a subscription as it comes, whatever becomes of the network. Ends when there is nothing to see. */
  async *watch<Data, Variables extends AnyVariables>(
    subscription: TypedDocumentNode<Data, Variables>,
    variables: Variables,
  ): AsyncGenerator<Data, void> {
    let ended = false; // the token, and the stream with it
    for (let failures = 0; ; failures++) {
      try {
        if (ended) await this.renew();
        ended = false;
        for await (const result of toAsyncIterable(this.client.subscription(subscription, variables))) {
          yield answered(result);
          failures = 0;
        }
        return;
      } catch (error) {
        ended ||= hasEnded(error) && Boolean(this.session || this.renewing);
        if (error instanceof Refused || (error instanceof Failed && !ended && !LATER.has(error.code))) throw error;
        const pause = Math.min(500 * 2 ** failures, LONGEST_PAUSE);
        await new Promise((resolve) => setTimeout(resolve, pause * (0.5 + Math.random())));
      }
    }
  }

  /** Who that is. */
  async signIn(email: string, password: string): Promise<{ id: string; name: string }> {
    const { signIn } = await this.change(SIGN_IN, { email, password });
    if (signIn?.__typename !== "SignInSuccess") throw new Refused(signIn?.message ?? "");
    this.session = signIn.session;
    return signIn.session.viewer.person;
  }

  private async staySignedIn(): Promise<void> {
    const soon = this.session && Date.parse(this.session.accessTokenExpiresAt) < Date.now() + SOON;
    if (soon || this.renewing) await this.renew();
  }

  /** Trades the tokens for new ones, once for all who want that at the same time: one that comes back ends the session. */
  private renew(): Promise<void> {
    this.renewing ??= this.refresh().finally(() => (this.renewing = undefined));
    return this.renewing;
  }

  private async refresh(): Promise<void> {
    const before = this.session;
    this.session = undefined; // a token that has ended is refused, whatever is asked with it
    try {
      const refreshToken = before?.refreshToken ?? null;
      const { refreshSession } = answered(await this.client.mutation(REFRESH, { refreshToken }).toPromise());
      if (refreshSession?.__typename !== "RefreshSessionSuccess") throw new Refused(refreshSession?.message ?? "");
      this.session = refreshSession.session;
    } catch (error) {
      this.session = before;
      throw error;
    }
  }
}

function hasEnded(error: unknown): boolean {
  const refused = error instanceof NetworkError && (error.response as Response | undefined)?.status === 401;
  return refused || (error instanceof Failed && error.code === "UNAUTHENTICATED");
}

/** As `fetch`, but what says nothing for so long has failed. */
function impatient(silence: number): typeof fetch {
  return async (input, init) => {
    const lost = new AbortController();
    let patience: ReturnType<typeof setTimeout> | undefined;
    const heard = () => {
      clearTimeout(patience);
      patience = setTimeout(() => lost.abort(new TypeError("Nothing has come for a while.")), silence);
    };
    heard();
    const signals = init?.signal ? [lost.signal, init.signal] : [lost.signal];
    try {
      const answer = await fetch(input, { ...init, signal: AbortSignal.any(signals) });
      const listening = new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, body) {
          heard();
          body.enqueue(chunk);
        },
        flush: () => clearTimeout(patience),
      });
      return new Response(answer.body?.pipeThrough(listening) ?? null, answer);
    } catch (error) {
      clearTimeout(patience);
      throw error;
    }
  };
}

function answered<Data>({ data, error }: OperationResult<Data>): Data {
  const said = error?.graphQLErrors[0];
  if (said) throw new Failed(said.message, String(said.extensions["code"]));
  if (error) throw error.networkError ?? error;
  return data as Data;
}
