// Adding a passkey, on the account page and after a sign-in by e-mail.

import { Problem, base, go, post, returnTo } from "./page.js";
import { create, signalUnknown } from "./passkey.js";

/**
 * Makes a passkey, stores it and goes on.
 * @param {string[]} [hints] where the browser looks first (WebAuthn L3, 5.8.7)
 */
export async function enrol(hints) {
  try {
    const { flow, publicKey } = await post("/account/passkeys/options", {});
    const credential = await create(hints ? { ...publicKey, hints } : publicKey);
    try {
      go((await post("/account/passkeys", { flow, credential, to: returnTo })).next);
    } catch (error) {
      // The provider has it already. Where the server surely has not, it must not
      // be offered at the next sign-in.
      if (refused(error)) signalUnknown(publicKey.rp.id, credential.id);
      throw error;
    }
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== "STEP_UP_REQUIRED") throw error;
    go(`${base}/login/step-up`);
  }
}

/** Whether the server answered, and said no. @param {unknown} error */
const refused = (error) => error instanceof Problem && !["", "UNREACHABLE", "UNAVAILABLE"].includes(error.code);
