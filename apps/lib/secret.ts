import type { NatsSettings } from "./environment.ts";

/** A secret could not be read; the message never holds a token or a secret. */
export class SecretError extends Error {
  override readonly name = "SecretError";
}

/** One answer must not hold up the start for longer; the caller tries again. */
const requestMs = 5_000;

/**
 * Reads the latest version of this service's NKey seed from Secret Manager, as the account that the
 * service runs as.
 *
 * @returns the seed's text as bytes
 * @throws SecretError that says which step failed and with which status
 */
export async function readSecret(
  name: string,
  settings: Pick<NatsSettings, "secretManagerEndpoint" | "metadataHost">,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const token = text(
    await getJson(
      "the access token",
      `http://${settings.metadataHost}/computeMetadata/v1/instance/service-accounts/default/token`,
      { "metadata-flavor": "Google" },
      signal,
    ),
    ["access_token"],
  );
  if (token === undefined) throw new SecretError("the metadata server's answer holds no token");
  const data = text(
    await getJson(
      `secret ${name}`,
      `${settings.secretManagerEndpoint}/v1/${name}/versions/latest:access`,
      { authorization: `Bearer ${token}` },
      signal,
    ),
    ["payload", "data"],
  );
  if (data === undefined) throw new SecretError(`the answer for secret ${name} holds no data`);
  // A secret that was typed into a file usually ends with a line break.
  return Buffer.from(Buffer.from(data, "base64").toString("utf8").trim());
}

async function getJson(
  what: string,
  url: string,
  headers: Record<string, string>,
  signal: AbortSignal,
): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(url, {
      headers,
      redirect: "error",
      signal: AbortSignal.any([signal, AbortSignal.timeout(requestMs)]),
    });
  } catch (cause) {
    throw new SecretError(`${what} could not be read: no answer from ${new URL(url).host}`, {
      cause,
    });
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw new SecretError(`${what} could not be read: status ${response.status}`);
  }
  try {
    return await response.json();
  } catch (cause) {
    throw new SecretError(`${what} could not be read: the answer is not JSON`, { cause });
  }
}

/** The text at a path of nested objects, if there is one. */
function text(value: unknown, path: readonly string[]): string | undefined {
  let current = value;
  for (const key of path) {
    if (typeof current !== "object" || current === null) return undefined;
    current = (current as Record<string, unknown>)[key];
  }
  return typeof current === "string" ? current : undefined;
}
