// Sign-in for web apps, over the JSON API (docs/javascript.md). What each part
// means stands in passwordless.d.ts, which this file is checked against. Our own
// pages use the first half, WebAuthn.

/**
 * @import { Client, Mailed, Options, SecondStep, SignedIn, User } from "./passwordless.d.ts"
 * @typedef {{access_token?: string, refresh_token: string, session_token: string, session_id: string, until: number, user: User}} Tokens
 */

export class Problem extends Error {
  name = "Problem";
  title = "";
  detail = "";
  status = 0;
  requestId = "";
  retryAfter = 0;
  /** @type {string[]} */
  methods = [];

  /** @param {string} code @param {Partial<Problem> & ErrorOptions} [more] */
  constructor(code, { cause, ...more } = {}) {
    super(code, { cause });
    this.code = code;
    Object.assign(this, more);
  }
}

/** The browser's passkey interface, newer parts included where there are any. */
const api = /** @type {any} */ (globalThis.PublicKeyCredential);
export const supported = globalThis.isSecureContext === true && typeof api === "function" && !!navigator.credentials;

/** @param {string} text base64url */
const decode = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));

/** @param {ArrayBuffer} buffer */
function encode(buffer) {
  const binary = Array.from(new Uint8Array(buffer), (b) => String.fromCharCode(b)).join("");
  return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** @param {any} options @param {string} method */
function parse(options, method) {
  if (typeof api[method] === "function") return api[method](options);
  const parsed = { ...options, challenge: decode(options.challenge) };
  if (options.user) parsed.user = { ...options.user, id: decode(options.user.id) };
  for (const list of ["allowCredentials", "excludeCredentials"]) {
    parsed[list] = options[list]?.map((/** @type {any} */ c) => ({ ...c, id: decode(c.id) }));
  }
  return parsed;
}

/** @param {any} credential */
function serialize(credential) {
  try {
    return credential.toJSON();
  } catch {
    // Absent in older browsers; some password managers' own objects throw.
  }
  /** @type {Record<string, unknown>} */
  const response = {};
  for (const field of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[field]) response[field] = encode(credential.response[field]);
  }
  if (credential.response.getTransports) response.transports = credential.response.getTransports();
  return {
    id: credential.id,
    rawId: encode(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
    clientExtensionResults: credential.getClientExtensionResults(),
    response,
  };
}

/** @type {Record<string, string>} by DOMException.name (WebAuthn L3, 5.1.3 and 5.1.4) */
const codes = {
  AbortError: "dismissed",
  ConstraintError: "unsupported",
  InvalidStateError: "exists",
  NotAllowedError: "dismissed",
  NotSupportedError: "unsupported",
  SecurityError: "wrong-address",
};

/** Runs one ceremony. @param {() => Promise<unknown>} run */
async function ceremony(run) {
  if (!supported) throw new Problem("unsupported");
  try {
    return serialize(await run());
  } catch (error) {
    throw new Problem((error instanceof Error && codes[error.name]) || "failed", { cause: error });
  }
}

/** @param {any} publicKey @param {AbortSignal} [signal] @param {boolean} [autofill] */
export function getPasskey(publicKey, signal, autofill) {
  const mediation = autofill ? "conditional" : "optional";
  return ceremony(() => navigator.credentials.get({ publicKey: parse(publicKey, "parseRequestOptionsFromJSON"), signal, mediation }));
}

/** @param {any} publicKey @param {AbortSignal} [signal] */
export function createPasskey(publicKey, signal) {
  return ceremony(() => navigator.credentials.create({ publicKey: parse(publicKey, "parseCreationOptionsFromJSON"), signal }));
}

export const canAutofill = async () => supported && (await api.isConditionalMediationAvailable?.()) === true;
export const builtIn = async () => supported && (await api.isUserVerifyingPlatformAuthenticatorAvailable?.()) === true;

/** @param {string} rpId @param {string} credentialId */
export async function signalUnknown(rpId, credentialId) {
  await api?.signalUnknownCredential?.({ rpId, credentialId })?.catch(() => {});
}

/** @param {string} rpId @param {string} userId @param {string[]} allAcceptedCredentialIds */
export async function signalAccepted(rpId, userId, allAcceptedCredentialIds) {
  await api?.signalAllAcceptedCredentials?.({ rpId, userId, allAcceptedCredentialIds })?.catch(() => {});
}

/** @param {string} rpId @param {string} userId @param {string} name @param {string} displayName */
export async function signalDetails(rpId, userId, name, displayName) {
  await api?.signalCurrentUserDetails?.({ rpId, userId, name, displayName })?.catch(() => {});
}

/** Whether asking again may help. @param {unknown} error */
const passing = (error) => error instanceof Problem && (error.code === "unreachable" || error.status > 499);
const pause = () => new Promise((go) => setTimeout(go, 1000));

/** @param {Options} options @returns {Client} */
export function createClient({ url, clientId, storage, apis = [globalThis.location?.origin] }) {
  const base = new URL(url).origin;
  const name = `passwordless ${base} ${clientId ?? ""}`; // in the storage, and of the lock
  const client = clientId === undefined ? {} : { client_id: clientId };

  // ---- requests

  /**
   * @param {string} path @param {object} [body] @param {{method?: string, bearer?: string, signal?: AbortSignal, key?: string}} [more]
   * @returns {Promise<any>}
   */
  async function ask(path, body, { method = body ? "POST" : "GET", bearer, signal, key } = {}) {
    /** @type {Record<string, string>} */
    const headers = {};
    if (body) headers["Content-Type"] = "application/json";
    if (bearer) headers.Authorization = `Bearer ${bearer}`;
    if (key) headers["Idempotency-Key"] = key;
    let response, answer;
    try {
      response = await fetch(base + path, {
        method,
        headers,
        body: body && JSON.stringify(body),
        cache: "no-store",
        credentials: "omit",
        redirect: "error",
        signal,
      });
      if (response.status !== 204) answer = await response.json();
    } catch (error) {
      const ended = signal?.aborted && signal.reason?.name !== "TimeoutError";
      const code = ended ? "dismissed" : response && !response.ok ? "unexpected" : "unreachable";
      throw new Problem(code, { status: response?.status ?? 0, cause: error });
    }
    if (response.ok) return answer;
    const { code = "unexpected", title = "", detail = "", request_id = "", methods = [] } = answer ?? {};
    const retryAfter = Number(response.headers.get("Retry-After")) || 0;
    throw new Problem(code, { title, detail, status: response.status, requestId: request_id, retryAfter, methods });
  }

  // ---- tokens

  /** @type {string | null} */
  let memory = null;
  const kept = () => (storage ? storage.getItem(name) : memory);
  let told = JSON.stringify(load()?.user ?? null);

  /** @returns {Tokens | null} */
  function load() {
    try {
      return JSON.parse(kept() ?? "null");
    } catch {
      return null; // somebody else's
    }
  }

  /** Keeps tokens, or none. @param {any} tokens as the API answers them */
  function keep(tokens) {
    const text = tokens && JSON.stringify({ ...tokens, until: Date.now() + 1000 * tokens.expires_in });
    if (!storage) memory = text;
    else if (text) storage.setItem(name, text);
    else storage.removeItem(name);
    tell();
  }

  /** Changes some of the kept tokens. @param {Partial<Tokens>} change */
  const amend = (change) => keep({ ...held(), ...change, expires_in: (held().until - Date.now()) / 1000 });

  function tell() {
    const user = load()?.user ?? null;
    const text = JSON.stringify(user);
    if (text === told) return;
    told = text;
    if (user) disarm();
    self.onchange?.(user);
  }

  globalThis.addEventListener?.("pageshow", tell); // a page that comes back as it was, and has missed what happened
  globalThis.addEventListener?.("storage", (event) => {
    if (event.storageArea === /** @type {unknown} */ (storage) && (event.key === name || event.key === null)) tell();
  });

  /** @returns {Tokens} */
  function held() {
    const tokens = load();
    if (!tokens) throw new Problem("UNAUTHENTICATED", { status: 401 });
    return tokens;
  }

  /** One at a time in all tabs; where there are no locks, in this one. @template T @param {() => Promise<T>} work @returns {Promise<T>} */
  const alone = (work) => /** @type {any} */ (globalThis.navigator?.locks ? navigator.locks.request(name, work) : work());

  /**
   * Exchanges the refresh token. A lost answer is asked for again: within ten
   * seconds a spent token still gives the same successor. That helps a tab, too,
   * which sees only a moment later what another one has stored.
   * @param {Tokens} stale tokens that are of no use any more
   * @returns {Promise<Tokens>}
   */
  async function exchange(stale) {
    const { refresh_token } = held();
    if (refresh_token !== stale.refresh_token) return held(); // another tab was faster
    for (let left = 1; ; left--) {
      let next, refused;
      try {
        next = await ask("/api/token/refresh", { refresh_token }, { signal: AbortSignal.timeout(left ? 4000 : 30_000) });
      } catch (error) {
        if (left && passing(error)) {
          await pause();
          continue;
        }
        refused = error;
      }
      if (load()?.refresh_token !== refresh_token) return held(); // signed out meanwhile, or in anew
      if (next) keep(next);
      else if (/** @type {Problem} */ (refused).status === 401) keep(null);
      if (refused) throw refused;
      return held();
    }
  }

  /** @type {Promise<Tokens> | undefined} */
  let exchanging;

  /** @param {Tokens} stale */
  const renew = (stale) => (exchanging ??= alone(() => exchange(stale)).finally(() => (exchanging = undefined)));

  /** Tokens whose access token is there, and lasts a while. */
  async function fresh() {
    const tokens = held().until - Date.now() > 30_000 ? held() : await renew(held());
    if (!tokens.access_token) throw new Problem("passkey-first");
    return tokens;
  }

  /**
   * Does something with the tokens, and once more with new ones where it met a 401.
   * @template T @param {Tokens} tokens @param {(tokens: Tokens) => Promise<T>} work @param {(stale: Tokens) => Promise<Tokens>} more
   */
  async function twice(tokens, work, more = renew) {
    try {
      return await work(tokens);
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 401) throw error;
      return work(await more(tokens));
    }
  }

  /** @param {string} path @param {object} [body] @param {{method?: string, signal?: AbortSignal}} [more] */
  async function authorised(path, body, more) {
    const answer = await twice(held(), (t) => ask(path, body, { ...more, bearer: t.session_token }));
    if (answer?.session_token) amend({ session_token: answer.session_token }); // the one before is dead
    return answer;
  }

  /** @param {any} answer @returns {SignedIn | SecondStep} */
  function settle(answer) {
    const { next, flow, methods, user } = answer;
    if (flow) return { next, flow, methods };
    const before = load();
    keep(answer);
    disarm();
    asked = undefined;
    if (before && before.session_id !== answer.session_id) {
      ask("/api/logout", {}, { bearer: before.session_token }).catch(() => {}); // it would lie around
    }
    return { next, user };
  }

  /** @type {{email: string, key: string} | undefined} what was asked for last */
  let asked;

  // ---- passkeys: one ceremony at a time, for browsers allow no more

  let running = new AbortController();
  /** @type {{onproblem?: (problem: Problem) => void} | undefined} */
  let armed;
  let armedUntil = Infinity; // a challenge does not live as long as an open tab

  function begin() {
    armedUntil = Infinity;
    running.abort();
    return (running = new AbortController()).signal;
  }

  /** @param {AbortSignal} signal @param {boolean} [quiet] */
  async function pick(signal, quiet) {
    const { flow, publicKey } = await ask("/api/login/passkey/options", client, { signal });
    if (quiet) armedUntil = Date.now() + 0.8 * (publicKey.timeout || 300_000);
    return { flow, rpId: publicKey.rpId, credential: await getPasskey(publicKey, signal, quiet) };
  }

  /** @param {{flow: string, rpId: string, credential: any}} picked */
  async function prove({ flow, rpId, credential }) {
    try {
      return settle(await ask("/api/login/passkey", { flow, credential }));
    } catch (error) {
      if (error instanceof Problem && error.code === "CREDENTIAL_UNKNOWN") signalUnknown(rpId, credential.id);
      throw error;
    }
  }

  async function arm() {
    const mine = armed;
    if (!mine || !(await canAutofill()) || mine !== armed) return;
    const signal = begin();
    let picked;
    try {
      picked = await pick(signal, true);
    } catch {
      if (!signal.aborted) armedUntil = 0; // again when the person is back
      return;
    }
    try {
      await prove(picked);
    } catch (error) {
      mine.onproblem?.(/** @type {Problem} */ (error));
      arm();
    }
  }

  function disarm() {
    if (!armed) return;
    armed = undefined;
    running.abort();
    document.removeEventListener("visibilitychange", rearm);
    document.removeEventListener("focusin", rearm);
  }

  function rearm() {
    if (document.visibilityState === "visible" && Date.now() > armedUntil) arm();
  }

  /** @type {Client} */
  const self = {
    onchange: null,
    get user() {
      return load()?.user ?? null;
    },

    async startEmail(email) {
      if (asked?.email !== email) asked = { email, key: crypto.randomUUID() };
      const { key } = asked;
      for (let left = 2; ; left--) {
        try {
          return await ask("/api/login/email", { email, ...client }, { key });
        } catch (error) {
          if (!left || !passing(error)) throw error;
        }
        await pause();
      }
    },
    verifyEmail: async (flow, code) => settle(await ask("/api/login/email/verify", { flow, code })),
    verifyTotp: async (flow, code) => settle(await ask("/api/login/totp", { flow, code })),
    verifyRecovery: async (flow, code) => settle(await ask("/api/login/recovery", { flow, code })),

    async signInWithPasskey() {
      const signal = begin();
      try {
        return await prove(await pick(signal));
      } catch (error) {
        if (!signal.aborted) arm();
        throw error;
      }
    },
    autofill(onproblem) {
      disarm();
      const mine = (armed = { onproblem });
      document.addEventListener("visibilitychange", rearm);
      document.addEventListener("focusin", rearm);
      arm();
      return () => {
        if (mine === armed) disarm();
      };
    },
    async addPasskey(name) {
      const signal = begin();
      const { flow, publicKey } = await authorised("/api/passkeys/options", {}, { signal });
      const credential = await createPasskey(publicKey, signal);
      const { passkey, session_token } = await authorised("/api/passkeys", { flow, credential, name });
      if (session_token) await renew(held()); // a recovery code had begun this session, and now it is whole
      return passkey;
    },

    refresh: async () => (await renew(held())).user,
    accessToken: async () => /** @type {string} */ ((await fresh()).access_token),
    async fetch(input, init) {
      const request = new Request(input, init);
      const { origin } = new URL(request.url);
      if (origin !== base && !apis.includes(origin)) throw new Problem("foreign-origin");
      let tokens = await fresh();
      for (let left = 1; ; left--) {
        const attempt = request.clone();
        attempt.headers.set("Authorization", `Bearer ${tokens.access_token}`);
        const response = await fetch(attempt);
        if (response.status !== 401 || !left) return response;
        tokens = await renew(tokens);
      }
    },
    api: (method, path, body) => authorised(path, body, { method }),
    async me() {
      const user = await authorised("/api/me");
      if (load()?.user.id === user.id) amend({ user });
      return user;
    },
    signOut: (scope = "this") =>
      alone(async () => {
        try {
          const signal = AbortSignal.timeout(10_000);
          await twice(held(), (t) => ask("/api/logout", { scope }, { bearer: t.session_token, signal }), exchange);
        } catch (error) {
          if (/** @type {Problem} */ (error).status !== 401) throw error;
        } finally {
          if (scope !== "others") keep(null);
        }
      }),
  };
  return self;
}
