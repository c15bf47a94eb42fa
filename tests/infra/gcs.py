"""A small Google Cloud Storage over HTTP: what Deskwire asks of its XML API, and as strict as theirs.

None of the emulators on PyPI knows uploads in parts, which large files need.
"""

import email.utils
import hashlib
import itertools
import threading
import time
import uuid
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

import orjson
from joserfc import jwt
from joserfc.errors import JoseError

LEAST_PART = 5 * 1024 * 1024  # of all parts but the last
ACCOUNT = "desk@project.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
MACHINE = "/computeMetadata/v1/instance/service-accounts/default/token"


class Refused(Exception):
    """What the server answers in place of what was asked."""

    def __init__(self, status, code):
        super().__init__(code)
        self.status = status
        self.body = f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode()


class Bucket:
    """One bucket, for a service account whose key signs every request, and for the machine that runs in its cloud."""

    def __init__(self, name, key):
        self.name, self.files, self.uploads = name, {}, {}
        self._key, self._machine = key, uuid.uuid4().hex
        self._generation = itertools.count(1)
        bucket = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self):
                self.raw_requestline = self.rfile.readline()
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                try:
                    status, headers, said = bucket.answer(self.command, self.path, self.headers, body)
                except Refused as refused:
                    status, headers, said = refused.status, {}, refused.body
                self.send_response(status)
                for field, value in (headers | {"Content-Length": str(len(said))}).items():
                    self.send_header(field, value)
                with suppress(ConnectionError):  # who asked has gone
                    self.end_headers()
                    self.wfile.write(said)

            def log_message(self, *_):
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def account(self):
        """The file that Google gives for a service account."""
        return orjson.dumps(
            {
                "type": "service_account",
                "client_email": ACCOUNT,
                "private_key_id": "one",
                "private_key": self._key.as_pem(private=True).decode(),
            }
        ).decode()

    def answer(self, method, target, headers, body):
        """The status, the headers and the body of an answer. Raises `Refused`."""
        parts = urlsplit(target)
        if parts.path == MACHINE and headers["Metadata-Flavor"] == "Google":
            return 200, {}, orjson.dumps({"access_token": self._machine, "expires_in": 3600, "token_type": "Bearer"})
        self._authorize(headers.get("Authorization", ""))
        _, name, key = unquote(parts.path).split("/", 2)
        if name != self.name:
            raise Refused(404, "NoSuchBucket")
        asked = {field: values[0] for field, values in parse_qs(parts.query, keep_blank_values=True).items()}
        known = {
            ("PUT",): lambda: self._put(key, body),
            ("GET",): lambda: self._get(key),
            ("DELETE",): lambda: self._delete(key),
            ("POST", "uploads"): lambda: self._begin(key),
            ("PUT", "partNumber", "uploadId"): lambda: self._part(key, asked, body),
            ("POST", "uploadId"): lambda: self._complete(key, asked, body),
            ("DELETE", "uploadId"): lambda: self._take_back(key, asked),
        }
        if (found := known.get((method, *sorted(asked)))) is None:
            raise Refused(501, "NotImplemented")
        return found()

    def close(self):
        """Serve no more."""
        self.server.shutdown()
        self.server.server_close()
        self._thread.join()

    def _authorize(self, header):
        token = header.removeprefix("Bearer ")
        if token == self._machine:
            return
        try:
            claims = jwt.decode(token, self._key, algorithms=["RS256"]).claims
        except (JoseError, ValueError):
            raise Refused(401, "AuthenticationRequired") from None
        if claims["iss"] != ACCOUNT or SCOPE not in claims["scope"].split() or claims["exp"] < time.time():
            raise Refused(403, "AccessDenied")

    def _put(self, key, content):
        described = {
            "ETag": f'"{hashlib.md5(content).hexdigest()}"',
            "Last-Modified": email.utils.formatdate(usegmt=True),
            "x-goog-generation": str(next(self._generation)),
        }
        self.files[key] = (content, described)
        return 200, described, b""

    def _get(self, key):
        if key not in self.files:
            raise Refused(404, "NoSuchKey")
        content, described = self.files[key]
        return 200, described, content

    def _delete(self, key):
        if self.files.pop(key, None) is None:
            raise Refused(404, "NoSuchKey")
        return 204, {}, b""

    def _begin(self, key):
        upload = uuid.uuid4().hex
        self.uploads[upload] = (key, {})
        return 200, {}, f"<Begun><UploadId>{upload}</UploadId></Begun>".encode()

    def _upload(self, key, asked):
        """The parts that came of an upload so far."""
        found, parts = self.uploads.get(asked["uploadId"], (None, {}))
        if found != key:
            raise Refused(404, "NoSuchUpload")
        return parts

    def _part(self, key, asked, body):
        tag = f'"{uuid.uuid4().hex}"'
        self._upload(key, asked)[int(asked["partNumber"])] = (tag, body)
        return 200, {"ETag": tag}, b""

    def _complete(self, key, asked, listed):
        parts = self._upload(key, asked)
        named = [
            (int(part.findtext("{*}PartNumber")), part.findtext("{*}ETag"))
            for part in ET.fromstring(listed).iterfind("{*}Part")
        ]
        if not named or named != sorted(named) or any(parts.get(number, ("",))[0] != tag for number, tag in named):
            raise Refused(400, "InvalidPart")
        contents = [parts[number][1] for number, _ in named]
        if any(len(content) < LEAST_PART for content in contents[:-1]):
            raise Refused(400, "EntityTooSmall")
        _, described, _ = self._put(key, b"".join(contents))
        del self.uploads[asked["uploadId"]]
        return 200, {}, f"<Done><ETag>{escape(described['ETag'])}</ETag></Done>".encode()

    def _take_back(self, key, asked):
        self._upload(key, asked)
        del self.uploads[asked["uploadId"]]
        return 204, {}, b""
