/** A mistake or a failure that the user is told of in its own words, without a stack trace. */
export class Refusal extends Error {}
