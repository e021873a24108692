// The shapes of everything that crosses a module border, with their documentation. Only the type checker
// reads this file: the modules that pages load take their types from it and stay small.

/**
 * What the library uses of its surroundings: the global object of a page has it all. Outside a page (a worker,
 * Node, a test) give what there is: only the members without `?` are needed.
 */
export interface Surroundings {
  fetch(url: string, init: RequestInit): Promise<Pick<Response, "status" | "headers" | "text">>;
  /** The wall clock, milliseconds since 1970. */
  Date: { now(): number };
  /** Randomness, for ids and for the waits between attempts. */
  crypto: { getRandomValues<T extends Uint8Array<ArrayBuffer>>(bytes: T): T };
  setTimeout(fn: () => void, ms: number): unknown;
  clearTimeout(timer: any): void;
  setInterval(fn: () => void, ms: number): unknown;
  clearInterval(timer: any): void;
  /** Where operations outlive the page. Reading this member may throw. */
  localStorage?: Storage;
  /** Tells visibility and prerendering, and holds the block. Without it: always visible. */
  document?: PageDocument;
  /** The page's origin. Without it there must be an `endpoint`. */
  origin?: string;
  navigator?: {
    /** Keeps two tabs from draining one outbox at the same time; never waited for. */
    locks?: {
      request(
        name: string,
        options: { ifAvailable: true },
        fn: (lock: unknown) => unknown,
      ): Promise<unknown>;
    };
    /** Sends for a page of another origin that goes away. */
    sendBeacon?(url: string, body: Blob): boolean;
  };
  /** For `pagehide`, `pageshow` and `online`. */
  addEventListener?(name: string, fn: (event: any) => void, options?: AddEventListenerOptions): void;
}

/** The part of `document` that is used. */
export interface PageDocument {
  visibilityState: string;
  prerendering?: boolean;
  querySelectorAll(selector: string): ArrayLike<{ textContent: string | null; remove(): void }>;
  addEventListener(name: string, fn: (event: any) => void, options?: AddEventListenerOptions): void;
}

/** What a `data-latchkey` block says; given as options, they take the place of the block's. */
export interface Block {
  /** The launch token. With it in the options, the page needs no block. */
  token: string;
  /** Absolute address of the server, without `/v1`; the page's own origin if absent. */
  endpoint?: string;
  /** The page's own address for a new launch token; without it a key that ends is not renewed. */
  renew?: string;
  /**
   * In place of `token`, for a page in a frame: the exact origin of the page around it, which gives the token,
   * renews it and keeps what is unsaved. See {@link Place}.
   */
  parent?: string;
}

/** Options of `connect`. */
export type Options = Partial<Block> & {
  /** In place of the page's global object. */
  self?: Surroundings;
};

/**
 * Starts from the launch that the page embeds in `<script type="application/json" data-latchkey>`: reads the
 * block, removes it from the page, and sends what earlier launches of this user and activity left unsent.
 * Waits until a prerendered page is shown. Sends nothing by itself: the first call starts the key.
 * @throws {BlockError} (rejects) `block_missing`, `block_repeated` or `block_damaged`
 */
export type Connect = (options?: Options) => Promise<Activity>;

/** Input of {@link Activity.grade}. Absent members are left to the server; `null` is not absent. */
export interface Grade {
  /** 0 to `max`; 0 is a score, fractions are kept. */
  score: number;
  /** What `score` is out of; the activity's maximum if absent. */
  max?: number;
  /** For the student, up to 4096 bytes: absent keeps the former, `null` clears it, `""` is an empty one. */
  comment?: string | null;
  /** How far the user has come. */
  progress?: "initialized" | "started" | "in_progress" | "submitted" | "completed";
  /** Whether the score is final; `fully_graded` if absent. */
  grading?: "fully_graded" | "pending" | "pending_manual" | "failed" | "not_ready";
  /** The key's own attempt, if given. */
  attempt?: number;
  /** When it was earned, RFC 3339 by this machine's clock; now if absent. */
  at?: string;
}

/** What the server gives for a grade. */
export interface Receipt {
  /** Id of the submission. */
  submission: string;
  /** Where it can be read. */
  url: string;
  /** The score as accepted. */
  score: number;
  max: number;
  attempt: number;
  /** The grade that now counts. */
  standing: { score: number | null; max: number; method: string; overridden?: boolean };
  /** `null` for no limit. */
  attempts_left: number | null;
}

/** Input of {@link Activity.recent}. */
export interface Query {
  /** 1 to 100; 20 if absent. */
  limit?: number;
  /** Cursor (an item's id, or `next`): only what is older. */
  before?: string;
  /** Cursor: only what is newer. */
  since?: string;
  /** All if absent. */
  kinds?: ("log" | "grade" | "join")[];
}

