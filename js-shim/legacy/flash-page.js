// For a page that stays as it is: one script tag, and its movies use the key of its block.
import { connect } from "../latchkey.js";
import { bridge } from "./flash.js";

// Without a key a movie is told so: every answer is the refusal.
const activity = connect();
activity.catch((error) => console.error(error));
bridge(activity);
