#!/usr/bin/env python3
"""Sends files to tallyd: send.py SOCKET TOKEN-FILE FILE...   After a break run it again: it goes on where it stopped."""
import json, os, socket, struct, sys, uuid

CHUNK = 1024


def ask(stream, kind, **fields):
    """Sends one message in framing A and gives the RESPONSE to it."""
    fields = {name.replace('_', '-'): value for name, value in fields.items()}
    payload = json.dumps({'message-id': str(uuid.uuid4()), **fields}).encode()
    stream.write(struct.pack('>BIB', 2, len(payload), kind) + payload)
    stream.flush()
    header = stream.read(6)
    if len(header) < 6:
        sys.exit('the connection ended: run this again to go on')
    answer = json.loads(stream.read(struct.unpack('>BIB', header)[1]))
    if answer['response'] != 'Ok':
        sys.exit(f"{answer.get('code')}: {answer['reason']}")
    return answer


def main(path, token_file, *names):
    stats = [os.stat(name) for name in names]
    known_by = [(os.path.abspath(name), stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in zip(names, stats)]
    fid = uuid.uuid5(uuid.NAMESPACE_URL, repr(known_by))  # the same files are the same transfer, also in the next run
    files = [{'name': os.path.basename(name), 'size': stat.st_size} for name, stat in zip(names, stats)]
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    stream = connection.makefile('rwb')
    report, page = {}, {'more': None}  # for each file its state and its first gap
    while 'more' in page:  # what a page does not list is in the next one
        after = {'missing_after': page['more']} if report else {}
        page = ask(stream, 1, token=open(token_file).read().strip(), fid=str(fid), files=files, **after)
        for number, file in enumerate(page['files']):
            report[number] = file['state'], report.get(number, (0, 0))[1] or file['missing'][:1]
    for number, (name, stat) in enumerate(zip(names, stats)):
        state, missing = report[number]
        first = missing[0][0] if missing else (stat.st_size - 1) // CHUNK  # finishing: the last chunk's Ok waits for it
        with open(name, 'rb') as file:
            for chunk in range(first, -(-stat.st_size // CHUNK)) if state != 'stored' else ():
                file.seek(chunk * CHUNK)
                answer = ask(stream, 3, chunk=str(uuid.uuid5(fid, f'{number}/{chunk}')), data=list(file.read(CHUNK)))
        print(name, 'is stored' if state == 'stored' or 'stored' in answer else sys.exit(f'{name} is not stored'))


main(*sys.argv[1:])
