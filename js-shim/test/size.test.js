import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { gzipSync } from "node:zlib";

const folder = new URL("../", import.meta.url);

test("all modules together are at most 6 KiB gzip, and are what the package ships", async (t) => {
  const modules = (await readdir(folder)).filter((name) => name.endsWith(".js")).sort();
  const { files } = JSON.parse(await readFile(new URL("package.json", folder), "utf8"));
  assert.deepEqual(files.filter((name) => name.endsWith(".js")).sort(), modules);
  const text = await Promise.all(modules.map((name) => readFile(new URL(name, folder))));
  // Whichever way round they are put together.
  const orders = (list) =>
    list.length ? list.flatMap((one) => orders(list.filter((other) => other !== one)).map((rest) => [one, ...rest])) : [[]];
  const size = Math.max(...orders(text).map((parts) => gzipSync(Buffer.concat(parts), { level: 9 }).length));
  t.diagnostic(`${size} bytes`);
  assert.ok(size <= 6 * 1024, `${size} bytes`);
});

test("no module needs anything but its neighbours", async () => {
  for (const name of (await readdir(folder)).filter((file) => file.endsWith(".js"))) {
    const text = await readFile(new URL(name, folder), "utf8");
    for (const [, from] of text.matchAll(/^(?:import|export) .* from "(.*)";$/gm)) assert.match(from, /^\.\/\w+\.js$/);
  }
});
