import type { FilterNode } from "./messages.ts";

/** How large a filter may be, of all its nodes together. A larger one is answered with an error. */
export const filterLimits = { depth: 32, nodes: 64, values: 256, characters: 4_096 } as const;

/**
 * Decoders make no more of a filter than may be of use: this stands for each node that is too deep or one too
 * many, so that the filter is known to be too large.
 */
export const nodeBeyond: FilterNode = Object.freeze({
  ...{ op: "", key: "", cmp: "", val: "" },
  ...{ vals: Object.freeze([]), nodes: Object.freeze([]) },
});
