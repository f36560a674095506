/** `npm run provision`: what tests and `npm start` need beside npm packages, made once. */
import { provideNatsServer, thisMachine } from "./nats-server.ts";

try {
  await provideNatsServer(thisMachine(console.log));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
