// The account page: adding a passkey, times in the person's own zone, and word
// to the passkey provider about which passkeys still work.

import { element, localTimes, onPress, show, word } from "./page.js";
import { enrol } from "./enrol.js";
import { explain, signalAccepted, signalDetails, supported } from "./passkey.js";

/** @param {unknown} error */
const dismissed = (error) => explain(error, word("account.dismissed"));

localTimes();
if (!document.getElementById("add")) {
  // passkeys are switched off
} else if (supported) {
  show("add");
  show("add-elsewhere");
  onPress(element("add-button"), () => enrol(), dismissed);
  onPress(element("add-other"), () => enrol(["hybrid", "security-key"]), dismissed);
} else {
  element("add").remove();
  element("add-elsewhere").remove();
  show("unsupported");
}
const { rp, user, credentials, name = "", display = "" } = document.getElementById("signal")?.dataset ?? {};
if (supported && rp && user) {
  signalAccepted(rp, user, credentials ? credentials.split(" ") : []);
  signalDetails(rp, user, name, display);
}
