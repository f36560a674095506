import * as appengine from "@pulumi/gcp/appengine/index.js";
import * as projects from "@pulumi/gcp/projects/index.js";
import * as pubsub from "@pulumi/gcp/pubsub/index.js";
import * as serviceaccount from "@pulumi/gcp/serviceaccount/index.js";
import * as pulumi from "@pulumi/pulumi";
import { AppService, emailOf, serviceProblems } from "./lib/app-service.ts";
import { refuseProblems } from "./lib/arguments.ts";
import { isCount } from "./lib/checks.ts";
import { labelsOf } from "./lib/labels.ts";
import {
  connectorProblems,
  standardDefinition,
  type StandardScaling,
  standardScalingProblems,
  type StandardVersionArgs,
} from "./lib/standard-version.ts";

type ManualScaling = Extract<StandardScaling, { readonly kind: "manual" }>;

export interface ReplicatedServiceArgs extends StandardVersionArgs {
  readonly instanceClass: ManualScaling["instanceClass"];
  /** Each holds all of the data. A change makes a new version, with subscriptions of its own. */
  readonly instances: number;
  /** The host name of the default service; every instance's own host ends in it. */
  readonly defaultHostname: pulumi.Input<string>;
}

/** Short names of a service's topics: its own name may be too short for one. */
export function topicNamesOf(service: string): { changes: string; deadLetters: string } {
  return { changes: `${service}-changes`, deadLetters: `${service}-changes-dead` };
}

/**
 * A service whose instances all hold the same data in memory: App Engine standard with a fixed number
 * of instances, and the sure way on which each of them learns of a change. A message on the topic goes
 * to every instance, because each has a subscription that pushes to its own host.
 *
 * The processes get `PUBSUB_TOPIC`, on which they publish, and `PUSH_ACCOUNT` and `PUSH_AUDIENCE`, which
 * tell a push from a forgery: the path that it comes on is open to everybody.
 *
 * A new version brings its own subscriptions and gets the traffic when they are there. The old version
 * and its subscriptions are deleted after that: its instances cost money, and a writer would go on
 * waiting for them. So a rollback deploys the earlier commit.
 */
export class ReplicatedService extends AppService {
  /** Short name of the topic, `<service>-changes`. */
  readonly topicName: string;
  /** The topic, of which each version has subscriptions of its own. */
  readonly topic: pubsub.Topic;
  /** Who pushes: who creates a subscription must be allowed to act as this account. */
  readonly pushAccount: serviceaccount.Account;

  constructor(name: string, args: ReplicatedServiceArgs, opts?: pulumi.ComponentResourceOptions) {
    refuseProblems("ReplicatedService", name, replicatedProblems(args));
    const { project, service, instances } = args;
    const pushId = `${service}-push`;
    const { changes: topicName, deadLetters: deadLettersName } = topicNamesOf(service);
    // The full resource name of who is meant, so that nobody else takes the token for one of theirs.
    const audience = `//appengine.googleapis.com/apps/${project}/services/${service}`;
    const own: Record<OwnVariable, string> = {
      PUBSUB_TOPIC: `projects/${project}/topics/${topicName}`,
      PUSH_ACCOUNT: emailOf(pushId, project),
      PUSH_AUDIENCE: audience,
    };
    const definition = standardDefinition(
      { ...args, env: { ...args.env, ...own } },
      { kind: "manual", instanceClass: args.instanceClass, instances },
    );
    super("ReplicatedService", name, args, definition, opts);
    this.topicName = topicName;

    const labels = labelsOf(name);
    this.topic = new pubsub.Topic(
      `${name}-changes`,
      { project, name: topicName, labels },
      this.child(),
    );
    const deadLetters = new pubsub.Topic(
      `${name}-changes-dead`,
      {
        project,
        name: deadLettersName,
        labels,
        // Nobody listens here. Who wants to see what was refused, and by which instance, makes a
        // subscription and seeks back: a week's messages are still there.
        messageRetentionDuration: "604800s",
      },
      this.child(),
    );
    const publisher = new pubsub.TopicIAMMember(
      `${name}-publisher`,
      {
        project,
        topic: this.topic.name,
        role: "roles/pubsub.publisher",
        member: this.account.member,
      },
      this.child(),
    );
    this.pushAccount = new serviceaccount.Account(
      `${name}-push`,
      // It has no role: all that it can do is to say who it is.
      { project, accountId: pushId, displayName: `Pushes to App Engine service ${service}` },
      this.child(),
    );
    const delivery = this.#deliveryGrants(name, project, deadLetters);

    const version = new appengine.StandardAppVersion(
      `${name}-version`,
      { ...definition, versionId: this.versionId },
      this.child({ dependsOn: [...this.grants(args.source, ["datastore.user"]), publisher] }),
    );
    const subscriptions = Array.from(
      { length: instances },
      (_, index) =>
        new pubsub.Subscription(
          // With the version in it: those of a new version are others, and can exist beside the old.
          `${name}-${this.versionId}-${index}`,
          {
            project,
            name: `${service}-${this.versionId}-${index}`,
            labels,
            topic: this.topic.id,
            pushConfig: {
              pushEndpoint: pulumi.interpolate`https://${index}-dot-${this.versionId}-dot-${service}-dot-${args.defaultHostname}/_ah/push-handlers/${topicName}`,
              // Without an audience it would be the address, another for each instance.
              oidcToken: { serviceAccountEmail: this.pushAccount.email, audience },
            },
            ...deliveryTerms,
            deadLetterPolicy: {
              deadLetterTopic: deadLetters.id,
              maxDeliveryAttempts: deliveryAttempts,
            },
          },
          // A push to a version that does not exist would go to the default service.
          this.child({ dependsOn: [version, ...delivery] }),
        ),
    );
    // No instance serves that could miss a change for ever.
    this.sendTraffic(this.versionId, [version, ...subscriptions]);
    this.registerOutputs({
      service: this.service,
      versionId: this.versionId,
      topicName: this.topicName,
      pushAccount: this.pushAccount.email,
    });
  }

