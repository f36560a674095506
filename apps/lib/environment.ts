/** Environment variables as the platform gives them. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Everything that is missing or wrong in the environment, one line each. */
export class EnvironmentError extends Error {
  override readonly name = "EnvironmentError";
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `the environment is not complete:\n${problems.map((problem) => `  ${problem}`).join("\n")}`,
    );
    this.problems = problems;
  }
}

/**
 * Reads single variables and remembers every problem instead of stopping at the first.
 * After a problem it hands out a stand-in, which nobody sees: `readEnvironment` throws in the end.
 */
export class EnvironmentReader {
  readonly problems: string[] = [];
  readonly #env: Environment;

  constructor(env: Environment) {
    this.#env = env;
  }

  /** A variable that may be absent; an empty one counts as absent. */
  optional(name: string): string | undefined {
    const value = this.#env[name]?.trim();
    return value === "" ? undefined : value;
  }

  text(name: string, meaning: string): string {
    const value = this.optional(name);
    if (value === undefined) this.problems.push(`${name} is missing: ${meaning}`);
    return value ?? "";
  }

  /** A whole number between two limits; required when there is no fallback. */
  integer(
    name: string,
    meaning: string,
    limits: { min: number; max: number; fallback?: number },
  ): number {
    const { min, max, fallback } = limits;
    const value =
      fallback === undefined ? this.text(name, meaning) : (this.optional(name) ?? String(fallback));
    if (value === "") return min;
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (number >= min && number <= max) return number;
    this.problems.push(
      `${name} is ${JSON.stringify(value)}: ${meaning}, a whole number from ${min} to ${max}`,
    );
    return min;
  }

  /** A value that must match a pattern; undefined when absent. */
  optionalMatch(name: string, pattern: RegExp, meaning: string): string | undefined {
    const value = this.optional(name);
    if (value !== undefined && !pattern.test(value)) {
      this.problems.push(`${name} is ${JSON.stringify(value)}: ${meaning}`);
    }
    return value;
  }

  /** URLs with one of the given schemes, separated by commas; at least one. */
  urls(name: string, meaning: string, schemes: readonly string[]): readonly string[] {
    const urls = this.text(name, meaning)
      .split(",")
      .map((url) => url.trim())
      .filter((url) => url !== "");
    for (const url of urls) {
      const scheme = URL.parse(url)?.protocol.slice(0, -1);
      if (scheme === undefined || !schemes.includes(scheme)) {
        // A URL may hold a password, so the message names the place and not the text.
        const place = urls.length > 1 ? `, entry ${urls.indexOf(url) + 1}` : "";
        this.problems.push(`${name}${place} is not a URL of ${schemes.join(" or ")}: ${meaning}`);
      }
    }
    return urls;
  }

  /** One URL of http or https, without a final slash. */
  httpUrl(name: string, meaning: string, fallback: string): string {
    const value = this.optional(name) ?? fallback;
    const scheme = URL.parse(value)?.protocol;
    if (scheme !== "http:" && scheme !== "https:") {
      this.problems.push(`${name} is not a URL of http or https: ${meaning}`);
    }
    return value.replace(/\/+$/, "");
  }
}

/**
 * Decodes the environment in one go.
 *
 * @throws EnvironmentError with all problems at once
 */
export function readEnvironment<T>(env: Environment, read: (reader: EnvironmentReader) => T): T {
  const reader = new EnvironmentReader(env);
  const settings = read(reader);
  if (reader.problems.length > 0) throw new EnvironmentError(reader.problems);
  return settings;
}

/** What every service needs to know of the place that it runs in. */
export interface ServiceSettings {
  readonly host: string;
  /** 0 lets the system choose a port; the log says which. */
  readonly port: number;
  readonly service: string;
  /** Absent on a developer's terminal. */
  readonly version: string | undefined;
  readonly instance: string | undefined;
  readonly project: string | undefined;
}

export function readServiceSettings(reader: EnvironmentReader, name: string): ServiceSettings {
  return {
    host: reader.optional("HOST") ?? "0.0.0.0",
    port: reader.integer("PORT", "the TCP port to listen on", { min: 0, max: 65_535 }),
    service: reader.optional("GAE_SERVICE") ?? name,
    version: reader.optional("GAE_VERSION"),
    instance: reader.optional("GAE_INSTANCE"),
    project: reader.optional("GOOGLE_CLOUD_PROJECT"),
  };
}

/** Where NATS is and where this service's key to it is kept. */
export interface NatsSettings {
  readonly servers: readonly string[];
  /** `projects/<project>/secrets/<id>`; absent: connect without authentication. */
  readonly seedSecret: string | undefined;
  readonly secretManagerEndpoint: string;
  readonly metadataHost: string;
}

/** Where secrets are read, and the token for it. */
export function readSecretAccess(
  reader: EnvironmentReader,
): Pick<NatsSettings, "secretManagerEndpoint" | "metadataHost"> {
  return {
    secretManagerEndpoint: reader.httpUrl(
      "SECRET_MANAGER_ENDPOINT",
      "where Secret Manager answers",
      "https://secretmanager.googleapis.com",
    ),
    metadataHost: reader.optional("GCE_METADATA_HOST") ?? "metadata.google.internal",
  };
}

export function readNatsSettings(reader: EnvironmentReader): NatsSettings {
  return {
    servers: reader.urls(
      "NATS_URL",
      "the addresses of NATS, for example nats://10.8.0.2:4222, separated by commas",
      ["nats", "tls"],
    ),
    seedSecret: reader.optionalMatch(
      "NATS_SEED_SECRET",
      /^projects\/[^/\s]+\/secrets\/[\w-]+$/,
      "the secret that holds the NKey seed, projects/<project>/secrets/<id>",
    ),
    ...readSecretAccess(reader),
  };
}
