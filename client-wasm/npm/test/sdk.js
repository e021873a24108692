// This SDK in the place of the JavaScript one, for that one's tests: the same lives in the same world.
import { readFile } from "node:fs/promises";
import { init } from "../dist/latchkey.js";

await import("../dist/framed.js"); // loaded already when a frame asks for it
await init(await readFile(new URL("../dist/latchkey_bg.wasm", import.meta.url)));
export * from "../dist/latchkey.js";
