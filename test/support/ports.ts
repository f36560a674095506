/** Ports for servers that a test starts: see local/cloud/ports.ts for why they are not ephemeral ones. */
export { freePort } from "../../local/cloud/ports.ts";
