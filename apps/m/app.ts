import { randomUUID } from "node:crypto";
import type { RequestListener } from "node:http";
import type { NextFunction, Request, Response } from "express";
import { addHealthRoutes, stopping } from "../lib/health.ts";
import { createHttpApp, finishHttpApp, HttpError, jsonBody, onlyMethods } from "../lib/http.ts";
import type { Log } from "../lib/log.ts";
import { readIdempotencyKey, readIfMatch, readWait, tagOf } from "./conditions.ts";
import { decodePatch, patchLimits } from "./patch.ts";
import type { WriteOutcome } from "./plan.ts";
import { decodePush } from "./push.ts";
import { createReads } from "./reads.ts";
import type { Posted, Replica } from "./replica.ts";
import { StoreError } from "./store.ts";

export interface MAppOptions {
  readonly replica: Replica;
  /** Throws HttpError for a push that is not Pub/Sub's. */
  readonly verifyPush: (authorization: string | undefined) => Promise<void>;
  /** The last part of the topic's name, which is the last part of the push path. */
  readonly topic: string;
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly project: string | undefined;
  readonly limits?: Partial<MLimits>;
}

export interface MLimits {
  /** How long a POST waits for its confirmation where the caller says nothing else. */
  readonly waitMs: number;
  /** How long a push may take; below the subscription's acknowledgement deadline. */
  readonly pushMs: number;
  /** How long `/_ah/start` waits until this replica may serve. */
  readonly startMs: number;
  /** About how many characters M may hold, see Memory. Posts that run at once may go over it together. */
  readonly size: number;
}

const defaultLimits: MLimits = {
  waitMs: 5_000,
  pushMs: 8_000,
  startMs: 25_000,
  size: 16 * 1024 * 1024,
};

/** Of a push: its attributes and what Pub/Sub adds. */
const pushBodyBytes = 16 * 1024;

/** The service's requests: reads of M first, the rest by Express. */
export function createMApp(options: MAppOptions): RequestListener {
  const { replica, verifyPush, topic, log, signal, project } = options;
  const limits = { ...defaultLimits, ...options.limits };
  const { membership, follower } = replica;
  const app = createHttpApp();
  addHealthRoutes(app, signal, () => membership.obstacle());

  app.get("/_ah/start", async (_request, response) => {
    if (await replica.whenServing(limits.startMs)) response.json({ status: "started" });
    else throw new HttpError(503, "not_started", membership.obstacle() ?? "it took too long");
  });

  app
    .route(`/_ah/push-handlers/${topic}`)
    .post(
      async (request: Request, _response: Response, next: NextFunction) => {
        await verifyPush(request.get("authorization"));
        next();
      },
      jsonBody(pushBodyBytes),
      async (request: Request, response: Response) => {
        const push = decodePush(request.body);
        try {
          await replica.receive(push, limits.pushMs);
        } catch (cause) {
          // Pub/Sub delivers it again.
          throw new HttpError(503, "not_applied", `revision ${push.rev} is not applied yet`, {
            cause,
          });
        }
        // Not 202, which the emulator takes for a refusal.
        response.status(204).end();
      },
    )
    .all(onlyMethods("POST"));

  app
    .route("/m")
    .post(jsonBody(patchLimits.bodyBytes), async (request: Request, response: Response) => {
      if (signal.aborted) {
        throw new HttpError(503, "stopping", `${stopping}; nothing was committed`);
      }
      const waitMs = readWait(request.query["wait"], limits.waitMs);
      const ifRev = readIfMatch(request.get("if-match"));
      const patch = decodePatch(request.body);
      const idempotency = readIdempotencyKey(request.get("idempotency-key"), patch);
      // What makes M smaller is always taken: nothing else helps one that is full.
      const growth = follower.memory.growthBy(patch);
      if (growth > 0 && follower.memory.size + growth > limits.size) {
        throw new HttpError(
          413,
          "m_is_full",
          `M may hold about ${limits.size} characters, with 160 for each key; nothing was committed`,
        );
      }
      answerPost(
        response,
        await replica.post({ id: randomUUID(), patch, ifRev, idempotency }, waitMs),
      );
    })
    .all(onlyMethods("GET", "HEAD", "POST"));

  app
    .route("/m/replicas")
    .get(async (_request, response) => {
      const { rev, leases } = await fromStore(replica.replicas());
      response.json({
        rev,
        answeredBy: replica.identity.replica,
        replicas: leases.map(({ renewedAt, renewal, leaseMs, ...lease }) => ({
          ...lease,
          lease: { renewals: renewal, renewedAt: renewedAt.toISOString(), durationMs: leaseMs },
        })),
      });
    })
    .all(onlyMethods("GET", "HEAD"));

  app
    .route("/m/operations/:rev")
    .get(async (request, response) => {
      const { rev: text } = request.params;
      const rev = /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined;
      const confirmation = rev === undefined ? undefined : await fromStore(replica.operation(rev));
      if (rev === undefined || confirmation === undefined) {
        throw new HttpError(404, "no_such_operation", "there is no revision of this number");
      }
      const { complete, confirmed, missing } = confirmation;
      response.json({ rev, status: complete ? "confirmed" : "pending", confirmed, missing });
    })
    .all(onlyMethods("GET", "HEAD"));

  app.route("/m/:key").all(onlyMethods("GET", "HEAD"));

  finishHttpApp(app, { log, project });

  const reads = createReads({ replica, log });
  return (request, response) => {
    learnIndex(replica, request.headers.host);
    if (!reads(request, response)) app(request, response);
  };
}

function answerPost(response: Response, posted: Posted): void {
  const { outcome, confirmation, commitMs, confirmMs } = posted;
  response.set(
    "server-timing",
    `commit;dur=${commitMs.toFixed(2)}, confirm;dur=${confirmMs.toFixed(2)}`,
  );
  const { rev } = committed(outcome);
  response.set("etag", tagOf(rev));
  if (confirmation === undefined) throw new Error("a committed POST has a confirmation");
  const { confirmed, missing, complete } = confirmation;
  if (complete) response.json({ rev, confirmed });
  else response.status(202).json({ rev, confirmed, missing, operation: `/m/operations/${rev}` });
}

function committed(outcome: WriteOutcome): { readonly rev: number } {
  switch (outcome.kind) {
    case "committed":
    case "replayed":
      return outcome;
    case "mismatch":
      throw new HttpError(
        412,
        "other_revision",
        `If-Match names another revision than the current one, ${outcome.rev}; nothing was committed`,
        { headers: { etag: tagOf(outcome.rev) } },
      );
    case "reused key":
      throw new HttpError(
        422,
        "reused_key",
        "this Idempotency-Key was used with another body; nothing was committed",
      );
  }
}

async function fromStore<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (!(cause instanceof StoreError)) throw cause;
    throw new HttpError(503, "unavailable", "Datastore does not answer", {
      cause,
      headers: { "retry-after": "1" },
    });
  }
}

/** An instance's own host begins with its index; nothing else tells a process which one it is. */
function learnIndex({ membership, identity }: Replica, host: string | undefined): void {
  if (host?.includes("-dot-") !== true || membership.index !== undefined) return;
  const [index = "", version] = host.split("-dot-", 2);
  if (version === identity.version && /^\d{1,3}$/.test(index)) membership.index = Number(index);
}
