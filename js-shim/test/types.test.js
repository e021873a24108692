import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const folder = fileURLToPath(new URL("../", import.meta.url));
const tsc = join(folder, "node_modules/typescript/bin/tsc");
const skip = existsSync(tsc) ? false : "needs `npm ci --ignore-scripts`";

test("the committed declarations are those of the modules", { skip }, async () => {
  const fresh = await mkdtemp(join(tmpdir(), "latchkey-types-"));
  try {
    const emit = ["--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--outDir", fresh];
    for (const project of [folder, join(folder, "legacy")])
      await promisify(execFile)(process.execPath, [tsc, "-p", project, ...emit]);
    const all = async (of) => (await readdir(of, { recursive: true })).filter((name) => name.endsWith(".d.ts")).sort();
    const names = await all(fresh);
    assert.ok(names.includes(join("legacy", "scorm.d.ts")));
    assert.deepEqual(await all(join(folder, "types")), names);
    for (const name of names) {
      const committed = await readFile(join(folder, "types", name), "utf8");
      assert.equal(committed, await readFile(join(fresh, name), "utf8"), `run \`npm run types\`: ${name}`);
    }
  } finally {
    await rm(fresh, { recursive: true });
  }
});
