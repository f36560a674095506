/** Google's default accounts, which every project has and which nobody made for one purpose. */
const defaultAccount =
  /(?:^|[:/])(?:\d+-compute@developer\.gserviceaccount\.com|[^@:/\s]+@appspot\.gserviceaccount\.com)$/;

/** True for the address of a default account of Compute Engine or App Engine, a member or a path with one. */
export function namesDefaultAccount(text: string): boolean {
  return defaultAccount.test(text);
}
