/** Runs one turn and prints what happens, hooks too.
 *
 *      node run-a-turn.ts "the prompt" [MODEL] */
import { ThreadPicture, spawnAppServer } from "@sallyport/client";

const [prompt = "say hello", model] = process.argv.slice(2);

await using client = await spawnAppServer({ clientInfo: { name: "run-a-turn", version: "1" } });

client.on("hook/completed", ({ run }) => {
  const said = run.entries.map(({ kind, text }) => `${kind}: ${text}`);
  console.log([`hook ${run.eventName}: ${run.status}`, ...said].join(", "));
});
client.on("item/completed", ({ item }) => {
  if (item.type === "commandExecution") console.log(`$ ${item.command}: ${item.status}, exit ${item.exitCode}`);
  if (item.type === "agentMessage") console.log(`agent: ${item.text}`);
});

const { thread } = await client.request("thread/start", model === undefined ? {} : { model });
const { picture } = await ThreadPicture.follow(client, thread.id);
const completed = Promise.withResolvers<void>();
client.on("turn/completed", () => completed.resolve());
await client.request("turn/start", { threadId: thread.id, input: [{ type: "text", text: prompt }] });
await completed.promise;

const turn = picture.thread.turns.at(-1);
console.log(`turn ${turn?.status}, ${turn?.items.length} items, ${turn?.hookRuns.length} hook runs`);
