"""A small OpenID Connect provider over HTTP, which can rotate its keys, lose them and be away."""

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import orjson
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, RSAKey

CLIENT = "deskwire-client"
MAKERS = {
    "RS256": lambda: RSAKey.generate_key(2048),
    "PS256": lambda: RSAKey.generate_key(2048),
    "ES256": lambda: ECKey.generate_key("P-256"),
    "HS256": lambda: OctKey.generate_key(256),
}
ANY = jws.JWSRegistry(algorithms=list(MAKERS), strict_check_header=False)


class Provider:
    """It serves a discovery document and its keys, and counts how often it is asked for them."""

    def __init__(self):
        self.keys = {}
        self.status = 200
        self.fetches = 0
        self.claimed_issuer = None
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                provider.answer(self)

            def log_message(self, *_):
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/realms/work"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.rotate("first")

    def answer(self, request):
        if request.path.endswith("/.well-known/openid-configuration"):
            said = {"issuer": self.claimed_issuer or self.url, "jwks_uri": f"{self.url}/keys"}
        else:
            self.fetches += 1
            said = {"keys": [self.published(kid, key) for kid, (_, key) in self.keys.items()]}
        body = orjson.dumps(said) if self.status == 200 else b"Away"
        request.send_response(self.status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    @staticmethod
    def published(kid, key):
        return key.as_dict(private=False) | {"kid": kid, "use": "sig"}

    def rotate(self, kid, algorithm="RS256", *, keep=False):
        """Sign with a new key from now on; `keep`: those of before are still published."""
        self.keys = {**(self.keys if keep else {}), kid: (algorithm, MAKERS[algorithm]())}
        self.kid = kid

    def token(self, subject="subject-1", *, header=None, key=None, without=(), **claims):
        """A token as the provider makes it, with what is given in place of its own."""
        algorithm, own = self.keys[self.kid]
        now = int(time.time())
        said = {"iss": self.url, "aud": CLIENT, "sub": subject, "iat": now, "exp": now + 3600} | claims
        said = {name: value for name, value in said.items() if name not in without}
        headers = {"alg": algorithm, "kid": self.kid, "typ": "JWT"} | (header or {})
        headers = {name: value for name, value in headers.items() if value is not None}
        return jws.serialize_compact(headers, orjson.dumps(said), key or own, registry=ANY)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
