import type { NatsPart, Picture, ServicePart, TopicPart } from "./picture.ts";

/**
 * What is seen, and what is declared but is not there. Versions that neither have traffic nor run are
 * counted only: there is one for each deployment that can still be gone back to.
 */
export function complete(seen: Picture, declared: Picture): Picture {
  return {
    services: joined(seen.services, declared.services, ({ service }) => service, service),
    rules: seen.rules.length > 0 ? seen.rules : declared.rules,
    nats: joined(
      seen.nats,
      declared.nats,
      ({ name }) => name,
      (one, other): NatsPart => one ?? other,
    ),
    topics: joined(
      seen.topics,
      declared.topics,
      ({ name }) => name,
      (one, other): TopicPart => one ?? other,
    ),
  };
}

function service(seen: ServicePart | undefined, declared: ServicePart): ServicePart {
  if (seen === undefined) return { ...declared, versions: [] };
  const versions = seen.versions.filter(
    ({ share, instances }) => share !== 0 || instances.length > 0,
  );
  const idle = seen.versions.length - versions.length + (seen.idleVersions ?? 0);
  const nats = declared.nats ?? seen.nats;
  return {
    ...seen,
    versions,
    ...(nats === undefined ? {} : { nats }),
    ...(idle === 0 ? {} : { idleVersions: idle }),
  };
}

/** First what is declared, in its order, then what is there besides. */
function joined<Part>(
  seen: readonly Part[],
  declared: readonly Part[],
  keyOf: (part: Part) => string,
  join: (seen: Part | undefined, declared: Part) => Part,
): readonly Part[] {
  const named = new Map(seen.map((part) => [keyOf(part), part]));
  const expected = declared.map((part) => {
    const key = keyOf(part);
    const found = named.get(key);
    named.delete(key);
    return join(found, part);
  });
  return [...expected, ...[...named.values()].map((part) => join(part, part))];
}
