import type { Input } from "./effects.ts";
import type { ClientInfo, Publication, PublicationText, Push, Reply } from "./messages.ts";

/** What a client sent in one frame; whatever it is, it does not throw. */
export function decodeFrame(_text: string): readonly Input[] {
  return [];
}

export function encodeReply(_reply: Reply): string {
  return "";
}

export function encodePush(_push: Push): string {
  return "";
}

/** A publication for pushes, recoveries and histories alike. */
export function encodePublication(_publication: Publication): PublicationText {
  return "";
}

export function encodePublicationPush(_channel: string, _publication: PublicationText): string {
  return "";
}

export function encodeClientInfo(_info: ClientInfo): string {
  return "";
}

/** Any payload as JSON text without raw newlines. */
export function publicationData(_payload: Uint8Array): string {
  return "";
}