/** One entry of {@link Recent}. */
export interface Item {
  id: string;
  kind: "log" | "grade" | "join";
  /** Of a log entry. */
  event?: string;
  /** Of a log entry. */
  data?: Record<string, unknown>;
  /** Of a grade. */
  score?: number;
  /** Of a grade. */
  max?: number;
  /** RFC 3339, the client's time corrected by the server. */
  at: string;
  user: { id: string; name: string | null; own: boolean };
  url: string;
}

/** What happened lately, newest first. */
export interface Recent {
  items: Item[];
  /** `before` of the next page; `null` at the end. */
  next: string | null;
}

/** A document as it stands: what {@link State.get} gives. */
export interface Stored {
  name: string;
  /** One more with each write; 0 if the name was never written. */
  version: number;
  /** Any JSON; `null` if there is none. */
  value: any;
  /** When it was last written, RFC 3339 by the server's clock; absent if never. */
  at?: string;
}

/** What the server gives for a write to a document. */
export interface Written {
  name: string;
  /** The version that this write made. */
  version: number;
  /** RFC 3339, by the server's clock. */
  at: string;
}

/** Which document a write goes to, and when. */
export interface StateOptions {
  /** 1–64 of `A-Za-z0-9_.:-`; `state` if absent. */
  name?: string;
  /**
   * Write only if the document is at this version; 0: if the name was never written. Otherwise it is refused
   * with `version_conflict`, and the error's `current` holds the version and value that there are.
   */
  ifVersion?: number;
}

/**
 * JSON documents of up to 64 KiB that the attempt keeps: the next launch gets them. The launch must grant
 * the function `state`. Writes settle and reject like {@link Activity.log}.
 */
export interface State {
  /** Reads a document, after the writes that were asked for before. */
  get(name?: string): Promise<Stored>;
  /** Writes a document whole. */
  put(value: unknown, options?: StateOptions): Promise<Written>;
  /** Changes members (RFC 7396): `null` takes one away, lists are replaced. */
  patch(value: unknown, options?: StateOptions): Promise<Written>;
  /** Deletes a document; its version goes on. */
  delete(options?: StateOptions): Promise<Written>;
}

/** Each call of {@link State}. */
export type StateCall = (op: string, value?: unknown, options?: StateOptions) => Promise<any>;

/** Why a key has ended. */
export type EndReason =
  /** The login session behind the page is over: log in again, reload. */
  | "login_over"
  /** Somebody else is logged in now: nothing more is sent in this page. */
  | "other_user"
  /** The key has ended and the page has no renewal address. */
  | "no_renewal"
  /** A renewed key was refused like the one before, or no key may be used from this page or network. */
  | "refused"
  /** The page called `close()`. */
  | "closed";

/** Events and what they tell. `count` is the number of operations still unsaved. */
export interface Events {
  /** An operation came or went. `durable`: all of them outlive the page. */
  unsaved: { count: number; durable: boolean };
  /**
   * The server has stored operations: entries of one `log`, one `grade` or one write of `state`. `ids` are the operations' own;
   * `receipt` is what the server gave: a {@link Receipt} for a grade, `{accepted, ids}` for entries, {@link Written}.
   */
  saved: { function: string; ids: string[]; receipt: any; count: number };
  /** The page's login session gave a new key. */
  renewed: Record<string, never>;
  /** No key any more; what is unsaved is left to the next launch. */
  ended: { reason: EndReason; count: number };
  /** An operation was refused for good, and is no longer kept. */
  refused: { id: string; function: string; error: import("./protocol.js").RefusedError };
}

/** One user's connection to one activity, as {@link connect} gives it. */
export interface Activity {
  /** The user's id at the host. */
  readonly user: string;
  /** The activity's id at the host. */
  readonly activity: string;
  /** Operations that the server has not acknowledged. */
  readonly unsaved: number;
  /**
   * Logs an event: 1–64 characters of `a-z0-9_.:-`, and an object of up to 4096 bytes. Settles when the
   * server has stored it, with the server's id of the entry; need not be waited for.
   * @throws {RefusedError} (rejects) the server refuses it for good, or it is too large
   * @throws {EndedError} (rejects) no key any more; `kept` tells whether the next launch sends it
   */
  log(event: string, data?: Record<string, unknown>): Promise<{ id: string }>;
  /** Hands in a score. Settles like {@link Activity.log}, with the receipt. */
  grade(grade: Grade): Promise<Receipt>;
  /** Reads what happened lately. Rejects like {@link Activity.log}, `kept` being false. */
  recent(query?: Query): Promise<Recent>;
  /** What the attempt keeps for its next launch. */
  readonly state: State;
  /** Calls `listener` at each such event. @returns a function that ends it */
  on<N extends keyof Events>(name: N, listener: (detail: Events[N]) => void): () => void;
  /**
   * Sends what is unsaved at once instead of waiting for the next attempt (unless the server asked for
   * patience), what a beacon took along included. Resolves when this attempt is over, with the number of
   * operations still unsaved.
   */
  flush(): Promise<number>;
  /** Stops timers and listeners; what is unsaved is left to the next launch. */
  close(): void;
}

