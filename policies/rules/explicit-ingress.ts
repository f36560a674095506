import type { StackRule } from "../lib/rule.ts";
import { flexibleVersion, standardVersion } from "../lib/types.ts";
import { isUnknown, valueAt } from "../lib/values.ts";

const kinds: readonly unknown[] = [
  "INGRESS_TRAFFIC_ALLOWED_ALL",
  "INGRESS_TRAFFIC_ALLOWED_INTERNAL_ONLY",
  "INGRESS_TRAFFIC_ALLOWED_INTERNAL_AND_LB",
];

/**
 * A service that says nothing is open to everybody, and if somebody opens or closes one by hand, no preview shows it.
 * Said in the program, it is a decision that a review sees.
 */
export const explicitIngress: StackRule = {
  name: "explicit-ingress",
  description: "Every service says who may send requests to it.",
  remedy: "Declare ServiceNetworkSettings for the service, with ingressTrafficAllowed.",
  severity: "high",
  checkAll(resources) {
    const settings = resources.filter(
      ({ type }) => type === "gcp:appengine/serviceNetworkSettings:ServiceNetworkSettings",
    );
    const unclear = settings
      .filter(({ inputs }) => {
        const allowed = valueAt(inputs, "networkSettings", "ingressTrafficAllowed");
        return (
          !kinds.includes(allowed) && !isUnknown(allowed) && !isUnknown(inputs["networkSettings"])
        );
      })
      .map(({ urn }) => ({ urn, problem: "networkSettings.ingressTrafficAllowed is not given" }));
    const silent = resources
      .filter(({ type }) => type === standardVersion || type === flexibleVersion)
      .filter(
        ({ inputs: { service } }) => !settings.some(({ inputs }) => inputs["service"] === service),
      )
      .map(({ urn, inputs: { service } }) => ({
        urn,
        problem: `the service ${String(service)} has no ServiceNetworkSettings`,
      }));
    return [...unclear, ...silent];
  },
};
