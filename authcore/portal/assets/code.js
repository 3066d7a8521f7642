// The code page: a countdown on "Send again", and the app's fragment kept.

import { base, carryFragment, element, go, returnTo, word } from "./page.js";

carryFragment();

/** The mail's link may have signed this browser in, in another tab: go on, too. */
async function lookAgain() {
  if (document.visibilityState !== "visible") return;
  const answer = await fetch(location.pathname, { redirect: "manual", cache: "no-store" }).catch(() => null);
  if (answer?.type === "opaqueredirect") go(`${base}/login/code${returnTo && `?to=${encodeURIComponent(returnTo)}`}`);
}
document.addEventListener("visibilitychange", lookAgain);

const button = /** @type {HTMLButtonElement} */ (element("resend"));
const label = button.textContent ?? "";
const until = Date.now() + 1000 * Number(button.dataset.wait);

function tick() {
  const left = Math.ceil((until - Date.now()) / 1000);
  button.disabled = left > 0;
  button.textContent = left > 0 ? word("code.resend-in", { seconds: left }) : label;
  if (left > 0) setTimeout(tick, 500);
}
tick();
