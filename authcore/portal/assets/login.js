// The login page: a passkey by button, or picked from the e-mail field's list.

import { Problem, carryFragment, element, go, onPress, post, returnTo, show, alertText, word } from "./page.js";
import { canAutofill, explain, get, signalUnknown, supported } from "./passkey.js";

const email = document.getElementById("email");
const dismissed = email ? word("login.dismissed-mail") : word("login.dismissed");

/** The one ceremony that may run; a new one ends it. */
let ceremony = new AbortController();
let autofillUntil = Infinity;

/** Asks the browser for a passkey. @param {boolean} autofill */
async function ask(autofill) {
  ceremony.abort();
  const { signal } = (ceremony = new AbortController());
  autofillUntil = Infinity;
  const { flow, publicKey } = await post("/login/passkey/options", {}, signal);
  if (autofill) autofillUntil = Date.now() + 0.8 * (publicKey.timeout || 300_000);
  return { flow, rpId: publicKey.rpId, credential: await get(publicKey, signal, autofill) };
}

/** Proves the picked passkey to the server. @param {{flow: string, rpId: string, credential: any}} picked */
async function prove({ flow, rpId, credential }) {
  try {
    go((await post("/login/passkey", { flow, credential, to: returnTo })).next);
  } catch (error) {
    if (error instanceof Problem && error.code === "CREDENTIAL_UNKNOWN") signalUnknown(rpId, credential.id);
    throw error;
  }
}

/** Offers passkeys in the e-mail field, until one is picked or the button is pressed. */
async function autofill() {
  if (!email || !(await canAutofill())) return;
  let picked;
  try {
    picked = await ask(true);
  } catch {
    return; // replaced, dismissed or not to be had: the page works without
  }
  try {
    await prove(picked);
  } catch (error) {
    alertText(explain(error, dismissed));
    autofill();
  }
}

/** A challenge does not live as long as an open tab: take a new one when the person is back. */
function refresh() {
  if (document.visibilityState === "visible" && Date.now() > autofillUntil) autofill();
}

carryFragment();
const section = document.getElementById("passkey");
if (section && supported) {
  section.hidden = false;
  show("unsupported", false);
  onPress(
    element("passkey-button"),
    async () => prove(await ask(false)),
    (error) => {
      autofill();
      return explain(error, dismissed);
    },
  );
  autofill();
  document.addEventListener("visibilitychange", refresh);
  email?.addEventListener("focus", refresh);
} else {
  section?.remove();
}
