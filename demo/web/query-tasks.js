// The records and the tasks. A client-side exercise carries its own answers: that is why the gradebook labels
// its grades "reported by the client".

export const schema = [
  { table: "students", columns: ["id", "name", "class", "born"] },
  { table: "courses", columns: ["id", "title", "teacher"] },
  { table: "results", columns: ["student", "course", "points", "day"] },
];

export const setup = `
  CREATE TABLE students (id INTEGER PRIMARY KEY, name TEXT NOT NULL, class TEXT NOT NULL, born TEXT NOT NULL);
  CREATE TABLE courses (id TEXT PRIMARY KEY, title TEXT NOT NULL, teacher TEXT NOT NULL);
  CREATE TABLE results (
    student INTEGER NOT NULL REFERENCES students(id),
    course TEXT NOT NULL REFERENCES courses(id),
    points REAL,
    day TEXT NOT NULL
  );
  INSERT INTO students VALUES
    (1, 'Amina Yusuf', '8a', '2012-03-14'), (2, 'Bruno Keller', '8b', '2011-11-02'),
    (3, 'Clara Olsen', '8b', '2012-07-21'), (4, 'Dmitri Popov', '8a', '2012-01-30'),
    (5, 'Elif Demir', '8c', '2011-12-09'), (6, 'Farid Haddad', '8b', '2012-05-05'),
    (7, 'Greta Lund', '8c', '2012-09-17'), (8, 'Hugo Martin', '8a', '2011-10-26'),
    (9, 'Ines Costa', '8b', '2012-02-11');
  INSERT INTO courses VALUES
    ('geo', 'Geography', 'Ms Varga'), ('phy', 'Physics', 'Mr Okafor'),
    ('inf', 'Computing', 'Ms Lindner'), ('art', 'Art', 'Mr Bianchi');
  INSERT INTO results VALUES
    (1, 'geo', 9, '2026-10-05'), (2, 'geo', 6.5, '2026-10-05'), (3, 'geo', 8, '2026-10-05'),
    (4, 'geo', 4, '2026-10-05'), (6, 'geo', 10, '2026-10-06'), (1, 'phy', 7, '2026-10-12'),
    (3, 'phy', 9.5, '2026-10-12'), (5, 'phy', 8, '2026-10-12'), (8, 'phy', 5, '2026-10-13'),
    (2, 'inf', 10, '2026-10-19'), (5, 'inf', 9, '2026-10-19'), (6, 'inf', 7, '2026-10-20'),
    (3, 'inf', NULL, '2026-10-20');
`;

/** `answer`: a query whose result is the right one. `ordered`: the order of its rows is asked for. */
export const tasks = [
  {
    ask: "Who is in class 8b? Give the names.",
    hint: "SELECT … FROM … WHERE …",
    answer: "SELECT name FROM students WHERE class = '8b'",
  },
  {
    ask: "Names and birthdays of all students, the oldest first.",
    hint: "ORDER BY sorts; days written like these sort as texts.",
    answer: "SELECT name, born FROM students ORDER BY born",
    ordered: true,
  },
  {
    ask: "How many students has each class? Give class and number.",
    hint: "GROUP BY makes one row of each class, COUNT(*) counts.",
    answer: "SELECT class, COUNT(*) FROM students GROUP BY class",
  },
  {
    ask: "Who has a result in Geography, and how many points? Give name and points.",
    hint: "JOIN … ON ties a result to its student and to its course.",
    answer: `SELECT s.name, r.points FROM results r JOIN students s ON s.id = r.student
             JOIN courses c ON c.id = r.course WHERE c.title = 'Geography'`,
  },
  {
    ask: "The mean of the points in each course that has any: title and mean, the highest first.",
    hint: "AVG leaves out what is NULL. ORDER BY may name the second column by 2.",
    answer: `SELECT c.title, AVG(r.points) FROM results r JOIN courses c ON c.id = r.course
             GROUP BY c.id ORDER BY 2 DESC`,
    ordered: true,
  },
  {
    ask: "Which students have no result at all? Give the names.",
    hint: "LEFT JOIN keeps those without a partner; NOT IN and NOT EXISTS work as well.",
    answer: "SELECT name FROM students WHERE id NOT IN (SELECT student FROM results)",
  },
];

/** Values as the comparison sees them: a mean is the same whichever way it was rounded at the end. */
const plain = (value) => (typeof value === "number" ? Number(value.toPrecision(10)) : value);
const line = (row) => JSON.stringify(row.map(plain));

/**
 * Compares a result with the right one: by what it says, not by how it was asked. Gives "" if it is right, else
 * what is wrong with it.
 */
export const judge = (task, given, right) => {
  if (!given) return "Your query gives no table: a SELECT does.";
  const [has, needs] = [given.columns.length, right.columns.length];
  if (has !== needs) return `Your result has ${has} ${has === 1 ? "column" : "columns"}; ${needs} ${needs === 1 ? "is" : "are"} asked for.`;
  if (given.count !== right.count) return `Your result has ${given.count} ${given.count === 1 ? "row" : "rows"}, the right one ${right.count}.`;
  const [mine, theirs] = [given.rows.map(line), right.rows.map(line)];
  const same = (a, b) => a.every((row, at) => row === b[at]);
  if (!same([...mine].sort(), [...theirs].sort())) return "The number of rows is right, but not all that is in them.";
  return task.ordered && !same(mine, theirs) ? "All rows are there, but not in the order that was asked for." : "";
};
