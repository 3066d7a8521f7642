/**
 * Sign-in for web apps, over the JSON API of passwordless-auth.
 *
 * ```js
 * import { createClient } from "https://auth.example.com/passwordless.js";
 *
 * const auth = createClient({ url: "https://auth.example.com", clientId: "spa" });
 * auth.onchange = (user) => show(user);
 * const mail = await auth.startEmail("alice@example.com");
 * const step = await auth.verifyEmail(mail.flow, "1234 5678");
 * if (!step.user) await auth.verifyTotp(step.flow, "123456");
 * const orders = await auth.fetch("/orders");
 * ```
 *
 * Whatever is refused is thrown as a {@link Problem}. There is no text for people
 * in here: decide by its `code`, and say it in the words of your app.
 */

/** Who is signed in, as `GET /api/me` answers. */
export interface User {
  /** Opaque, never changes, never belongs to somebody else. */
  id: string;
  name: string;
  email: string;
  /** May be empty. */
  display_name: string;
  groups: string[];
}

/** A mail that was asked for. The answer is the same for every address. */
export interface Mailed {
  /** Secret of this sign-in; the code is good for nothing without it. */
  flow: string;
  /** Seconds that the code is good for. */
  expires_in: number;
  /** Seconds to wait before offering to send another one. */
  resend_after: number;
  code_length: number;
}

/** Signed in. */
export interface SignedIn {
  flow?: undefined;
  user: User;
  /** After a recovery code: `addPasskey` comes first, until then the session opens nothing else. */
  next?: "passkey";
}

/** Not signed in yet: the account asks for a code of its authenticator app, or a recovery code. */
export interface SecondStep {
  user?: undefined;
  /** For `verifyTotp` or `verifyRecovery`. */
  flow: string;
  /** The step to offer. */
  next: "totp" | "recovery";
  /** Every step that would do. None: this sign-in leads nowhere. */
  methods: string[];
}

/** Where tokens are kept: `localStorage` fits, and so does an object of your own. */
export interface TokenStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

export interface Options {
  /** The portal's origin, such as "https://auth.example.com". */
  url: string;
  /** Name of the client in the server's configuration. Needless where there is one, or one called "default". */
  clientId?: string;
  /**
   * Default: the memory of this page; a reload signs out.
   *
   * With `localStorage` people stay signed in, in all tabs. Then every script that
   * ever runs in your origin, yours or one that an attacker slipped in (XSS), can
   * carry the refresh token away and use it elsewhere for as long as the session
   * lasts; from memory it can steal no more than what it does while the page is
   * open. So that is your choice to make, together with a strict
   * Content-Security-Policy. Not `sessionStorage`: a duplicated tab copies it, and
   * two holders of one refresh token end the session.
   */
  storage?: TokenStorage;
  /** Origins that `fetch` gives the access token to. Default: the page's own. The portal is always one. */
  apis?: string[];
}

export interface Client {
  /** Who is signed in, as far as this browser knows; null for nobody. */
  readonly user: User | null;

  /** Called after each sign-in and sign-out and when something about the person changed, in other tabs too. */
  onchange: ((user: User | null) => void) | null;

  /**
   * Mails a code to the address. To send another one, call it again: from
   * `resend_after` on there is a new mail, whose code replaces the older one; before,
   * the answer says how long to wait. An Idempotency-Key tells the server that it is
   * the same sign-in, so an answer that is lost on its way sends no second mail either.
   */
  startEmail(email: string): Promise<Mailed>;

  /** Sends the code that the person typed; spaces do not matter. */
  verifyEmail(flow: string, code: string): Promise<SignedIn | SecondStep>;

  /** Sends a code of the authenticator app, after `next: "totp"`. */
  verifyTotp(flow: string, code: string): Promise<SignedIn | SecondStep>;

  /** Sends a recovery code in its place. */
  verifyRecovery(flow: string, code: string): Promise<SignedIn | SecondStep>;

  /** Asks for a passkey; for a button. Ends a ceremony that is open, as autofill is. */
  signInWithPasskey(): Promise<SignedIn | SecondStep>;

  /**
   * Lets the browser offer passkeys in a field with `autocomplete="username webauthn"`,
   * where it can, until somebody is signed in. `onchange` says so. It renews itself
   * when its challenge grows old, and goes on after `signInWithPasskey` failed.
   * @param onproblem what became of a passkey that was picked and refused
   * @returns ends it
   */
  autofill(onproblem?: (problem: Problem) => void): () => void;

