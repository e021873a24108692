// The SDK under test: this one, or the module that `LATCHKEY_SDK` names and that must behave alike.
export const { connect, BlockError, EndedError, LatchkeyError, RefusedError } = await import(
  process.env.LATCHKEY_SDK ?? "../latchkey.js"
);
