/** Buckets, objects, and the database. */
import { textAt } from "../values.ts";
import {
  grant,
  grantId,
  grantMustResolve,
  grantOutputs,
  labels,
  matches,
  mustExist,
  name,
  oneOf,
  projectOf,
} from "./checks.ts";
import { Refusal, type Types } from "./type.ts";

const bucket = "gcp:storage/bucket:Bucket";
const object = "gcp:storage/bucketObject:BucketObject";

export const storage: Types = {
  [bucket]: {
    replaces: ["name", "project", "location", "customPlacementConfig", "hierarchicalNamespace"],
    autoNamed: "name",
    deleteBeforeReplace: "when named",
    check: (inputs, report) => {
      matches(
        inputs,
        "name",
        /^(?!goog)(?!.*google)[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/,
        "3–63 lowercase letters, digits, dots, _ or -, without google in it",
        report,
      );
      labels(inputs, report);
      oneOf(
        inputs,
        "storageClass",
        ["STANDARD", "MULTI_REGIONAL", "REGIONAL", "NEARLINE", "COLDLINE", "ARCHIVE"],
        report,
      );
      oneOf(inputs, "publicAccessPrevention", ["inherited", "enforced"], report);
    },
    id: (inputs) => name(inputs),
    computed: (inputs, place, id) => ({
      url: `gs://${id}`,
      selfLink: `https://www.googleapis.com/storage/v1/b/${id}`,
      project: projectOf(inputs, place),
      storageClass: textAt(inputs, "storageClass") ?? "STANDARD",
    }),
    onDelete: (resource, live) => {
      const content = live.find(object, ({ inputs }) => inputs["bucket"] === resource.id);
      if (content !== undefined && resource.inputs["forceDestroy"] !== true) {
        throw new Refusal(`The bucket you tried to delete is not empty: ${resource.id}`);
      }
      return "delete";
    },
    alsoDeleted: (resource, live) =>
      live.all(object).filter(({ inputs }) => inputs["bucket"] === resource.id),
  },
  [object]: {
    replaces: [
      ...["name", "bucket", "source", "content", "cacheControl", "contentType", "metadata"],
      ...["contentDisposition", "contentEncoding", "contentLanguage", "storageClass", "kmsKeyName"],
    ],
    autoNamed: "name",
    deleteBeforeReplace: "when named",
    // An upload under a name that exists replaces the object's bytes.
    upsert: true,
    check: (inputs, report) => {
      const key = textAt(inputs, "name");
      if (key !== undefined && (key === "" || Buffer.byteLength(key) > 1024)) {
        report("name", "must have 1–1024 bytes");
      }
      if ((inputs["source"] === undefined) === (inputs["content"] === undefined)) {
        report("source", "exactly one of source and content must be given");
      }
    },
    id: (inputs) => `${name(inputs, "bucket")}-${name(inputs)}`,
    computed: (inputs) => ({
      outputName: name(inputs),
      selfLink: `https://www.googleapis.com/storage/v1/b/${name(inputs, "bucket")}/o/${encodeURIComponent(name(inputs))}`,
      mediaLink: `https://storage.googleapis.com/download/storage/v1/b/${name(inputs, "bucket")}/o/${encodeURIComponent(name(inputs))}?alt=media`,
    }),
    admit: (resource, live) => {
      mustExist(
        live,
        bucket,
        textAt(resource.inputs, "bucket"),
        `bucket: The specified bucket does not exist: ${name(resource.inputs, "bucket")}`,
      );
    },
  },
  "gcp:storage/bucketIAMMember:BucketIAMMember": {
    replaces: ["bucket", "role", "member", "condition"],
    upsert: true,
    check: grant,
    id: grantId("bucket"),
    computed: grantOutputs,
    admit: (resource, live, place) => {
      const given = textAt(resource.inputs, "bucket");
      // The bucket of the state is there before any program runs.
      if (given !== `${place.project}-pulumi-state`) {
        mustExist(
          live,
          bucket,
          given,
          `bucket: The specified bucket does not exist: ${String(given)}`,
        );
      }
      grantMustResolve(resource, live, place);
    },
  },
  "gcp:firestore/database:Database": {
    replaces: ["name", "project", "locationId", "databaseEdition", "cmekConfig"],
    autoNamed: "name",
    deleteBeforeReplace: "when named",
    check: (inputs, report) => {
      matches(
        inputs,
        "name",
        /^(\(default\)|[a-z][a-z0-9-]{2,61}[a-z0-9])$/,
        "(default) or 4–63 lowercase letters, digits or hyphens",
        report,
      );
      oneOf(inputs, "type", ["FIRESTORE_NATIVE", "DATASTORE_MODE"], report);
      oneOf(
        inputs,
        "concurrencyMode",
        ["OPTIMISTIC", "PESSIMISTIC", "OPTIMISTIC_WITH_ENTITY_GROUPS"],
        report,
      );
      oneOf(
        inputs,
        "deleteProtectionState",
        [
          "DELETE_PROTECTION_STATE_UNSPECIFIED",
          "DELETE_PROTECTION_ENABLED",
          "DELETE_PROTECTION_DISABLED",
        ],
        report,
      );
    },
    id: (inputs, place) => `projects/${projectOf(inputs, place)}/databases/${name(inputs)}`,
    computed: (inputs, place) => ({
      project: projectOf(inputs, place),
      uid: "00000000-0000-0000-0000-000000000000",
      createTime: "2026-01-01T00:00:00Z",
      etag: "local",
    }),
    onDelete: (resource) => {
      // The provider's default for a database is to leave it alone.
      if (textAt(resource.inputs, "deletionPolicy") !== "DELETE") return "keep";
      if (resource.inputs["deleteProtectionState"] === "DELETE_PROTECTION_ENABLED") {
        throw new Refusal(
          `deleteProtectionState: database ${resource.id} has delete protection enabled`,
        );
      }
      return "delete";
    },
  },
};
