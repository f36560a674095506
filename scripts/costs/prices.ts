/**
 * What things cost, in US dollars: the one place for prices. None of them was read off the page of its source
 * on the day that is written here; they are list prices as they were known then. Look at the page before you
 * rely on one, mend it here with the day, and run `npm run costs`.
 */

/** Where a price is published. */
export const sources = {
  appEngine: "https://cloud.google.com/appengine/pricing",
  compute: "https://cloud.google.com/compute/vm-instance-pricing",
  disks: "https://cloud.google.com/compute/disks-image-pricing",
  connector: "https://cloud.google.com/vpc/pricing",
  observability: "https://cloud.google.com/products/observability/pricing",
  secrets: "https://cloud.google.com/secret-manager/pricing",
  artifacts: "https://cloud.google.com/artifact-registry/pricing",
} as const;

export interface Price {
  /** By region; `us-central1` is there always, and stands in, with a remark, for a region that is not. */
  readonly usd: Readonly<{ "us-central1": number } & Partial<Record<string, number>>>;
  readonly per: string;
  readonly source: keyof typeof sources;
  /** The day for which it was written down. */
  readonly on: string;
}

const on = "2026-11-26";
const everywhere = (usd: number) => ({ "us-central1": usd, "europe-west1": usd });

export const prices = {
  standardInstance: {
    usd: everywhere(0.05),
    per: "hour of an instance of class F1 or B1; F2 and B2 count twice, F4 and B4 four times, F4_1G and B4_1G six times, B8 eight times",
    ...{ source: "appEngine", on },
  },
  flexibleCore: {
    usd: { "us-central1": 0.0526 },
    per: "processor and hour",
    ...{ source: "appEngine", on },
  },
  flexibleMemory: {
    usd: { "us-central1": 0.0071 },
    per: "GB and hour",
    ...{ source: "appEngine", on },
  },
  flexibleDisk: {
    usd: { "us-central1": 0.04 },
    per: "GB and month",
    ...{ source: "appEngine", on },
  },
  "e2-micro": {
    usd: { "us-central1": 0.00838, "europe-west1": 0.00922 },
    per: "hour",
    ...{ source: "compute", on },
  },
  "e2-small": {
    usd: { "us-central1": 0.01675, "europe-west1": 0.01843 },
    per: "hour",
    ...{ source: "compute", on },
  },
  "e2-standard-2": {
    usd: { "us-central1": 0.06701, "europe-west1": 0.07371 },
    per: "hour",
    ...{ source: "compute", on },
  },
  "e2-standard-4": {
    usd: { "us-central1": 0.13402, "europe-west1": 0.14742 },
    per: "hour",
    ...{ source: "compute", on },
  },
  "pd-balanced": { usd: everywhere(0.1), per: "GB and month", ...{ source: "disks", on } },
  secretVersion: {
    usd: everywhere(0.06),
    per: "active version and month",
    ...{ source: "secrets", on },
  },
  image: { usd: everywhere(0.1), per: "GB and month", ...{ source: "artifacts", on } },
  log: { usd: everywhere(0.5), per: "GiB", ...{ source: "observability", on } },
  metric: { usd: everywhere(0.258), per: "MiB", ...{ source: "observability", on } },
  probe: { usd: everywhere(0.3), per: "1,000 requests", ...{ source: "observability", on } },
  alertCondition: {
    usd: everywhere(0.1),
    per: "condition and month",
    ...{ source: "observability", on },
  },
  alertSeries: {
    usd: everywhere(0.35),
    per: "1,000,000 time series that the conditions look at",
    ...{ source: "observability", on },
  },
} as const satisfies Readonly<Record<string, Price>>;

export type PriceName = keyof typeof prices;

/** What Google gives for nothing, each month but where it says otherwise. */
export const free = {
  secretVersions: 6,
  imageGb: 0.5,
  logGib: 50,
  /** Of the whole billing account. */
  metricMib: 150,
  probes: 1_000_000,
} as const;

/** How many times the price of the smallest class an instance costs. */
export const classFactors: Readonly<Record<string, number>> = {
  ...{ F1: 1, F2: 2, F4: 4, F4_1G: 6 },
  ...{ B1: 1, B2: 2, B4: 4, B4_1G: 6, B8: 8 },
};
