// The shapes of what older content is given, with their documentation. Only the type checker reads this.
import type { Activity } from "../shapes.ts";

/** Who plays a lesson, as the launch says. */
export interface Learner {
  /** The user's id at the host. */
  id?: string;
  /** For people. */
  name?: string;
  /** `normal`, or `browse` or `review`, in which nothing is kept. */
  mode?: string;
}

/** What the manifest of a package says of a lesson. */
export interface Lesson {
  /** Score to pass: 0 to 100 in SCORM 1.2, -1 to 1 in 2004. */
  mastery?: number | string;
  /** Progress that counts as completed, 0 to 1; 2004 only. */
  completion?: number | string;
  launchData?: string;
  timeLimit?: string;
  timeLimitAction?: string;
}

/** How a lesson is played. */
export interface PlayerOptions {
  /** `Scorm12API` or `Scorm2004API` of scorm-again 3. */
  Runtime: new (settings: object) => any;
  /** The standard that it is of. */
  version: "1.2" | "2004";
  /** As `learnerOf` reads them; the id is the activity's user. */
  learner?: Learner;
  lesson?: Lesson;
  /** Of the state; `scorm` if absent. Lessons of one activity need names of their own. */
  name?: string;
  /**
   * Nothing more is kept: `elsewhere`, another page goes on with this attempt, or a code of the server; `too_large`: that
   * one commit was refused.
   */
  trouble?: (reason: string) => void;
  /** The content has ended its session. */
  finished?: () => void;
  /** In place of the page's global object. */
  self?: any;
}

/** The API of a package in its page. */
export interface Player {
  /** Of scorm-again. */
  api: any;
  /** Hands on what waits, and takes the API out of the page. */
  close(): void;
}

/** Puts the API of a package into the page; resolves when the content may be loaded. */
export type Provide = (activity: Activity, options: PlayerOptions) => Promise<Player>;

/** What a movie asks and how it is answered, in variables: never rejects. */
export type Listener = (name: string, words: string | Record<string, unknown> | undefined | null) => Promise<string>;

/** Lets the movies of a page use its activity. Gives a function that ends it. */
export type Bridge = (activity: Activity | Promise<Activity>, options?: { self?: any }) => () => void;
