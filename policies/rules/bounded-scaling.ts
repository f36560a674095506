import type { ResourceRule } from "../lib/rule.ts";
import { flexibleVersion, standardVersion } from "../lib/types.ts";
import { isUnknown, valueAt } from "../lib/values.ts";

/** Each kind of scaling, and where its maximum is. */
const maxima: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  [standardVersion]: {
    automaticScaling: ["standardSchedulerSettings", "maxInstances"],
    basicScaling: ["maxInstances"],
    manualScaling: ["instances"],
  },
  [flexibleVersion]: {
    automaticScaling: ["maxTotalInstances"],
    manualScaling: ["instances"],
  },
};

/** Far more than any of the services needs; a larger number is a slip or no maximum. */
const most = 1000;

/**
 * Without a maximum a loop of requests, or an attack, is answered with instances until the budget is gone. And
 * scaling that is left out is the API's choice, which has changed before and is never seen as a difference.
 */
export const boundedScaling: ResourceRule = {
  name: "bounded-scaling",
  description: "Every version says how it scales, in one way and with a maximum.",
  remedy:
    "Give one of automaticScaling, basicScaling and manualScaling, with its maximum from 1 to 1000.",
  severity: "high",
  check({ type, inputs }) {
    const kinds = maxima[type];
    if (kinds === undefined) return [];
    const given = Object.entries(kinds).filter(([kind]) => inputs[kind] !== undefined);
    if (given.length !== 1) {
      return [`${given.length === 0 ? "no" : "more than one"} kind of scaling is given`];
    }
    return given.flatMap(([kind, path]) => {
      if (isUnknown(inputs[kind])) return [];
      const maximum = valueAt(inputs, kind, ...path);
      // 0 turns the maximum of a standard version off.
      return isUnknown(maximum) || (typeof maximum === "number" && maximum > 0 && maximum <= most)
        ? []
        : [`${[kind, ...path].join(".")} is no maximum`];
    });
  },
};
