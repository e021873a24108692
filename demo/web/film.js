// A movie and its page: the page has the key, and does what the movie says by fscommand.
import { openActivity } from "./activity.js";

const { connection, sdk } = await openActivity();
const { bridge } = await import(new URL("legacy/flash.js", sdk).href);
bridge(connection);
