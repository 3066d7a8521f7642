// made.d.ts is what the compiler reads out of passwordless.js; passwordless.d.ts
// is what we ship. Each has to fit where the other is expected.
declare const made: typeof import("./made.js");
declare const shipped: typeof import("./passwordless.js");
export const nothingLess: typeof shipped = made;
export const nothingMore: typeof made = shipped;
