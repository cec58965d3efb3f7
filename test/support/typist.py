"""Types into a shell on a terminal of its own: typist.py PROMPT TEXT SECONDS COMMAND...

TEXT is typed once the output has PROMPT in it. What the shell shows goes to standard output. A shell that has not ended after so many
seconds is killed.
"""
import fcntl
import os
import pty
import signal
import struct
import sys
import termios

prompt, text, seconds, command = sys.argv[1].encode(), sys.argv[2].encode(), int(sys.argv[3]), sys.argv[4:]
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    os.execvp(command[0], command)
signal.signal(signal.SIGALRM, lambda *_: os.kill(pid, signal.SIGKILL))
signal.alarm(seconds)
seen = b""
typed = False
while True:
    try:
        data = os.read(terminal, 65536)
    except OSError:  # EIO: the shell has gone
        break
    if not data:
        break
    seen += data
    os.write(1, data)
    if not typed and prompt in seen:
        typed = True
        os.write(terminal, text)
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) & 255)
