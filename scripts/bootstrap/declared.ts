/** What the program declares for a stack, asked of the program itself and of no cloud. */
import { recordGraph } from "../../local/record.ts";
import { Refusal } from "../deploy/refusal.ts";

export interface Declared {
  /** URNs of all resources of the cloud. */
  readonly all: readonly string[];
}

/** @throws Refusal with what is wrong when the program fails */
export async function declaredBy(root: string, stack: string): Promise<Declared> {
  const graph = await recordGraph({ root, stack });
  if (!graph.ok) {
    throw new Refusal(["The program fails for this stack:", ...graph.problems].join("\n"));
  }
  return { all: graph.resources.filter(({ custom }) => custom).map(({ urn }) => urn) };
}

/** Tells which URNs `pulumi up --target …` means: `**` is anything, `*` anything within a part. */
export function targetMatcher(patterns: readonly string[]): (urn: string) => boolean {
  const expressions = patterns.map((pattern) => {
    const source = pattern
      .split("**")
      .map((part) => part.split("*").map(literally).join("[^:]*"))
      .join(".*");
    return new RegExp(`^${source}$`, "s");
  });
  return (urn) => expressions.some((expression) => expression.test(urn));
}

function literally(text: string): string {
  return text.replaceAll(/[$()*+.?[\\\]^{|}]/g, "\\$&");
}
