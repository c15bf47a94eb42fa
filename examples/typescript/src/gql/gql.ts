/* eslint-disable */
import * as types from './graphql.js';
import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';

/**
 * Map of all GraphQL operations in the project.
 *
 * This map has several performance disadvantages:
 * 1. It is not tree-shakeable, so it will include all operations in the project.
 * 2. It is not minifiable, so the string of a GraphQL query will be multiple times inside the bundle.
 * 3. It does not support dead code elimination, so it will add unused operations.
 *
 * Therefore it is highly recommended to use the babel or swc plugin for production.
 * Learn more about it here: https://the-guild.dev/graphql/codegen/plugins/presets/preset-client#reducing-bundle-size
 */
type Documents = {
    "\n  mutation SignIn($email: String!, $password: String!) {\n    signIn(input: { email: $email, password: $password }) {\n      __typename\n      ... on SignInSuccess { session { accessToken accessTokenExpiresAt refreshToken viewer { person { id name } } } }\n      ... on Refusal { message }\n    }\n  }\n": typeof types.SignInDocument,
    "\n  mutation Refresh($refreshToken: String) {\n    refreshSession(input: { refreshToken: $refreshToken }) {\n      __typename\n      ... on RefreshSessionSuccess { session { accessToken accessTokenExpiresAt refreshToken } }\n      ... on Refusal { message }\n    }\n  }\n": typeof types.RefreshDocument,
    "\n  subscription Ticket($id: ID!) {\n    ticketUpdated(id: $id) {\n      id number subject status bodyHtml lastSeq\n      requester { name }\n      assignee { name }\n      resolution { summaryHtml state }\n      comments(last: 50) { nodes { id bodyHtml createdAt author { name } attachments { filename url } } }\n    }\n  }\n": typeof types.TicketDocument,
    "\n  mutation Comment($input: AddCommentInput!) {\n    addComment(input: $input) {\n      __typename\n      ... on AddCommentSuccess { comment { id } }\n      ... on InvalidInput { problems { field message } }\n      ... on Refusal { message }\n    }\n  }\n": typeof types.CommentDocument,
    "\n  query Latest { tickets(first: 1) { nodes { id } } }\n": typeof types.LatestDocument,
};
const documents: Documents = {
    "\n  mutation SignIn($email: String!, $password: String!) {\n    signIn(input: { email: $email, password: $password }) {\n      __typename\n      ... on SignInSuccess { session { accessToken accessTokenExpiresAt refreshToken viewer { person { id name } } } }\n      ... on Refusal { message }\n    }\n  }\n": types.SignInDocument,
    "\n  mutation Refresh($refreshToken: String) {\n    refreshSession(input: { refreshToken: $refreshToken }) {\n      __typename\n      ... on RefreshSessionSuccess { session { accessToken accessTokenExpiresAt refreshToken } }\n      ... on Refusal { message }\n    }\n  }\n": types.RefreshDocument,
    "\n  subscription Ticket($id: ID!) {\n    ticketUpdated(id: $id) {\n      id number subject status bodyHtml lastSeq\n      requester { name }\n      assignee { name }\n      resolution { summaryHtml state }\n      comments(last: 50) { nodes { id bodyHtml createdAt author { name } attachments { filename url } } }\n    }\n  }\n": types.TicketDocument,
    "\n  mutation Comment($input: AddCommentInput!) {\n    addComment(input: $input) {\n      __typename\n      ... on AddCommentSuccess { comment { id } }\n      ... on InvalidInput { problems { field message } }\n      ... on Refusal { message }\n    }\n  }\n": types.CommentDocument,
    "\n  query Latest { tickets(first: 1) { nodes { id } } }\n": types.LatestDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 *
 *
 * @example
 * ```ts
 * const query = graphql(`query GetUser($id: ID!) { user(id: $id) { name } }`);
 * ```
 *
 * The query argument is unknown!
 * Please regenerate the types.
 */
export function graphql(source: string): unknown;

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation SignIn($email: String!, $password: String!) {\n    signIn(input: { email: $email, password: $password }) {\n      __typename\n      ... on SignInSuccess { session { accessToken accessTokenExpiresAt refreshToken viewer { person { id name } } } }\n      ... on Refusal { message }\n    }\n  }\n"): (typeof documents)["\n  mutation SignIn($email: String!, $password: String!) {\n    signIn(input: { email: $email, password: $password }) {\n      __typename\n      ... on SignInSuccess { session { accessToken accessTokenExpiresAt refreshToken viewer { person { id name } } } }\n      ... on Refusal { message }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Refresh($refreshToken: String) {\n    refreshSession(input: { refreshToken: $refreshToken }) {\n      __typename\n      ... on RefreshSessionSuccess { session { accessToken accessTokenExpiresAt refreshToken } }\n      ... on Refusal { message }\n    }\n  }\n"): (typeof documents)["\n  mutation Refresh($refreshToken: String) {\n    refreshSession(input: { refreshToken: $refreshToken }) {\n      __typename\n      ... on RefreshSessionSuccess { session { accessToken accessTokenExpiresAt refreshToken } }\n      ... on Refusal { message }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription Ticket($id: ID!) {\n    ticketUpdated(id: $id) {\n      id number subject status bodyHtml lastSeq\n      requester { name }\n      assignee { name }\n      resolution { summaryHtml state }\n      comments(last: 50) { nodes { id bodyHtml createdAt author { name } attachments { filename url } } }\n    }\n  }\n"): (typeof documents)["\n  subscription Ticket($id: ID!) {\n    ticketUpdated(id: $id) {\n      id number subject status bodyHtml lastSeq\n      requester { name }\n      assignee { name }\n      resolution { summaryHtml state }\n      comments(last: 50) { nodes { id bodyHtml createdAt author { name } attachments { filename url } } }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Comment($input: AddCommentInput!) {\n    addComment(input: $input) {\n      __typename\n      ... on AddCommentSuccess { comment { id } }\n      ... on InvalidInput { problems { field message } }\n      ... on Refusal { message }\n    }\n  }\n"): (typeof documents)["\n  mutation Comment($input: AddCommentInput!) {\n    addComment(input: $input) {\n      __typename\n      ... on AddCommentSuccess { comment { id } }\n      ... on InvalidInput { problems { field message } }\n      ... on Refusal { message }\n    }\n  }\n"];
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Latest { tickets(first: 1) { nodes { id } } }\n"): (typeof documents)["\n  query Latest { tickets(first: 1) { nodes { id } } }\n"];

export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}

export type DocumentType<TDocumentNode extends DocumentNode<any, any>> = TDocumentNode extends DocumentNode<  infer TType,  any>  ? TType  : never;