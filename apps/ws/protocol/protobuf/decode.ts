import type { Input } from "../effects.ts";
import type { Command } from "../messages.ts";
import { Malformed, Reader } from "./reading.ts";
import {
  type CommandDraft,
  command,
  type EmulationRequest,
  emulationRequest,
  type Request,
  requestNames,
} from "./requests.ts";

/**
 * What a client sent in one frame: commands and pongs, each after its length. Whatever it is, nothing is thrown.
 * What follows a malformed message is not looked at.
 */
export function decodeFrame(frame: Uint8Array): readonly Input[] {
  if (frame.length === 0) return [malformed("the frame is empty")];
  const reader = new Reader(frame);
  const inputs: Input[] = [];
  while (reader.pos < reader.len) {
    const input = decodeNext(reader);
    inputs.push(input);
    if (input.kind === "malformed") break;
  }
  return inputs;
}

/** @returns undefined for what is no such request */
export function decodeEmulationRequest(body: Uint8Array): EmulationRequest | undefined {
  const request = emulationRequest.empty();
  try {
    emulationRequest.read(new Reader(body), body.length, request);
    return request;
  } catch {
    return undefined;
  }
}

const pong: Input = Object.freeze({ kind: "pong" });

function malformed(reason: string): Input {
  return { kind: "malformed", reason };
}

function decodeNext(reader: Reader): Input {
  try {
    const size = reader.uint32();
    if (size === 0) return pong;
    const draft = command.empty();
    reader.startCommand();
    command.read(reader, reader.pos + size, draft);
    return { kind: "command", command: commandOf(draft), size };
  } catch (error) {
    // The library throws several kinds of errors for what is broken.
    return malformed(error instanceof Malformed ? error.message : "a message is not protobuf");
  }
}

function commandOf(draft: CommandDraft): Command {
  let request: Request | undefined;
  for (const name of requestNames) {
    const each = draft[name];
    if (each === undefined) continue;
    // The schema does not forbid it, but no order of them would be anybody's meaning.
    if (request !== undefined) throw new Malformed("a message holds more than one command");
    request = each;
  }
  if (request === undefined) throw new Malformed("a message holds no known command");
  // As protobuf has it, 0 is absent.
  const { id } = draft;
  if (request.method === "send" || request.method === "ping") {
    return { method: request.method, id: id === 0 ? undefined : id };
  }
  if (id === 0) throw new Malformed("a command has no id");
  return { ...request, id };
}
