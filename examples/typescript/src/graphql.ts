// What an operation answers, known to TypeScript from the schema: `npm run types` after each change of it.

import { initGraphQLTada } from "gql.tada";
import type { introspection } from "./schema.d.ts";

export const graphql = initGraphQLTada<{
  introspection: introspection;
  scalars: { DateTime: string; Date: string; LocalTime: string; URL: string; JSON: unknown };
}>();
