/**
 * What `pulumi preview --policy-pack policies` starts. Not TypeScript, because the pulumi CLI has its own, old
 * compiler read the first file of a pack, whatever the runtime's options say (pulumi/pulumi#4830). What this file
 * imports is read by Node.
 *
 * The pack starts a server when it is made, so it is made nowhere else.
 */
import { PolicyPack } from "@pulumi/policy";
import { policies } from "./pack.ts";

new PolicyPack("appengine-realtime", { enforcementLevel: "mandatory", policies });
