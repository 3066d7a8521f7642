// A page whose form needs no script: only times in the person's own zone, and
// the app's fragment kept.

import { carryFragment, localTimes } from "./page.js";

carryFragment();
localTimes();
