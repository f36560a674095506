/**
 * What is live against what the program wants: which traffic splits have to be made anew, and what no
 * update of this program can mend. Pure; what it is given was read from App Engine and from the stack.
 */

/** What the program says in its outputs. */
export interface Wanted {
  /** Service → the version that the program deploys. */
  readonly versions: Readonly<Record<string, string>>;
  /** Service → the version that is to have all of its traffic. */
  readonly traffic: Readonly<Record<string, string>>;
  /** Service → URN of the resource that sends it. */
  readonly trafficSplits: Readonly<Record<string, string>>;
}

export interface LiveVersion {
  readonly id: string;
  /** "SERVING" or "STOPPED"; others may come. */
  readonly servingStatus: string;
  /** RFC 3339. */
  readonly createTime: string;
  /** "standard" or "flexible". */
  readonly env: string;
}

export interface LiveService {
  readonly id: string;
  /** Version → its share, more than 0. */
  readonly allocations: Readonly<Record<string, number>>;
  readonly versions: readonly LiveVersion[];
}

/** A split that App Engine did not carry out. */
export interface Repair {
  readonly service: string;
  readonly urn: string;
  readonly wanted: string;
  readonly live: Readonly<Record<string, number>>;
}

export interface Comparison {
  readonly repairs: readonly Repair[];
  /** What has to be looked at by a person, each with what to do next. */
  readonly problems: readonly string[];
}

/** `service/version` of everything in it. */
export function versionsOf(live: readonly LiveService[]): ReadonlySet<string> {
  return new Set(live.flatMap(({ id, versions }) => versions.map((each) => `${id}/${each.id}`)));
}

/**
 * Compares, service by service; services that the program does not have are not its business.
 *
 * @param before `service/version` of all versions that were there before the update. One that was not,
 *   and is not the program's, was deployed by somebody else meanwhile: to take its traffic away would
 *   undo their work.
 */
export function compare(
  project: string,
  wanted: Wanted,
  live: readonly LiveService[],
  before: ReadonlySet<string>,
): Comparison {
  const repairs: Repair[] = [];
  const problems: string[] = [];
  // Who compares nothing must not say that all is well.
  const silent = Object.keys(wanted.versions).filter((id) => !Object.hasOwn(wanted.traffic, id));
  if (silent.length > 0 || Object.keys(wanted.traffic).length === 0) {
    problems.push(
      `The stack's output traffic does not say what should be live${silent.length > 0 ? ` of ${silent.join(", ")}` : ""}: ` +
        "it was deployed by another program, or by an older one. Deploy this one.",
    );
  }
  for (const [service, version] of Object.entries(wanted.traffic)) {
    const found = live.find(({ id }) => id === service);
    if (found === undefined) {
      problems.push(
        `${service}: App Engine has no such service. Run the same command again: its refresh finds what ` +
          "is gone, and the update makes it anew.",
      );
      continue;
    }
    const own = wanted.versions[service];
    const missing = [...new Set([version, ...(own === undefined ? [] : [own])])].filter(
      (id) => !found.versions.some((each) => each.id === id),
    );
    if (missing.includes(version) && version !== own) {
      // Only a `trafficVersion` names a version that the program does not deploy.
      problems.push(
        `${service}: trafficVersion names ${version}, which App Engine does not have. Take trafficVersion ` +
          "out of the stack file, or name one of " +
          `\`gcloud app versions list --service ${service} --project ${project}\`.`,
      );
      continue;
    }
    if (missing.length > 0) {
      problems.push(
        `${service}: version ${missing.join(", ")} is not there. Run the same command again: its refresh ` +
          "finds what is gone, and the update makes it anew.",
      );
      if (missing.includes(version)) continue;
    }
    const status = found.versions.find(({ id }) => id === version)?.servingStatus;
    if (status !== "SERVING") {
      problems.push(
        `${service}: version ${version} is ${status ?? "in no known state"}, so nothing answers. Start it, ` +
          `and find out why it was stopped: \`gcloud app versions start ${version} --service ${service} ` +
          `--project ${project}\``,
      );
    }
    if (sendsAllTo(found.allocations, version)) continue;
    const strangers = Object.keys(found.allocations).filter(
      (id) => id !== version && id !== own && !before.has(`${service}/${id}`),
    );
    const urn = wanted.trafficSplits[service];
    if (strangers.length > 0) {
      problems.push(
        `${service}: ${sharesText(found.allocations)}, but the program wants ${version}. ` +
          `${strangers.join(", ")} was not there when this deployment began and is not the program's: ` +
          "somebody else deployed meanwhile, and nothing of theirs was undone. Talk to them (" +
          `\`gcloud app versions describe ${strangers[0] ?? ""} --service ${service} --project ${project}\` ` +
          "says who); the same command, run again, moves the traffic to the program's version.",
      );
    } else if (urn === undefined) {
      problems.push(
        `${service}: ${sharesText(found.allocations)}, but the program wants ${version}, and its output ` +
          "trafficSplits does not say which resource sends the traffic.",
      );
    } else {
      repairs.push({ service, urn, wanted: version, live: found.allocations });
    }
  }
  return { repairs, problems };
}

/** True when one version has everything. Shares are numbers of a JSON text; the program's only one is 1. */
export function sendsAllTo(
  allocations: Readonly<Record<string, number>>,
  version: string,
): boolean {
  return Object.keys(allocations).length === 1 && allocations[version] === 1;
}

/** What a service does with its traffic, in words. */
export function sharesText(allocations: Readonly<Record<string, number>>): string {
  const shares = Object.entries(allocations);
  if (shares.length === 0) return "no version has traffic";
  const texts = shares.map(([id, share]) =>
    share === 1 ? `all traffic goes to ${id}` : `${Math.round(share * 1000) / 10} % goes to ${id}`,
  );
  return texts.join(", ");
}
