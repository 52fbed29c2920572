/** run-as-user.ts: fires Stop once, as whoever runs this, and prints what came of it. */
import { handlerOf, shellAction } from "./handlers.ts";
import { makeMark, processesWith } from "./processes.ts";
import { inputs, openSession } from "./session.ts";

const mark = makeMark();
const hook = handlerOf(
  shellAction('setsid sleep 92 & until [ "$(cat /proc/$!/comm)" = sleep ]; do :; done; id -u >&2; exit 2'),
);
const { session, observer } = openSession([hook], { env: { PATH: "/usr/bin:/bin", [mark.name]: mark.value } });
const { runs } = await session.fire("Stop", inputs.Stop, { observer });
const { status, entries } = runs[0] ?? {};
console.log(JSON.stringify({ uid: process.getuid?.(), status, entries, processes: processesWith(mark) }));
