import { channelRows } from "./channels.ts";
import { connectionRows } from "./connection.ts";
import { deltaRows } from "./deltas.ts";
import { filterRows } from "./filters.ts";
import { historyRows } from "./history.ts";
import { permissionRows } from "./permissions.ts";
import { presenceRows } from "./presence.ts";
import { recoveryRows } from "./recovery.ts";
import { rpcRows } from "./rpc.ts";
import { serverApiRows } from "./server-api.ts";
import type { Rows } from "./stage.ts";

/** The whole table. */
export const rows: Rows = {
  ...connectionRows,
  ...channelRows,
  ...historyRows,
  ...presenceRows,
  ...permissionRows,
  ...recoveryRows,
  ...rpcRows,
  ...deltaRows,
  ...filterRows,
  ...serverApiRows,
};
