// Puts together what is packed and served: one script, the WebAssembly beside it, types.
import { build } from "esbuild";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";

const here = (path) => new URL(path, import.meta.url);
await mkdir(here("dist"), { recursive: true });
await build({
  absWorkingDir: here(".").pathname,
  // Only a page in a frame loads the second.
  entryPoints: ["src/latchkey.js", "../../js-shim/framed.js"],
  entryNames: "[name]",
  outdir: "dist",
  external: ["./framed.js"],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  logLevel: "warning",
});
await copyFile(here("glue/latchkey_bg.wasm"), here("dist/latchkey_bg.wasm"));
await copyFile(here("src/latchkey.d.ts"), here("dist/latchkey.d.ts"));
// The shapes are those of the JavaScript SDK: the errors that they name are declared here.
const shapes = await readFile(here("../../js-shim/types/shapes.d.ts"), "utf8");
await writeFile(here("dist/shapes.d.ts"), shapes.replaceAll("./protocol.js", "./latchkey.js"));
// What git leaves out is packed.
await writeFile(here("dist/.npmignore"), "");
