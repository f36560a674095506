import assert from "node:assert/strict";
import { describe as suite, it } from "node:test";
import fc from "fast-check";
import { requestHeaders, responseHeaders } from "../../../local/cloud/headers.ts";

const forwarding = {
  clientAddress: "127.0.0.1",
  host: "localhost:8080",
  defaultHostname: "appengine.localhost:8080",
};

function values(headers: readonly string[], name: string): string[] {
  return headers.filter((_, i) => i % 2 === 1 && headers[i - 1]?.toLowerCase() === name);
}

suite("headers of a request", () => {
  it("lose what a client says under the platform's names, whatever the case, and get the platform's", () => {
    const headers = requestHeaders(
      [
        ...["X-APPENGINE-User-Email", "root@example.org"],
        ...["x-appengine-queuename", "forged"],
        ...["X-AppEngine-Country", "XX"],
        ...["X-Forwarded-For", "6.6.6.6"],
        ...["x-forwarded-proto", "https"],
        ...["X-Forwarded-Host", "bank.example.org"],
        ...["Forwarded", "for=6.6.6.6"],
        ...["X-Cloud-Trace-Context", "forged/1"],
        ...["X-Goog-Iap-Jwt-Assertion", "forged"],
        ...["Accept", "text/html"],
      ],
      forwarding,
    );
    assert.deepEqual(values(headers, "x-appengine-user-email"), []);
    assert.deepEqual(values(headers, "x-appengine-queuename"), []);
    assert.deepEqual(values(headers, "x-goog-iap-jwt-assertion"), []);
    assert.deepEqual(values(headers, "forwarded"), []);
    assert.deepEqual(values(headers, "x-forwarded-host"), []);
    assert.deepEqual(values(headers, "x-appengine-country"), ["ZZ"]);
    assert.deepEqual(values(headers, "x-forwarded-for"), ["127.0.0.1"]);
    assert.deepEqual(values(headers, "x-forwarded-proto"), ["http"]);
    assert.deepEqual(values(headers, "x-appengine-user-ip"), ["127.0.0.1"]);
    assert.deepEqual(values(headers, "accept"), ["text/html"]);
    assert.match(values(headers, "x-cloud-trace-context")[0] ?? "", /^[0-9a-f]{32}\/\d+;o=1$/);
  });

  it("lose what is about one connection, also what Connection names", () => {
    const headers = requestHeaders(
      [
        ...["Connection", "close, X-Hop"],
        ...["connection", "x-second"],
        ...["X-Hop", "1"],
        ...["X-Second", "2"],
        ...["Keep-Alive", "timeout=5"],
        ...["TE", "trailers"],
        ...["Trailer", "X-Sum"],
        ...["Transfer-Encoding", "chunked"],
        ...["Content-Length", "5"],
        ...["Upgrade", "h2c"],
        ...["HTTP2-Settings", "kept: it means nothing without the upgrade"],
        ...["Proxy-Authorization", "Basic x"],
        ...["Expect", "100-continue"],
      ],
      forwarding,
    );
    for (const name of [
      ...["connection", "x-hop", "x-second", "keep-alive", "te", "trailer", "transfer-encoding"],
      ...["content-length", "upgrade", "proxy-authorization", "expect"],
    ]) {
      assert.deepEqual(values(headers, name), [], name);
    }
  });

  it("cannot be told to lose the platform's by naming them in Connection", () => {
    const headers = requestHeaders(
      ["Connection", "X-Forwarded-For, X-Appengine-User-Ip"],
      forwarding,
    );
    assert.deepEqual(values(headers, "x-forwarded-for"), ["127.0.0.1"]);
    assert.deepEqual(values(headers, "x-appengine-user-ip"), ["127.0.0.1"]);
  });

  it("keep repeated ones, their order and their case", () => {
    const headers = requestHeaders(["X-B", "1", "x-a", "2", "X-B", "3"], forwarding);
    assert.deepEqual(headers.slice(2, 8), ["X-B", "1", "x-a", "2", "X-B", "3"]);
  });

  it("hold each platform header once, whatever comes in", () => {
    const name = fc.constantFrom(
      "Host",
      "X-Forwarded-For",
      "x-appengine-city",
      "X-A",
      "Connection",
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.string())), (sent) => {
        const headers = requestHeaders(sent.flat(), forwarding);
        for (const one of ["host", "x-forwarded-for", "x-appengine-city", "x-forwarded-proto"]) {
          assert.equal(values(headers, one).length, 1, one);
        }
      }),
    );
  });
});

suite("headers of a response", () => {
  it("lose what is about the instance's connection and keep the rest", () => {
    const headers = responseHeaders([
      ...["Set-Cookie", "a=1"],
      ...["Set-Cookie", "b=2"],
      ...["Connection", "keep-alive, X-Hop, Content-Length"],
      ...["X-Hop", "1"],
      ...["Transfer-Encoding", "chunked"],
      ...["Content-Length", "3"],
    ]);
    assert.deepEqual(headers, ["Set-Cookie", "a=1", "Set-Cookie", "b=2", "Content-Length", "3"]);
  });
});
