import * as iam from "@pulumi/gcp/iam/index.js";
import * as projects from "@pulumi/gcp/projects/index.js";
import * as serviceaccount from "@pulumi/gcp/serviceaccount/index.js";
import * as pulumi from "@pulumi/pulumi";
import { refuseProblems } from "./lib/arguments.ts";
import {
  attributeCondition,
  attributeMapping,
  type DeployRule,
  type GithubRepository,
  githubProblems,
} from "./lib/github.ts";
import { childOf } from "./lib/options.ts";

export interface GithubIdentityArgs extends GithubRepository {
  /** The project's id. */
  readonly project: string;
  /** The stack's name, which the grant for deploying names. */
  readonly stack: string;
  /** Which runs of GitHub Actions may deploy. */
  readonly deploy: DeployRule;
  /** The account that any run of the repository may act as. */
  readonly preview: serviceaccount.Account;
  /** The account that only a run that may deploy can act as. */
  readonly deployer: serviceaccount.Account;
}

/**
 * Lets GitHub Actions act as the two accounts of the pipelines, without any key: Google takes the token that
 * GitHub signs for a run, if it is of one repository. A run of any of its branches and pull requests may
 * preview; one of a branch, or of a release tag in an environment, may deploy. Pull requests from forks get
 * no token from GitHub.
 *
 * A pool's and a provider's id cannot be used again for 30 days after they are deleted.
 */
export class GithubIdentity extends pulumi.ComponentResource {
  /** What `google-github-actions/auth` takes as `workload_identity_provider`. */
  readonly provider: pulumi.Output<string>;

  constructor(name: string, args: GithubIdentityArgs, opts?: pulumi.ComponentResourceOptions) {
    refuseProblems("GithubIdentity", name, githubProblems(args, args.deploy));
    super("appengine-realtime:ci:GithubIdentity", name, {}, opts);
    const { project, stack, deploy, preview, deployer } = args;

    const pool = new iam.WorkloadIdentityPool(
      `${name}-pool`,
      { project, workloadIdentityPoolId: "github", displayName: "GitHub Actions" },
      childOf(this, opts),
    );
    const provider = new iam.WorkloadIdentityPoolProvider(
      `${name}-provider`,
      {
        project,
        workloadIdentityPoolId: pool.workloadIdentityPoolId,
        workloadIdentityPoolProviderId: "github",
        displayName: "GitHub Actions",
        attributeMapping: attributeMapping(args, deploy, stack),
        attributeCondition: attributeCondition(args),
        oidc: { issuerUri: "https://token.actions.githubusercontent.com" },
      },
      childOf(this, opts),
    );
    this.provider = provider.name;

    const { owner, repository, repositoryId } = args;
    const whoever =
      repositoryId === undefined
        ? `attribute.repository/${owner}/${repository}`
        : `attribute.repository_id/${repositoryId}`;
    for (const [who, account, attribute] of [
      ["preview", preview, whoever],
      ["deployer", deployer, `attribute.deploys/${stack}`],
    ] as const) {
      new serviceaccount.IAMMember(
        `${name}-${who}`,
        {
          serviceAccountId: account.name,
          role: "roles/iam.workloadIdentityUser",
          member: pulumi.interpolate`principalSet://iam.googleapis.com/${pool.name}/${attribute}`,
        },
        // Before the provider says which tokens it takes there is nothing to let in.
        childOf(this, opts, { dependsOn: [provider] }),
      );
      // A refresh reads the pool and the provider; it is the smallest role that may.
      new projects.IAMMember(
        `${name}-${who}-reads-pool`,
        { project, role: "roles/iam.workloadIdentityPoolViewer", member: account.member },
        childOf(this, opts),
      );
    }
    // A deployment from GitHub is one of Cloud Build, by `gcloud builds submit`: a build that runs as the very
    // account that asks for it …
    new serviceaccount.IAMMember(
      `${name}-deployer-as-itself`,
      {
        serviceAccountId: deployer.name,
        role: "roles/iam.serviceAccountUser",
        member: deployer.member,
      },
      childOf(this, opts),
    );
    // … and gcloud has the requests counted on the project, which it has to be allowed to use.
    new projects.IAMMember(
      `${name}-deployer-uses-project`,
      { project, role: "roles/serviceusage.serviceUsageConsumer", member: deployer.member },
      childOf(this, opts),
    );
    this.registerOutputs({ provider: this.provider });
  }
}
