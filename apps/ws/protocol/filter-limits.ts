/** How deeply the nodes of a filter may be nested. */
export const maxFilterDepth = 32;
/** Nodes of one filter, all together. */
export const maxFilterNodes = 1_024;
/** Values of one filter that are given as lists, all together. */
export const maxFilterValues = 4_096;
