// What a front end with Relay would ask: a list that goes on, a fragment that is read again by itself, and the rest.

import { graphql } from "relay-runtime";

export const list = graphql`
  fragment tickets_list on Query
  @argumentDefinitions(count: { type: "Int", defaultValue: 2 }, cursor: { type: "String" })
  @refetchable(queryName: "ticketsPageQuery") {
    tickets(first: $count, after: $cursor) @connection(key: "tickets_list_tickets") {
      edges {
        node {
          number
          ...tickets_ticket
        }
      }
    }
  }
`;

export const ticket = graphql`
  fragment tickets_ticket on Ticket @refetchable(queryName: "ticketsTicketQuery") {
    subject
    requester {
      name
    }
  }
`;

export const listQuery = graphql`
  query ticketsListQuery {
    ...tickets_list
  }
`;

export const categoriesQuery = graphql`
  query ticketsCategoriesQuery {
    categories(first: 10) {
      nodes {
        id
        name
      }
    }
  }
`;

export const signIn = graphql`
  mutation ticketsSignInMutation($input: SignInInput!) {
    signIn(input: $input) {
      ... on SignInSuccess {
        session {
          accessToken
        }
      }
    }
  }
`;

export const submit = graphql`
  mutation ticketsSubmitMutation($input: SubmitTicketInput!, $connections: [ID!]!) {
    submitTicket(input: $input) {
      __typename
      ... on SubmitTicketSuccess {
        ticket @prependNode(connections: $connections, edgeTypeName: "TicketEdge") {
          id
          ...tickets_ticket
        }
      }
    }
  }
`;

export const comment = graphql`
  mutation ticketsCommentMutation($input: AddCommentInput!) {
    addComment(input: $input) {
      __typename
    }
  }
`;

export const watch = graphql`
  subscription ticketsWatchSubscription($id: ID!) {
    ticketUpdated(id: $id) {
      lastSeq
      ...tickets_ticket
    }
  }
`;
