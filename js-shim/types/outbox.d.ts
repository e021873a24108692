/** @type {Shapes.Pieces} */
export const pieces: Shapes.Pieces;
/** @type {Shapes.PlaceOf} */
export const placeOf: Shapes.PlaceOf;
/** @type {Shapes.NewOutbox} */
export const newOutbox: Shapes.NewOutbox;
import type * as Shapes from "./shapes.js";
