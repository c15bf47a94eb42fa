"""How a read becomes one statement: a GraphQL selection, the SQL that answers it, the answer's bytes."""
