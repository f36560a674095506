/** Between plain JSON and protobuf's own. */
import struct from "google-protobuf/google/protobuf/struct_pb.js";
import type { JavaScriptValue, Struct } from "google-protobuf/google/protobuf/struct_pb.js";
import { isObject, type Json } from "./values.ts";

/** @throws TypeError when the value holds something that JSON has no word for, such as a function */
export function toStruct(value: Json): Struct {
  return struct.Struct.fromJavaScript(wireObject(value));
}

export function fromStruct(value: Struct | undefined): Json {
  return value === undefined ? {} : value.toJavaScript();
}

function wireObject(value: Json): Record<string, JavaScriptValue> {
  const result: Record<string, JavaScriptValue> = {};
  for (const [key, v] of Object.entries(value)) {
    if (v !== undefined) result[key] = wireValue(v);
  }
  return result;
}

function wireValue(value: unknown): JavaScriptValue {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return value;
  if (Array.isArray(value)) return value.map((v) => (v === undefined ? null : wireValue(v)));
  if (isObject(value)) return wireObject(value);
  throw new TypeError(`a value of type ${typeof value} cannot be sent`);
}
