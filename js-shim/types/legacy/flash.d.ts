export function variables(said: any): string;
/**
 * Calls the SDK for a movie: `ask("grade", "score=5&max=10")` resolves to the answer in variables, and never rejects.
 * What was said just before is not done again.
 * @type {(activity: Parameters<import("./shapes.ts").Bridge>[0], now?: () => number) => import("./shapes.ts").Listener}
 */
export const listener: (activity: Parameters<import("./shapes.ts").Bridge>[0], now?: () => number) => import("./shapes.ts").Listener;
/**
 * Lets every movie of the page, now and later, use the page's activity (or the promise of one).
 * A movie says `fscommand("latchkey.grade", "id=7&score=5&max=10")`, or with `'unsafe-eval'` in the page's policy
 * `ExternalInterface.call("Latchkey.grade", "id=7&score=5&max=10")`, and is told `onLatchkey("7", "status=ok&…")`.
 * Gives a function that ends it.
 * @type {import("./shapes.ts").Bridge}
 */
export const bridge: import("./shapes.ts").Bridge;
