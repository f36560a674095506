/** Application default credentials, as `gcloud auth application-default login` or a pipeline leaves them. */
import type { Credentials } from "./app-engine.ts";
import { Refusal } from "./refusal.ts";

/**
 * What makes the headers of a request; tokens are renewed when they are old. It throws a Refusal when there
 * are no credentials, or they give no token: call it early, to find that out.
 */
export function defaultCredentials(project: string): Credentials {
  let auth: Promise<{ getRequestHeaders(): Promise<Headers> }> | undefined;
  return async () => {
    // It takes a while to load, and a mistake in the arguments should be told at once.
    auth ??= import("google-auth-library").then(
      ({ GoogleAuth }) =>
        new GoogleAuth({
          projectId: project,
          scopes: "https://www.googleapis.com/auth/cloud-platform",
        }),
    );
    try {
      return await (await auth).getRequestHeaders();
    } catch (error) {
      // The message only: the error carries its request, which may hold what it signed in with.
      const reason = error instanceof Error ? (error.message.split("\n")[0] ?? "") : "";
      throw new Refusal(
        `There is nobody to ask App Engine as: ${reason}\n` +
          "On your machine: gcloud auth application-default login. In a pipeline: the account that it runs as.",
      );
    }
  };
}
