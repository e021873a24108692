/** @type {Shapes.Pieces} */
export const pieces: Shapes.Pieces;
/** @type {Shapes.NewOutbox} */
export const newOutbox: Shapes.NewOutbox;
import type * as Shapes from "./shapes.js";
