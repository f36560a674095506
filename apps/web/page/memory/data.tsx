import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { ConfirmButton } from "../ui/confirm.tsx";
import { Field } from "../ui/field.tsx";
import { counted, shortened } from "../ui/format.ts";
import { Notice } from "../ui/notice.tsx";
import { Panel } from "../ui/panel.tsx";
import type { Content } from "./api.ts";
import { type Entry, find } from "./entries.ts";
import type { Memory } from "./memory.ts";

/** What is searched for; it stays there while another view is looked at. */
const query = signal("");
/** A few need no search. */
const searchFrom = 8;
const pageSize = 50;
/** A longer value is folded. */
const foldFrom = 100;
/** Of a value that is unfolded. */
const maxShown = 50_000;

/** The keys and values. */
export function Data({
  memory,
  content,
  edit,
}: {
  readonly memory: Memory;
  readonly content: Content;
  readonly edit: (key: string, text?: string) => void;
}): JSX.Element {
  const { size } = content.entries;
  const searches = size > searchFrom || query.value !== "";
  const [limit, setLimit] = useState(pageSize);
  useEffect(() => {
    setLimit(pageSize);
  }, [query.value]);
  const { found, count } = find(content, searches ? query.value : "", limit);
  return (
    <Panel
      title="Data"
      actions={
        <>
          <span class="tag">{counted(size, "key")}</span>
          <span class="tag tag-accent">revision {content.rev}</span>
        </>
      }
    >
      <div class="stack">
        {searches ? <Search count={count} /> : null}
        {size === 0 ? (
          <Notice
            kind="empty"
            title="M is empty."
            action={
              <button
                type="button"
                onClick={() => {
                  edit("colour", '"green"');
                }}
              >
                Fill in an example
              </button>
            }
          >
            Set a key, and see it arrive at every replica.
          </Notice>
        ) : count === 0 ? (
          <Notice kind="empty" title="Nothing has that in it." />
        ) : (
          <table class="memory-table" tabIndex={-1} aria-label="Keys and values">
            <thead>
              <tr>
                <th scope="col">Key</th>
                <th scope="col">Value</th>
                <th scope="col">
                  <span class="visually-hidden">What to do with it</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {found.map((entry) => (
                <Row key={entry.key} memory={memory} entry={entry} edit={edit} />
              ))}
            </tbody>
          </table>
        )}
        {count > found.length ? (
          <p class="row">
            <span class="small quiet">
              {found.length} of {count} are shown.
            </span>
            <button
              type="button"
              onClick={() => {
                setLimit(limit + pageSize);
              }}
            >
              Show more
            </button>
          </p>
        ) : null}
      </div>
    </Panel>
  );
}

function Search({ count }: { readonly count: number }): JSX.Element {
  const wanted = query.value.trim();
  return (
    <>
      <Field
        label="Search keys and values"
        input={(attributes) => (
          <input
            {...attributes}
            type="search"
            autocomplete="off"
            value={query.value}
            onInput={({ currentTarget }) => {
              query.value = currentTarget.value;
            }}
          />
        )}
      />
      <p role="status" class="visually-hidden">
        {wanted === "" ? "" : `${counted(count, "key is", "keys are")} found.`}
      </p>
    </>
  );
}

function Row({
  memory,
  entry: { key, value },
  edit,
}: {
  readonly memory: Memory;
  readonly entry: Entry;
  readonly edit: (key: string) => void;
}): JSX.Element {
  const row = useRef<HTMLTableRowElement>(null);
  useLayoutEffect(() => {
    const element = row.current;
    return () => {
      // Who deletes a key by the keyboard goes on from the table, not from the top of the page.
      if (element?.contains(document.activeElement) !== true) return;
      const panel = element.closest("section");
      element.closest("table")?.focus();
      requestAnimationFrame(() => {
        // With the last key the table has gone, too.
        if (document.activeElement === document.body) panel?.querySelector("button")?.focus();
      });
    };
  }, []);
  return (
    <tr ref={row}>
      <th scope="row" class="mono">
        {key}
      </th>
      <td>{value.length > foldFrom ? <Folded value={value} /> : <code>{value}</code>}</td>
      <td>
        <div class="memory-actions">
          <button
            type="button"
            class="plain"
            aria-label={`Edit ${key}`}
            onClick={() => {
              edit(key);
            }}
          >
            Edit
          </button>
          <ConfirmButton
            label="Delete"
            name={`Delete ${key}`}
            question="Delete it for everybody?"
            confirm="Delete"
            onConfirm={() => {
              memory.updates.remove(key, value);
            }}
          />
        </div>
      </td>
    </tr>
  );
}

function Folded({ value }: { readonly value: string }): JSX.Element {
  const [open, setOpen] = useState(false);
  const id = useId();
  return (
    <>
      {open ? (
        <pre id={id} class="memory-value" tabIndex={0} role="region" aria-label="The whole value">
          {unfolded(value)}
        </pre>
      ) : (
        <code id={id}>{shortened(value, foldFrom)}</code>
      )}
      <button
        type="button"
        class="plain memory-unfold"
        aria-expanded={open}
        aria-controls={id}
        onClick={() => {
          setOpen(!open);
        }}
      >
        {open ? "Show less" : `Show all ${counted(value.length, "character")}`}
      </button>
    </>
  );
}

function unfolded(value: string): string {
  const text = value.length > maxShown ? value : JSON.stringify(JSON.parse(value), undefined, 2);
  return shortened(text, maxShown);
}
