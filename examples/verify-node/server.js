// An API that verifies the tokens of passwordless-auth: access tokens that
// clients send it, and the Remote-Jwt that the guard adds. It asks nobody about
// a token; it only reads the issuer's public keys.
import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";

const issuer = setting("ISSUER");
const client = setting("CLIENT_ID");

// Kept for five minutes, as their Cache-Control says, and read again when a
// token names a key that is new, but not more often than every five seconds,
// whatever strangers send.
const keys = createRemoteJWKSet(new URL(issuer + "/.well-known/jwks.json"), {
  cacheMaxAge: 5 * 60_000,
  cooldownDuration: 5_000,
});

// One kind of token (at+jwt or remote+jwt: one must never pass for the other)
// for one audience.
async function verify(token, typ, audience) {
  const { payload } = await jwtVerify(token ?? "", keys, {
    algorithms: ["EdDSA"],
    typ,
    issuer,
    audience,
    requiredClaims: ["sub", "exp", "iat"],
    maxTokenAge: 10 * 60, // also refuses an iat in the future
    clockTolerance: 30,
  });
  if (payload.aud !== audience) throw new Error("not for us alone");
  return payload;
}

const access = async (request) => {
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? "")?.[1];
  const payload = await verify(token, "at+jwt", setting("AUDIENCE"));
  if (payload.client_id !== client) throw new Error("a token of another client");
  return payload;
};

const assertion = (request) => verify(request.headers["remote-jwt"], "remote+jwt", setting("APP_ORIGIN"));

const routes = {
  "/api/hello": access, // for programs: Authorization: Bearer, an access token of our own client
  "/hello": assertion, // for people, behind passwordless_guard with "assertion on"
};

const server = createServer(async (request, response) => {
  const route = routes[request.url];
  if (route === undefined) return response.writeHead(404).end();
  try {
    const { sub, email, groups } = await route(request);
    response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify({ sub, email, groups }));
  } catch (error) {
    console.error("refused:", error.message); // why is for the log alone
    response.writeHead(401, { "WWW-Authenticate": "Bearer" }).end("not signed in\n");
  }
});

const [host, port] = setting("LISTEN").split(":");
server.listen(Number(port), host, () => console.error(`listening on ${host}:${port}`));

function setting(name) {
  const value = process.env[name];
  if (!value) {
    console.error(`set ${name}; README.md says what to`);
    process.exit(1);
  }
  return value;
}
