/**
 * `node local/tools/side-by-side.ts lint types,format:check`: runs npm scripts at the same time, those
 * with commas between them one after the other. What one prints comes whole, when it has ended.
 */
import { spawn } from "node:child_process";
import { buffer } from "node:stream/consumers";

/** @returns whether all of them went well; the first that does not ends its row */
async function row(scripts: readonly string[]): Promise<boolean> {
  for (const script of scripts) {
    // By a shell, for npm is a script on Windows; the names are those of package.json.
    const command = `npm run --silent ${script}`;
    const child = spawn(command, { stdio: ["ignore", "pipe", "inherit"], shell: true });
    const ended = new Promise<number | null>((resolve, reject) => {
      child.once("error", reject).once("close", resolve);
    });
    const [code, output] = await Promise.all([ended, buffer(child.stdout)]);
    process.stdout.write(output);
    console.log(code === 0 ? `${script}: well` : `${script}: failed`);
    if (code !== 0) return false;
  }
  return true;
}

const rows = process.argv.slice(2).map((argument) => argument.split(","));
const results = await Promise.all(rows.map(row));
if (results.includes(false)) process.exitCode = 1;
