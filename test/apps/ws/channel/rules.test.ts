import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { topicSubject } from "../../../../apps/lib/topic-subject.ts";
import { ChannelRules, applyOverride } from "../../../../apps/ws/channel/rules.ts";
import type { Asker } from "../../../../apps/ws/channel/rules.ts";
import { ConfigError, defaultConfig } from "../../../../apps/ws/config/options.ts";
import type { ChannelOptions, GatewayConfig } from "../../../../apps/ws/config/options.ts";

const nothing = defaultConfig.channel.without_namespace;

interface Given {
  readonly without?: Partial<ChannelOptions>;
  readonly namespaces?: Readonly<Record<string, Partial<ChannelOptions>>>;
  readonly maxLength?: number;
  /** The namespace of personal channels, if there are any. */
  readonly personal?: string;
}

function config({
  without = {},
  namespaces = {},
  maxLength = 255,
  personal,
}: Given): GatewayConfig {
  return {
    ...defaultConfig,
    client: {
      ...defaultConfig.client,
      subscribe_to_user_personal_channel: {
        enabled: personal !== undefined,
        personal_channel_namespace: personal ?? "",
        single_connection: false,
      },
    },
    channel: {
      ...defaultConfig.channel,
      max_length: maxLength,
      without_namespace: { ...nothing, ...without },
      namespaces: Object.entries(namespaces).map(([name, options]) => ({
        name,
        ...nothing,
        ...options,
      })),
    },
  };
}

const rules = (given: Given = {}): ChannelRules => new ChannelRules(config(given));

const user: Asker = { user: "42", insecure: false };
const other: Asker = { user: "4", insecure: false };
const anonymous: Asker = { user: "", insecure: false };
const insecure: Asker = { user: "", insecure: true };

