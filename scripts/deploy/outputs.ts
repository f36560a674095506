/** The outputs of a stack, as `pulumi stack output --json` prints them. */
import { z } from "zod";
import type { Wanted } from "./live.ts";
import { exitCodes, jsonOf, Refusal } from "./refusal.ts";

const texts = z.record(z.string(), z.string());
const schema = z.object({
  versions: texts.default({}),
  traffic: texts.default({}),
  trafficSplits: texts.default({}),
  wsImage: z.string().default(""),
});

/** What the program said when it last ran to its end. A new stack has said nothing: all is empty. */
export interface StackOutputs extends Wanted {
  /** The image that ws runs from; empty when it runs from an archive. */
  readonly wsImage: string;
}

/** @throws Refusal when it is no JSON, or not of this program */
export function decodeOutputs(json: string): StackOutputs {
  const { data, error } = schema.safeParse(
    jsonOf(json, "pulumi stack output --json", exitCodes.failed),
  );
  if (data !== undefined) return data;
  const paths = error.issues.map(({ path }) => path.join("."));
  throw new Refusal(
    `The stack's outputs are not those of this program: ${[...new Set(paths)].join(", ")}`,
    exitCodes.failed,
  );
}
