/** @type {Shapes.Place} */
export const place: Shapes.Place;
import type * as Shapes from "./frame-shapes.js";
