// Who is signed in, the tokens on every request and socket, and the tabs of the tour.
'use strict';

(() => {
  const ENDPOINT = '/graphql';
  const SOCKET = `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}${ENDPOINT}`;
  const STORED = 'deskwire.session';
  const EARLY_MS = 30_000; // a token is renewed so long before it ends
  const LONGEST_TIMER_MS = 2 ** 31 - 1;

  const SESSION = 'session { accessToken accessTokenExpiresAt refreshToken viewer { person { name } } }';
  const SIGN_IN = `mutation ($e: String!, $p: String!) { signIn(input: {email: $e, password: $p}) {
    __typename ... on SignInSuccess { ${SESSION} } ... on Refusal { message } } }`;
  const REFRESH = `mutation ($t: String) { refreshSession(input: {refreshToken: $t}) {
    __typename ... on RefreshSessionSuccess { ${SESSION} } ... on Refusal { message } } }`;
  const SIGN_OUT = 'mutation { signOut(input: {}) { __typename } }';

  // The queries of the README's two minutes.
  const TOUR = [
    {
      query: `# 1. What can I ask for? Choose somebody above,
# then press the button with the arrow.
query Welcome {
  viewer { person { name role } can }
  categories { nodes { name isOther } }
}
`,
    },
    {
      query: `# 2. A customer submits a ticket. An empty categoryId
# means the first category. Twice gives it once.
mutation SubmitTicket($categoryId: ID!) {
  submitTicket(input: {
    subject: "Outage in the export", body: "It stops at **90 %**.", categoryId: $categoryId, idempotencyKey: "tour-1"
  }) {
    ... on SubmitTicketSuccess { ticket { id number subject bodyHtml status priority department { name } lastSeq } }
    ... on Refusal { message }
  }
}
`,
      variables: { categoryId: '' },
    },
    {
      query: `# 3. What must be there is left out: nothing happens.
mutation SubmitNothing($categoryId: ID!) {
  submitTicket(input: {subject: "", body: "", categoryId: $categoryId}) {
    __typename
    ... on InvalidInput { problems { field message } }
  }
}
`,
      variables: { categoryId: '' },
    },
    {
      query: `# 4. One ticket, live. An empty id means the ticket
# that changed last. Leave this running, and change it
# in another window: as an agent, for instance.
subscription WatchTicket($id: ID!) { ticketUpdated(id: $id) { number status updatedAt assignee { name } } }
`,
      variables: { id: '' },
    },
    {
      query: `# 5. The agent's side, with what customers never see.
# Choose agent@example.com above.
query AgentView($id: ID!) {
  ticket(id: $id) {
    subject tags lastSeq requester { name email }
    events { nodes {
      seq __typename actor { name }
      ... on TicketRouted { toDepartment { name } }
      ... on MessageSent { recipient { name } messageKind deliveryStatus } } }
  }
  viewer { notifications(first: 1) { nodes { title body } } }
}
`,
      variables: { id: '' },
    },
    {
      query: `# 6. As the agent: an answer, and a status with it.
mutation AnswerTicket($id: ID!) {
  addComment(input: {ticketId: $id, body: "Fixed in the *next* version.", thenStatus: PENDING}) {
    ... on AddCommentSuccess { comment { bodyHtml author { name } } ticket { status waitingSince } }
    ... on Refusal { message }
  }
}
`,
      variables: { id: '' },
    },
    {
      query: `# 7. By words of what was said; the last one may be
# unfinished. As the customer.
query FindTickets { tickets(filter: {text: "outage vers"}) { totalCount edges { highlightHtml node { number } } } }
`,
    },
    {
      query: `# 8. A place to PUT a file to, if it is not too large.
mutation PlaceFile {
  createUpload(input: {filename: "screen.png", contentType: "image/png", sizeBytes: 40000000}) {
    ... on CreateUploadSuccess { upload { id url method headers { name value } expiresAt } }
    ... on InvalidInput { field message }
  }
}
`,
    },
  ];
  // What an empty variable of these tabs stands for.
  const STANDS_FOR = {
    categoryId: async () => (await ask('{ categories(first: 1) { nodes { id } } }')).categories?.nodes[0]?.id,
    id: async () => (await ask('{ tickets(first: 1) { nodes { id } } }')).tickets?.nodes[0]?.id,
  };

  const bar = document.getElementById('bar');
  const said = document.getElementById('said');
  const people = document.getElementById('people');
  const form = document.getElementById('form');
  const leave = document.getElementById('sign-out');

  let session = JSON.parse(sessionStorage.getItem(STORED));
  let timer;
  let refreshing;

  const bearer = () => (session ? { authorization: `Bearer ${session.accessToken}` } : {});

  async function post(query, variables, headers) {
    return fetch(ENDPOINT, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json', ...headers },
      body: JSON.stringify({ query, variables }),
    });
  }

  async function ask(query, variables = {}, headers = bearer()) {
    const { data, errors } = await (await post(query, variables, headers)).json();
    if (!data) throw new Error(errors?.[0]?.message ?? 'There was no answer.');
    return data;
  }

  // Asks for a session; a refusal becomes an error that carries `refused`.
  async function open(query, variables, field) {
    const response = await post(query, variables);
    const { data, errors } = await response.json();
    const answer = data?.[field];
    if (!answer?.session) {
      const error = new Error(answer?.message ?? errors?.[0]?.message ?? 'There was no answer.');
      error.refused = Boolean(answer);
      throw error;
    }
    const { accessToken, accessTokenExpiresAt, refreshToken, viewer } = answer.session;
    // By the server's clock, since this machine's may be wrong.
    const now = Date.parse(response.headers.get('date')) || Date.now();
    const endsAt = Date.now() + Date.parse(accessTokenExpiresAt) - now;
    return { accessToken, refreshToken, endsAt, name: viewer.person.name };
  }

  function keep(next) {
    session = next;
    if (session) sessionStorage.setItem(STORED, JSON.stringify(session));
    else sessionStorage.removeItem(STORED);
    clearTimeout(timer);
    if (session) {
      const wait = session.endsAt - Date.now() - EARLY_MS;
      timer = setTimeout(() => refresh().catch(tell), Math.min(Math.max(wait, 5_000), LONGEST_TIMER_MS));
    }
    show();
  }

  function show(words = session ? session.name : '') {
    said.textContent = words;
    said.classList.remove('wrong');
    if (people) people.value = session?.email ?? '';
    if (form) form.hidden = Boolean(session);
    if (leave) leave.hidden = !session;
    bar.dataset.signedIn = session?.email ?? '';
  }

  function tell(error) {
    said.textContent = error.message;
    said.classList.add('wrong');
  }

  // One at a time: a refresh token is good once, and its second use ends the session.
  function refresh() {
    refreshing ??= (async () => {
      const { email, refreshToken } = session;
      try {
        keep({ ...(await open(REFRESH, { t: refreshToken }, 'refreshSession')), email });
      } catch (error) {
        if (error.refused) keep(null);
        throw error;
      } finally {
        refreshing = undefined;
      }
    })();
    return refreshing;
  }

  async function renewed() {
    if (session && session.endsAt - Date.now() < EARLY_MS / 3) await refresh().catch(tell);
  }

  async function signIn(email, password) {
    if (session) await signOut();
    if (email) keep({ ...(await open(SIGN_IN, { e: email, p: password }, 'signIn')), email });
  }

  async function signOut() {
    const headers = bearer();
    keep(null);
    await ask(SIGN_OUT, {}, headers);
  }

  async function during(work) {
    const from = document.activeElement;
    bar.inert = true;
    show('…');
    try {
      await work();
      show();
    } catch (error) {
      show();
      tell(error);
    } finally {
      bar.inert = false;
      // Whoever uses a keyboard goes on where they were, or at what has taken its place.
      if (document.activeElement === document.body) {
        [from, leave, form?.elements.email].find((one) => bar.contains(one) && one.checkVisibility())?.focus();
      }
    }
  }

  // ---- GraphiQL ----

  async function send(url, init) {
    const response = await fetch(url, init);
    const ours = session && init.headers.authorization === bearer().authorization;
    if (response.status !== 401 || !ours) return response;
    try {
      await refresh(); // the server has changed its mind about the token before its time
    } catch (error) {
      tell(error);
      return response;
    }
    return fetch(url, { ...init, headers: { ...init.headers, ...bearer() } });
  }

  const inner = GraphiQL.createFetcher({ url: ENDPOINT, subscriptionUrl: SOCKET, fetch: send });

  // The editor notices an operation's name a moment after its text: the text decides.
  function asWritten(params, options) {
    let documentAST;
    try {
      documentAST = GraphiQL.GraphQL.parse(params.query);
    } catch {
      return [params, options]; // the server says what is wrong with it
    }
    const names = documentAST.definitions
      .filter(({ kind }) => kind === 'OperationDefinition')
      .map(({ name }) => name?.value);
    const known = names.includes(params.operationName) || names.length !== 1;
    return [{ ...params, operationName: known ? params.operationName : names[0] }, { ...options, documentAST }];
  }

  async function fetcher(given, told = {}) {
    const [params, options] = asWritten(given, told);
    await renewed();
    const written = options.headers ?? {};
    const own = Object.keys(written).some((name) => name.toLowerCase() === 'authorization');
    const variables = { ...params.variables };
    if (TOUR.some(({ query }) => query.includes(` ${params.operationName}(`))) {
      for (const [name, value] of Object.entries(variables)) {
        if (value === '' && name in STANDS_FOR) variables[name] = (await STANDS_FOR[name]()) ?? '';
      }
    }
    // These go along with a request, and into connection_init of a socket.
    return inner({ ...params, variables }, { ...options, headers: { ...(own ? {} : bearer()), ...written } });
  }

  people?.addEventListener('change', () => {
    const email = people.value;
    during(() => signIn(email, bar.dataset.password));
  });
  form?.addEventListener('submit', (event) => {
    event.preventDefault();
    const { email, password } = form.elements;
    during(() => signIn(email.value, password.value)).then(() => { password.value = ''; });
  });
  leave?.addEventListener('click', () => during(signOut));

  // What a screen reader calls the editors, which have no names of their own and come one after the other.
  const EDITORS = [
    ['.graphiql-query-editor', 'Query'],
    ['.graphiql-editor-tool > :first-child', 'Variables'],
    ['.graphiql-editor-tool', 'Headers'],
    ['.graphiql-response', 'Answer'],
  ];
  const place = document.getElementById('graphiql');
  const naming = new MutationObserver(() => {
    const found = [...place.querySelectorAll('.CodeMirror textarea')];
    for (const field of found) field.setAttribute('aria-label', EDITORS.find(([within]) => field.closest(within))?.[1]);
    if (found.length === EDITORS.length) naming.disconnect();
  });

  keep(session);
  naming.observe(place, { childList: true, subtree: true });
  const root = ReactDOM.createRoot(place);
  root.render(
    React.createElement(GraphiQL, {
      fetcher,
      defaultTabs: TOUR.map(({ query, variables }) => ({
        query,
        variables: variables && JSON.stringify(variables, null, 2),
      })),
      defaultEditorToolsVisibility: 'variables',
      defaultQuery: '{\n  desk { name version }\n}\n',
      schemaDescription: true, // which the documentation begins with
      storage: GraphiQL.createLocalStorage({ namespace: 'deskwire' }),
    }),
  );
})();
