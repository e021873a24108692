// Time that only moves when a test says so.

/** Lets every promise that can settle do so. */
export const settled = () => new Promise((resolve) => setImmediate(resolve));

export class Clock {
  time = Date.UTC(2026, 0, 5, 8);
  #timers = new Map();
  #next = 1;

  now = () => this.time;
  setTimeout = (fn, ms) => this.#add({ fn, at: this.time + ms });
  setInterval = (fn, ms) => this.#add({ fn, at: this.time + ms, every: ms });
  clear = (id) => this.#timers.delete(id);

  #add(timer) {
    this.#timers.set(this.#next, timer);
    return this.#next++;
  }

  /** When the next timer is due, ms from now. */
  get next() {
    return Math.min(...[...this.#timers.values()].map((timer) => timer.at)) - this.time;
  }

  /** Moves on by `ms`, timer by timer, with everything settled after each. */
  async advance(ms) {
    const end = this.time + ms;
    await settled();
    for (;;) {
      const due = [...this.#timers].filter(([, timer]) => timer.at <= end);
      if (!due.length) break;
      const [id, timer] = due.reduce((first, other) => (other[1].at < first[1].at ? other : first));
      this.time = Math.max(this.time, timer.at);
      if (timer.every) timer.at += timer.every;
      else this.#timers.delete(id);
      timer.fn();
      await settled();
    }
    this.time = end;
  }
}

/** A small random generator with a seed (mulberry32): the same seed, the same run. */
export function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
