// A single-page app that signs people in without a page of ours: by a mailed
// code, with a second step where the account has one, or by passkey.

import { Problem, createClient, supported } from "https://auth.example.com/passwordless.js";

/** An API of your own, which verifies access tokens; here examples/verify-go on this origin. */
const API = "/api/hello";

const auth = createClient({
  url: "https://auth.example.com",
  // People stay signed in over reloads and in all tabs. The price: a script that
  // somebody slips in could take their refresh token along. Hence the
  // Content-Security-Policy in the Caddyfile, and no script of others. Without
  // this line tokens live in the memory of the page.
  storage: localStorage,
});

/** What the app says when something was refused; codes: docs/api.md and passwordless.d.ts. */
const words = /** @type {Record<string, string>} */ ({
  CODE_INVALID: "That is not the code from the newest mail.",
  CODE_EXHAUSTED: "That was wrong five times. Please start again.",
  EMAIL_INVALID: "Please check the address.",
  FLOW_EXPIRED: "That took too long. Please start again.",
  GUESSES_SPENT: "Too many wrong codes today. Use a passkey, or come back tomorrow.",
  RATE_LIMITED: "Too many requests. Please wait a moment.",
  RECOVERY_INVALID: "That is none of your unused recovery codes.",
  STEP_UP_REQUIRED: "Please sign out, sign in again and then add the passkey.",
  TOKEN_REUSED: "You were signed out, because your sign-in was used from two places.",
  TOTP_INVALID: "That is not the code that your app shows now.",
  dismissed: "No passkey was used.",
  "passkey-first": "A recovery code let you in. Please add a passkey now.",
  exists: "This device has a passkey for your account already.",
  unreachable: "No answer. Are you online?",
  unsupported: "This device cannot use passkeys.",
  "wrong-address": "Passkeys do not work at this address.",
});
const startAgain = ["CODE_EXHAUSTED", "FLOW_EXPIRED", "GUESSES_SPENT"];

/** @template {HTMLElement} [T=HTMLElement] @param {string} id @returns {T} */
const at = (id) => /** @type {T} */ (document.getElementById(id));
/** @param {string} id */
const typed = (id) => /** @type {HTMLInputElement} */ (at(id)).value;

/** Shows one part of the page. @param {"start" | "code" | "second" | "inside"} view */
function show(view) {
  for (const part of ["start", "code", "second", "inside"]) at(part).hidden = part !== view;
  at("alert").textContent = "";
  at(view).querySelector("input")?.focus();
  if (view === "start") auth.autofill(explain);
}

/** @param {unknown} error */
function explain(error) {
  if (!(error instanceof Problem)) throw error;
  if (startAgain.includes(error.code)) show("start");
  at("alert").textContent = words[error.code] ?? `That did not work (${error.code} ${error.requestId}).`;
}

/** Runs what a form or button is for, once at a time. @param {string} id @param {() => Promise<unknown>} work */
function on(id, work) {
  const element = at(id);
  element.addEventListener(element instanceof HTMLFormElement ? "submit" : "click", async (event) => {
    event.preventDefault();
    if (element.getAttribute("aria-busy") === "true") return;
    element.setAttribute("aria-busy", "true");
    at("alert").textContent = "";
    try {
      await work();
    } catch (error) {
      explain(error);
    } finally {
      element.removeAttribute("aria-busy");
    }
  });
}

/** Secret of the sign-in that is under way. */
let flow = "";

async function mail() {
  ({ flow } = await auth.startEmail(typed("email")));
  at("address").textContent = typed("email");
  show("code");
}

/** @param {import("https://auth.example.com/passwordless.js").SignedIn | import("https://auth.example.com/passwordless.js").SecondStep} step */
function go(step) {
  if (step.user) return; // signed in: onchange shows it
  flow = step.flow;
  show("second");
}

/** @param {import("https://auth.example.com/passwordless.js").User | null} user */
function render(user) {
  show(user ? "inside" : "start");
  if (!user) return;
  at("who").textContent = user.display_name || user.email;
  call().catch(explain);
}

async function call() {
  const response = await auth.fetch(API);
  at("answer").textContent = response.ok ? JSON.stringify(await response.json()) : `no (${response.status})`;
}

on("start", mail);
on("again", mail);
on("code", async () => go(await auth.verifyEmail(flow, typed("digits"))));
on("second", async () => {
  const proof = typed("proof").replace(/\s/g, "");
  go(/^\d{6}$/.test(proof) ? await auth.verifyTotp(flow, proof) : await auth.verifyRecovery(flow, proof));
});
on("passkey", async () => go(await auth.signInWithPasskey()));
on("call", call);
on("add", async () => {
  await auth.addPasskey();
  at("add").hidden = true;
});
on("out", () => auth.signOut());
on("out-all", () => auth.signOut("all"));

at("passkey").hidden = at("add").hidden = !supported;
auth.onchange = render;
render(auth.user);
