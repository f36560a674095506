import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Choice } from "../ui/choice.tsx";
import { Field } from "../ui/field.tsx";
import { shortened } from "../ui/format.ts";
import { Panel } from "../ui/panel.tsx";
import type { Connection } from "./connection.ts";
import { type Identity, readToken } from "./tokens.ts";

/** Who the page is to the gateway, and how to be somebody else. */
export function IdentityPanel({
  connection,
  demoTokens,
  anonymous,
}: {
  readonly connection: Connection;
  readonly demoTokens: boolean;
  readonly anonymous: boolean;
}): JSX.Element {
  const identity = connection.identity.value;
  const [chosen, choose] = useState<Identity["kind"]>(identity?.kind ?? "pasted");
  const options = [
    ...(demoTokens ? [{ value: "demo" as const, label: "Visitor" }] : []),
    { value: "pasted" as const, label: "By a token" },
    ...(anonymous ? [{ value: "anonymous" as const, label: "Anonymous" }] : []),
  ];
  return (
    <Panel title="Identity">
      <div class="stack">
        {options.length === 1 ? null : (
          <Choice<Identity["kind"]>
            legend="Connect as"
            value={chosen}
            options={options}
            onChange={(kind) => {
              choose(kind);
              if (kind !== "pasted") connection.useIdentity({ kind });
            }}
          />
        )}
        {chosen === "pasted" ? (
          <TokenForm connection={connection} />
        ) : (
          <p>{explanations[chosen]}</p>
        )}
      </div>
    </Panel>
  );
}

const explanations: Readonly<Record<"demo" | "anonymous", string>> = {
  demo: "This environment gives a token to whoever opens the page, and renews it before it ends. The gateway takes the page for the user whom it names.",
  anonymous:
    "The gateway takes clients without a token. To it, all of them are nobody in particular.",
};

function TokenForm({ connection }: { readonly connection: Connection }): JSX.Element {
  const [typed, type] = useState("");
  const [problem, setProblem] = useState<string>();
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => {
    // What is wrong is read out with the field.
    if (problem !== undefined) field.current?.focus();
  }, [problem]);
  const identity = connection.identity.value;
  const facts = identity?.kind === "pasted" ? readToken(identity.token, Date.now()) : undefined;
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        const token = typed.trim();
        const read = readToken(token, Date.now());
        setProblem(read.problem);
        if (read.problem !== undefined) return;
        connection.useIdentity({ kind: "pasted", token });
        type("");
      }}
    >
      {facts === undefined ? null : (
        <p>
          {connection.state.value === "connected" ? "In use" : "Given"}: a token of{" "}
          {facts.user === "" ? "nobody in particular" : <b>{shortened(facts.user)}</b>}
          {facts.expiresAt === undefined
            ? ", without an end."
            : `, until ${new Date(facts.expiresAt).toLocaleString()}. Nobody renews it.`}
        </p>
      )}
      <Field
        label="Token"
        hint="A JSON Web Token for connections, as your service signs it for whoever has logged in. It is kept in this page alone."
        problem={problem}
        input={(attributes) => (
          <textarea
            {...attributes}
            ref={field}
            rows={3}
            value={typed}
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            onInput={({ currentTarget }) => {
              type(currentTarget.value);
              setProblem(undefined);
            }}
          />
        )}
      />
      <div class="row">
        <button type="submit" class="primary">
          Connect with this token
        </button>
      </div>
    </form>
  );
}
