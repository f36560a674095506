/** What secrets look like, and what they are called. */

/** Each with the words for it. The patterns find what was pasted, not what was hidden on purpose. */
const patterns: readonly (readonly [what: string, pattern: RegExp])[] = [
  ["an NKey seed", /\bS[ACNOUX][A-Z2-7]{56}\b/],
  ["a private key", /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----/],
  ["a JSON web token", /\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+/],
  ["a Google API key", /\bAIza[\w-]{35}(?![\w-])/],
  ["an OAuth client secret", /\bGOCSPX-[\w-]{20,}/],
  ["an access token of Google", /\bya29\.[\w-]{20,}/],
  ["a GitHub token", /\b(?:gh[pousr]_\w{36,}|github_pat_\w{22,})/],
  ["a Slack token", /\bxox[abeprs]-[\w-]{10,}/],
  ["a Pulumi token", /\bpul-[0-9a-f]{40}\b/],
  ["the address of a Slack hook", /\bhooks\.slack\.com\/services\/\w+/],
  ["a header that authorizes", /\b(?:Bearer|Basic) [\w+/=.~-]{16,}/],
  // In scripts and in configuration that is written to machines.
  ["a password", /\b\w*pass(?:word|wd|phrase)["']?\s*[:=]\s*["']?(?!["'$<{]|projects\/)[^\s"']/i],
  [
    "a variable with a secret",
    /\b[A-Z0-9_]*(?:SECRET|TOKEN|SEED|_KEY)=["']?(?!["'$<{]|projects\/)[^\s"']/,
  ],
  ["a password in a URL", /\b[a-z][a-z0-9+.-]*:\/\/[^\s/?#@"'`]+@/i],
];

/** What kind of secret is in a text; undefined when none is recognized. */
export function secretIn(text: string): string | undefined {
  return patterns.find(([, pattern]) => pattern.test(text))?.[0];
}

/** Words of a name that say that it is a secret, and words that say that it is not. */
const secretWords =
  /PASSWORD|PASSWD|PASSPHRASE|SECRET|SEED|NKEY|TOKEN|CREDENTIAL|(?:^|_)(?:PASS|AUTH|AUTHORIZATION|DSN|KEYS?)(?:_|$)/;
const harmlessWords =
  /PUBLIC|AUDIENCE|ISSUER|(?:^|_)(?:FILE|PATH|TTL|TIMEOUT|SECONDS|MS|COUNT|NAME)$/;

/** True for the name of a variable or field that should hold a secret, or say where one is. */
export function isSecretName(name: string): boolean {
  const words = name
    .replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, "_")
    .replaceAll("-", "_")
    .toUpperCase();
  return secretWords.test(words) && !harmlessWords.test(words);
}

/** True for the name of a secret in Secret Manager, with or without a version. */
export function isSecretReference(text: string): boolean {
  return /^projects\/[^/\s]+\/(?:locations\/[^/\s]+\/)?secrets\/[\w-]+(?:\/versions\/\w+)?$/.test(
    text,
  );
}
