/** @import * as Shapes from "./shapes.js" */
/** Base of all: a stable `code`, whether it is `retryable`, the `field` at fault. */
export class LatchkeyError extends Error {
    /** @param {Shapes.ErrorBody} body */
    constructor({ code, message, retryable, field }: Shapes.ErrorBody);
    code: string;
    retryable: boolean;
    field: string | undefined;
}
/** The operation was refused for good. */
export class RefusedError extends LatchkeyError {
}
/** The page has no usable block. */
export class BlockError extends LatchkeyError {
}
/** No key any more. `kept`: the next launch sends the operation. */
export class EndedError extends LatchkeyError {
    /** @param {Shapes.EndReason} reason */
    constructor(reason: Shapes.EndReason, kept?: boolean);
    reason: Shapes.EndReason;
    kept: boolean;
}
/** @type {Shapes.Attempt} */
export const attempt: Shapes.Attempt;
export function hex(bytes?: Uint8Array<ArrayBuffer>): string;
/** @type {Shapes.ReadToken} */
export const readToken: Shapes.ReadToken;
/** @type {Shapes.Supersedes} */
export const supersedes: Shapes.Supersedes;
import type * as Shapes from "./shapes.js";
