/** @type {Shapes.TakeBlock} */
export const takeBlock: Shapes.TakeBlock;
/** @type {Shapes.Connect} */
export const connect: Shapes.Connect;
import type * as Shapes from "./delivery-shapes.js";
export { BlockError, EndedError, LatchkeyError, RefusedError } from "./protocol.js";
