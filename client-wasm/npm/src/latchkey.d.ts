import type * as Shapes from "./shapes.js";

export type { Activity, Block, EndReason, Events, Grade, Item, Query, Receipt, Recent, State, StateOptions, Stored, Written } from "./shapes.js";

/** Base of all: a stable `code`, whether it is `retryable`, the `field` at fault. */
export class LatchkeyError extends Error {
  readonly code: string;
  readonly retryable: boolean;
  readonly field?: string;
  /** Of `version_conflict`: how the document stands. */
  readonly current?: { version: number; value: any };
}

/** The operation was refused for good. */
export class RefusedError extends LatchkeyError {}

/** The page has no usable block. */
export class BlockError extends LatchkeyError {}

/** No key any more. `kept`: the next launch sends the operation. */
export class EndedError extends LatchkeyError {
  readonly reason: Shapes.EndReason;
  readonly kept: boolean;
}

/** Where the WebAssembly comes from: its address, its bytes or a compiled module. */
export type Source = string | URL | Request | Response | BufferSource | WebAssembly.Module;

/**
 * Loads the WebAssembly, once however often it is called; {@link connect} does it too. Without `source` it is
 * `latchkey_bg.wasm` beside this file: a bundler that does not copy it gives its address.
 * @throws {LatchkeyError} (rejects) `not_loaded`; may be tried again
 */
export function init(source?: Source | Promise<Source>): Promise<void>;

/** As in the JavaScript SDK. Loads the WebAssembly if {@link init} has not. */
export const connect: Shapes.Connect;

/**
 * The same at once, for a page that is not being prerendered.
 * @throws {LatchkeyError} `not_loaded` before {@link init} has resolved
 */
export function connectNow(options?: Shapes.Options): Shapes.Activity;
