/** Every resource type that the local provider plays. */
import { address } from "./address.ts";
import { appEngine } from "./app-engine.ts";
import { compute } from "./compute.ts";
import { connector } from "./connector.ts";
import { delivery } from "./delivery.ts";
import { firewall } from "./firewall.ts";
import { iam } from "./iam.ts";
import { messaging } from "./messaging.ts";
import { monitoring } from "./monitoring.ts";
import { network } from "./network.ts";
import { storage } from "./storage.ts";
import type { ResourceType, Types } from "./type.ts";

const tables: readonly Types[] = [
  address,
  appEngine,
  compute,
  connector,
  delivery,
  firewall,
  iam,
  messaging,
  monitoring,
  network,
  storage,
];

/** Type token → what is known of it. */
export const resourceTypes: ReadonlyMap<string, ResourceType> = new Map(
  tables.flatMap((table) => Object.entries(table)),
);
