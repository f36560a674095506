/** The protocol's JSON encoding: frames of clients to inputs, replies and pushes to text. */
export { decodeFrame } from "./decode.ts";
export {
  encodeClientInfo,
  encodePublication,
  encodePush,
  encodeReply,
  publicationData,
  publicationPushAround,
} from "./encode.ts";
