/** `fetch` for servers on http. The attack: a server answers without end, and its answer is collected in our memory before anybody looks
 *  at it. A stream of events may go on for ever, so there it is each event that is bounded. */
const longestBytes = 16 * 1024 * 1024;
const lineEnd = 0x0a;
const carriageReturn = 0x0d;

export async function boundedFetch(url: string | URL, init?: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  if (response.body === null) return response;
  const isStream = response.headers.get("content-type")?.includes("text/event-stream") === true;
  const { status, statusText, headers } = response;
  const body = response.body.pipeThrough(isStream ? boundEvents() : boundAll());
  const bounded = new Response(body, { status, statusText, headers });
  // What it was redirected to and how is asked of the response itself.
  Object.defineProperties(bounded, { url: { value: response.url }, redirected: { value: response.redirected } });
  return bounded;
}

function boundAll(): TransformStream<Uint8Array, Uint8Array> {
  let count = 0;
  return new TransformStream({
    transform: (chunk, controller) => {
      count += chunk.length;
      if (count > longestBytes) controller.error(new Error(`the answer has more than ${longestBytes} bytes`));
      else controller.enqueue(chunk);
    },
  });
}

function boundEvents(): TransformStream<Uint8Array, Uint8Array> {
  let count = 0;
  let lineIsEmpty = true;
  return new TransformStream({
    transform: (chunk, controller) => {
      for (const byte of chunk) {
        if (byte === lineEnd) {
          if (lineIsEmpty) count = 0; // an empty line ends an event
          lineIsEmpty = true;
        } else if (byte !== carriageReturn) {
          lineIsEmpty = false;
        }
        count += 1;
      }
      if (count > longestBytes) controller.error(new Error(`an event has more than ${longestBytes} bytes`));
      else controller.enqueue(chunk);
    },
  });
}
