import { Component, type ComponentChildren, type JSX } from "preact";
import { messageOf } from "./format.ts";
import { Notice } from "./notice.tsx";

/** Shows what happened where its content throws while it is drawn, and keeps that from the rest of the page. */
export class Boundary extends Component<
  { readonly children: ComponentChildren },
  { readonly error?: unknown; readonly failed: boolean }
> {
  override state: { readonly error?: unknown; readonly failed: boolean } = { failed: false };

  static override getDerivedStateFromError(error: unknown): {
    readonly error: unknown;
    readonly failed: true;
  } {
    return { error, failed: true };
  }

  override componentDidCatch(error: unknown): void {
    // For who looks there; the page itself shows it too.
    console.error(error);
  }

  override render(): JSX.Element | ComponentChildren {
    const { error, failed } = this.state;
    if (!failed) return this.props.children;
    return (
      <Notice
        kind="error"
        title="This view has failed. The others, and what they hold, are not touched."
        action={
          <button
            type="button"
            onClick={() => {
              this.setState({ error: undefined, failed: false });
            }}
          >
            Show it again
          </button>
        }
      >
        {messageOf(error)}
      </Notice>
    );
  }
}
