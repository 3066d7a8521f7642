// The account page: adding a passkey, times in the person's own zone, and word
// to the passkey provider about which passkeys still work.

import { Problem, element, go, localTimes, onPress, post, returnTo, show, word } from "./page.js";
import { create, explain, signalAccepted, signalDetails, supported } from "./passkey.js";

/** Adds a passkey. @param {string[]} [hints] where the browser looks first (WebAuthn L3, 5.8.7) */
async function add(hints) {
  try {
    const { flow, publicKey } = await post("/account/passkeys/options", {});
    const credential = await create(hints ? { ...publicKey, hints } : publicKey);
    go((await post("/account/passkeys", { flow, credential, to: returnTo })).next);
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== "STEP_UP_REQUIRED") throw error;
    go(`${document.body.dataset.base}/login/step-up`);
  }
}

localTimes();
const { rp, user, credentials, name = "", display = "" } = element("signal").dataset;
if (supported) {
  /** @param {unknown} error */
  const dismissed = (error) => explain(error, word("account.dismissed"));
  show("add");
  onPress(element("add-button"), () => add(), dismissed);
  onPress(element("add-other"), () => add(["hybrid", "security-key"]), dismissed);
  if (rp && user) {
    signalAccepted(rp, user, credentials ? credentials.split(" ") : []);
    signalDetails(rp, user, name, display);
  }
} else {
  element("add").remove();
  show("unsupported");
}
