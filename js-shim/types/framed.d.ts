/** @type {Shapes.Enter} */
export const enter: Shapes.Enter;
import type * as Shapes from "./frame-shapes.js";
