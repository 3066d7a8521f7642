// The offer of a passkey after a sign-in by e-mail.

import { carryFragment, element, go, onPress, post, returnTo, show, word } from "./page.js";
import { builtIn, create, explain, supported } from "./passkey.js";

async function add() {
  const { flow, publicKey } = await post("/account/passkeys/options", {});
  const credential = await create(publicKey);
  go((await post("/account/passkeys", { flow, credential, to: returnTo })).next);
}

carryFragment();
if (supported) {
  show("add");
  builtIn().then((here) => show("elsewhere", !here));
  onPress(element("add-button"), add, (error) => explain(error, word("offer.dismissed")));
} else {
  element("add").remove();
  show("unsupported");
  element("not-now").textContent = word("offer.continue");
}
