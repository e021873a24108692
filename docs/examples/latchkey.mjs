// Latchkey for a site in JavaScript on Node. Minting needs jose; signing needs nothing.
import { createHash, createHmac, randomBytes } from "node:crypto";
import { pathToFileURL } from "node:url";
import { SignJWT } from "jose";

const [host, number] = ["school", 1];
const secret = Buffer.from(process.env.HOST_SECRET, "base64url");

/** A launch token, for one rendering of a page. */
export const launchToken = (user, activity, more = {}) => {
  const now = Math.floor(Date.now() / 1000);
  const jti = randomBytes(16).toString("base64url");
  return new SignJWT({ iss: host, sub: user, activity, jti, iat: now, exp: now + 900, ...more })
    .setProtectedHeader({ alg: "HS256", typ: "latchkey+jwt", kid: `${host}.${number}` })
    .sign(secret);
};

/** A signed request: status and decoded answer. */
export const hostCall = async (method, path, body = "") => {
  const [time, nonce] = [Math.floor(Date.now() / 1000), randomBytes(16).toString("hex")];
  const digest = createHash("sha256").update(body).digest("hex");
  const message = [method, path, time, nonce, digest].join("\n");
  const signature = createHmac("sha256", secret).update(message).digest("base64url");
  const answer = await fetch(process.env.LATCH_URL + path, {
    method,
    headers: {
      "content-type": "application/json",
      authorization: `Latchkey-HMAC host=${host}, time=${time}, nonce=${nonce}, signature=${signature}`,
    },
    body: body || undefined,
  });
  return [answer.status, await answer.json()];
};

// node latchkey.mjs mint USER ACTIVITY | node latchkey.mjs call METHOD PATH [BODY]
if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [what, ...words] = process.argv.slice(2);
  if (what === "mint") console.log(await launchToken(...words, { placement: { max: 10 } }));
  else {
    const [status, answer] = await hostCall(...words);
    console.log(status, JSON.stringify(answer));
  }
}
