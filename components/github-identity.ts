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
  isDeployable,
} from "./lib/github.ts";
import { childOf } from "./lib/options.ts";

export interface GithubIdentityArgs extends GithubRepository {
  /** The project's id. */
  readonly project: string;
  /** The stack's name, which the grant for deploying names. */
  readonly stack: string;
  /** Which runs of GitHub Actions may deploy, if any may. */
  readonly deploy: DeployRule;
  /**
   * Whether they may. An approval that Cloud Build's trigger waits for does not hold here: what is asked of a run
   * are the rules that GitHub has for its environment, and for who may push the branch or make the tag.
   */
  readonly deployFromGithub: boolean;
  /** The account that any run of the repository may act as. */
  readonly preview: serviceaccount.Account;
  /** The account that only a run that may deploy can act as, and only with `deployFromGithub`. */
  readonly deployer: serviceaccount.Account;
}

/**
 * Lets GitHub Actions act as the two accounts of the pipelines, without any key: Google takes the token that
 * GitHub signs for a run, if it is of one repository. A run of any of its branches and pull requests may
 * preview; where it is wanted, one of the deployment's own workflow may deploy, on a branch or on a release tag.
 * Pull requests from forks get no token from GitHub.
 *
 * A pool's and a provider's id cannot be used again for 30 days after they are deleted.
 */
export class GithubIdentity extends pulumi.ComponentResource {
  /** What `google-github-actions/auth` takes as `workload_identity_provider`. */
  readonly provider: pulumi.Output<string>;

  constructor(name: string, args: GithubIdentityArgs, opts?: pulumi.ComponentResourceOptions) {
    refuseProblems("GithubIdentity", name, [
      ...githubProblems(args, args.deploy),
      ...(isDeployable(args.stack)
        ? []
        : [
            `stack: "${args.stack}" cannot be named in a grant; letters, digits, ".", "_" and "-", not none`,
          ]),
    ]);
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

    const letIn = (who: string, account: serviceaccount.Account, attribute: string): void => {
      new serviceaccount.IAMMember(
        `${name}-${who}`,
        {
          serviceAccountId: account.name,
          role: "roles/iam.workloadIdentityUser",
          member: pulumi.interpolate`principalSet://iam.googleapis.com/${pool.name}/attribute.${attribute}`,
        },
        // Before the provider says which tokens it takes there is nothing to let in.
        childOf(this, opts, { dependsOn: [provider] }),
      );
    };
    letIn("preview", preview, `repository_id/${args.repositoryId}`);
    if (args.deployFromGithub) letIn("deployer", deployer, `deploys/${stack}`);
    for (const [who, { member }] of Object.entries({ preview, deployer })) {
      // A refresh reads the pool and the provider; it is the smallest role that may.
      new projects.IAMMember(
        `${name}-${who}-reads-pool`,
        { project, role: "roles/iam.workloadIdentityPoolViewer", member },
        childOf(this, opts),
      );
    }
    if (args.deployFromGithub) {
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
    }
    this.registerOutputs({ provider: this.provider });
  }
}