/** Claims of a launch token that a client looks at. */
export interface Claims {
  iss: string;
  sub: string;
  activity: string;
  jti: string;
  iat: number;
  functions?: string[] | null;
  mode?: string;
}

/** What a token says. */
export interface Token {
  text: string;
  /** Id of its session key (family): 16 characters, one a byte. */
  key: string;
  /** How often the family has moved on; 0 for a launch token. */
  generation: number;
  /** Tells two offers of one generation apart: 8 characters, one a byte. */
  branch: string;
  /** When it was made, seconds since 1970. */
  stamp: number;
  /** Only of a launch token. */
  claims?: Claims;
}

/** A refusal as the server writes it. */
export interface ErrorBody {
  /** The stable name. */
  code: string;
  /** What to do, for people. */
  message: string;
  /** The member at fault, as `entries[3].event`. */
  field?: string;
  /** Whether the same may succeed later. */
  retryable?: boolean;
  /** Of `version_conflict`: how the document stands. */
  current?: { version: number; value: any };
}

/** What became of one call of a batch. */
export type Outcome = { id?: string } & (
  | { status: "ok"; result: any }
  | { status: "failed" | "not_run"; error: ErrorBody }
);

/** The result object of a batch. */
export type ResultObject = {
  token?: string;
  key?: { state: string };
  server_time: string;
  request_id: string;
} & ({ status: "ok"; result: { calls: Outcome[] } } | { status: "error"; error: ErrorBody });

/** What came back. Without `status`: nothing did. */
export interface Reply {
  status?: number;
  /** What the body said, if it was JSON. */
  object?: any;
  /** `Retry-After`, milliseconds. */
  after: number;
}

/** An operation on its way. */
export interface Operation {
  /** UUIDv7: the same in each attempt, launch and tab. */
  id: string;
  function: string;
  args: any;
  /** `function` and `args` as JSON: what storage holds. */
  text: string;
  /** Bytes it takes in a body, at most. */
  size: number;
  /** Changes nothing: has no id, is not stored and not counted. */
  reads: boolean;
  /** Why it can never be sent. */
  problem?: ErrorBody;
  /** Settles with its answer. */
  done: Promise<any>;
  resolve(result: any): void;
  reject(error: Error): void;
  /** Whether it is in storage. */
  stored?: boolean;
  /** Sent while the page was going away, the answer not being known (yet). */
  away?: boolean;
  /** Suspected of spoiling what it is sent with. */
  alone?: boolean;
}

/** Undefined where `fn` fails, as foreign things may: no JSON, no base64, storage forbidden or full. */
export type Attempt = <T>(fn: () => T) => T | undefined;

/** Reads a launch or session token; undefined for anything else. Proves nothing: only the server can. */
export type ReadToken = (text: any) => Token | undefined;

/**
 * Whether `next` takes the place of `held`: same key, and a higher generation or a later stamp. Two requests at
 * the same time may be offered two successors, of which only one can be confirmed; so an equal generation must
 * also be the same branch.
 */
export type Supersedes = (next: Token, held: Token) => boolean;

/**
 * Cuts operations into bodies of at most 60 KiB and 100 calls, counting what a body holds beside them, a token
 * included; one that is larger (a document of `state` may be) or suspected goes alone.
 */
export type Pieces = (ops: Operation[]) => Operation[][];

/** The operations of each call: all log entries share one, each other operation has its own. */
export type Calls = (piece: Operation[]) => Operation[][];

/** A call as the server reads it, of the operations in it. What reads needs no id, entries have their own. */
export type WrittenCall = (ops: Operation[]) => { id?: string; function: string; args: object };

/** Operations: their ids, their order, and the place where they outlive the page. */
export interface Outbox {
  /** How the storage keys of this user and activity begin: `latchkey:<iss>:<sub>:<activity>:`. */
  prefix: string;
  /** A hybrid logical clock, ms, kept near the server's: always rises. Orders ids, and grades. */
  tick(): number;
  /** Learns from the server's clock. @param sentAt when the request left, by our clock */
  measure(serverTime: string, sentAt: number): void;
  make(name: string, args: object, id?: string): Operation;
  /** Stores it, if storage lets us. */
  keep(op: Operation): void;
  /** Forgets what was answered. If that fails it is sent once more, which its id makes harmless. */
  drop(op: Operation): void;
  /** What other launches of this user and activity left, oldest first, except the known and what is not ours. */
  leftovers(known: Map<string, unknown>): Operation[];
}

/** Where the operations of a user and activity lie: `latchkey:<iss>:<sub>:<activity>:`. */
export type PlaceOf = (claims: Claims) => string;

/** Its clock begins at the token's `iat` at least: no page is older than its token, which is a hint at a slow clock. */
export type NewOutbox = (self: Surroundings, claims: Claims) => Outbox;

/** Reads the page's block and removes it: nothing else in the page is to find the token. */
export type TakeBlock = (self: Pick<Surroundings, "document">) => Block | undefined;
