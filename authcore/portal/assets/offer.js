// The offer of a passkey after a sign-in by e-mail.

import { carryFragment, element, onPress, show, word } from "./page.js";
import { enrol } from "./enrol.js";
import { builtIn, explain, supported } from "./passkey.js";

carryFragment();
if (supported) {
  show("add");
  builtIn().then((here) => show("elsewhere", !here));
  onPress(element("add-button"), () => enrol(), (error) => explain(error, word("offer.dismissed")));
} else {
  element("add").remove();
  show("unsupported");
  element("not-now").textContent = word("offer.continue");
}
