/** What is typed at the terminal, and when: each step waits until its pattern was printed. Programs say something before they are
 *  typed to, because until then the terminal is still in the shell's modes. */

export interface Step {
  after: RegExp;
  type?: string;
  resize?: { rows: number; columns: number };
}

export const prompt = /\[\d+\]\$ $/;
const ctrlC = "\u0003";
const ctrlD = "\u0004";
const ctrlZ = "\u001A";
const ctrlBackslash = "\u001C";

/** In an interactive shell; every program of its own is under test. */
export const inTheShell: readonly Step[] = [
  { after: prompt, type: "echo hello | cat\r" },
  { after: prompt, type: "cat ready -\r" },
  { after: /ready\r\n/, type: "line\r" },
  { after: /line\r\nline\r\n/, type: ctrlD },
  { after: prompt, type: "cat ready -\r" },
  { after: /ready\r\n/, type: ctrlC },
  { after: prompt, type: "cat ready -\r" },
  { after: /ready\r\n/, type: ctrlBackslash },
  // Every signal that keys and windows send, at a program that answers them; then stop, background, foreground.
  { after: prompt, type: "show-signals\r" },
  { after: /ready\r\n/, type: ctrlC },
  { after: /got INT\r\n/, type: ctrlBackslash },
  { after: /got QUIT\r\n/, resize: { rows: 30, columns: 90 } },
  { after: /got WINCH 30 90\r\n/, type: ctrlZ },
  { after: prompt, type: "jobs\r" },
  { after: prompt, type: "fg\r" },
  { after: /show-signals\r\n/, type: "again\r" },
  { after: /read again\r\n/, type: ctrlZ },
  { after: prompt, type: "bg\r" },
  { after: prompt, type: "fg\r" },
  { after: /show-signals\r\n/, type: "more\r" },
  { after: /read more\r\n/, type: ctrlD },
  { after: prompt, type: "stty size; stty -a < /dev/tty | head -1\r" },
  // A pipeline is one job.
  { after: prompt, type: "cat ready - | cat\r" },
  { after: /ready\r\n/, type: "x\r" },
  { after: /x\r\nx\r\n/, type: ctrlZ },
  { after: prompt, type: "fg\r" },
  { after: /cat\r\n/, type: "y\r" },
  { after: /y\r\ny\r\n/, type: ctrlC },
  // Reading in the background stops.
  { after: prompt, type: "cat & wait %1\r" },
  { after: prompt, type: "jobs\r" },
  { after: prompt, type: "fg\r" },
  { after: /cat\r\n/, type: "line\r" },
  { after: /line\r\nline\r\n/, type: ctrlD },
  { after: prompt, type: "cat > /dev/tty <<< spoken; tty\r" },
  { after: prompt, type: "echo ready; read word; echo got $word\r" },
  { after: /ready\r\n/, type: "abc\r" },
  { after: /got abc\r\n/ },
  // Modes that a program sets stay, as they do without us.
  { after: prompt, type: "stty -echo; echo hidden\r" },
  { after: prompt, type: "stty echo; cat ready -\r" },
  { after: /ready\r\n/, type: ctrlD },
  { after: prompt, type: "show-signals\r" },
  { after: /ready\r\n/, type: ctrlZ },
  { after: prompt, type: "kill -USR1 %1; fg\r" },
  { after: /got USR1\r\n/, type: ctrlD },
  { after: prompt, type: "exit 3\r" },
];

/** In the caller's shell, where `run` is `sallyport run`, or nothing. */
export const aroundSallyport: readonly Step[] = [
  { after: prompt, type: "run show-signals\r" },
  { after: /ready\r\n/, resize: { rows: 31, columns: 91 } },
  { after: /got WINCH 31 91\r\n/, type: ctrlZ },
  { after: prompt, type: "jobs\r" },
  { after: prompt, type: "fg\r" },
  { after: /run show-signals\r\n/, type: "p\r" },
  { after: /read p\r\n/, type: ctrlZ },
  { after: prompt, type: "fg\r" },
  { after: /run show-signals\r\n/, type: "q\r" },
  { after: /read q\r\n/, type: ctrlD },
  { after: prompt, type: "run cat ready -\r" },
  { after: /ready\r\n/, type: "o\r" },
  { after: /o\r\no\r\n/, type: ctrlZ },
  { after: prompt, type: "fg\r" },
  { after: /ready -\r\n/, type: "o\r" },
  { after: /o\r\no\r\n/, type: ctrlC },
  { after: prompt, type: "for i in 1 2; do run cat ready -; done\r" },
  { after: /ready\r\n/, type: ctrlC },
  // Two of them in one pipeline; the second one reads the terminal.
  { after: prompt, type: "echo a | run cat | run cat - ready /dev/tty | cat\r" },
  { after: /ready\r\n/, type: "b\r" },
  { after: /b\r\nb\r\n/, type: ctrlD },
  // Started in the background, it stops when it reads, and reads when it is brought to the foreground.
  { after: prompt, type: "run cat & wait %1\r" },
  { after: prompt, type: "fg\r" },
  { after: /run cat\r\n/, type: "z\r" },
  { after: /z\r\nz\r\n/, type: ctrlD },
  // Sent to the background, its end must not take the terminal away from the shell.
  { after: prompt, type: "run sh -c 'echo ready; read x; echo on; read y < fifo'\r" },
  { after: /ready\r\n/, type: "\r" },
  { after: /on\r\n/, type: ctrlZ },
  { after: prompt, type: "bg\r" },
  { after: prompt, type: "echo > fifo; wait\r" },
  { after: prompt, type: "cat ready -\r" },
  { after: /ready\r\n/, type: ctrlD },
];
