// The package as others get it: packed, installed into an empty project, bundled, loaded by a browser under a policy.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build } from "esbuild";
import { Clock } from "../../../js-shim/world/clock.js";
import { Server } from "../../../js-shim/world/server.js";

const run = promisify(execFile);
const here = fileURLToPath(new URL("..", import.meta.url));
let folder;

const PAGE = `
import source from "latchkey-wasm/latchkey_bg.wasm";
import { BlockError, LatchkeyError, connect, connectNow, init } from "latchkey-wasm";
const told = [];
try { connectNow(); } catch (error) { told.push(error.code, error instanceof LatchkeyError); }
try { await init("/nowhere.wasm"); } catch (error) { told.push(error.code, error.retryable); }
await init(source);
const activity = await connect();
activity.on("saved", ({ function: name }) => told.push(name));
const receipt = await activity.grade({ score: 8.5 });
told.push(receipt.score, activity.user, activity.unsaved);
try { await connect(); } catch (error) { told.push(error.code, error instanceof BlockError, error.name); }
await fetch("/told", { method: "POST", body: JSON.stringify(told) });
`;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "latchkey-"));
  await run("npm", ["pack", "--pack-destination", folder], { cwd: here });
  const [packed] = await readdir(folder);
  await writeFile(join(folder, "package.json"), '{ "type": "module", "private": true }');
  await run("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--offline", packed], { cwd: folder });
  await writeFile(join(folder, "page.js"), PAGE);
  await build({
    absWorkingDir: folder,
    entryPoints: ["page.js"],
    bundle: true,
    format: "esm",
    target: "es2022",
    loader: { ".wasm": "file" },
    outdir: "public",
    publicPath: "/public",
    logLevel: "error",
  });
});
// The browser's helpers may still write to its profile for a moment.
after(() => rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }));

test("it holds what it says and nothing else", async () => {
  const installed = join(folder, "node_modules/latchkey-wasm");
  const { exports, types } = JSON.parse(await readFile(join(installed, "package.json"), "utf8"));
  for (const file of [types, ...Object.values(exports).flatMap((way) => (way.default ? [way.default, way.types] : [way]))])
    assert.ok((await readFile(join(installed, file))).length);
  const files = await readdir(join(installed, "dist"));
  const expected = ["framed.js", "latchkey.d.ts", "latchkey.js", "latchkey_bg.wasm", "shapes.d.ts"];
  assert.deepEqual(files.filter((name) => !name.startsWith(".")).sort(), expected);
  const text = await readFile(join(installed, "dist/latchkey_bg.wasm"), "latin1");
  assert.doesNotMatch(text, /\/home\/|\/root\/|\.cargo/, "no folder of the machine that built it");
});

test("bundled, it runs in a browser under a strict policy", async () => {
  const server = new Server(Object.assign(new Clock(), { time: Date.now() }), Math.random);
  const block = JSON.stringify({ token: server.launch() });
  const policy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'";
  let tell;
  const told = new Promise((resolve) => (tell = resolve));
  const http = createServer(async (request, response) => {
    let body = "";
    for await (const piece of request) body += piece;
    const answer = (status, type, content) =>
      response.writeHead(status, { "Content-Type": type, "Content-Security-Policy": policy }).end(content);
    if (request.url === "/told") {
      tell(JSON.parse(body));
      answer(204, "text/plain");
    } else if (request.url === "/v1/batch") {
      const headers = { Authorization: request.headers.authorization };
      const { status, text } = server.handle({ headers, body });
      answer(status, "application/json", text);
    } else if (request.url === "/") {
      const script = `<script type="application/json" data-latchkey>${block}</script>`;
      answer(200, "text/html", `<!doctype html>${script}<script type=module src=/public/page.js></script>`);
    } else {
      const type = { ".js": "text/javascript", ".wasm": "application/wasm" }[extname(request.url)];
      const content = await readFile(join(folder, request.url)).catch(() => undefined);
      answer(content ? 200 : 404, type ?? "text/plain", content);
    }
  });
  await new Promise((ready) => http.listen(0, "127.0.0.1", ready));
  const profile = await mkdtemp(join(folder, "profile-"));
  const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"];
  const browser = execFile(process.env.CHROMIUM ?? "chromium", [
    ...flags,
    `--user-data-dir=${profile}`,
    "--remote-debugging-port=0", // stays until it is told to go
    `http://127.0.0.1:${http.address().port}/`,
  ]);
  try {
    assert.deepEqual(await told, [
      ...["not_loaded", true],
      ...["not_loaded", true],
      ...[8.5, "u1", 0, "grade"],
      ...["block_missing", true, "BlockError"],
    ]);
  } finally {
    const gone = new Promise((resolve) => browser.once("exit", resolve));
    browser.kill();
    await gone;
    http.closeAllConnections();
    http.close();
  }
});
