// The receiving end of a webhook, on Node: WEBHOOK_SECRET=whsec_… node webhook.mjs PORT
import { createServer } from "node:http";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.env.WEBHOOK_SECRET);
const seen = new Set(); // in a real site a table: the ids of a month

const server = createServer(async (request, response) => {
  const body = [];
  for await (const piece of request) body.push(piece);
  let event;
  try {
    event = webhook.verify(Buffer.concat(body).toString(), request.headers);
  } catch {
    response.writeHead(400).end("not signed by whom it should be");
    return;
  }
  response.writeHead(204).end(); // answer first, work later
  const id = request.headers["webhook-id"];
  if (!seen.has(id)) console.log(event.type, event.data.url);
  seen.add(id);
});
server.listen(Number(process.argv[2]), "127.0.0.1", () => console.log("listening on", server.address().port));
