// A fresh proof by passkey for somebody who is signed in.

import { carryFragment, element, go, localTimes, onPress, post, returnTo, show, word } from "./page.js";
import { explain, get, supported } from "./passkey.js";

async function confirm() {
  const { flow, publicKey } = await post("/login/step-up/passkey/options", { to: returnTo });
  const credential = await get(publicKey);
  go((await post("/login/step-up/passkey", { flow, credential, to: returnTo, back: element("passkey").dataset.back })).next);
}

carryFragment();
localTimes();
if (!supported) {
  document.getElementById("passkey")?.remove();
  show("unsupported");
} else if (document.getElementById("passkey")) {
  show("passkey");
  onPress(element("passkey-button"), confirm, (error) => explain(error, word("stepup.dismissed")));
}
