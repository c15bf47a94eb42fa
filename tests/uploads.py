"""A small file, how a place for it is asked for, and how it is sent there."""

import pytest

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452") + bytes(40)
CREATE = """mutation($input: CreateUploadInput!) { createUpload(input: $input) { __typename
  ... on CreateUploadSuccess { upload { id url method headers { name value } expiresAt } }
  ... on InvalidInput { field message problems { field } } ... on RateLimited { retryAfterSeconds }
  ... on Refusal { message } } }"""


@pytest.fixture
def create(api):
    """Asks for a place for a file, and gives it or the refusal."""

    async def created(viewer, **given):
        given = {"filename": "cat.png", "contentType": "image/png", "sizeBytes": len(PNG)} | given
        answer = (await api(viewer, CREATE, input=given))["createUpload"]
        return answer.get("upload") or answer

    return created


@pytest.fixture
def send(http):
    """Sends bytes to an upload's place as it says, and gives the response."""

    async def sent(upload, body=PNG):
        path = upload["url"].removeprefix("http://desk.test")
        headers = {header["name"]: header["value"] for header in upload["headers"]}
        return await http.request(upload["method"], path, content=body, headers=headers)

    return sent


@pytest.fixture
def uploaded(create, send):
    """Announces and sends a file, and gives its upload's id."""

    async def done(viewer, body=PNG, **given):
        upload = await create(viewer, sizeBytes=len(body), **given)
        assert (await send(upload, body)).status_code == 204
        return upload["id"]

    return done