  /**
   * Makes a passkey for who is signed in. `STEP_UP_REQUIRED` means that the proof
   * of who they are is too old or too weak: let them sign in again by one of
   * `methods`, and call it again.
   * @param name what its owner calls it; default: the browser and system
   * @returns the passkey as the server lists it
   */
  addPasskey(name?: string): Promise<any>;

  /**
   * Exchanges the refresh token, once at a time, in all tabs that share a storage.
   * Nobody needs to call it: whatever needs a token does. Where the server refuses
   * it (`TOKEN_REUSED`, `TOKEN_INVALID`), nobody is signed in any more.
   */
  refresh(): Promise<User>;

  /** An access token that is good for half a minute at least, for what `fetch` cannot do. */
  accessToken(): Promise<string>;

  /**
   * `fetch` with the access token, for your own APIs. After a 401 it refreshes and
   * asks once more. It refuses an origin that is not in `apis` ("foreign-origin").
   */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;

  /** Any other request of the JSON API (docs/api.md), such as `api("GET", "/api/sessions")`. */
  api(method: string, path: string, body?: object): Promise<any>;

  /** Asks the server who is signed in; it knows at once when a session has ended. */
  me(): Promise<User>;

  /** Ends this session, all others of this person, or all. Here it is over even where the server did not hear it. */
  signOut(scope?: "this" | "others" | "all"): Promise<void>;
}

/**
 * Why something did not work.
 *
 * `code` in capitals comes from the server (docs/api.md lists them). In small
 * letters it comes from this side:
 *
 * | code | |
 * |---|---|
 * | `dismissed` | the person, their device or this page ended the ceremony; no reason is ever told |
 * | `unsupported` | this browser or device has no passkeys, or none with a screen lock |
 * | `exists` | this device holds a passkey of this account already |
 * | `wrong-address` | passkeys of the portal do not work at this page's address |
 * | `failed` | the device failed |
 * | `unreachable` | no answer |
 * | `unexpected` | an answer that is not the API's, such as a proxy's |
 * | `passkey-first` | a recovery code began this session: `addPasskey` opens the rest |
 * | `foreign-origin` | `fetch` was to send the token to an origin that is not in `apis` |
 */
export class Problem extends Error {
  constructor(code: string, more?: Partial<Pick<Problem, "title" | "detail" | "status" | "requestId" | "retryAfter" | "methods">> & ErrorOptions);
  readonly code: string;
  /** The server's words, in English; may be empty. */
  readonly title: string;
  readonly detail: string;
  /** HTTP status, 0 without an answer. */
  readonly status: number;
  /** Finds the request in the server's log; may be empty. */
  readonly requestId: string;
  /** Seconds to wait, 0 where the server named none. */
  readonly retryAfter: number;
  /** With `STEP_UP_REQUIRED`: the methods that would do. */
  readonly methods: string[];
}

export function createClient(options: Options): Client;

/** Whether this browser can use passkeys, on this page. */
export const supported: boolean;

/** Whether fields can offer passkeys (conditional mediation). */
export function canAutofill(): Promise<boolean>;

/** Whether this device keeps passkeys itself. */
export function builtIn(): Promise<boolean>;

/**
 * Asks for a passkey: `publicKey` as the server sent it in, what to send back out.
 * Conversions of WebAuthn Level 3, 5.1.8 to 5.1.10, are made where the browser has none.
 * @param autofill offer it in a field, and wait
 */
export function getPasskey(publicKey: any, signal?: AbortSignal, autofill?: boolean): Promise<any>;

/** Makes a passkey, in the same way. */
export function createPasskey(publicKey: any, signal?: AbortSignal): Promise<any>;

/** Tells the provider to offer this passkey no more. Only after a definite not-found. */
export function signalUnknown(rpId: string, credentialId: string): Promise<void>;

/** Tells the provider which passkeys of this person still work. */
export function signalAccepted(rpId: string, userId: string, allAcceptedCredentialIds: string[]): Promise<void>;

/** Tells the provider what this person is called now. */
export function signalDetails(rpId: string, userId: string, name: string, displayName: string): Promise<void>;
