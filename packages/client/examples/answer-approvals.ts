/** Says yes to what one program may do, and no to everything else that is asked on a thread of a server that listens.
 *
 *      node answer-approvals.ts ADDRESS THREAD PROGRAM [TOKEN]
 *
 *  PROGRAM is a file's absolute path: what a program is called may be anything. */
import { ThreadPicture, connectAppServer } from "@sallyport/client";

const [address, threadId, program, token] = process.argv.slice(2);
if (address === undefined || threadId === undefined || program === undefined) {
  throw new Error("usage: answer-approvals.ts ADDRESS THREAD PROGRAM [TOKEN]");
}

await using client = await connectAppServer(address, {
  clientInfo: { name: "answer-approvals", version: "1" },
  ...(token === undefined ? {} : { token }),
});

client.handle("item/commandExecution/requestApproval", ({ command, reason }) => {
  const decision = command?.split(" ")[0] === program ? "accept" : "decline";
  console.log(`${decision} ${command}: ${reason}`);
  return Promise.resolve({ decision });
});

const completed = Promise.withResolvers<void>();
client.on("turn/completed", () => completed.resolve());
// Whoever follows a thread is asked what waits on it, also what was asked before.
await ThreadPicture.follow(client, threadId);
console.log(`following ${threadId}`);
await completed.promise;
