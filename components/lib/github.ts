/** The repository on GitHub that a stack is deployed from, and what of it may deploy. */

/** A repository, by its name; by its id, too, where somebody else could come to have the name. */
export interface GithubRepository {
  /** A user or an organization, e.g. `octo-org`. */
  readonly owner: string;
  /** Its name without the owner, e.g. `realtime`. */
  readonly repository: string;
  /**
   * The number that GitHub gives it (`gh api repos/<owner>/<repository> --jq .id`). A name that was given up
   * can be taken by anybody; a number is never used again.
   * @default the name alone
   */
  readonly repositoryId?: string;
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

/**
 * Tokens of GitHub Actions → what grants may name. `deploys` is the name of the stack for a run that may deploy
 * it, and `none` for every other.
 *
 * Of a branch only `push` and `workflow_dispatch` count: with `pull_request_target` and others a token also has
 * the branch in `ref`, though a stranger started the run. An environment is taken from `sub`, which every
 * token has, since a claim that is missing fails the whole mapping; and only on a release tag, so that an
 * environment to which somebody forgot to give rules does not open the door to every branch.
 */
export function attributeMapping(
  { owner, repository }: GithubRepository,
  rule: DeployRule,
  stack: string,
): Record<string, string> {
  const may =
    "branch" in rule
      ? `assertion.ref == 'refs/heads/${rule.branch}' && assertion.event_name in ['push', 'workflow_dispatch']`
      : `assertion.sub == 'repo:${owner}/${repository}:environment:${rule.environment}' && assertion.ref.startsWith('refs/tags/${releaseTag.prefix}')`;
  return {
    "google.subject": "assertion.sub",
    "attribute.repository": "assertion.repository",
    "attribute.repository_id": "assertion.repository_id",
    "attribute.ref": "assertion.ref",
    "attribute.deploys": `${may} ? '${stack}' : 'none'`,
  };
}

/** Which tokens of GitHub's one issuer for the whole world are taken at all. */
export function attributeCondition({ owner, repository, repositoryId }: GithubRepository): string {
  return [
    `assertion.repository == '${owner}/${repository}'`,
    ...(repositoryId === undefined ? [] : [`assertion.repository_id == '${repositoryId}'`]),
  ].join(" && ");
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
  if (repositoryId !== undefined && !isRepositoryId(repositoryId)) {
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
