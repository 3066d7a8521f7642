// Passkeys on our own pages: the ceremonies are the helper's that apps use, too;
// the words are the page's.

import { Problem, word } from "./page.js";
import { Problem as Failure } from "./passwordless.js";

export {
  builtIn,
  canAutofill,
  createPasskey as create,
  getPasskey as get,
  signalAccepted,
  signalDetails,
  signalUnknown,
  supported,
} from "./passwordless.js";

/**
 * Puts a failed ceremony into plain words.
 * @param {unknown} error @param {string} dismissed what to say when the person or the device declined
 */
export function explain(error, dismissed) {
  if (error instanceof Problem) return error.message;
  switch (error instanceof Failure ? error.code : error instanceof Error && error.name) {
    case "dismissed":
    case "AbortError": // of a request
      return dismissed;
    case "exists":
      return word("passkey.exists");
    case "wrong-address":
      return word("passkey.wrong-address");
    case "unsupported":
      return word("passkey.no-lock");
    default:
      return word("passkey.failed");
  }
}
