import { type EnvironmentReader, readSecretAccess } from "../lib/environment.ts";
import { bareConsole, type DeclaredConsole, decodeConsole } from "./console.ts";

export interface WebSettings {
  readonly console: DeclaredConsole;
  /** Whether the local cloud's own API answers on this origin. */
  readonly local: boolean;
  /** Undefined: nobody gets a token here. */
  readonly demoTokens:
    | {
        /** `projects/<project>/secrets/<id>` of the key that the gateway verifies tokens with. */
        readonly secret: string;
        readonly audience: string | undefined;
        readonly issuer: string | undefined;
      }
    | undefined;
  readonly secretManagerEndpoint: string;
  readonly metadataHost: string;
}

export function readWebSettings(reader: EnvironmentReader): WebSettings {
  const text = reader.optional("CONSOLE");
  const declared = text === undefined ? bareConsole : decodeConsole(text);
  if (declared === undefined) {
    reader.problems.push("CONSOLE is not what the stack declares for the console, as JSON");
  }
  const secret = reader.optionalMatch(
    "DEMO_TOKEN_SECRET",
    /^projects\/[^/\s]+\/secrets\/[\w-]+$/,
    "the secret that holds the gateway's key for tokens, projects/<project>/secrets/<id>",
  );
  return {
    console: declared ?? bareConsole,
    local: reader.optional("LOCAL_CLOUD") === "1",
    demoTokens:
      secret === undefined
        ? undefined
        : {
            secret,
            audience: reader.optional("DEMO_TOKEN_AUDIENCE"),
            issuer: reader.optional("DEMO_TOKEN_ISSUER"),
          },
    ...readSecretAccess(reader),
  };
}
