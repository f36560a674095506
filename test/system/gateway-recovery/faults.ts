/** What is done to gateways, to NATS and to what lies between. Each fault ends what it began. */
import { Random } from "../../support/random.ts";
import type { Step } from "./plan.ts";
import { rest, type World } from "./world.ts";

/** How long the load balancer sends new clients to a gateway that has been told to stop. */
const noticeMs = 150;

/** Carries out one step, from its time on. */
export async function perform(step: Step, world: World): Promise<void> {
  switch (step.fault) {
    case "nats-server killed":
      await world.nats.signal("SIGKILL");
      await rest(step.downMs);
      await world.nats.restart();
      return;
    case "a gateway killed":
      await world.end(step.gateway, "SIGKILL");
      await rest(step.downMs);
      await world.run(step.gateway);
      return;
    case "a gateway drained":
      setTimeout(() => {
        world.door.remove(step.gateway);
      }, noticeMs);
      await world.end(step.gateway, "SIGTERM");
      await rest(step.downMs);
      await world.run(step.gateway);
      return;
    case "a gateway paused":
      world.signal(step.gateway, "SIGSTOP");
      if (step.noticed) world.hide(step.gateway);
      await rest(step.forMs);
      world.signal(step.gateway, "SIGCONT");
      world.show(step.gateway);
      return;
    case "a gateway cut off from NATS":
      world.wires[step.gateway]?.close();
      await rest(step.forMs);
      world.wires[step.gateway]?.open();
      return;
    case "messages lost or repeated between NATS and a gateway": {
      const random = new Random(step.seed);
      const wire = world.wires[step.gateway];
      if (wire === undefined) return;
      wire.passage = ({ subject }) => {
        if (!subject.startsWith("r.") || !random.chance(step.share)) return "passes";
        return random.chance(0.7) ? "is lost" : "comes twice";
      };
      await rest(step.forMs);
      wire.passage = () => "passes";
      return;
    }
    case "connections cut": {
      const random = new Random(step.seed);
      for (let time = 0; time < step.times; time++) {
        world.door.cut(random, step.share);
        await rest(step.everyMs);
      }
      return;
    }
    case "connections hang": {
      const random = new Random(step.seed);
      const chosen = world.door.hang(random, step.share);
      await rest(step.forMs);
      if (step.thenCut) chosen.cut();
      else chosen.resume();
      return;
    }
  }
}
