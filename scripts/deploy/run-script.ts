import { Interrupts } from "./interrupts.ts";
import { Refusal } from "./refusal.ts";

/**
 * Runs a script to its end, with the exit code that belongs to it: that of a refusal, or of the signal that
 * interrupted it. Anything else that it throws is a mistake of ours, and shows where it is.
 *
 * @param whenInterrupted what to tell the user then
 */
export async function runScript(
  main: (argv: readonly string[], interrupts: Interrupts) => Promise<void>,
  whenInterrupted: string,
): Promise<void> {
  using interrupts = new Interrupts((text) => {
    console.error(text);
  });
  try {
    await main(process.argv.slice(2), interrupts);
  } catch (error) {
    if (interrupts.exitCode !== undefined) {
      console.error(whenInterrupted);
    } else if (error instanceof Refusal) {
      console.error(error.message);
      process.exitCode = error.exitCode;
    } else {
      throw error;
    }
  }
  // Also of a Pulumi that came to a good end after it was asked to stop.
  process.exitCode = interrupts.exitCode ?? process.exitCode;
}
