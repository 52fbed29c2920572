"""Starts programs in the ways that Python has."""
import os
import subprocess
import sys
import threading

TOOLS = os.environ["T"]


def show(*what):
    print(*what, flush=True)


show(subprocess.run(["sh", "-c", "cat; echo err >&2; exit 3"], input=b"in", capture_output=True))
show(subprocess.run(["sh", "-c", "kill -9 $$"]).returncode)
show(subprocess.run([TOOLS + "/show", "fds"], close_fds=True, env={}, capture_output=True))
show(subprocess.run([TOOLS + "/crash"]).returncode)
try:
    subprocess.run(["/nosuch"])
except OSError as error:
    show(error)
read_end, write_end = os.pipe()
child = subprocess.Popen([TOOLS + "/show", "fds"], pass_fds=[write_end], stdout=subprocess.PIPE)
show(child.communicate()[0].split()[:3], child.returncode)
os.close(read_end)
os.close(write_end)
pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 5"], os.environ, setsigmask=[10])
show(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
show(subprocess.run("exit 6", shell=True, start_new_session=True, preexec_fn=lambda: os.umask(0o27)).returncode)
sys.stdout.flush()
threading.Thread(target=lambda: os.execve("/bin/sh", ["sh", "-c", "echo out of a thread; exit 7"], os.environ)).start()
threading.Event().wait()
