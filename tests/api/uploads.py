"""A small file, and how a place for it is asked for."""

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + bytes(40)
CREATE = """mutation($input: CreateUploadInput!) { createUpload(input: $input) { __typename
  ... on CreateUploadSuccess { upload { id url method headers { name value } expiresAt } }
  ... on InvalidInput { field message problems { field } } ... on RateLimited { retryAfterSeconds }
  ... on Refusal { message } } }"""
