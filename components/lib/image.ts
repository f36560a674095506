/** True for an image whose content cannot change: `<registry>/<name>@sha256:<64 hex digits>`. */
export function isPinnedImage(image: string): boolean {
  return /^[^\s@]+\/[^\s@]+@sha256:[0-9a-f]{64}$/.test(image);
}
