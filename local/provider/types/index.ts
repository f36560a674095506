/** Every resource type that the local provider plays. */
import { appEngine } from "./app-engine.ts";
import { compute } from "./compute.ts";
import { delivery } from "./delivery.ts";
import { iam } from "./iam.ts";
import { messaging } from "./messaging.ts";
import { network } from "./network.ts";
import { storage } from "./storage.ts";
import type { ResourceType, Types } from "./type.ts";

const tables: readonly Types[] = [appEngine, compute, delivery, iam, messaging, network, storage];

/** Type token → what is known of it. */
export const resourceTypes: ReadonlyMap<string, ResourceType> = new Map(
  tables.flatMap((table) => Object.entries(table)),
);
