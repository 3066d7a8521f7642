// WebAuthn ceremonies: JSON from the server in, JSON for the server out
// (WebAuthn L3, 5.1.9 and 5.1.10; older browsers lack the conversions).

import { Problem, word } from "./page.js";

/** Whether this browser can use passkeys at all. */
export const supported = isSecureContext && typeof PublicKeyCredential === "function" && !!navigator.credentials;

/** The browser's passkey interface, newer parts included where there are any. */
const api = /** @type {any} */ (supported ? PublicKeyCredential : {});

/** @param {string} text base64url */
function decode(text) {
  const binary = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(binary, (c) => c.charCodeAt(0));
}

/** @param {ArrayBuffer} buffer @returns {string} base64url */
function encode(buffer) {
  const binary = Array.from(new Uint8Array(buffer), (b) => String.fromCharCode(b)).join("");
  return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** @param {any} options @param {string} method */
function parse(options, method) {
  if (typeof api[method] === "function") return api[method](options);
  const ids = (/** @type {any[]} */ list) => list?.map((c) => ({ ...c, id: decode(c.id) }));
  const parsed = { ...options, challenge: decode(options.challenge) };
  if (options.user) parsed.user = { ...options.user, id: decode(options.user.id) };
  if (options.allowCredentials) parsed.allowCredentials = ids(options.allowCredentials);
  if (options.excludeCredentials) parsed.excludeCredentials = ids(options.excludeCredentials);
  return parsed;
}

/** @param {any} credential */
function serialize(credential) {
  try {
    return credential.toJSON();
  } catch {
    // Absent in older browsers; some password managers' own objects throw.
  }
  /** @type {Record<string, unknown>} */
  const response = {};
  for (const field of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[field]) response[field] = encode(credential.response[field]);
  }
  if (credential.response.getTransports) response.transports = credential.response.getTransports();
  return {
    id: credential.id,
    rawId: encode(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment ?? undefined,
    clientExtensionResults: credential.getClientExtensionResults(),
    response,
  };
}

/**
 * Asks for a passkey to sign in with.
 * @param {any} publicKey @param {AbortSignal} [signal] @param {boolean} [autofill]
 */
export async function get(publicKey, signal, autofill) {
  const options = /** @type {any} */ ({ publicKey: parse(publicKey, "parseRequestOptionsFromJSON"), signal });
  if (autofill) options.mediation = "conditional";
  return serialize(await navigator.credentials.get(options));
}

/** Makes a new passkey. @param {any} publicKey */
export async function create(publicKey) {
  return serialize(await navigator.credentials.create({ publicKey: parse(publicKey, "parseCreationOptionsFromJSON") }));
}

/** Whether the e-mail field may offer passkeys. @returns {Promise<boolean>} */
export async function canAutofill() {
  return supported && (await api.isConditionalMediationAvailable?.()) === true;
}

/** Whether this device keeps passkeys itself. @returns {Promise<boolean>} */
export async function builtIn() {
  return supported && (await api.isUserVerifyingPlatformAuthenticatorAvailable?.()) === true;
}

/**
 * Tells the passkey provider that we do not know this passkey, so that it stops
 * offering it. Only after a definite not-found.
 * @param {string} rpId @param {string} credentialId
 */
export async function signalUnknown(rpId, credentialId) {
  await api.signalUnknownCredential?.({ rpId, credentialId })?.catch(() => {});
}

/**
 * Tells the provider which passkeys of this person still work.
 * @param {string} rpId @param {string} userId @param {string[]} allAcceptedCredentialIds
 */
export async function signalAccepted(rpId, userId, allAcceptedCredentialIds) {
  await api.signalAllAcceptedCredentials?.({ rpId, userId, allAcceptedCredentialIds })?.catch(() => {});
}

/**
 * Tells the provider what this person is called now.
 * @param {string} rpId @param {string} userId @param {string} name @param {string} displayName
 */
export async function signalDetails(rpId, userId, name, displayName) {
  await api.signalCurrentUserDetails?.({ rpId, userId, name, displayName })?.catch(() => {});
}

/**
 * Puts a failed ceremony into plain words.
 * @param {unknown} error @param {string} dismissed what to say when the person or the device declined
 */
export function explain(error, dismissed) {
  if (error instanceof Problem) return error.message;
  switch (error instanceof Error ? error.name : "") {
    case "NotAllowedError":
    case "AbortError":
      return dismissed;
    case "InvalidStateError":
      return word("passkey.exists");
    case "SecurityError":
      return word("passkey.wrong-address");
    case "NotSupportedError":
    case "ConstraintError":
      return word("passkey.no-lock");
    default:
      return word("passkey.failed");
  }
}
