import * as cloudbuild from "@pulumi/gcp/cloudbuild/index.js";
import * as projects from "@pulumi/gcp/projects/index.js";
import type * as serviceaccount from "@pulumi/gcp/serviceaccount/index.js";
import * as pulumi from "@pulumi/pulumi";
import { refuseProblems } from "./lib/arguments.ts";
import {
  type DeployRule,
  type GithubRepository,
  githubProblems,
  releaseTag,
} from "./lib/github.ts";
import { childOf } from "./lib/options.ts";

export interface BuildTriggersArgs extends GithubRepository {
  /** The project's id. */
  readonly project: string;
  /** The stack that the builds preview and deploy. */
  readonly stack: string;
  /** Region of the repository that the image of ws is pushed to. */
  readonly region: string;
  /** What deploys. */
  readonly deploy: DeployRule;
  /** False leaves the first trigger out: GitHub Actions previews. */
  readonly previewTrigger: boolean;
  /** False leaves the second trigger out: GitHub Actions deploys. */
  readonly deployTrigger: boolean;
  /**
   * Whether a deployment waits until somebody with Cloud Build Approver lets it go on. It does not hold against
   * the deployer itself, which may change triggers: a trigger is guarded by the permissions for builds.
   */
  readonly approval: boolean;
  /** Account of the builds that preview. */
  readonly preview: serviceaccount.Account;
  /** Account of the builds that deploy. */
  readonly deployer: serviceaccount.Account;
}

/**
 * Cloud Build on GitHub's events: `preview-<stack>` for each pull request, `deploy-<stack>` for what deploys.
 *
 * The repository is connected by Cloud Build's GitHub app (the first generation), which a person installs once.
 * The second generation would want a connection that keeps a token of GitHub's in a secret of this project,
 * and shows no log on GitHub. Here nothing is kept, and a trigger only names the repository. For one that is not
 * connected the trigger is refused with a 400, "Repository mapping does not exist", and the address to do it at.
 *
 * A pull request is built by the steps that it brings itself. So the account of the preview may read, and a
 * stranger's pull request waits for `/gcbrun` of somebody who may write to the repository. The one thing that
 * it writes is the log of its build; Cloud Logging has no smaller right than that to write any entry of the project,
 * so a pull request can make up lines that metrics and alerts are made of. Where alerts wake somebody, let GitHub
 * preview, whose runs keep their logs themselves.
 *
 * The logs are shown on GitHub: of a public repository, to everybody.
 */
export class BuildTriggers extends pulumi.ComponentResource {
  /** Names of the triggers, as `gcloud builds triggers run` takes them. */
  readonly names: readonly string[];

  constructor(name: string, args: BuildTriggersArgs, opts?: pulumi.ComponentResourceOptions) {
    refuseProblems("BuildTriggers", name, githubProblems(args, args.deploy));
    super("appengine-realtime:ci:BuildTriggers", name, {}, opts);
    const { project, stack, region, owner, repository, deploy, approval } = args;
    const declare = (
      what: "preview" | "deploy",
      account: serviceaccount.Account,
      args: cloudbuild.TriggerArgs,
    ): string => {
      const trigger = `${what}-${stack}`;
      new cloudbuild.Trigger(
        `${name}-${what}`,
        {
          project,
          // Triggers of the GitHub app are global.
          location: "global",
          name: trigger,
          tags: [what, stack],
          serviceAccount: account.name,
          includeBuildLogs: "INCLUDE_BUILD_LOGS_WITH_STATUS",
          ...args,
        },
        childOf(this, opts),
      );
      return trigger;
    };
    this.names = [
      ...(args.previewTrigger
        ? [
            declare("preview", args.preview, {
              description: `Shows what a pull request would change in ${stack}`,
              filename: "cloudbuild-preview.yaml",
              substitutions: { _STACK: stack },
              github: {
                owner,
                name: repository,
                pullRequest: {
                  branch: ".*",
                  commentControl: "COMMENTS_ENABLED_FOR_EXTERNAL_CONTRIBUTORS_ONLY",
                },
              },
            }),
          ]
        : []),
      ...(args.deployTrigger
        ? [
            declare("deploy", args.deployer, {
              description: `Deploys ${stack}`,
              filename: "cloudbuild.yaml",
              substitutions: { _STACK: stack, _REGION: region },
              github: {
                owner,
                name: repository,
                push:
                  "branch" in deploy
                    ? { branch: `^${deploy.branch.replaceAll(".", "\\.")}$` }
                    : { tag: releaseTag.pattern },
              },
              approvalConfig: { approvalRequired: approval },
            }),
          ]
        : []),
    ];
    if (args.previewTrigger) {
      new projects.IAMMember(
        `${name}-preview-log`,
        { project, role: "roles/logging.logWriter", member: args.preview.member },
        childOf(this, opts),
      );
    }
    this.registerOutputs({ names: this.names });
  }
}
