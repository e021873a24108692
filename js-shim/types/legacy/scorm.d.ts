export function gradeOf({ score, completionStatus, successStatus }: {
    score?: {} | undefined;
    completionStatus: any;
    successStatus: any;
}, exit: any): {
    score: number;
    max: number;
    progress: string;
} | undefined;
export function learnerOf(token?: string): Required<import("./shapes.ts").Learner>;
/**
 * Puts the API of a SCORM package into the page, on an activity's key. Resolves when the content may be loaded: it is
 * then found as `window.API` (1.2) or `window.API_1484_11` (2004) by a frame of this page.
 *
 * The activity is what `connect` gave, with `state` among its functions; without that nothing is given back.
 * @type {import("./shapes.ts").Provide}
 */
export const provide: import("./shapes.ts").Provide;
