import type { Claims, EndReason, ErrorBody, Events, Operation, Outbox, Outcome, Reply, ResultObject, Surroundings, Token } from "./shapes.js";
export type * from "./shapes.js";
/** State of a {@link Delivery} that its maker gives. */
export interface DeliveryGiven {
    self: Surroundings;
    emit<N extends keyof Events>(name: N, detail: Events[N]): void;
    /** The newest token. */
    held: Token;
    /** What the newest launch token says. */
    claims: Claims;
    /** Address of the batch function. */
    endpoint: string;
    sameOrigin: boolean;
    /** Address for a new launch token. */
    renewal?: string;
}
/** State of a {@link Delivery}. */
export interface DeliveryState extends DeliveryGiven {
    outbox: Outbox;
    /** Each operation until it is answered, what reads included, by id. */
    queue: Map<string, Operation>;
    /** The sending that is under way: never more than one. */
    running?: Promise<void>;
    /** Set while waiting for the next attempt. */
    timer?: unknown;
    /** Attempts without progress. */
    failures: number;
    /** Until when the server asked for patience. */
    notBefore: number;
    renewDue?: boolean;
    renewedAt: number;
    /** Whether an empty batch is to keep the key alive. */
    pingDue?: boolean;
    /** When the server last answered. */
    heardAt: number;
    /** Ends listeners and the beat. */
    stop: AbortController;
    ended?: EndReason;
}
/** Holds the key, and each operation until it is answered. */
export interface DeliveryMethods {
    /** The operations that change something. */
    readonly writes: Operation[];
    /** Whether somebody sees the page. */
    readonly visible: boolean;
    now(): number;
    /** The time as RFC 3339, by our clock: the server corrects it by the `sent` of each body. */
    time(): string;
    /** Tells the widget how many are unsaved. */
    count(): void;
    /**
     * Takes an operation: durable before the first byte of it is sent, and also when the key has ended. Nobody
     * need look at its promise: events tell what becomes of it, too.
     */
    add(name: string, args: object): Promise<any>;
    /**
     * Takes over what other launches left, as far as this key may write it: a key that may not would have it
     * refused, and so lost. Settles when all of it is answered.
     */
    drain(): Promise<unknown>;
    /** See {@link Activity.flush}. */
    flush(): Promise<number>;
    /** Starts sending unless it waits for the next attempt. */
    wake(): void;
    /** Sends until nothing is due, or an attempt failed. Begins a moment later, so that operations share a request. */
    work(): Promise<void>;
    /**
     * Sends one batch. A key refused within a minute of its renewal has ended: another renewal would not help.
     * So has one that is barred (403): another launch may do what this one may not.
     * @returns whether to go on at once
     */
    send(piece: Operation[]): Promise<boolean>;
    /**
     * Sends a batch with the newest token, and learns from the answer: clock, token, lateness.
     * `object` is there only if it is a result object. What is too large for it is sent without `keepalive`.
     */
    call(piece: Operation[], keepalive: boolean): Promise<Reply & {
        object?: ResultObject;
    }>;
    /** The body of a batch. @param token only where there can be no header */
    body(piece: Operation[], token?: string): string;
    /** Never fails: a request that nothing came of may yet have arrived, so the same ids go again. */
    post(url: string, body: string, init: RequestInit): Promise<Reply>;
    /** Each call counts on its own, found by its id, or else by its place; an outcome is taken once. @returns whether every one was answered */
    settle(piece: Operation[], outcomes: Outcome[]): boolean;
    /** Removes those that no other request got an answer for before. */
    take(ops: Operation[]): Operation[];
    /** @param ops of one call @param receipt the server's result */
    saved(ops: Operation[], receipt: any): void;
    /** One bad operation must not take others with it: several are sent again, each alone, to find it. */
    refuse(ops: Operation[], body: ErrorBody): void;
    /** @returns whether there is a new key */
    renew(): Promise<boolean>;
    /** Waits with full jitter, on top of the `after` ms that the server asks for. */
    later(after: number): false;
    /**
     * The page may be going away: sends everything in a way that outlives it. The answer to a beacon is never
     * read, so nothing is counted as saved by it. It has the key in its body: no header, hence no preflight.
     */
    leave(): void;
    /** These may be sent again: the page is seen, or the way out was closed. */
    back(ops: Iterable<Operation>): void;
    /** No key any more. */
    end(reason: EndReason): false;
}
export type Delivery = DeliveryState & DeliveryMethods;
export type NewDelivery = (given: DeliveryGiven) => Delivery;
/** Ties the sending to the life of the page. The lock is never waited for: the next beat drains too. */
export type Follow = (sending: Delivery) => void;
