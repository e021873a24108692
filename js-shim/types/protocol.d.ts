/** @import * as Shapes from "./shapes.js" */
/** Base of all: see {@link Shapes.ErrorBody}. */
export class LatchkeyError extends Error {
    /** @param {Shapes.ErrorBody} body */
    constructor(body: Shapes.ErrorBody);
    code: string;
    retryable: boolean;
    field: string | undefined;
    current: {
        version: number;
        value: any;
    } | undefined;
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