describe("a channel's options", () => {
  const built = rules({ namespaces: { chat: { presence: true } } });

  for (const channel of ["news", "$news", "news.chat", "#42", ":x", "$:x", "chat", "$chat"]) {
    it(`of ${channel} are those without namespace`, () => {
      assert.equal(built.options(channel)?.presence, false);
    });
  }
  for (const channel of ["chat:room", "$chat:room", "chat:a:b", "chat:#42", "chat:$x"]) {
    it(`of ${channel} are those of chat`, () => {
      assert.equal(built.options(channel)?.presence, true);
    });
  }
  for (const channel of ["news:x", "$news:x", "$$chat:x", "Chat:x", "chat.a:x", "#chat:x"]) {
    it(`of ${channel} are unknown, and that is no problem of the name`, () => {
      assert.equal(built.options(channel), undefined);
      assert.equal(built.problem(channel), undefined);
      assert.equal(built.maySubscribe(insecure, channel), "no");
      assert.equal(built.mayPublish(insecure, channel, true), false);
      assert.equal(built.mayPresence(insecure, channel, true), false);
      assert.equal(built.mayHistory(insecure, channel, true), false);
    });
  }

  for (const channel of ["__proto__:x", "constructor:x", "toString:x"]) {
    it(`of ${channel} are unknown: a namespace is no property of anything`, () => {
      assert.equal(built.options(channel), undefined);
    });
  }

  it("can be overridden by a token, and stay as they are where it says nothing", () => {
    const given = { ...nothing, presence: true, history_size: 7 };
    assert.deepEqual(applyOverride(given, {}), given);
    assert.deepEqual(applyOverride(given, { presence: false, force_recovery: true }), {
      ...given,
      presence: false,
      force_recovery: true,
    });
    assert.equal(given.presence, true);
  });

  it("and its subject are of the same namespace", () => {
    const both = rules({ namespaces: { chat: { presence: true }, "n-1": { presence: true } } });
    const channel = fc.oneof(
      fc.string({ unit: "binary", maxLength: 20 }),
      fc
        .tuple(
          fc.constantFrom("", "$", "$$", "a.", "t.", "n."),
          fc.constantFrom("chat", "n-1", "n-1.chat", "cha", "", "t"),
          fc.constantFrom(":", ".", "", "::"),
          fc.string({ unit: fc.constantFrom("a", ":", ".", "#", "$"), maxLength: 5 }),
        )
        .map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(channel, (name) => {
        if (both.problem(name) !== undefined) return;
        const known = both.options(name);
        if (known === undefined) return;
        assert.equal(/^n\.\$?(chat|n-1)\../u.test(topicSubject(name)), known.presence);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe("a channel's name", () => {
  it("must be a topic of the length that is configured", () => {
    const short = rules({ maxLength: 10, namespaces: { chat: {} } });
    for (const channel of ["", "*", "a.>", "a b", "a..b", "chat:", "x".repeat(11), "a\nb"]) {
      assert.notEqual(short.problem(channel), undefined, channel);
      assert.equal(short.maySubscribe(insecure, channel), "no", channel);
    }
    assert.equal(short.problem("x".repeat(10)), undefined);
  });

  it("may be limited to users in any way that its characters allow", () => {
    for (const channel of ["#", "news#", "#,", "news#1,,2", "a#b#c", "#1,2", "##"]) {
      assert.equal(
        rules({ without: { allow_user_limited_channels: true } }).problem(channel),
        undefined,
        channel,
      );
    }
  });

  it("must match channel_regex without its namespace, but with a private prefix if it has none", () => {
    const matching = rules({
      without: { channel_regex: "^\\$?[a-z]+$" },
      namespaces: { chat: { channel_regex: "^room-\\d+$" }, free: {} },
    });
    for (const channel of ["news", "$news", "chat:room-1", "$chat:room-1", "free:ROOM", "x1:A"]) {
      assert.equal(matching.problem(channel), undefined, channel);
    }
    for (const channel of ["News", "$$news", "chat:room", "$chat:xroom-1", "chat:room-1x", "#42"]) {
      assert.equal(matching.problem(channel), "the channel does not match channel_regex", channel);
      assert.equal(matching.maySubscribe(insecure, channel), "no", channel);
    }
  });

  it("need match only a part where channel_regex has no anchors, any number of times", () => {
    const matching = rules({ without: { channel_regex: "b" } });
    for (let times = 0; times < 3; times += 1) {
      assert.equal(matching.problem("abc"), undefined);
      assert.notEqual(matching.problem("acd"), undefined);
    }
  });

  it("cannot be checked by what is no expression, which is said of all at construction", () => {
    assert.throws(
      () =>
        rules({
          without: { channel_regex: "(" },
          namespaces: { aa: { channel_regex: "a+" }, bb: { channel_regex: "\\A[a" } },
        }),
      (error) => {
        assert.ok(error instanceof ConfigError);
        assert.deepEqual(error.problems, [
          "channel.without_namespace.channel_regex: is no regular expression as JavaScript has them",
          "channel.namespaces[1].channel_regex: is no regular expression as JavaScript has them",
        ]);
        return true;
      },
    );
  });
});

describe("subscribing", () => {
  const cases: readonly [string, Given, readonly [Asker, string, string][]][] = [
    [
      "needs a token where nothing is allowed",
      { namespaces: { chat: {} } },
      [
        [user, "news", "token"],
        [anonymous, "news", "token"],
        [user, "chat:x", "token"],
        [insecure, "news", "yes"],
        [insecure, "$news", "yes"],
        [insecure, "news#1", "yes"],
      ],
    ],
    [
      "is allowed by allow_subscribe_for_client to all but anonymous clients",
      { without: { allow_subscribe_for_client: true }, namespaces: { chat: {} } },
      [
        [user, "news", "yes"],
        [anonymous, "news", "token"],
        [user, "chat:x", "token"],
        [user, "news#4", "yes"],
      ],
    ],
    [
      "is allowed to anonymous clients too by allow_subscribe_for_anonymous beside it",
      {
        without: { allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true },
      },
      [
        [user, "news", "yes"],
        [anonymous, "news", "yes"],
      ],
    ],
    [
      "is not allowed to anybody by allow_subscribe_for_anonymous alone",
      { without: { allow_subscribe_for_anonymous: true } },
      [
        [user, "news", "token"],
        [anonymous, "news", "token"],
      ],
    ],
    [
      "to a private channel needs a token, whoever may subscribe else",
      {
        without: { allow_subscribe_for_client: true, allow_user_limited_channels: true },
        namespaces: { chat: { allow_subscribe_for_client: true } },
        personal: "",
      },
      [
        [user, "$news", "token"],
        [user, "$chat:x", "token"],
        [user, "$news#42", "token"],
        [user, "$#42", "token"],
      ],
    ],
    [
      "to a channel that is limited to users is for those only, or with a token",
      {
        without: { allow_user_limited_channels: true, allow_subscribe_for_client: true },
        namespaces: {
          chat: { allow_user_limited_channels: true, allow_subscribe_for_anonymous: true },
        },
      },
      [
        [user, "news#42", "yes"],
        [user, "news#4,42", "yes"],
        [user, "news#42,4", "yes"],
        [other, "news#42", "token"],
        [user, "news#4", "token"],
        [user, "news#142,421", "token"],
        [user, "news# 42".replace(" ", "\u00a0"), "no"],
        [user, "chat:room#42", "yes"],
        [other, "chat:room#42", "token"],
        [user, "chat:42#room", "token"],
        [user, "#42", "yes"],
        [other, "#42", "token"],
        // The last part counts.
        [user, "a#42#4", "token"],
        [other, "a#42#4", "yes"],
        // No channel is limited to nobody.
        [anonymous, "news#", "token"],
        [anonymous, "news#4,,42", "token"],
        [anonymous, "#", "token"],
        [user, "news", "yes"],
      ],
    ],
    [
      "to a personal channel is for its user, where there are such channels",
      {
        namespaces: { personal: {}, chat: { allow_subscribe_for_client: true } },
        personal: "personal",
      },
      [
        [user, "personal:#42", "yes"],
        [other, "personal:#42", "token"],
        [anonymous, "personal:#", "token"],
        [user, "personal:42", "token"],
        [user, "#42", "token"],
        [user, "chat:#42", "token"],
        [user, "chat:x", "yes"],
      ],
    ],
    [
      "to what has the form of a personal channel is for no other user",
      {
        without: { allow_subscribe_for_client: true, allow_subscribe_for_anonymous: true },
        namespaces: { chat: { allow_subscribe_for_client: true } },
        personal: "",
      },
      [
        [user, "#42", "yes"],
        [other, "#42", "token"],
        [anonymous, "#42", "token"],
        [anonymous, "#", "token"],
        [user, "chat:#42", "token"],
      ],
    ],
    [
      "to what has the form of a personal channel needs a token where there are none",
      { without: { allow_subscribe_for_client: true } },
      [
        [user, "#42", "token"],
        [other, "#42", "token"],
      ],
    ],
  ];
  for (const [statement, given, askers] of cases) {
    it(statement, () => {
      for (const [who, channel, answer] of askers) {
        assert.equal(rules(given).maySubscribe(who, channel), answer, `${who.user} to ${channel}`);
      }
    });
  }
});

describe("a personal channel", () => {
  it("is that of the user, in its namespace", () => {
    assert.equal(rules({ personal: "" }).personalChannel("42"), "#42");
    const inNamespace = rules({ personal: "own", namespaces: { own: {} } });
    assert.equal(inNamespace.personalChannel("42"), "own:#42");
    assert.equal(inNamespace.personalChannel("auth0|a:b"), "own:#auth0|a:b");
  });

  it("need not match the channel_regex that is for channels that clients name", () => {
    const matching = rules({ personal: "", without: { channel_regex: "^[a-z]+$" } });
    assert.equal(matching.personalChannel("42"), "#42");
  });

  it("is not there without the option, or for an anonymous client", () => {
    assert.equal(rules().personalChannel("42"), undefined);
    assert.equal(rules({ personal: "" }).personalChannel(""), undefined);
  });

  for (const id of ["x.>", "*", "a b", "a.", "x:y", "1,2", "a#b", "x".repeat(255), "\n"]) {
    it(`is not there for a user ${JSON.stringify(id.slice(0, 10))}`, () => {
      assert.equal(rules({ personal: "" }).personalChannel(id), undefined);
    });
  }

  it("of one user is never open to another, whatever is allowed", () => {
    const id = fc.string({ unit: fc.constantFrom("a", "b", "#", ",", ":", "."), maxLength: 4 });
    for (const personal of ["", "own"]) {
      const open = rules({
        personal,
        without: { allow_subscribe_for_client: true, allow_user_limited_channels: true },
        namespaces: {
          own: { allow_subscribe_for_client: true, allow_user_limited_channels: true },
        },
      });
      fc.assert(
        fc.property(id, id, (one, two) => {
          const channel = open.personalChannel(one);
          if (channel === undefined || one === two) return;
          assert.equal(open.maySubscribe({ user: one, insecure: false }, channel), "yes");
          assert.equal(open.maySubscribe({ user: two, insecure: false }, channel), "token");
        }),
        { numRuns: 2_000 },
      );
    }
  });
});

for (const [what, name] of [
  ["publish", "mayPublish"],
  ["presence", "mayPresence"],
  ["history", "mayHistory"],
] as const) {
  describe(`permission for ${what}`, () => {
    const given = (...who: readonly ("client" | "subscriber" | "anonymous")[]): ChannelRules =>
      rules({
        namespaces: {
          chat: Object.fromEntries(who.map((one) => [`allow_${what}_for_${one}`, true])),
        },
      });
    const table = (built: ChannelRules): readonly boolean[] =>
      [user, anonymous].flatMap((who) =>
        [false, true].map((subscribed) => built[name](who, "chat:x", subscribed)),
      );

    for (const [options, expected] of [
      [[], [false, false, false, false]],
      [["client"], [true, true, false, false]],
      [["subscriber"], [false, true, false, false]],
      [["anonymous"], [false, false, false, false]],
      [
        ["client", "anonymous"],
        [true, true, true, true],
      ],
      [
        ["subscriber", "anonymous"],
        [false, true, false, true],
      ],
    ] as const) {
      it(`with ${options.join(" and ") || "nothing"} allowed is that of the family`, () => {
        assert.deepEqual(table(given(...options)), expected);
      });
    }

    it("is of this command and this namespace only, and everything in insecure mode", () => {
      const built = given("client");
      const names = ["mayPublish", "mayPresence", "mayHistory"] as const;
      assert.deepEqual(
        names.filter((one) => built[one](user, "chat:x", true)),
        [name],
      );
      assert.equal(built[name](user, "news", true), false);
      assert.equal(built[name](user, "$chat:x", false), true);
      assert.equal(built[name](insecure, "news", false), true);
    });
  });
}