  /** What Google's own agent, which delivers the messages, has to be allowed for it. */
  #deliveryGrants(name: string, project: string, deadLetters: pubsub.Topic): pulumi.Resource[] {
    // An agent comes to be with its first use, unless it is asked for: the grants need it now.
    const { member } = new projects.ServiceIdentity(
      `${name}-pubsub-agent`,
      { project, service: "pubsub.googleapis.com" },
      this.child(),
    );
    return [
      // Signs the tokens of pushes in the name of the push account, and of no other.
      new serviceaccount.IAMMember(
        `${name}-push-signer`,
        {
          serviceAccountId: this.pushAccount.name,
          role: "roles/iam.serviceAccountTokenCreator",
          member,
        },
        this.child(),
      ),
      // Puts what was refused too often on the topic for it …
      new pubsub.TopicIAMMember(
        `${name}-dead-publisher`,
        { project, topic: deadLetters.name, role: "roles/pubsub.publisher", member },
        this.child(),
      ),
      // … and takes it off its subscription. In the project, because subscriptions come with every
      // version: for a grant on each, whoever deploys a version would have to be allowed to change who
      // may do what. The agent gains nothing by it: all messages of the project go through its hands.
      new projects.IAMMember(
        `${name}-dead-subscriber`,
        { project, role: "roles/pubsub.subscriber", member },
        this.child(),
      ),
    ];
  }
}

/**
 * How often a message is tried: with the waits below that is three minutes, in which an instance that
 * is away for a restart comes back. One that is away for longer reads all data when it starts.
 */
const deliveryAttempts = 20;

/** How every instance's subscription delivers. */
const deliveryTerms = {
  // Also the time that a push may take, and the least there is: what hangs is soon tried again.
  ackDeadlineSeconds: 10,
  // An instance that restarts is back in seconds, and a writer may be waiting for it. The platform slows
  // a subscription down further, to a push a minute, while most of its pushes fail.
  retryPolicy: { minimumBackoff: "1s", maximumBackoff: "10s" },
  // Old news is worth nothing, since a message says only that there is a newer revision. But the slowest
  // pace of all attempts takes 20 minutes, after which the message should be found among the dead.
  messageRetentionDuration: "1800s",
  // The default would delete the subscription after a month in which nobody wrote.
  expirationPolicy: { ttl: "" },
} as const;

/** The variables that the component itself sets. */
const ownVariables = ["PUBSUB_TOPIC", "PUSH_ACCOUNT", "PUSH_AUDIENCE"] as const;
type OwnVariable = (typeof ownVariables)[number];

/** What is wrong with the arguments; empty when nothing is. */
export function replicatedProblems(args: ReplicatedServiceArgs): string[] {
  const { service, instanceClass, instances } = args;
  // Every other name is made of the service's, and fits when that is right: the shortest account,
  // "m-push", has the 6 characters that are the least, the longest has 27 of 30.
  const longestHost = isCount(instances, 1, 200) ? `${instances - 1}-dot-` : "";
  const problems = serviceProblems(args, longestHost);
  if (service === "default") {
    problems.push(
      'service: "default" also gets what is for an instance that is away, and would confirm it in its place; choose another name',
    );
  }
  if (service.startsWith("goog")) {
    problems.push(
      `service: "${service}" cannot begin a topic's name: "goog" is Google's own; choose another name`,
    );
  }
  for (const variable of ownVariables) {
    if (args.env?.[variable] !== undefined || args.secrets?.[variable] !== undefined) {
      problems.push(`env: "${variable}" is set by the component; choose another name`);
    }
  }
  problems.push(
    ...standardScalingProblems({ kind: "manual", instanceClass, instances }),
    ...connectorProblems(args),
  );
  return problems;
}
