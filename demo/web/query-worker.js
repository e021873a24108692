// Runs queries in WebAssembly beside the page, so that an endless one can be stopped by ending this.
importScripts("/built/sql-wasm.js");

const MOST = 200; // rows that are shown
const sql = initSqlJs({ locateFile: (name) => `/built/${name}` });

/** The result of the last statement that has one: columns, rows, and whether there were more. */
const run = (database, text) => {
  let last = null;
  for (const statement of database.iterateStatements(text)) {
    const columns = statement.getColumnNames();
    const rows = [];
    let count = 0;
    while (statement.step()) if (count++ < MOST) rows.push(statement.get());
    if (columns.length) last = { columns, rows, count };
  }
  return last;
};

onmessage = async ({ data: { number, setup, text } }) => {
  const { Database } = await sql;
  // fresh each time: whatever a query does, the next one finds what the task says
  const database = new Database();
  try {
    database.run(setup);
    postMessage({ number, result: run(database, text) });
  } catch (error) {
    postMessage({ number, problem: error.message });
  } finally {
    database.close();
  }
};
sql.then(
  () => postMessage({ ready: true }),
  (error) => postMessage({ broken: error.message }),
);
