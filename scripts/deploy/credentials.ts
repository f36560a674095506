/** Application default credentials, as `gcloud auth application-default login` or a pipeline leaves them. */
import type { Credentials } from "./app-engine.ts";
import { Refusal } from "./refusal.ts";

/**
 * @returns what makes the headers of a request; tokens are renewed when they are old
 * @throws Refusal when there are no credentials, or they give no token
 */
export async function defaultCredentials(): Promise<Credentials> {
  // It takes a while to load, and a mistake in the arguments should be told at once.
  const { GoogleAuth } = await import("google-auth-library");
  const auth = new GoogleAuth({ scopes: "https://www.googleapis.com/auth/cloud-platform" });
  const credentials: Credentials = async () => {
    try {
      return await auth.getRequestHeaders();
    } catch (error) {
      // The message only: the error carries its request, which may hold what it signed in with.
      const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : "";
      throw new Refusal(
        `There is nobody to ask App Engine as: ${reason}\n` +
          "On your machine: gcloud auth application-default login. In a pipeline: the account that it runs as.",
      );
    }
  };
  await credentials();
  return credentials;
}
