// A page whose form needs no script: only times in the person's own zone, the
// app's fragment kept, and what is shown once copied by a press.

import { copyButtons } from "./copy.js";
import { carryFragment, localTimes } from "./page.js";

carryFragment();
localTimes();
copyButtons();
