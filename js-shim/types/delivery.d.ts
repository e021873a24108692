/** @type {Shapes.NewDelivery} */
export const newDelivery: Shapes.NewDelivery;
import type * as Shapes from "./delivery-shapes.js";
