"""What the files of cases call by name, so that each case shows only what is odd about it."""

import gzip

BODY = '{"model":"auto","messages":[],"user":"case"}'
SMUGGLED_BODY = BODY.replace("case", "smuggled")
LINE = "POST /v1/chat/completions HTTP/1.1\r\n"
HOST = "host: router\r\n"
SMUGGLED = f"{LINE}{HOST}content-length: {len(SMUGGLED_BODY)}\r\n\r\n{SMUGGLED_BODY}"
# 10 MB of zeros in 10 KB.
BOMB = gzip.compress(bytes(10_000_000), mtime=0)
# An answer of so many bytes is more than the sockets between engine and client hold.
LARGE = 30_000_000
LARGE_BODY = f'{{"model":"auto","messages":[],"user":"case","max_tokens":{LARGE}}}'

REQUESTS = {
    "LINE": LINE,
    "HOST": HOST,
    "POST": LINE + HOST,
    "BODY": BODY,
    "LENGTH": str(len(BODY)),
    "SIZED": f"content-length: {len(BODY)}\r\n",
    "CHUNKED": "transfer-encoding: chunked\r\n",
    "SIZE": f"{len(BODY):x}",
    "CHUNKS": f"{len(BODY):x}\r\n{BODY}\r\n0\r\n\r\n",
    "BOMB": BOMB.decode("latin-1"),
    "BOMB_LENGTH": str(len(BOMB)),
    "LARGE": f"{LINE}{HOST}content-length: {len(LARGE_BODY)}\r\n\r\n{LARGE_BODY}",
    "SMUGGLED": SMUGGLED,
    "SMUGGLED_SIZE": f"{len(SMUGGLED):x}",
    "SMUGGLED_LENGTH": str(len(SMUGGLED)),
}
