// The account page: adding a passkey, times in the person's own zone, and word
// to the passkey provider about which passkeys still work.

import { Problem, element, go, localTimes, onPress, post, returnTo, show, word } from "./page.js";
import { create, explain, signalAccepted, supported } from "./passkey.js";

async function add() {
  try {
    const { flow, publicKey } = await post("/account/passkeys/options", {});
    const credential = await create(publicKey);
    go((await post("/account/passkeys", { flow, credential, to: returnTo })).next);
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== "STEP_UP_REQUIRED") throw error;
    go(`${document.body.dataset.base}/login/step-up`);
  }
}

localTimes();
const { rp, user, credentials } = element("signal").dataset;
if (supported) {
  show("add-button");
  onPress(element("add-button"), add, (error) => explain(error, word("account.dismissed")));
  if (rp && user) signalAccepted(rp, user, credentials ? credentials.split(" ") : []);
} else {
  element("add-button").remove();
  show("unsupported");
}
