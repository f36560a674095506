/**
 * Google's default accounts, which every project has and which nobody made for one purpose; and the agent that acts for
 * all of Google's APIs, which is an editor.
 */
const defaultAccount =
  /(?:^|[:/])(?:\d+-compute@developer\.gserviceaccount\.com|\d+@cloudservices\.gserviceaccount\.com|[^@:/\s]+@appspot\.gserviceaccount\.com)$/;

/** True for the address of such an account, a member or a path with one. */
export function namesDefaultAccount(text: string): boolean {
  return defaultAccount.test(text);
}
