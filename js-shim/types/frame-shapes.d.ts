import type { Block, Claims, Options, Surroundings } from "./shapes.js";
export type * from "./shapes.js";
/** What a page in a frame and the page around it say to each other: {@link Hello} by window, the rest by its port. */
export interface Hello {
    latchkey: "hello";
    protocol: 1;
    /** From the fragment of the frame's address: only the page that was placed has it. */
    nonce?: string;
}
/** The page around, to the frame. */
export type ToFrame = 
/**
 * The launch. `endpoint`: absolute. `renews`: whether a key that ends can be renewed. `kept`: what earlier
 * launches of this user and activity left unsent, as storage holds it; absent if nothing can be kept.
 */
{
    latchkey: "key";
    token: string;
    endpoint: string;
    renews: boolean;
    kept?: Record<string, string>;
} | {
    latchkey: "renewed";
    token: string;
}
/** No other key: the login is over, or somebody else's. */
 | {
    latchkey: "ended";
}
/** No answer from the host, or asked too soon. */
 | {
    latchkey: "later";
}
/** That item could not be kept. */
 | {
    latchkey: "full";
    key: string;
};
/** The frame, to the page around. */
export type ToParent = {
    latchkey: "renew";
    token: string;
}
/** Of the outbox: `key` begins with the prefix of this user and activity, and ends with the operation's id. */
 | {
    latchkey: "keep";
    key: string;
    text: string;
} | {
    latchkey: "drop";
    key: string;
};
/** One end of the channel, as far as it is used. */
export interface Port {
    onmessage: ((event: {
        data: any;
    }) => unknown) | null;
    postMessage(message: unknown): void;
    close(): void;
}
/** What a page in a frame uses besides {@link Surroundings}. */
export interface FramedSurroundings extends Surroundings {
    parent: {
        postMessage(message: Hello, origin: string, ports: any[]): void;
    } | Surroundings;
    MessageChannel: new () => {
        port1: Port;
        port2: Port;
    };
    location: {
        hash: string;
    };
    history: {
        state: any;
        replaceState(state: any, unused: string, url: string): void;
    };
}
/** The storage of a page in a frame: a copy to read from, of which each change is told. */
export type StorageOver = (tell: (message: ToParent) => void, kept: Record<string, string>) => Storage & {
    refused(key: string): void;
};
/** Renewal in the place of `fetch`: 200, 401 or 503 as the page around says. */
export type RenewalOver = (tell: (message: ToParent) => void) => {
    hear(said: any): void;
    fetch(init: RequestInit): Promise<Pick<Response, "status" | "headers" | "text">>;
};
/** The surroundings of a page in a frame, those over the channel included. */
export type Surround = (self: FramedSurroundings, port: Port, kept?: Record<string, string>) => Surroundings;
/** Reads the fragment's mark and removes it. */
export type TakeNonce = (self: FramedSurroundings) => string | undefined;
/**
 * Says hello to the page around and waits for its launch. Gives options for {@link Connect}.
 * @param self a page's global object: {@link FramedSurroundings}
 * @throws {BlockError} (rejects) `parent_damaged` (no exact origin), `parent_missing` (not in a frame),
 * `parent_silent` (20 s without an answer: not placed, another origin, or loaded a second time)
 */
export type Enter = (self: any, block: Partial<Block>) => Promise<Options>;
/** What the page around uses besides {@link Surroundings}. */
export interface ParentSurroundings extends Surroundings {
    addEventListener(name: string, fn: (event: any) => void, options?: AddEventListenerOptions): void;
    console: {
        warn(text: string): void;
    };
    location: {
        href: string;
    };
}
/** The part of an `iframe` element that is used. */
export interface FrameElement {
    /** The address to load, in place of `src`: so that nothing of the frame is missed. */
    dataset: {
        src?: string;
    };
    src: string;
    sandbox: {
        contains(token: string): boolean;
    };
    hasAttribute(name: string): boolean;
    readonly contentWindow: unknown;
    addEventListener(name: string, fn: () => void): void;
}
/** A frame that may have a key. */
export interface Placement {
    self: ParentSurroundings;
    iframe: FrameElement;
    claims: Claims;
    token: string;
    endpoint: string;
    renewal?: string;
    /** From where its hello comes: "null" for a sandboxed frame. */
    origin: string;
    nonce: string;
    /** Once it has said hello. */
    port?: Port;
}
/** What a frame's outbox has in the storage of the page around: of its user and activity, and no more than 1 Mi characters. */
export type Shelf = (self: Surroundings, claims: Claims) => {
    kept(): Record<string, string> | undefined;
    /** @returns whether it is kept */
    keep(key: string, text: string): boolean;
    drop(key: string): void;
};
/** Asks the host for a new key, by the login of the page around. */
export type AskHost = (placement: Placement, token: string) => Promise<ToFrame>;
/** Gives a frame its key, and answers it from then on. */
export type Serve = (placement: Placement, port: Port) => void;
/** Judges a hello. What is wrong with one is told in the console, and to nobody else. */
export type Hear = (self: ParentSurroundings, room: Set<Placement>, event: any) => void;
/** The placed frames of a page. */
export type RoomOf = (self: ParentSurroundings) => Set<Placement>;
/**
 * Loads `data-src` into a frame and gives the code in it a key: that of the page's block, or of the options.
 * The page around keeps the login, renews for the frame and keeps what it has not saved. One hello is answered, from
 * exactly that frame, origin and page; a frame that goes elsewhere gets nothing more.
 * @returns a function that ends it
 * @throws {BlockError} as {@link Connect}; `block_damaged` also if the frame has no `data-src`
 */
export type Place = (iframe: FrameElement, options?: Partial<Block> & {
    self?: ParentSurroundings;
}) => () => void;
