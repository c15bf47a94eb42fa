// A network between a client and the desk that can be lost without a word, cut, and refuse whoever comes.

import { connect, createServer } from "node:net";

/** `lose()`: what is connected hears nothing more, not even that; `cut()`: it's told so; `refuses`: nobody comes through. */
export async function networkTo(desk) {
  const there = new Set();
  const lost = new Set();
  const network = {
    refuses: false,
    lose: () => there.forEach((each) => lost.add(each)),
    cut: () => there.forEach((each) => each.destroy()),
  };
  const server = createServer((near) => {
    if (network.refuses) return near.destroy();
    const far = connect(Number(new URL(desk).port), "127.0.0.1");
    there.add(near);
    for (const [from, to] of [[near, far], [far, near]]) {
      from.on("data", (data) => lost.has(near) || to.write(data));
      from.on("error", () => {});
      from.on("close", () => lost.has(near) || to.destroy());
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(network, { at: `127.0.0.1:${server.address().port}` });
}
