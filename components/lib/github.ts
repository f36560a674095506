/** The repository on GitHub that a stack is deployed from, and what of it may deploy. */

/** A repository, by its name and by its id. */
export interface GithubRepository {
  /** A user or an organization, e.g. `octo-org`. */
  readonly owner: string;
  /** Its name without the owner, e.g. `realtime`. */
  readonly repository: string;
  /**
   * The number that GitHub gives it (`gh api repos/<owner>/<repository> --jq .id`). A name that was given up
   * can be taken by anybody; a number is never used again.
   */
  readonly repositoryId: string;
}

/** What deploys a stack: pushes to a branch, or release tags (`v…`) in an environment of GitHub's. */
export type DeployRule = { readonly branch: string } | { readonly environment: string };

/** Settings of the two, of which one at most is given → the rule; pushes to `main` when neither is. */
export function deployRule(settings: {
  readonly deployBranch?: string;
  readonly deployEnvironment?: string;
}): DeployRule {
  return settings.deployEnvironment === undefined
    ? { branch: settings.deployBranch ?? "main" }
    : { environment: settings.deployEnvironment };
}

/** The tags that deploy, as the beginning of their name and as Cloud Build has it. */
export const releaseTag = { prefix: "v", pattern: "^v" } as const;

/** The only workflow that may deploy, as it is called in the repository. */
export const deployWorkflow = ".github/workflows/deploy.yml";

/** The value of `attribute.deploys` of a run that may not deploy; no stack may be called so. */
const deploysNothing = "none";

/**
 * Tokens of GitHub Actions → what grants may name. `deploys` is the name of the stack for a run that may deploy
 * it, and `none` for every other. A claim that a token lacks fails its whole mapping, so only those are named that
 * every token has.
 *
 * - Only runs of the one workflow count, as it is on the branch, or at the tag: other workflows run on `main`,
 *   too, with `refs/heads/main` in their tokens, and check out what they like.
 * - Of a branch only `push` and `workflow_dispatch` count: with `pull_request_target` and others a token has
 *   the branch in `ref`, though a stranger started the run.
 * - An environment is the end of `sub`, whose beginning GitHub writes in one way for older repositories and in
 *   another for those made since the middle of 2026, with ids in it. GitHub makes an environment that is not there,
 *   without any rule, for whoever names it, and a tag carries its own copy of the workflow. So the tag has to be a
 *   protected one: where no ruleset says who may make `v*`, GitHub deploys nothing.
 */
export function attributeMapping(
  { owner, repository }: GithubRepository,
  rule: DeployRule,
  stack: string,
): Record<string, string> {
  const workflow = `${owner}/${repository}/${deployWorkflow}@`;
  const conditions =
    "branch" in rule
      ? [
          `assertion.workflow_ref == '${workflow}refs/heads/${rule.branch}'`,
          `assertion.ref == 'refs/heads/${rule.branch}'`,
          "assertion.event_name in ['push', 'workflow_dispatch']",
        ]
      : [
          `assertion.workflow_ref.startsWith('${workflow}refs/tags/${releaseTag.prefix}')`,
          `assertion.ref.startsWith('refs/tags/${releaseTag.prefix}')`,
          `assertion.sub.endsWith(':environment:${rule.environment}')`,
          "assertion.ref_protected == 'true'",
        ];
  return {
    // At most 127 bytes, which `sub` may not be.
    "google.subject": "assertion.repository_id + '/' + assertion.run_id",
    "attribute.repository_id": "assertion.repository_id",
    "attribute.ref": "assertion.ref",
    "attribute.deploys": `${conditions.join(" && ")} ? '${stack}' : '${deploysNothing}'`,
  };
}

/** Which tokens of GitHub's one issuer for the whole world are taken at all. */
export function attributeCondition({ owner, repository, repositoryId }: GithubRepository): string {
  return `assertion.repository == '${owner}/${repository}' && assertion.repository_id == '${repositoryId}'`;
}

export function isOwner(text: string): boolean {
  return /^[A-Za-z0-9](-?[A-Za-z0-9])*$/.test(text) && text.length <= 39;
}

export function isRepository(text: string): boolean {
  return /^[A-Za-z0-9._-]{1,100}$/.test(text) && !/^\.{1,2}$/.test(text);
}

export function isRepositoryId(text: string): boolean {
  return /^[1-9][0-9]{0,18}$/.test(text);
}

/** A branch whose name needs no quoting in conditions and expressions. */
export function isBranch(text: string): boolean {
  return /^[A-Za-z0-9]([A-Za-z0-9._/-]{0,98}[A-Za-z0-9])?$/.test(text) && !text.includes("..");
}

/** A stack that a run may be said to deploy: it is written into an expression. */
export function isDeployable(stack: string): boolean {
  return /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$/.test(stack) && stack !== deploysNothing;
}

export function isEnvironment(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/.test(text);
}

/** What is wrong, as `field: what is wrong; what is allowed`; empty when nothing is. */
export function githubProblems(
  { owner, repository, repositoryId }: GithubRepository,
  rule: DeployRule,
): string[] {
  const problems: string[] = [];
  if (!isOwner(owner)) {
    problems.push(
      `owner: "${owner}" is no account of GitHub; 1 to 39 letters, digits and single hyphens`,
    );
  }
  if (!isRepository(repository)) {
    problems.push(
      `repository: "${repository}" is no repository's name; letters, digits, ".", "_" and "-", without the owner`,
    );
  }
  if (!isRepositoryId(repositoryId)) {
    problems.push(`repositoryId: "${repositoryId}" is no id; digits, not the name`);
  }
  if ("branch" in rule ? !isBranch(rule.branch) : !isEnvironment(rule.environment)) {
    problems.push(
      "branch" in rule
        ? `deploy.branch: "${rule.branch}" is not possible; letters, digits, ".", "_", "-" and "/", no pattern`
        : `deploy.environment: "${rule.environment}" is not possible; letters, digits, "_" and "-"`,
    );
  }
  return problems;
}
