/** Python programs for outside, and one for inside that signals a stand-in. Of signals that wait together the
 *  lowest number is passed on first, so SIGIO comes when a SIGCONT before it has come or has been kept back. */

/** Says which signals arrive, and never ends. */
export const tellsSignals = `import os, signal
awaited = [signal.SIGUSR1, signal.SIGTERM, signal.SIGCONT]
signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
print("ready", flush=True)
while True: os.write(1, b"got %d\\n" % signal.sigwait(awaited))`;

/** Holds a SIGTSTP back, its own and then one that was passed on, and says whether a SIGCONT has undone it. */
export const pendingStop = `import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTSTP, signal.SIGIO])
def tell(what):
    print("ready", flush=True)
    signal.sigwait([signal.SIGIO])
    print(what, "kept" if signal.SIGTSTP in signal.sigpending() else "undone", flush=True)
os.kill(os.getpid(), signal.SIGTSTP)
tell("own stop:")
signal.sigwait([signal.SIGTSTP])
print("none", flush=True)
while signal.SIGTSTP not in signal.sigpending(): pass
tell("passed stop:")`;

/** Takes `pendingStop` and the words in front of it, starts that, and sends what it waits for. */
export const continuesLate = `import os, signal, subprocess, sys
p = subprocess.Popen(sys.argv[2:] + [sys.argv[1]], stdout=subprocess.PIPE, text=True, close_fds=False)
p.stdout.readline()
for n in [signal.SIGCONT, signal.SIGIO]: os.kill(p.pid, n)
print(p.stdout.readline(), end="")
p.stdout.readline()
os.kill(p.pid, signal.SIGTSTP)
p.stdout.readline()
for n in [signal.SIGCONT, signal.SIGIO]: os.kill(p.pid, n)
print(p.stdout.readline(), end="")
p.wait()`;
