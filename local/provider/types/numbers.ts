/** Numbers that the cloud gives. */

/** A stable number for an id: the cloud gives each thing one. */
export function numberFrom(id: string): string {
  let value = 7n;
  for (const char of id) value = (value * 31n + BigInt(char.codePointAt(0) ?? 0)) % 10n ** 18n;
  return String(value + 10n ** 18n);
}

/** A stable project number: the cloud gives each project one, which no local run can know. */
export function projectNumber(project: string): string {
  return numberFrom(project).slice(-12);
}
