"""An API that verifies the tokens of passwordless-auth: access tokens that
clients send it, and the Remote-Jwt that the guard adds. It asks nobody about a
token; it only reads the issuer's public keys."""

import json
import os
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt


class Keys(jwt.PyJWKClient):
    """The issuer's keys: kept for five minutes, as their Cache-Control says, and
    read again when a token names one that is new, but not more often than every
    five seconds, whatever strangers send."""

    fetched = float("-inf")

    def get_jwk_set(self, refresh=False):
        return super().get_jwk_set(refresh and time.monotonic() - self.fetched > 5)

    def fetch_data(self):
        self.fetched = time.monotonic()
        return super().fetch_data()


def setting(name):
    value = os.environ.get(name)
    if not value:
        sys.exit(f"set {name}; README.md says what to")
    return value


ISSUER = setting("ISSUER")
CLIENT_ID = setting("CLIENT_ID")
AUDIENCE = setting("AUDIENCE")
APP_ORIGIN = setting("APP_ORIGIN")
KEYS = Keys(ISSUER + "/.well-known/jwks.json", lifespan=300)


def verify(token, typ, audience):
    """One kind of token (at+jwt or remote+jwt: one must never pass for the
    other) for one audience."""
    if jwt.get_unverified_header(token).get("typ") != typ:  # the signature covers it
        raise jwt.InvalidTokenError("another kind of token")
    claims = jwt.decode(
        token,
        KEYS.get_signing_key_from_jwt(token).key,
        algorithms=["EdDSA"],
        issuer=ISSUER,
        audience=audience,
        leeway=30,
        options={"require": ["iss", "aud", "sub", "exp", "iat"]},
    )
    if claims["aud"] != audience:
        raise jwt.InvalidTokenError("not for us alone")
    return claims


def access(headers):
    """For programs: Authorization: Bearer, an access token of our own client."""
    claims = verify(headers.get("Authorization", "").removeprefix("Bearer "), "at+jwt", AUDIENCE)
    if claims.get("client_id") != CLIENT_ID:
        raise jwt.InvalidTokenError("a token of another client")
    return claims


def assertion(headers):
    """For people, behind passwordless_guard with "assertion on"."""
    return verify(headers.get("Remote-Jwt", ""), "remote+jwt", APP_ORIGIN)


ROUTES = {"/api/hello": access, "/hello": assertion}


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        route = ROUTES.get(self.path)
        if route is None:
            return self.answer(404, {})
        try:
            claims = route(self.headers)
        except (jwt.PyJWTError, ValueError) as error:
            print("refused:", error, file=sys.stderr)  # why is for the log alone
            return self.answer(401, {"error": "not signed in"})
        self.answer(200, {name: claims.get(name) for name in ("sub", "email", "groups")})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", "Bearer")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    socket.setdefaulttimeout(10)  # of reading the keys
    host, port = setting("LISTEN").split(":")
    server = ThreadingHTTPServer((host, int(port)), Handler)
    print(f"listening on {host}:{port}", file=sys.stderr)
    server.serve_forever()
