/** Pulumi's wire values: plain JSON with a few envelopes, each marked by a well-known key. */

/** A JSON object of the wire. */
export type Json = Readonly<Record<string, unknown>>;

/** What a preview sends for a value that only an update can know. */
export const unknownValue = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Marks an object that is no plain value (pulumi/pulumi, sdk/go/common/resource/sig). */
export const signatureKey = "4dabf18193072939515e22adb298388d";
export const secretSignature = "1b47061264138c4ac30d75fd1eb44270";
export const assetSignature = "c44067f5952c0a294b673a41bacd8c17";
export const archiveSignature = "0def7320c3a5731c473e5ecbe6d01bc7";

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What an object of the wire stands for. */
export type Envelope = "secret" | "asset" | "archive" | "plain";

export function envelopeOf(value: Json): Envelope {
  switch (value[signatureKey]) {
    case secretSignature:
      return "secret";
    case assetSignature:
      return "asset";
    case archiveSignature:
      return "archive";
    default:
      return "plain";
  }
}

/** Takes secrets out of their envelopes, at every depth; everything else stays as it is. */
export function revealSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revealSecrets);
  if (!isObject(value)) return value;
  if (envelopeOf(value) === "secret") return revealSecrets(value["value"]);
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, revealSecrets(v)]));
}

/**
 * Equality of wire values. Null and absent properties are the same; assets and archives that carry a
 * hash are compared by it, for their contents do not travel with old states.
 */
export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((value, index) => same(value, b[index]));
  }
  if (!isObject(a) || !isObject(b)) return (a ?? undefined) === (b ?? undefined);
  const [hashA, hashB] = [assetHash(a), assetHash(b)];
  if (hashA !== undefined && hashB !== undefined) return hashA === hashB;
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].every((key) => same(a[key], b[key]));
}

function assetHash(value: Json): string | undefined {
  const hash = value["hash"];
  return isAsset(value) && typeof hash === "string" && hash !== "" ? hash : undefined;
}

/** True for assets and archives. */
export function isAsset(value: Json): boolean {
  const envelope = envelopeOf(value);
  return envelope === "asset" || envelope === "archive";
}

/** True when the value is unknown, or holds an unknown at any depth. */
export function hasUnknown(value: unknown): boolean {
  if (value === unknownValue) return true;
  if (Array.isArray(value)) return value.some(hasUnknown);
  return isObject(value) && Object.values(value).some(hasUnknown);
}

/**
 * The value as people read it: secrets, unknowns, assets and archives become objects with one key
 * that says so (`[secret]`, `[asset]`, `[archive]`) or the text `[unknown]`.
 *
 * @param showPath rewrites the paths of assets, which are absolute on the wire
 */
export function readable(value: unknown, showPath: (path: string) => string): unknown {
  if (value === unknownValue) return "[unknown]";
  if (Array.isArray(value)) return value.map((v) => readable(v, showPath));
  if (!isObject(value)) return value;
  const body = Object.fromEntries(
    Object.entries(value)
      .filter(
        ([key]) => key !== signatureKey && key !== "__pulumiAsset" && key !== "__pulumiArchive",
      )
      .map(([key, v]) => [key, readable(v, showPath)]),
  );
  const path = value["path"];
  const located = typeof path === "string" ? { ...body, path: showPath(path) } : body;
  switch (envelopeOf(value)) {
    case "secret":
      return { "[secret]": body["value"] };
    case "asset":
      return { "[asset]": located };
    case "archive":
      return { "[archive]": body["assets"] ?? located };
    case "plain":
      return body;
  }
}

/** The last part of a path, id or link: resources are referred to in all of these forms. */
export function lastSegment(reference: string): string {
  return reference.slice(reference.lastIndexOf("/") + 1);
}
