/** Attaches to a thread of a server that listens, at any moment, and prints its picture whenever a turn has ended.
 *
 *      node watch-a-thread.ts ADDRESS THREAD [TOKEN] */
import { ThreadPicture, connectAppServer } from "@sallyport/client";

const [address, threadId, token] = process.argv.slice(2);
if (address === undefined || threadId === undefined) throw new Error("usage: watch-a-thread.ts ADDRESS THREAD [TOKEN]");

const options = {
  clientInfo: { name: "watch-a-thread", version: "1" },
  ...(token === undefined ? {} : { token }),
};

for (;;) {
  await using client = await connectAppServer(address, options);
  const { picture } = await ThreadPicture.follow(client, threadId, ({ thread }, { method }) => {
    if (method !== "turn/completed") return;
    for (const { id, status, items, hookRuns } of thread.turns) {
      console.log(`turn ${id}: ${status}, ${items.length} items, ${hookRuns.length} hook runs`);
    }
  });
  console.log(`following ${picture.thread.id}, ${picture.thread.turns.length} turns`);
  // A connection that was lost is made anew: the thread is stored, and the next picture has what happened meanwhile.
  console.log(await client.closed);
}
