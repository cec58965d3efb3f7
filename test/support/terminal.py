"""Runs a command on a terminal of its own, and writes what the terminal shows to standard output: terminal.py COLUMNS KEY-AFTER COMMAND...

Once the output matches the pattern KEY-AFTER (empty: never), ^C is pressed. The exit code is the command's.
"""
import fcntl
import os
import pty
import re
import struct
import sys
import termios

columns, key_after, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
pid, terminal = pty.fork()
if pid == 0:
    # The size first: the command may look at once.
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    os.execvp(command[0], command)
seen = b""
pressed = key_after == ""
while True:
    try:
        data = os.read(terminal, 65536)
    except OSError:  # EIO: nobody has the terminal open any more
        break
    if not data:
        break
    seen += data
    os.write(1, data)
    if not pressed and re.search(key_after.encode(), seen):
        pressed = True
        os.write(terminal, b"\x03")
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) & 255)
