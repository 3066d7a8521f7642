// The code page: a countdown on "Send again", and the app's fragment kept.

import { carryFragment, element } from "./page.js";

carryFragment();

const button = /** @type {HTMLButtonElement} */ (element("resend"));
const label = button.textContent ?? "";
const until = Date.now() + 1000 * Number(button.dataset.wait);

function tick() {
  const left = Math.ceil((until - Date.now()) / 1000);
  button.disabled = left > 0;
  button.textContent = left > 0 ? `${label} in ${left} s` : label;
  if (left > 0) setTimeout(tick, 500);
}
tick();
