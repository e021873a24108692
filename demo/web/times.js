// Puts the server's moments, written in UTC, into the reader's time zone.
const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const axis = [...document.querySelectorAll("time[data-local=axis]")].map((time) => new Date(time.dateTime));
// an axis within two days needs the hour, a longer one the day
const short = axis.length && axis.at(-1) - axis[0] <= 2 * 86_400_000 ? clock : day;

for (const time of document.querySelectorAll("time[data-local]")) {
  const at = new Date(time.dateTime);
  time.title = `${time.textContent}`;
  time.textContent = (time.dataset.local === "axis" ? short : whole).format(at);
}
