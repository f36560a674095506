import { z } from "zod";
import type { StackRule } from "../lib/rule.ts";
import { isUnknown } from "../lib/values.ts";

/** What has to be near the services, and the input that says where it is. */
const placed: Readonly<Record<string, "region" | "zone">> = {
  "gcp:vpcaccess/connector:Connector": "region",
  "gcp:compute/address:Address": "region",
  "gcp:compute/disk:Disk": "zone",
  "gcp:compute/instance:Instance": "zone",
  "gcp:compute/subnetwork:Subnetwork": "region",
};

/** The two App Engine locations that are not called like their regions. */
const regions: Readonly<Record<string, string>> = {
  "us-central": "us-central1",
  "europe-west": "europe-west1",
};

const options = z.object({
  otherRegions: z.array(z.string()).default([]),
});

/**
 * App Engine refuses a connector of another region only when a version is deployed; NATS elsewhere works, and adds
 * the way between the regions, and its price, to every message.
 */
export const oneRegion: StackRule = {
  name: "one-region",
  description: "Connector, NATS and its network are in the region of the application.",
  remedy:
    "Place it in the application's region, or name the other one in otherRegions: docs/policies.md, Exceptions.",
  severity: "high",
  options,
  checkAll(resources, given) {
    const { otherRegions } = options.parse(given);
    const location = resources.find(({ type }) => type === "gcp:appengine/application:Application")
      ?.inputs["locationId"];
    // A deployment of a part of the stack may leave the application out.
    if (typeof location !== "string" || isUnknown(location)) return [];
    const region = regions[location] ?? location;
    return resources.flatMap(({ type, urn, inputs }) => {
      const input = placed[type];
      const place = input && inputs[input];
      if (input === undefined || typeof place !== "string" || isUnknown(place)) return [];
      // An id or a link is as good as a name.
      const name = place.split("/").at(-1) ?? "";
      const own = input === "zone" ? name.replace(/-[a-z]$/, "") : name;
      return own === region || otherRegions.includes(own)
        ? []
        : [{ urn, problem: `${input} is ${name}, the application is in ${region}` }];
    });
  },
};
