import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const folder = new URL("../", import.meta.url);

/** Loaded by pages that need them: by a page in a frame, and by the page around it. */
const FRAMES = ["framed.js", "place.js"];

const sources = async () => (await readdir(folder)).filter((name) => name.endsWith(".js")).sort();

test("the package ships every module", async () => {
  const { files } = JSON.parse(await readFile(new URL("package.json", folder), "utf8"));
  assert.deepEqual(files.filter((name) => name.endsWith(".js")).sort(), await sources());
});

test("all modules that every page loads are at most 6 KiB gzip together", async (t) => {
  const modules = (await sources()).filter((name) => !FRAMES.includes(name));
  const text = await Promise.all(modules.map((name) => readFile(new URL(name, folder))));
  // Whichever way round they are put together.
  const orders = (list) =>
    list.length ? list.flatMap((one) => orders(list.filter((other) => other !== one)).map((rest) => [one, ...rest])) : [[]];
  const size = Math.max(...orders(text).map((parts) => gzipSync(Buffer.concat(parts), { level: 9 }).length));
  t.diagnostic(`${size} bytes`);
  assert.ok(size <= 6 * 1024, `${size} bytes`);
});

test("the modules for frames are at most 2.5 KiB gzip each", async (t) => {
  for (const name of FRAMES) {
    const size = gzipSync(await readFile(new URL(name, folder)), { level: 9 }).length;
    t.diagnostic(`${name}: ${size} bytes`);
    assert.ok(size <= 2.5 * 1024, `${name}: ${size} bytes`);
  }
});

test("no module needs anything but its neighbours", async () => {
  for (const name of (await readdir(folder)).filter((file) => file.endsWith(".js"))) {
    const text = await readFile(new URL(name, folder), "utf8");
    for (const [, from] of text.matchAll(/^(?:import|export) .* from "(.*)";$/gm)) assert.match(from, /^\.\/\w+\.js$/);
  }
});
